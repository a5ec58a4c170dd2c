"""The rules of access. ``jwt``, ``keys``, ``plain_secret``, ``resume`` and ``start_secret`` decide about joins.
``origins``, ``client_ip`` and ``connection_limit`` decide about connections, ``operator`` and ``credentials`` about the
operator's pages. ``rate_limit`` bounds how often something happens.
"""
