"""gunicorn with our additions: the worker class (``worker``), the checks before the start (``preflight``), and the
address to listen on (``bind_address``).
"""
