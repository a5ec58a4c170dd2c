"""Rooms and their members.

``registry`` is the interface of the rooms. ``memory`` has the rooms of one process, ``redis/`` those that several nodes
share. A ``session`` is the conversation of one connection, and ``context`` is what all sessions share. ``ice`` makes
the ICE servers that a join may ask for. ``webhook`` announces users who wait.
"""
