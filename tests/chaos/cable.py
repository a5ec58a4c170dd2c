"""A cable between a host and its Redis that can also be slow."""

from __future__ import annotations

import asyncio

from tests.redis.cable import Cable


class SlowCable(Cable):
    """A cable whose every piece of data takes longer.

    Attributes:
        delay: seconds, for either direction.
    """

    delay = 0.0

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await super()._accept(reader, writer)
        except OSError:
            # Nobody listens: without a cable, the connection would have been refused.
            writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await asyncio.sleep(self.delay)
                await self._passes.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            # The end of a connection does not pass either.
            await self._passes.wait()
            sink.close()
