"""One node as a whole. ``node`` is its runtime: the settings, rooms, connections and stats of one app. ``handler``
serves one connection. ``info`` is the state for other nodes, and ``cluster`` surveys them. ``figures`` declares each
figure once. ``collector`` makes metrics of them, ``snapshot`` has their values at one moment, and ``history`` has
samples of the last minutes.
"""
