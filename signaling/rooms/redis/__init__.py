"""The rooms that several workers share. ``registry`` and ``room`` are the rooms as one worker knows them, ``redis``
and ``connection`` its connections to Redis, ``bus`` what workers publish to each other, ``servers`` how a server is
found, ``scripts`` and ``lua/`` what Redis does in one step.
"""
