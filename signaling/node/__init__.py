"""One worker as a whole. ``node`` is its runtime: settings, rooms, connections and figures of one app. ``info`` is
what a node tells the others of itself, ``cluster`` asks them, ``snapshot`` and ``history`` are the figures of the
moment and of the last minutes.
"""
