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

from ..check import CheckError, CheckUser, add_arguments, make_users
from .progress import CallProgress
from .user import Server, User

LINGER_SECONDS = 1.0
"""Seconds that a successful check waits for its peer, which may be a check that is not finished yet."""


async def run_user(server: Server, me: CheckUser, remote: CheckUser) -> str:
    """Be a user until a signal ends the program, and return how the calls went."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    progress = CallProgress()
    await _run_until_first(stop.wait(), User(server, me, remote, progress, partial(print, flush=True)).serve())
    return str(progress)


async def check(server: Server, me: CheckUser, remote: CheckUser, seconds: float, *, alone: bool) -> str:
    """Hold a call with ``remote``, and return how it went. If ``alone``, this program is both users.

    Raises:
        CheckError: the call did not connect.
    """
    progress = CallProgress(asks=True)
    users = [User(server, me, remote, progress)]
    if alone:
        users.append(User(server, remote, me, CallProgress()))

    async def wait_for_outcome() -> None:
        await progress.wait_until(lambda progress: progress.succeeded or progress.state == "failed")
        if progress.succeeded and not alone:
            with suppress(TimeoutError):
                await asyncio.wait_for(progress.wait_until(lambda progress: progress.ended), LINGER_SECONDS)

    try:
        async with asyncio.timeout(seconds):
            await _run_until_first(wait_for_outcome(), *(user.serve() for user in users))
    except TimeoutError:
        raise CheckError(f"no call within {seconds:g} s: {progress}") from None
    if not progress.succeeded:
        raise CheckError(f"no connection between the two users: {progress}")
    return str(progress)


async def _run_until_first(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Run all coroutines until the first one ends, and cancel the others; raise an error of those that ended."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def main() -> int:
    """Run the command line, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m signaling.client",
        description="A user without a browser: it sends a test picture, and echoes the messages it gets.",
    )
    add_arguments(parser)
    parser.add_argument("user", nargs="?", help="the user to be; with --check you can omit USER and REMOTE")
    parser.add_argument("remote", nargs="?", help="the user to meet")
    parser.add_argument("--check", action="store_true", help="hold one call; the exit status says whether it connected")
    parser.add_argument("--relay", action="store_true", help="connect only through TURN, and check each TURN server")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=20.0, help="for --check; %(default)g")
    arguments = parser.parse_intermixed_args()
    if bool(arguments.user) != bool(arguments.remote) or not (arguments.user or arguments.check):
        parser.error("name both users; only --check can omit them")
    if arguments.user and len(arguments.token) > 1:
        parser.error("give only the token of USER")
    if arguments.ca:
        # For TLS with a TURN server, aiortc uses OpenSSL's default certificates.
        os.environ["SSL_CERT_FILE"] = arguments.ca
    server = Server(arguments.url, arguments.ca, arguments.connect, arguments.relay)
    alone = not arguments.user
    through = " through TURN" if arguments.relay else ""
    try:
        if alone:
            me, remote = make_users(arguments.token)
        else:
            me, remote = CheckUser(arguments.user, *arguments.token[:1]), CheckUser(arguments.remote)
        if arguments.check:
            outcome = asyncio.run(check(server, me, remote, arguments.timeout, alone=alone))
            print(f"{server.url}: a call{through}: {outcome}")
        else:
            print(asyncio.run(run_user(server, me, remote)))
    except (CheckError, OSError, ValueError, WebSocketException) as error:
        print(f"{server.url}: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
