"""Who may. ``jwt``, ``keys``, ``plain_secret``, ``resume`` and ``start_secret`` for a join; ``origins``,
``client_ip`` and ``connection_limit`` for a connection; ``operator`` and ``credentials`` for the operator's pages;
``rate_limit`` for how often.
"""
