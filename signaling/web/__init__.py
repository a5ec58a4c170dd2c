"""HTTP beside the WebSocket: the call page, health, ICE servers and rejections (``pages``), Prometheus's metrics
(``metrics``), the operator's page (``ops``), and the headers of every response (``headers``). ``static/`` has the
files: ``client/`` for any page, ``page/`` for the call page, ``ops/`` for the operator.
"""
