"""Check a server from outside: ``python -m signaling.check wss://example.org:8443/``.

Two users meet and exchange an offer, an answer and a candidate. Their names are random, or those in the tokens if the
server needs tokens. This file needs only ``websockets`` and nothing else of this package, so it runs anywhere.
"""

from __future__ import annotations

import sys

if not __package__ and not sys.flags.safe_path:
    # Run as a file: the `token.py` beside it would hide that of the standard library.
    sys.path.pop(0)

import argparse
import asyncio
import base64
import json
import secrets
import ssl
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

TIMEOUT = 10.0
"""Seconds for the whole check."""


class CheckError(Exception):
    """An answer that a signaling server does not give; ``str()`` of it says what is wrong."""


async def check(
    url: str,
    *,
    ca: str | ssl.SSLContext | None = None,
    address: str | None = None,
    origin: str | None = None,
    tokens: Sequence[str] = (),
) -> float:
    """Hold a call over ``url`` and return the seconds that it took.

    Args:
        url: the URL of the WebSocket, ``ws:`` or ``wss:``.
        ca: path of the certificates to trust, in PEM, instead of the system's; or the whole TLS of the connection.
        address: the address to connect to, instead of the host of the URL; or ``unix:`` and the path of a socket.
        origin: the origin of the page that the users claim to be on.
        tokens: the tokens of the two users, if the server needs them.

    Raises:
        CheckError: the server gave a wrong answer, or a token is not usable.
        OSError, WebSocketException, TimeoutError: the server cannot be reached, or is no WebSocket server.
    """
    marker = secrets.token_hex(4)
    alice, bob = make_users(tokens)
    start = time.monotonic()
    async with (
        asyncio.timeout(TIMEOUT),
        dial(url, ca, address, origin) as first,
        dial(url, ca, address, origin) as second,
    ):
        await _send(first, **alice.join(bob))
        await _expect(first, "created")
        await _send(second, **bob.join(alice))
        await _expect(second, "joined")
        await _expect(first, "ready")
        for sender, receiver, kind in ((first, second, "offer"), (second, first, "answer")):
            description = {"type": kind, "sdp": f"v=0\r\ns={marker}\r\n"}
            await _send(sender, type="message", data=description)
            if (received := (await _expect(receiver, "message")).get("data")) != description:
                raise CheckError(f"the {kind} became {received!r}")
        await _send(first, type="candidate", candidate={"candidate": marker, "sdpMid": "0"})
        if marker not in json.dumps(await _expect(second, "message")):
            raise CheckError("the candidate was not forwarded")
    return time.monotonic() - start


async def refusal(
    url: str, *, ca: str | ssl.SSLContext | None = None, address: str | None = None, origin: str | None = None
) -> str:
    """Join over ``url`` without a token, and return the message with which the server refuses.

    Raises:
        CheckError: the server does not refuse.
        OSError, WebSocketException, TimeoutError: the server cannot be reached, or is no WebSocket server.
    """
    stranger, other = make_users()
    async with asyncio.timeout(TIMEOUT), dial(url, ca, address, origin) as connection:
        await _send(connection, **stranger.join(other))
        message = await _receive(connection)
        if message.get("code") != "unauthorized":
            raise CheckError(f"a join without a token is not refused: {message!r}")
    return str(message["message"])


class CheckUser(NamedTuple):
    """A user of a check."""

    name: str
    token: str | None = None

    def join(self, other: CheckUser, **fields: Any) -> dict[str, Any]:
        """Return the message that joins the room with ``other``."""
        join = {"type": "join", "userId": self.name, "remoteId": other.name, **fields}
        return join if self.token is None else join | {"token": self.token}


def make_users(tokens: Sequence[str] = ()) -> tuple[CheckUser, CheckUser]:
    """Return the two users of ``tokens``, or two users with random names if there are none.

    Raises:
        CheckError: there are not two tokens, or one is not usable.
    """
    if not tokens:
        marker = secrets.token_hex(4)
        return CheckUser(f"check-{marker}-alice"), CheckUser(f"check-{marker}-bob")
    if len(tokens) != 2:
        raise CheckError("two users need a token each")
    one, other = (CheckUser(_subject(token), token) for token in tokens)
    return one, other


def _subject(token: str) -> str:
    try:
        return str(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["sub"])
    except (ValueError, LookupError, TypeError, RecursionError):
        raise CheckError("a token is no JSON Web Token, or has no sub") from None


def dial(url: str, ca: str | ssl.SSLContext | None, address: str | None, origin: str | None = None) -> connect:
    """Return a context manager that connects to ``url``; the arguments are those of :func:`check`."""
    options: dict[str, Any] = {"origin": origin}
    if address and address.startswith("unix:"):
        options |= {"unix": True, "path": address.removeprefix("unix:")}
    elif address:
        options["host"] = address
    if url.startswith("wss:"):
        options["ssl"] = ca if isinstance(ca, ssl.SSLContext) else ssl.create_default_context(cafile=ca)
    return _Connect(url, **options)


class _Connect(connect):
    """A connection attempt that follows no redirect, since no browser follows one of a WebSocket."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        response = getattr(exc, "response", None)
        location = response.headers.get("Location") if response is not None else None
        if location is None or response is None or response.status_code // 100 != 3:
            return exc
        return CheckError(
            f"the server redirects the WebSocket to {location!r:.200}, which no browser follows; "
            "if it is the login of an app, let it leave the requests of signaling.owns_request() alone"
        )


async def _send(connection: ClientConnection, **message: Any) -> None:
    await connection.send(json.dumps(message))


async def _expect(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of type ``kind``; skip ``roomInfo``."""
    while True:
        message = await _receive(connection)
        if message.get("type") == kind:
            return message
        if message.get("code") == "unauthorized":
            raise CheckError(message["message"])
        if message.get("type") != "roomInfo":
            raise CheckError(f"{kind!r} was expected, but {message!r} arrived")


async def _receive(connection: ClientConnection) -> dict[str, Any]:
    message = json.loads(await connection.recv())
    if not isinstance(message, dict):
        raise CheckError(f"the server sent no message: {message!r:.200}")
    return message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name the server and how to connect to it."""
    parser.add_argument("url", help="the WebSocket of the server, such as wss://example.org:8443/")
    parser.add_argument("--ca", metavar="FILE", help="certificates to trust, in PEM, instead of the system's")
    parser.add_argument(
        "--connect",
        metavar="ADDRESS",
        help="connect to this address instead of the URL's host, or to the socket unix:PATH",
    )
    parser.add_argument("--token", action="append", default=[], help="if the server needs it; one for each user")


def main() -> int:
    """Run the check of the command line, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m signaling.check", description="Check a server's signaling.")
    add_arguments(parser)
    parser.add_argument("--refused", action="store_true", help="check only that a join without a token is refused")
    parser.add_argument("--origin", help="the origin of the page of the users, such as https://app.example.org")
    arguments = parser.parse_args()
    where = {"ca": arguments.ca, "address": arguments.connect, "origin": arguments.origin}
    try:
        if arguments.refused:
            outcome = f"a join without a token is refused: {asyncio.run(refusal(arguments.url, **where))}"
        else:
            seconds = asyncio.run(check(arguments.url, **where, tokens=arguments.token))
            outcome = f"two users met and exchanged offer, answer and candidate in {seconds * 1000:.0f} ms"
    except TimeoutError:
        print(f"{arguments.url}: no call within {TIMEOUT:g} s", file=sys.stderr)
    except (CheckError, OSError, ValueError, RecursionError, WebSocketException) as error:
        print(f"{arguments.url}: {str(error) or type(error).__name__}", file=sys.stderr)
    else:
        print(f"{arguments.url}: {outcome}")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
