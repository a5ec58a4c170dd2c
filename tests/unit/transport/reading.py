"""A connection whose messages a test takes one by one, in a greenlet that waits for them."""

from __future__ import annotations

from typing import Any, ClassVar

import gevent.queue

from signaling.transport.connection import Connection


class ClosedError(Exception):
    """The connection has ended."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class ReadConnection(Connection):
    """Hands its work to whoever waits in :meth:`receive`."""

    made: ClassVar[list[ReadConnection]] = []

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.made.append(self)
        self.work: gevent.queue.Queue[str | bytes | Exception] = gevent.queue.Queue()
        self.on_work = self._put

    def _put(self) -> None:
        try:
            while (message := self.next_message()) is not None:
                self.work.put(message)
        except Exception as error:
            self.work.put(error)
        if self.close_code is not None:
            self.work.put(ClosedError(self.close_code, self.close_reason))

    def receive(self) -> str | bytes:
        """Wait for the next message.

        Raises:
            ClosedError: the connection has ended.
        """
        self.start()
        if self.close_code is not None and self.is_released:
            raise ClosedError(self.close_code, self.close_reason)
        work = self.work.get()
        if isinstance(work, Exception):
            raise work
        return work

    @classmethod
    def release_all(cls) -> None:
        """Stop reading from all sockets, whose numbers the next test gets."""
        while cls.made:
            connection = cls.made.pop()
            connection.abort("the test is over")
            connection.wait_closed()
