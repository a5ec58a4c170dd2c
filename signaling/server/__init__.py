"""gunicorn with our additions.

``worker`` is the worker class, and ``handshake_request`` its fast path for an ordinary handshake. ``preflight`` checks
the settings before the start, ``bind_address`` the address to listen on. ``boot`` ends the start at an app's wrong
setting.
"""
