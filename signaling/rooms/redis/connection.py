"""One connection to a Redis server, on which answers and what was published come in the order in which it happened.

Client libraries keep these on two connections, so that news of a room can overtake the answer that it follows from. In
RESP3 one is enough, and order needs no rule of its own. Nor can their sending be called from the event loop, as a
relayed message asks for.
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

Then = Callable[[Any], None]
OnPush = Callable[[list[Any]], None]
OnClose = Callable[["RedisConnection"], None]

# The types of the package know commands of one word only.
_pack: Callable[[tuple[str | bytes, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]

# At least a TLS record. With more than 128 KiB malloc may give memory back to the kernel at each read: 40 µs.
_READ_BYTES = 65_536

MAX_BATCH_BYTES = 65_536
"""What is published to one worker at once."""


def _ignore(_: object) -> None:
    pass


class RedisConnectionError(Exception):
    """Redis cannot be reached, or does not do what it was asked; ``str()`` of it says why."""


class Publisher(Protocol):
    """The sender of a message that is published."""

    def undelivered(self) -> None:
        """Take in that nobody received the message, or that Redis did not say so. Neither waits nor raises."""


class RedisConnection:
    """A connection that is open.

    Attributes:
        broken: why it is of no use any more, or empty.
    """

    def __init__(
        self,
        sock: gevent.socket.socket,
        on_push: OnPush = _ignore,
        on_close: OnClose = _ignore,
        publish: str = "PUBLISH",
        max_bytes: int = 1_048_576,
    ) -> None:
        """Make one of a socket that is connected to the server.

        Args:
            sock: it.
            on_push: is called with what the server pushes, in the event loop; it must not wait.
            on_close: is called once when the link breaks, in the event loop or not; it must not wait.
            publish: the command that publishes: ``SPUBLISH`` in a cluster.
            max_bytes: what is kept for a server that reads slowly; over it the link breaks.
        """
        self.broken = ""
        self._sock = sock
        self._on_push = on_push
        self._on_close = on_close
        self._publish = publish
        self._max_bytes = max_bytes
        hub = gevent.get_hub()
        self._tick = LoopTick.of(hub)
        self._replies = hiredis.Reader()
        # Whom each answer is for, in order. An answer to PUBLISH is for all the speakers of the batch.
        self._waiting: deque[Then | list[Publisher | None] | None] = deque()
        # What is to be published at the end of this turn of the loop, by channel: the records and their speakers.
        self._batches: dict[bytes, tuple[list[bytes], list[Publisher | None]]] = {}
        self._batched = 0
        self._send_buffer = SendBuffer(sock, max_bytes, self.abort)
        self._read: Any = reader(sock)
        self._watcher: Any = hub.loop.io(sock.fileno(), READABLE)
        self._watcher.start(self._readable)

    @property
    def congested(self) -> bool:
        """Whether the server is so slow that nothing should be published that can be left out."""
        return len(self._send_buffer) + self._batched > self._max_bytes // 2

    def send(self, then: Then | None, *command: str | bytes) -> None:
        """Send a command. Neither waits nor raises.

        Args:
            then: called with the answer in the event loop, or with a :class:`RedisConnectionError` if there will be
                none. It must not wait.
            command: the command and its arguments.
        """
        if self.broken:
            if then is not None:
                then(RedisConnectionError(self.broken))
            return
        self.flush()
        packed = _pack(command)
        self._waiting.append(then)
        self._send_buffer.write(packed)

    def push(self, *command: str | bytes) -> None:
        """Send a command that is answered by a push, such as ``SUBSCRIBE``. Neither waits nor raises."""
        if not self.broken:
            self.flush()
            self._send_buffer.write(_pack(command))

    def execute(self, *command: str | bytes, seconds: float) -> Any:
        """Send a command and wait for its answer.

        Raises:
            RedisConnectionError: there is none within ``seconds``, which breaks the link; or it is an error.
        """
        answer: AsyncResult[Any] = AsyncResult()
        self.send(answer.set, *command)
        try:
            reply = answer.get(timeout=seconds)
        except gevent.Timeout:
            # Where it is this process that stood still, the answer may have come in time, and is only to be read.
            if not self.broken:
                self._readable()
            if not answer.ready():
                self.abort(f"no answer within {seconds:g} seconds")
            reply = answer.get()
        if isinstance(reply, Exception):
            raise reply if isinstance(reply, RedisConnectionError) else RedisConnectionError(str(reply))
        return reply

    def publish(self, channel: bytes, record: bytes, publisher: Publisher | None = None) -> None:
        """Publish ``record`` with all that goes to ``channel`` in this turn of the loop. Neither waits nor raises.

        The link must not be broken. ``publisher`` is told if Redis does not confirm that somebody received the record.
        """
        if not self._batches:
            self._tick.queue_flush(self)
        batch = self._batches.get(channel)
        if batch is None:
            batch = self._batches[channel] = ([], [])
        records, publishers = batch
        records.append(record)
        publishers.append(publisher)
        self._batched += len(record)
        if self._batched > MAX_BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send now what there is to publish. Neither waits nor raises."""
        if not self._batches or self.broken:
            return
        try:
            commands = [
                _pack((self._publish, channel, b"".join(records))) for channel, (records, _) in self._batches.items()
            ]
        except Exception as error:
            # All speakers are told.
            tick.abort(self, error)
            return
        self._waiting.extend(publishers for _, publishers in self._batches.values())
        self._batches, self._batched = {}, 0
        self._send_buffer.write(b"".join(commands))

    def abort(self, why: str) -> None:
        """Break the link, and tell all who wait for an answer. Harmless when it is broken. Does not wait."""
        if self.broken:
            return
        self.broken = why
        self._watcher.close()
        self._send_buffer.discard()
        self._send_buffer.close()
        self._sock.close()
        self._on_close(self)
        waiting, self._waiting = self._waiting, deque()
        waiting.extend(publishers for _, publishers in self._batches.values())
        self._batches, self._batched = {}, 0
        error = RedisConnectionError(why)
        for then in waiting:
            try:
                self._answer(then, error)
            except Exception as fault:
                _errors.add(fault)

    @staticmethod
    def _answer(then: Then | list[Publisher | None] | None, reply: Any) -> None:
        if isinstance(then, list):
            # How many received it, as far as Redis knows.
            if not isinstance(reply, int) or reply == 0:
                for publisher in then:
                    if publisher is not None:
                        publisher.undelivered()
        elif then is not None:
            then(reply)

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
            self._replies.feed(data)
            while not self.broken and (reply := self._replies.gets()) is not False:
                if isinstance(reply, hiredis.PushNotification):
                    self._on_push(reply)
                elif not self._waiting:
                    # A command that is answered by a push was refused.
                    self.abort(str(reply))
                else:
                    then = self._waiting.popleft()
                    self._answer(then, reply)
                    # Any other command's own answerer decides.
                    if isinstance(reply, hiredis.ReplyError) and not callable(then):
                        self.abort(str(reply))
        except Exception as error:
            _errors.add(error)
            self.abort(f"internal error: {error}")


_errors = ErrorLog("a connection to Redis")


def checked(connection: RedisConnection, then: Then, reply: Any) -> None:
    """Call ``then`` with an answer; one that is an error breaks the link first."""
    if isinstance(reply, Exception):
        # To begin anew puts in order whatever it is.
        connection.abort(str(reply))
    then(reply)
