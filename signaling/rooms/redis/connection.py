"""One connection to a Redis server, for replies and for published data, in RESP3 (Redis serialization protocol).

The server sends both in the order in which it did things. Client libraries use two connections for them, so news of a
room could overtake the reply that it follows. Forwarding a message must send from the event loop, which they cannot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import gevent
import gevent.socket
import hiredis
from gevent.event import AsyncResult

from ...process.supervisor import ErrorLog
from ...transport import tick
from ...transport.send_buffer import SendBuffer
from ...transport.socket_io import READABLE, WOULD_BLOCK, reader
from ...transport.tick import LoopTick

OnReply = Callable[[Any], None]
OnPush = Callable[[list[Any]], None]
OnClose = Callable[["RedisConnection"], None]

# The type stubs of hiredis lack commands of several words.
_pack: Callable[[tuple[str | bytes, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]

# At least one TLS record. Over 128 KiB, malloc may return memory to the kernel after each read, which takes 40 µs.
_READ_BYTES = 65_536

MAX_BATCH_BYTES = 65_536
"""The bytes of records that wait for the end of a tick of the loop; with more, all batches are published at once."""


def ignore(_: object) -> None:
    """Do nothing with a reply, a push or a broken connection."""


class RedisConnectionError(Exception):
    """A command without a reply, or with an error for a reply; ``str()`` of it says why."""


class Publisher(Protocol):
    """The sender of a published message."""

    def undelivered(self) -> None:
        """Handle that Redis did not confirm a receiver of the message. Neither waits nor raises."""


class RedisConnection:
    """An open connection.

    Attributes:
        broken: the reason why it broke, or empty.
    """

    def __init__(
        self,
        sock: gevent.socket.socket,
        on_push: OnPush = ignore,
        on_close: OnClose = ignore,
        publish: str = "PUBLISH",
        max_bytes: int = 1_048_576,
    ) -> None:
        """Begin on a socket that is connected to the server.

        Args:
            sock: the socket.
            on_push: is called with each push of the server, in the event loop. It must not wait.
            on_close: is called once when the connection breaks, in the event loop or not. It must not wait.
            publish: the command that publishes: ``PUBLISH``, or ``SPUBLISH`` in a cluster.
            max_bytes: the bytes that wait for a server that reads slowly. With more, the connection breaks.
        """
        self.broken = ""
        self._sock = sock
        self._on_push = on_push
        self._on_close = on_close
        self._publish = publish
        self._max_bytes = max_bytes
        hub = gevent.get_hub()
        self._tick = LoopTick.of(hub)
        self._parser = hiredis.Reader()
        # The receiver of each reply, in order. The reply to PUBLISH is for the publishers of the batch.
        self._receivers: deque[OnReply | list[Publisher | None] | None] = deque()
        # The batches that the end of this tick of the loop publishes, by channel: records, and their publishers.
        self._batches: dict[bytes, tuple[list[bytes], list[Publisher | None]]] = {}
        self._batched_bytes = 0
        self._send_buffer = SendBuffer(sock, max_bytes, self.abort)
        self._read: Any = reader(sock)
        self._watcher: Any = hub.loop.io(sock.fileno(), READABLE)
        self._watcher.start(self._readable)

    @property
    def congested(self) -> bool:
        """Whether more than half of the buffer waits for the server. Then messages are refused."""
        return len(self._send_buffer) + self._batched_bytes > self._max_bytes // 2

    def send(self, on_reply: OnReply | None, *command: str | bytes) -> None:
        """Send a command. Neither waits nor raises.

        Args:
            on_reply: is called with the reply, in the event loop, or with a :class:`RedisConnectionError` if the
                connection breaks first. It must not wait.
            command: the command and its arguments.
        """
        if self.broken:
            if on_reply is not None:
                on_reply(RedisConnectionError(self.broken))
            return
        self.flush()
        packed = _pack(command)
        self._receivers.append(on_reply)
        self._send_buffer.write(packed)

    def send_checked(self, on_reply: OnReply, *command: str | bytes) -> None:
        """Send a command as :meth:`send` does, and break the connection if the reply is an error.

        It is broken before ``on_reply`` gets the error.
        """

        def check(reply: Any) -> None:
            if isinstance(reply, Exception):
                # The next connection begins with a resync, which repairs the rooms.
                self.abort(str(reply))
            on_reply(reply)

        self.send(check, *command)

    def push(self, *command: str | bytes) -> None:
        """Send a command that the server answers with a push, such as ``SUBSCRIBE``. Neither waits nor raises."""
        if not self.broken:
            self.flush()
            self._send_buffer.write(_pack(command))

    def execute(self, *command: str | bytes, seconds: float) -> Any:
        """Send a command, wait for its reply and return it.

        Raises:
            RedisConnectionError: the reply is an error; or none came within ``seconds``, which breaks the connection.
        """
        result: AsyncResult[Any] = AsyncResult()
        self.send(result.set, *command)
        try:
            reply = result.get(timeout=seconds)
        except gevent.Timeout:
            # If this process stood still, the reply may have arrived in time, and waits to be read.
            if not self.broken:
                self._readable()
            if not result.ready():
                self.abort(f"no answer within {seconds:g} seconds")
            reply = result.get()
        if isinstance(reply, Exception):
            raise reply if isinstance(reply, RedisConnectionError) else RedisConnectionError(str(reply))
        return reply

    def publish(self, channel: bytes, record: bytes, publisher: Publisher | None = None) -> None:
        """Publish ``record`` in the batch of its channel, when this tick of the loop ends. Neither waits nor raises.

        The connection must not be broken. If Redis does not confirm a receiver, ``publisher.undelivered`` is called.
        """
        if not self._batches:
            self._tick.queue_flush(self)
        batch = self._batches.get(channel)
        if batch is None:
            batch = self._batches[channel] = ([], [])
        records, publishers = batch
        records.append(record)
        publishers.append(publisher)
        self._batched_bytes += len(record)
        if self._batched_bytes > MAX_BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Publish the batches now. Neither waits nor raises."""
        if not self._batches or self.broken:
            return
        try:
            commands = [
                _pack((self._publish, channel, b"".join(records))) for channel, (records, _) in self._batches.items()
            ]
        except Exception as error:
            # The abort tells all publishers.
            tick.abort(self, error)
            return
        self._receivers.extend(publishers for _, publishers in self._batches.values())
        self._batches, self._batched_bytes = {}, 0
        self._send_buffer.write(b"".join(commands))

    def abort(self, why: str) -> None:
        """Break the connection, and tell all who wait for a reply. A second call does nothing. Does not wait."""
        if self.broken:
            return
        self.broken = why
        self._watcher.close()
        self._send_buffer.discard()
        self._send_buffer.close()
        self._sock.close()
        self._on_close(self)
        receivers, self._receivers = self._receivers, deque()
        receivers.extend(publishers for _, publishers in self._batches.values())
        self._batches, self._batched_bytes = {}, 0
        error = RedisConnectionError(why)
        for receiver in receivers:
            try:
                self._answer(receiver, error)
            except Exception as raised:
                _errors.add(raised)

    @staticmethod
    def _answer(receiver: OnReply | list[Publisher | None] | None, reply: Any) -> None:
        if isinstance(receiver, list):
            # The reply to PUBLISH is the number of subscribers that got the batch.
            if not isinstance(reply, int) or reply == 0:
                for publisher in receiver:
                    if publisher is not None:
                        publisher.undelivered()
        elif receiver is not None:
            receiver(reply)

    def _readable(self) -> None:
        try:
            data = self._read(_READ_BYTES)
        except WOULD_BLOCK:
            return
        except OSError as error:
            self.abort(str(error))
            return
        except Exception as error:
            _errors.add(error)
            self.abort(f"internal error: {error}")
            return
        if not data:
            self.abort("the server closed the connection")
            return
        try:
            self._parser.feed(data)
            while not self.broken and (reply := self._parser.gets()) is not False:
                if isinstance(reply, hiredis.PushNotification):
                    self._on_push(reply)
                elif not self._receivers:
                    # The server refused a command that it answers with a push.
                    self.abort(str(reply))
                else:
                    receiver = self._receivers.popleft()
                    self._answer(receiver, reply)
                    # A function that takes the reply decides about an error itself.
                    if isinstance(reply, hiredis.ReplyError) and not callable(receiver):
                        self.abort(str(reply))
        except Exception as error:
            _errors.add(error)
            self.abort(f"internal error: {error}")


_errors = ErrorLog("a connection to Redis")
