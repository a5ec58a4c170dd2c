"""WebSockets on gevent sockets. Before one is open: ``listener``, ``pending``, ``client_socket``, ``loop_share``,
``tls``, ``handshake`` and ``route``. Then ``connection`` is one WebSocket: ``receiver``, ``frames`` and ``fragments``
read, ``sender`` writes, ``tick`` orders both in each turn of the event loop. ``connections`` has all of a worker,
``malloc`` returns what they leave.
"""
