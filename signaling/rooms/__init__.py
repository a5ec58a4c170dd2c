"""Who meets whom. ``registry`` is the interface of the rooms, ``memory`` has those of one process, ``redis/`` those
that several share. A ``session`` is the conversation of one connection; ``context`` is what all sessions share;
``ice`` and ``webhook`` are what a join may ask for and set off.
"""
