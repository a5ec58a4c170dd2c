"""Tools for every part of a process.

``supervisor`` keeps loops running after errors, and ``backoff`` has the delays between retries. ``reloader`` reloads
files when they change. ``output`` and ``descriptor`` write without waiting. ``log_handler`` and
``deferred_logger`` write log lines there. ``occasional_log`` logs a warning at most once a minute.
``threads`` has threads in place of greenlets, for Flask's development server.
"""
