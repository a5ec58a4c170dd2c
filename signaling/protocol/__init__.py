"""The messages on the wire. Pure: no socket, no state.

``codes`` has the close codes and error codes, ``errors`` the errors that a client gets. ``messages`` parses the
messages of clients, ``replies`` builds those of the server.
"""
