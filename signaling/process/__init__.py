"""Tools for every part of a process.

``supervisor`` keeps loops running after errors, and ``backoff`` has the delays between retries. ``reloader`` reloads
files when they change. ``output`` writes without waiting. ``occasional_log`` logs a warning at most once a minute.
``threads`` has threads in place of greenlets, for Flask's development server.
"""
