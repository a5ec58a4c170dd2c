"""WebSockets on gevent sockets, and on threads under Flask's development server.

- Before a WebSocket is open: ``listener``, ``pending``, ``pending_connections``, ``client_socket``, ``loop_share``,
  ``tls``, ``handshake`` and ``route``.
- One open WebSocket: ``connection``, with its base ``websocket``. Its ``receiver``, ``frames`` and ``fragments`` read.
  Its ``writer`` and ``send_buffer`` write. ``socket_io`` has the system calls of both. ``closing_handshake`` ends it.
- All connections of a worker: ``connections`` counts, pings and drains them. ``tick`` orders their reads and writes in
  each tick of the event loop. ``work_queue`` runs everything that may wait, in the greenlets of a
  ``greenlet_pool``. ``open_sockets`` closes the sockets at the end. ``malloc`` returns the memory they leave.
- Under Flask's development server: ``dev_server`` and ``threaded``.
"""
