"""The counts and records of a node, without a socket. ``stats`` has the counters of a node. ``call_log``, ``call`` and
``message_kind`` record what happens in each call. ``call_record`` and ``diagnosis`` describe one call. ``histogram``
counts durations, ``figure`` is one declared figure, and ``families`` are the metrics of several nodes on one page.
"""
