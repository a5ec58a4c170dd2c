"""The settings of the server.

``settings`` has all of them, ``types`` and ``values`` describe their values, and ``env`` reads them. ``redis_url``
parses the URL of Redis. ``logging`` formats log lines, and ``timestamp`` their times.
"""
