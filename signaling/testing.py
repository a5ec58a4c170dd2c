"""Tests of an app with the extension, without a socket and without a server."""

from __future__ import annotations

import itertools
import json
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from .beside.service import BesideService
from .node.handler import Handler
from .rooms.session import Session
from .transport.route import ACCEPTED

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from .node.node import Node

_HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}

_numbers = itertools.count(1)


class SignalingClient(AbstractContextManager["SignalingClient"]):
    """A client of an app's signaling. Use it as a context manager, so that it leaves its room at the end.

    Its handshake is a request to the app like any other: ``before_request``, the session and the teardown run, and
    so do the user loader and the authorizer. With Redis, a reply from another node arrives when the test lets gevent
    run.

    Attributes:
        replies: the messages from the server that the test has not taken, oldest first.
        close_code: the code with which the server closed the connection, or None.
    """

    def __init__(
        self, app: Flask, browser: FlaskClient | None = None, *, name: str = "signaling", **options: Any
    ) -> None:
        """Connect to ``app``.

        Args:
            app: the app.
            browser: the Flask test client whose cookies the handshake sends and gets.
            name: the name of the instance, if the app has several.
            options: those of the test client's ``get``, such as ``base_url``, or ``headers`` with an origin.

        Raises:
            ConnectionRefusedError: the app refuses the WebSocket. The error has the HTTP status and the reason.
        """
        node: Node = app.extensions["signaling" if name == "signaling" else f"signaling.{name}"]
        if isinstance(node, BesideService):
            raise RuntimeError("This app runs beside the service: leave SIGNALING_SERVICE_URL empty in its tests")
        self._node = node
        self.replies: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._sending = False
        handler = _handshake(app, name, browser or app.test_client(), options)
        with node.lock:
            self._session = Session(node.context, self, handler.identity)

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
            with self._node.lock:
                if not self._session.forward(text):
                    self._session.receive(text)
        finally:
            self._sending = False
        if self.close_code is not None:
            self._disconnect(self.close_code)
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
            self._disconnect(code)
            self._node.events.deliver_all()

    def _disconnect(self, code: int) -> None:
        with self._node.lock:
            self._session.on_disconnect(code)

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
                self._disconnect(self.close_code)
                self._node.events.deliver_all()


def _handshake(app: Flask, name: str, browser: FlaskClient, options: dict[str, Any]) -> Handler:
    """Return the handler that the instance ``name`` gives to a handshake of ``browser``.

    Raises:
        ConnectionRefusedError: the app refuses the WebSocket.
    """
    path = next(rule.rule for rule in app.url_map.iter_rules(f"{name}.websocket_alias"))
    accepted: list[Handler] = []
    # Each client has an address of its own, so that many of them stay below the limits of one address.
    number = next(_numbers) % 0xFFFFFE
    address = ".".join(map(str, (127, *number.to_bytes(3, "big"))))
    overrides = {"REMOTE_ADDR": address, **options.pop("environ_overrides", {}), ACCEPTED: accepted.append}
    headers = {**_HANDSHAKE, **dict(options.pop("headers", {}))}
    response = browser.get(path, headers=headers, environ_overrides=overrides, **options)
    if response.status_code != 101:
        raise ConnectionRefusedError(response.status_code, _reason(response))
    return accepted[0]


def _reason(response: TestResponse) -> str:
    if response.location:
        return f"{response.status}: {response.location}"
    return response.text.strip() if response.mimetype == "text/plain" else response.status
