"""What can be set. ``settings`` has all of it, ``types`` and ``values`` the forms of values, ``env`` how they are
read, ``redis_url`` what a URL says, ``logging`` how log lines look.
"""
