"""gunicorn with our additions: its ``worker`` class, the checks before the start (``preflight``), and where it
listens (``bind_address``).
"""
