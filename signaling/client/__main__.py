"""The command line of the client."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from websockets.exceptions import WebSocketException

from ..check import CheckError, Somebody, add_arguments, pair
from .progress import CallProgress
from .user import Server, User

FAREWELL = 1.0
"""Seconds that a check that is content stays on for a peer that checks as well and is not content yet."""


async def be(server: Server, me: Somebody, remote: Somebody) -> str:
    """Be a user until a signal ends the program, and say what came of it."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    progress = CallProgress()
    await _first(stop.wait(), User(server, me, remote, progress, partial(print, flush=True)).serve())
    return str(progress)


async def check(server: Server, me: Somebody, remote: Somebody, seconds: float, *, alone: bool) -> str:
    """Hold a call with ``remote``, whom this program is as well if it is ``alone``, and say how it went.

    Raises:
        CheckError: it did not come about.
    """
    progress = CallProgress(asks=True)
    users = [User(server, me, remote, progress)]
    if alone:
        users.append(User(server, remote, me, CallProgress()))

    async def over() -> None:
        await progress.until(lambda it: it.good or it.state == "failed")
        if progress.good and not alone:
            with suppress(TimeoutError):
                await asyncio.wait_for(progress.until(lambda it: it.over), FAREWELL)

    try:
        async with asyncio.timeout(seconds):
            await _first(over(), *(user.serve() for user in users))
    except TimeoutError:
        raise CheckError(f"no call within {seconds:g} s: {progress}") from None
    if not progress.good:
        raise CheckError(f"the two found no way to each other: {progress}")
    return str(progress)


async def _first(*several: Coroutine[Any, Any, Any]) -> None:
    """Run all until the first one ends, and end the others; what goes wrong in any is raised."""
    tasks = [asyncio.create_task(one) for one in several]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def main() -> int:
    """Do what the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m signaling.client",
        description="A user without a browser: it sends a test picture, and sends back what it is sent.",
    )
    add_arguments(parser)
    parser.add_argument("user", nargs="?", help="who to be; with --check it may be left out, together with REMOTE")
    parser.add_argument("remote", nargs="?", help="who to meet")
    parser.add_argument("--check", action="store_true", help="hold one call, and tell by the exit status how it went")
    parser.add_argument("--relay", action="store_true", help="use TURN, each server and no other way")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=20.0, help="for --check; %(default)g")
    arguments = parser.parse_intermixed_args()
    if bool(arguments.user) != bool(arguments.remote) or not (arguments.user or arguments.check):
        parser.error("name both users; only --check does without")
    if arguments.user and len(arguments.token) > 1:
        parser.error("USER has one token")
    if arguments.ca:
        # aiortc goes by OpenSSL's own settings where it speaks TLS with a TURN server.
        os.environ["SSL_CERT_FILE"] = arguments.ca
    server = Server(arguments.url, arguments.ca, arguments.connect, arguments.relay)
    alone = not arguments.user
    through = " through TURN" if arguments.relay else ""
    try:
        if alone:
            me, remote = pair(arguments.token)
        else:
            me, remote = Somebody(arguments.user, *arguments.token[:1]), Somebody(arguments.remote)
        if arguments.check:
            outcome = asyncio.run(check(server, me, remote, arguments.timeout, alone=alone))
            print(f"{server.url}: a call{through}: {outcome}")
        else:
            print(asyncio.run(be(server, me, remote)))
    except (CheckError, OSError, ValueError, WebSocketException) as error:
        print(f"{server.url}: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
