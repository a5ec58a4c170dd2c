"""A user without a browser, on aiortc: ``python -m signaling.client wss://example.org:8443/ alice bob``.

It sends a moving test picture, counts the pictures it gets, and echoes the messages of the data channel. With
``--check`` it tests a deployment with a real call, through TURN if you like. It needs ``requirements-client.txt`` and
nothing of the server. :mod:`signaling.check` needs only ``websockets``, and checks only the signaling.
"""
