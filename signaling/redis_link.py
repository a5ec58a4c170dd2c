"""One connection to a Redis server, on which answers and what was published come in the order in which it happened.

Client libraries keep these on two connections, so that news of a room can overtake the answer that it follows from. In
RESP3 one is enough, and order needs no rule of its own. Nor can their sending be called from the event loop, as a
relayed message asks for.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
import gevent.socket
import hiredis
from gevent.event import AsyncResult

from .outbound import WOULD_BLOCK, Outbound
from .turn import Turn

log = logging.getLogger(__name__)

Then = Callable[[Any], None]
Pushed = Callable[[list[Any]], None]
Broke = Callable[["Link"], None]

# The types of the package know commands of one word only.
_pack: Callable[[tuple[str | bytes, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]

_READABLE = 1
_READ_BYTES = 262_144

MOST_BATCH_BYTES = 65_536
"""What is published to one worker at once."""


def _ignore(_: object) -> None:
    pass


class LinkError(Exception):
    """Redis cannot be reached, or does not do what it was asked; ``str()`` of it says why."""


class Link:
    """A connection that is open.

    Attributes:
        broken: why it is of no use any more, or empty.
    """

    def __init__(
        self,
        sock: gevent.socket.socket,
        pushed: Pushed = _ignore,
        broke: Broke = _ignore,
        publish: str = "PUBLISH",
        most_bytes: int = 1_048_576,
    ) -> None:
        """Make one of a socket that is connected to the server.

        Args:
            sock: it.
            pushed: is called with what the server pushes, in the event loop; it must not wait.
            broke: is called once when the link breaks, in the event loop or not; it must not wait.
            publish: the command that publishes: ``SPUBLISH`` in a cluster.
            most_bytes: what is kept for a server that reads slowly; over it the link breaks.
        """
        self.broken = ""
        self._sock = sock
        self._pushed = pushed
        self._told = broke
        self._publish = publish
        self._most = most_bytes
        hub = gevent.get_hub()
        self._turn = Turn.of(hub)
        self._replies = hiredis.Reader()
        self._waiting: deque[Then | None] = deque()
        # What is to be published at the end of this turn of the loop.
        self._batches: dict[bytes, list[bytes]] = {}
        self._batched = 0
        self._outbound = Outbound(sock, most_bytes, self.end)
        tls = getattr(sock, "_sslobj", None)
        self._read: Any = tls.read if tls else partial(os.read, sock.fileno())
        self._watcher: Any = hub.loop.io(sock.fileno(), _READABLE)
        self._watcher.start(self._readable)

    @property
    def congested(self) -> bool:
        """Whether the server is so slow that nothing should be published that can be left out."""
        return len(self._outbound) + self._batched > self._most // 2

    def send(self, then: Then | None, *command: str | bytes) -> None:
        """Send a command. Neither waits nor raises.

        Args:
            then: is called with the answer, in the event loop; a :class:`LinkError` if there will be none. It must not
                wait.
            command: the command and its arguments.
        """
        if self.broken:
            if then is not None:
                then(LinkError(self.broken))
            return
        self.flush()
        self._waiting.append(then)
        self._outbound.transmit(_pack(command))

    def push(self, *command: str | bytes) -> None:
        """Send a command that is answered by a push, such as ``SUBSCRIBE``. Neither waits nor raises."""
        if not self.broken:
            self.flush()
            self._outbound.transmit(_pack(command))

    def ask(self, *command: str | bytes, seconds: float) -> Any:
        """Send a command and wait for its answer.

        Raises:
            LinkError: there is none within ``seconds``, which breaks the link; or it is an error.
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
                self.end(f"no answer within {seconds:g} seconds")
            reply = answer.get()
        if isinstance(reply, Exception):
            raise reply if isinstance(reply, LinkError) else LinkError(str(reply))
        return reply

    def publish(self, channel: bytes, record: bytes) -> None:
        """Publish ``record`` with all that goes to ``channel`` in this turn of the loop. Neither waits nor raises."""
        if not self._batches:
            self._turn.produced(self)
        batch = self._batches.get(channel)
        if batch is None:
            batch = self._batches[channel] = []
        batch.append(record)
        self._batched += len(record)
        if self._batched > MOST_BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send now what there is to publish. Neither waits nor raises."""
        if not self._batches or self.broken:
            return
        batches, self._batches, self._batched = self._batches, {}, 0
        commands = [_pack((self._publish, channel, b"".join(batch))) for channel, batch in batches.items()]
        self._waiting.extend([None] * len(commands))
        self._outbound.transmit(b"".join(commands))

    def end(self, why: str) -> None:
        """Break the link: who waits for an answer is told, and ``broke`` is called. Harmless when it is broken."""
        if self.broken:
            return
        self.broken = why
        self._watcher.close()
        self._outbound.drop()
        self._outbound.release()
        self._sock.close()
        waiting, self._waiting = self._waiting, deque()
        for then in waiting:
            if then is not None:
                then(LinkError(why))
        self._told(self)

    def _readable(self) -> None:
        try:
            data = self._read(_READ_BYTES)
        except WOULD_BLOCK:
            return
        except OSError as error:
            self.end(str(error))
            return
        if not data:
            self.end("the server closed the connection")
            return
        try:
            self._replies.feed(data)
            while not self.broken and (reply := self._replies.gets()) is not False:
                if isinstance(reply, hiredis.PushNotification):
                    self._pushed(reply)
                elif not self._waiting:
                    # A command that is answered by a push was refused.
                    self.end(str(reply))
                elif (then := self._waiting.popleft()) is not None:
                    then(reply)
                elif isinstance(reply, hiredis.ReplyError):
                    self.end(str(reply))
        except Exception as error:
            log.exception("A fault of this server breaks its connection to Redis")
            self.end(f"internal error: {error}")
