"""Proves a server from outside: ``python -m signaling.check wss://example.org:8443/``.

Two users meet, and an offer, an answer and a candidate go from one to the other. Their names are random, or, where the
server asks for tokens, those in the tokens. It needs nothing of this package but this file, and of others only
``websockets``, so that it can be run from anywhere.
"""

from __future__ import annotations

import sys

if not __package__ and not sys.flags.safe_path:
    # Run as a file: its neighbour `token.py` is not the one of the standard library.
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
"""Seconds for all of it."""


class CheckError(Exception):
    """The server answered, and not as a signaling server does."""


async def check(url: str, *, ca: str | None = None, address: str | None = None, tokens: Sequence[str] = ()) -> float:
    """Hold a call over ``url`` and return how many seconds it took to come about.

    Args:
        url: of the WebSocket, ``ws:`` or ``wss:``.
        ca: path of the certificates to trust, in PEM, instead of the system's.
        address: where to connect to, instead of to the host of the URL.
        tokens: those of the two users, where the server asks for them.

    Raises:
        CheckError: the server did not say what it should, or a token is none.
        OSError, WebSocketException, TimeoutError: it cannot be reached, or is no WebSocket server.
    """
    call = secrets.token_hex(4)
    alice, bob = pair(tokens)
    start = time.monotonic()
    async with asyncio.timeout(TIMEOUT), dial(url, ca, address) as first, dial(url, ca, address) as second:
        await _say(first, **alice.join(bob))
        await _hear(first, "created")
        await _say(second, **bob.join(alice))
        await _hear(second, "joined")
        await _hear(first, "ready")
        for sender, receiver, kind in ((first, second, "offer"), (second, first, "answer")):
            description = {"type": kind, "sdp": f"v=0\r\ns={call}\r\n"}
            await _say(sender, type="message", data=description)
            if (heard := (await _hear(receiver, "message")).get("data")) != description:
                raise CheckError(f"the {kind} became {heard!r}")
        await _say(first, type="candidate", candidate={"candidate": call, "sdpMid": "0"})
        if call not in json.dumps(await _hear(second, "message")):
            raise CheckError("the candidate was not passed on")
    return time.monotonic() - start


async def refusal(url: str, *, ca: str | None = None, address: str | None = None) -> str:
    """Join over ``url`` without a token, and return the words in which the server refuses it.

    Raises:
        CheckError: the server lets strangers in.
        OSError, WebSocketException, TimeoutError: it cannot be reached, or is no WebSocket server.
    """
    stranger, other = pair()
    async with asyncio.timeout(TIMEOUT), dial(url, ca, address) as connection:
        await _say(connection, **stranger.join(other))
        message = await _next(connection)
        if message.get("code") != "unauthorized":
            raise CheckError(f"a join without a token is not refused: {message!r}")
    return str(message["message"])


class Somebody(NamedTuple):
    """A user of a check."""

    name: str
    token: str | None = None

    def join(self, other: Somebody, **more: Any) -> dict[str, Any]:
        """Return the message that enters the room with ``other``."""
        join = {"type": "join", "userId": self.name, "remoteId": other.name, **more}
        return join if self.token is None else join | {"token": self.token}


def pair(tokens: Sequence[str] = ()) -> tuple[Somebody, Somebody]:
    """Return the two users whose tokens these are; without any, two of random names.

    Raises:
        CheckError: there are not two, or one is none.
    """
    if not tokens:
        call = secrets.token_hex(4)
        return Somebody(f"check-{call}-alice"), Somebody(f"check-{call}-bob")
    if len(tokens) != 2:
        raise CheckError("two users need a token each")
    one, other = (Somebody(_subject(token), token) for token in tokens)
    return one, other


def _subject(token: str) -> str:
    try:
        return str(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["sub"])
    except (ValueError, LookupError, TypeError, RecursionError):
        raise CheckError("the token is none, or has no sub") from None


def dial(url: str, ca: str | None, address: str | None) -> connect:
    """Return the connection to ``url``, which is made when it is entered; the arguments are those of :func:`check`."""
    options: dict[str, Any] = {"host": address} if address else {}
    if url.startswith("wss:"):
        options["ssl"] = ssl.create_default_context(cafile=ca)
    return connect(url, **options)


async def _say(connection: ClientConnection, **message: Any) -> None:
    await connection.send(json.dumps(message))


async def _hear(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of this type; the news of the room is passed over."""
    while True:
        message = await _next(connection)
        if message.get("type") == kind:
            return message
        if message.get("code") == "unauthorized":
            raise CheckError(message["message"])
        if message.get("type") != "roomInfo":
            raise CheckError(f"{kind!r} was expected, and {message!r} came")


async def _next(connection: ClientConnection) -> dict[str, Any]:
    message = json.loads(await connection.recv())
    if not isinstance(message, dict):
        raise CheckError(f"what came is no message: {message!r:.200}")
    return message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which server it is, and how to get there."""
    parser.add_argument("url", help="the WebSocket of the server, such as wss://example.org:8443/")
    parser.add_argument("--ca", metavar="FILE", help="certificates to trust, in PEM, instead of the system's")
    parser.add_argument("--connect", metavar="ADDRESS", help="connect to this address instead of the URL's host")
    parser.add_argument("--token", action="append", default=[], help="where the server asks for it; one for each user")


def main() -> int:
    """Run the check that the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m signaling.check", description="Prove a server's signaling.")
    add_arguments(parser)
    parser.add_argument("--refused", action="store_true", help="prove no more than that it asks for tokens")
    arguments = parser.parse_args()
    where = {"ca": arguments.ca, "address": arguments.connect}
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
