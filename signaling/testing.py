"""Tests of an app with the extension, without a socket and without a server."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any

from flask import Flask, session
from flask.testing import FlaskClient

from .node.node import Node
from .rooms.session import Session


class SignalingClient(AbstractContextManager["SignalingClient"]):
    """A client of an app's signaling. Use it as a context manager, so that it leaves its room at the end.

    The user loader and the authorizer of the app run as they do for a browser. With Redis, a reply from another
    node arrives when the test lets gevent run.

    Attributes:
        replies: the messages from the server that the test has not taken, oldest first.
        close_code: the code with which the server closed the connection, or None.
    """

    def __init__(self, app: Flask, client: FlaskClient | None = None, *, name: str = "signaling") -> None:
        """Connect to ``app``, with the session of a Flask test client if one is given.

        Args:
            app: the app.
            client: a test client, whose session the connection has.
            name: the name of the instance, if the app has several.

        Raises:
            ConnectionRefusedError: the server refuses the WebSocket. The error has the HTTP status and the reason.
        """
        node: Node = app.extensions["signaling" if name == "signaling" else f"signaling.{name}"]
        self._node = node
        self.replies: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._sending = False
        values: dict[str, Any] = {}
        if client is not None:
            with client.session_transaction() as stored:
                values = dict(stored)
        with app.test_request_context():
            if values:
                session.update(values)
            rejection = node.rejection("")
            if rejection is not None:
                raise ConnectionRefusedError(rejection.status, rejection.words)
            self._session = Session(node.context, self, node.identify())

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def send(self, **message: Any) -> None:
        """Send a message, such as ``type="message", data={…}``.

        Raises:
            ConnectionResetError: the server has closed the connection.
        """
        if self.close_code is not None:
            raise ConnectionResetError(f"The server has closed the connection with {self.close_code}")
        text = json.dumps(message)
        self._sending = True
        try:
            if not self._session.forward(text):
                self._session.receive(text)
        finally:
            self._sending = False
        if self.close_code is not None:
            self._session.on_disconnect(self.close_code)
        self._node.events.deliver_all()

    def join(self, peer: str | int, user: str | int | None = None, **fields: Any) -> dict[str, Any]:
        """Join the room with ``peer`` and return the first reply: ``created``, ``joined`` or ``error``.

        Without ``user``, the user loader of the app names the user.
        """
        own = {} if user is None else {"userId": user}
        count = len(self.replies)
        self.send(type="join", remoteId=peer, **own, **fields)
        return self.replies.pop(count)

    def receive(self, kind: str) -> dict[str, Any]:
        """Take the first reply of the type ``kind``, and all before it.

        Raises:
            LookupError: there is none.
        """
        for at, reply in enumerate(self.replies):
            if reply["type"] == kind:
                del self.replies[: at + 1]
                return reply
        raise LookupError(f"no {kind!r} among {[reply['type'] for reply in self.replies]}")

    def disconnect(self, code: int = 1000) -> None:
        """End the connection, as a browser does with the close code ``code``; 1006 is a lost connection."""
        if self.close_code is None:
            self.close_code = code
            self._session.on_disconnect(code)
            self._node.events.deliver_all()

    # The transport of the session.

    @property
    def is_open(self) -> bool:
        """Return whether neither side has closed."""
        return self.close_code is None

    def send_text(self, payload: bytes, *more: bytes) -> None:
        """Keep replies."""
        self.replies += map(json.loads, (payload, *more))

    def close(self, code: int, reason: str = "") -> None:  # noqa: ARG002 - the session gives both
        """Note that the server closes."""
        if self.close_code is None:
            self.close_code = int(code)
            if not self._sending:
                # Another client or the app ended it.
                self._session.on_disconnect(self.close_code)
                self._node.events.deliver_all()
