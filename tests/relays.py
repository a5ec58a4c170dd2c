"""Relays of a TURN server that stay, as those of a call do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

from tests.waiting import TIMEOUT


class Heard(asyncio.DatagramProtocol):
    """The other end of a relay."""

    def __init__(self) -> None:
        self.first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _: object) -> None:
        if not self.first.done():
            self.first.set_result(data)


class Relays:
    """Two relays of a TURN server, from one to the other; a thread of their own keeps them."""

    def __init__(self, server: tuple[str, int], username: str, credential: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._ends: list[Any] = []
        try:
            for _ in range(2):
                self._ends.append(self._do(create_turn_endpoint(Heard, server, username=username, password=credential)))
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Relays:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _do(self, step: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(step, TIMEOUT), self._loop).result()

    def carry(self) -> None:
        """Send through both, for the first time. Each must let the other one in, for which it asks with a signature."""
        (one, one_hears), (other, other_hears) = self._ends

        async def exchange() -> list[bytes]:
            while not (one_hears.first.done() and other_hears.first.done()):
                one.sendto(b"to the other", other.get_extra_info("sockname"))
                other.sendto(b"to the one", one.get_extra_info("sockname"))
                await asyncio.sleep(0.05)
            return [one_hears.first.result(), other_hears.first.result()]

        assert self._do(exchange()) == [b"to the one", b"to the other"]

    def stop(self) -> None:
        for relay, _ in self._ends:
            self._loop.call_soon_threadsafe(relay.close)
        # The server hears of it first.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.1), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def relays(server: tuple[str, int], username: str, credential: str) -> bool:
    """Tell if the TURN server relays for these credentials."""
    try:
        with Relays(server, username, credential):
            return True
    except TransactionFailed as failure:
        if failure.response.attributes["ERROR-CODE"][0] != 401:
            raise
        return False
