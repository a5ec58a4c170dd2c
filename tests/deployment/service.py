"""The deployed service, as its users on the other side of the network see it."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import ssl
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from http.client import HTTPSConnection
from typing import Any

import jwt
from cryptography import x509
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.waiting import TIMEOUT

TURN_PORT = 3478
TURN_TLS_PORT = 5349


class Service:
    """Where it is, which authority its users trust, and what signs their tokens, where it asks for them."""

    def __init__(self, domain: str, address: str, port: int, root: str, key: str = "") -> None:
        self.url = f"wss://{domain}:{port}/"
        self.domain = domain
        self.address = address
        self.port = port
        self.root = root
        self.trust = ssl.create_default_context(cadata=root)
        self._key = key

    def token(self, user: str) -> dict[str, str]:
        """Return what a user shows, for a message; empty where no token is asked for."""
        return {"token": jwt.encode({"sub": user, "exp": 2**31}, self._key)} if self._key else {}

    def _handshake(self) -> ssl.SSLSocket:
        tcp = socket.create_connection((self.address, self.port), TIMEOUT)
        return self.trust.wrap_socket(tcp, server_hostname=self.domain)

    def certificate(self) -> x509.Certificate:
        """Return the certificate that a new handshake gets; one that is not good for the domain is an error."""
        with self._handshake() as tls:
            certificate = tls.getpeercert(binary_form=True)
        assert certificate
        return x509.load_der_x509_certificate(certificate)

    def health(self) -> dict[str, Any]:
        """Return what ``/healthz`` answers; empty while nobody answers, or not with 200."""
        with suppress(OSError):
            status, answer = self._get("/healthz")
            if status == 200:
                return dict(json.loads(answer))
        return {}

    def ice_servers(self) -> list[dict[str, Any]]:
        """Return what ``/ice-servers`` gives a user."""
        status, answer = self._get("/ice-servers", Authorization=f"Bearer {self.token('alice').get('token', '')}")
        assert status == 200, answer
        return list(json.loads(answer)["iceServers"])

    def turn_credentials(self) -> tuple[str, str]:
        """Return the name and the password for the TURN server that a user gets now."""
        _, relay = self.ice_servers()
        return relay["username"], relay["credential"]

    def _get(self, path: str, **headers: str) -> tuple[int, bytes]:
        connection = HTTPSConnection(self.domain, self.port)
        connection.sock = self._handshake()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, answer

    def call(self, other: Service | None = None) -> Call:
        """Let two users meet; the second one is at another server, where one is given."""
        return Call(self, other or self)

    def lets_meet(self, other: Service | None = None) -> bool:
        """Tell if two users can meet now, and talk."""
        with suppress(OSError, WebSocketException), self.call(other) as call:
            return call.goes_on()
        return False


class Call:
    """Two users who stay connected; a thread of their own answers the server's pings, whatever the test waits for."""

    def __init__(self, one: Service, other: Service) -> None:
        self._services = (one, other)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Call:
        self._thread.start()
        try:
            self._do(self._meet())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._do(self._users.aclose())
        finally:
            self._end()

    def goes_on(self) -> bool:
        """Tell if what one says still gets to the other, both ways."""
        ways = ((self._alice, self._bob), (self._bob, self._alice))
        return all(self._do(_relays(sender, receiver)) for sender, receiver in ways)

    def close_codes(self) -> list[int | None]:
        """Wait until both connections ended, and return the server's codes; None without a close frame."""
        return [self._do(_close_code(user)) for user in (self._alice, self._bob)]

    def _do(self, step: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(step, TIMEOUT), self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _meet(self) -> None:
        one, other = secrets.token_hex(4), secrets.token_hex(4)
        async with AsyncExitStack() as users:
            self._alice, self._bob = [
                await users.enter_async_context(connect(at.url, host=at.address, ssl=at.trust, open_timeout=TIMEOUT))
                for at in self._services
            ]
            first, second = self._services
            await _send(self._alice, type="join", userId=one, remoteId=other, **first.token(one))
            await _hear(self._alice, "created")
            await _send(self._bob, type="join", userId=other, remoteId=one, **second.token(other))
            await _hear(self._alice, "ready")
            self._users = users.pop_all()


async def _relays(sender: ClientConnection, receiver: ClientConnection) -> bool:
    word = secrets.token_hex(4)
    await _send(sender, type="message", data=word)
    return bool((await _hear(receiver, "message"))["data"] == word)


async def _close_code(user: ClientConnection) -> int | None:
    with suppress(ConnectionClosed):
        while True:
            await user.recv()
    return user.protocol.close_rcvd.code if user.protocol.close_rcvd else None


async def _send(user: ClientConnection, **message: Any) -> None:
    await user.send(json.dumps(message))


async def _hear(user: ClientConnection, kind: str) -> dict[str, Any]:
    while (message := json.loads(await user.recv()))["type"] != kind:
        pass
    return dict(message)
