"""Proves a server from outside: ``python -m signaling.check wss://example.org:8443/``.

Two users of random names meet, and an offer, an answer and a candidate go from one to the other. It needs nothing of
this package but this file, and of others only ``websockets``, so that it can be run from anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import ssl
import sys
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

TIMEOUT = 10.0
"""Seconds for all of it."""


class CheckError(Exception):
    """The server answered, and not as a signaling server does."""


async def check(url: str, *, ca: str | None = None, address: str | None = None) -> float:
    """Hold a call over ``url`` and return how many seconds it took to come about.

    Args:
        url: of the WebSocket, ``ws:`` or ``wss:``.
        ca: path of the certificates to trust, in PEM, instead of the system's.
        address: where to connect to, instead of to the host of the URL.

    Raises:
        CheckError: the server did not say what it should.
        OSError, WebSocketException, TimeoutError: it cannot be reached, or is no WebSocket server.
    """
    call = secrets.token_hex(4)
    alice, bob = f"check-{call}-alice", f"check-{call}-bob"
    start = time.monotonic()
    async with asyncio.timeout(TIMEOUT), dial(url, ca, address) as first, dial(url, ca, address) as second:
        await _say(first, type="join", userId=alice, remoteId=bob)
        await _hear(first, "created")
        await _say(second, type="join", userId=bob, remoteId=alice)
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
        message = json.loads(await connection.recv())
        if message.get("type") == kind:
            return dict(message)
        if message.get("type") != "roomInfo":
            raise CheckError(f"{kind!r} was expected, and {message!r} came")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which server it is, and how to get there."""
    parser.add_argument("url", help="the WebSocket of the server, such as wss://example.org:8443/")
    parser.add_argument("--ca", metavar="FILE", help="certificates to trust, in PEM, instead of the system's")
    parser.add_argument("--connect", metavar="ADDRESS", help="connect to this address instead of the URL's host")


def main() -> int:
    """Run the check that the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m signaling.check", description="Prove a server's signaling.")
    add_arguments(parser)
    arguments = parser.parse_args()
    try:
        seconds = asyncio.run(check(arguments.url, ca=arguments.ca, address=arguments.connect))
    except TimeoutError:
        print(f"{arguments.url}: no call within {TIMEOUT:g} s", file=sys.stderr)
    except (CheckError, OSError, ValueError, WebSocketException) as error:
        print(f"{arguments.url}: {str(error) or type(error).__name__}", file=sys.stderr)
    else:
        print(f"{arguments.url}: two users met and exchanged offer, answer and candidate in {seconds * 1000:.0f} ms")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
