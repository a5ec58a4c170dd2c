"""HTTP besides the WebSocket. ``pages`` has the call page, health, ICE servers and rejections. ``metrics`` is for
Prometheus, ``ops`` is the operator's page, ``guard`` protects both, and ``headers`` are those of every response.
``handshake_middleware`` answers an ordinary handshake without Flask.
``static/`` has the files: ``client/`` for any page, ``page/`` for the call page, ``ops/`` for the operator, and
``common/`` for both.
"""
