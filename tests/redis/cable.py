"""What lies between a host and its Redis. It can be slow, or be pulled out: then nothing passes, and nobody is told."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self


class Cable:
    """A TCP relay on a port of its own."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._delay = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def slow(self, seconds: float) -> None:
        """Let everything take that long from now on, each way."""
        self._delay = seconds

    def pull(self) -> None:
        """Let nothing pass from now on."""

        async def clear() -> None:
            self._passes.clear()

        asyncio.run_coroutine_threadsafe(clear(), self._loop).result()

    def plug(self) -> None:
        """Let everything pass again, what was sent meanwhile included."""
        self._loop.call_soon_threadsafe(self._passes.set)

    async def _open(self) -> None:
        self._passes = asyncio.Event()
        self._passes.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        # What is on its way, and when it is due; the end of a connection is an empty piece, and takes as long.
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        reading = asyncio.create_task(self._read(source, pieces))
        try:
            data = b"begin"
            while data:
                due, data = await pieces.get()
                await asyncio.sleep(due - self._loop.time())
                await self._passes.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            reading.cancel()
            sink.close()

    async def _read(self, source: asyncio.StreamReader, pieces: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b"begin"
        while data:
            try:
                data = await source.read(65_536)
            except ConnectionError:
                data = b""
            await pieces.put((self._loop.time() + self._delay, data))
