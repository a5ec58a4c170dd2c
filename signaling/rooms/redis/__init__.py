"""The rooms that several nodes share, in Redis.

``registry`` and ``room`` are the rooms as one node knows them. ``client`` and ``connection`` are its connections to
Redis, which ``connector`` opens. ``bus`` carries data between nodes, ``evictions`` evicts dead ones. ``scripts`` and
``lua/`` are the steps that Redis does at once.
"""
