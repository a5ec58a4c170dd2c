"""A user without a browser, on aiortc: ``python -m signaling.client wss://example.org:8443/ alice bob``.

It sends a moving test picture, counts the pictures that come, and sends back what comes on the data channel. With
``--check`` it is what proves a deployment: a call that really connects, through TURN if one likes. It needs what is in
``requirements-client.txt`` and nothing of the service; :mod:`signaling.check` is for where only ``websockets`` is, and
proves the signaling alone.
"""
