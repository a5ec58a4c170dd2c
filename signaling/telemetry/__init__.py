"""What is counted and remembered, without a socket. ``stats`` has the counters of a node, ``calls`` and ``call`` what
happened in each call, ``call_record`` and ``diagnosis`` what is told of one, ``histogram`` how long things took,
``families`` the metrics of several nodes as one.
"""
