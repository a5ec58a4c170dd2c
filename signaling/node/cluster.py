"""The other nodes that share the rooms: their states, and surveys of them.

A request goes to the channel of each node, and an answer to the channel of the node that asked. Both use routes, as
the messages between users do. A node that does not answer in time is missing, and the survey ends without it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import gevent
import msgspec
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool

from .info import NodeInfo

if TYPE_CHECKING:
    from ..rooms.redis.bus import Bus

T = TypeVar("T")

SURVEY_TIMEOUT = 1.0
"""Seconds that a survey waits for answers."""

MAX_SURVEYS = 4
"""Surveys of one node at a time. Others wait until one ends."""

MAX_SURVEY_ANSWERS = 16
"""Answers that one node makes at a time. It ignores requests beyond that."""

MAX_SURVEY_BYTES = 8_388_608
"""Bytes of all answers to one survey. Redis disconnects a node if it has to keep more than 32 MiB for it."""

MAX_ANSWER_BYTES = 524_288
"""Bytes of one answer."""

_REQUESTS = b"questions".ljust(32)
"""The route of a request. The route of an answer is the number of the request and the node that answers."""


class SurveyRequest(msgspec.Struct, array_like=True, frozen=True):
    """A request of one node to another."""

    worker: str
    """The name of the node that asks, in Redis."""
    number: str
    """The random number of the survey."""
    topic: str
    argument: str
    max_bytes: int
    """Bytes that the answer may have. A longer answer is not sent."""


SurveyHandler = Callable[[SurveyRequest], bytes]

_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(SurveyRequest).decode
_decode_info = msgspec.json.Decoder(NodeInfo).decode


class Cluster:
    """The other nodes that share the rooms.

    Attributes:
        handlers: the functions that answer requests, by topic.
    """

    def __init__(self, bus: Bus, handlers: Mapping[str, SurveyHandler] | None = None) -> None:
        """Survey other nodes over ``bus``, and answer them with ``handlers``."""
        self._bus = bus
        self.handlers = dict(handlers or {})
        self._slots = BoundedSemaphore(MAX_SURVEYS)
        self._answering = Pool(MAX_SURVEY_ANSWERS)
        bus.routes[_REQUESTS] = self._on_request

    @property
    def redis(self) -> str:
        """Return ``up`` if all of Redis is reachable, or ``down``."""
        return "up" if self._bus.up else "down"

    def nodes(self) -> dict[str, NodeInfo]:
        """Return the live nodes as of their last heartbeat, by their names in Redis; none while Redis is down."""
        nodes = {}
        for worker, state in self._bus.others().items():
            # A node has no state before its first heartbeat. Another version may have another form of state.
            with suppress(msgspec.MsgspecError, RecursionError):
                nodes[worker] = _decode_info(state)
        return nodes

    def refresh(self) -> None:
        """Learn now which other nodes are alive, since the last heartbeat may miss one that is new. Waits.

        Raises:
            Unavailable: Redis does not reply.
        """
        self._bus.refresh()

    def survey(self, topic: str, decode: Callable[[bytes], T], argument: str = "") -> list[tuple[NodeInfo, T | None]]:
        """Ask all other nodes, and wait at most :data:`SURVEY_TIMEOUT` for their answers.

        Args:
            topic: the key of a handler.
            decode: a function that decodes an answer.
            argument: the text for the handler.

        Returns:
            Each node with its answer. It is None if there is none, or if it cannot be decoded.
        """
        nodes = self.nodes()
        if not nodes:
            return []
        with self._slots:
            answers = self._collect(topic, argument, list(nodes))
        decoded = []
        for worker, info in nodes.items():
            decoded.append((info, _decode_answer(answers.get(worker), decode)))
            # Many long answers take a while, so other greenlets run in between.
            gevent.sleep(0)
        return decoded

    def _collect(self, topic: str, argument: str, workers: list[str]) -> dict[str, bytes]:
        bus, number = self._bus, secrets.token_hex(8)
        answers: dict[str, bytes] = {}
        complete = Event()

        def receive(worker: str, answer: bytes) -> None:
            answers[worker] = answer
            if len(answers) == len(workers):
                complete.set()

        max_bytes = min(MAX_ANSWER_BYTES, MAX_SURVEY_BYTES // len(workers))
        request = _encode(SurveyRequest(bus.worker, number, topic, argument, max_bytes))
        for worker in workers:
            bus.routes[_route(number, worker)] = partial(receive, worker)
        try:
            # If the connection to Redis is congested, the survey ends here: messages go first.
            if all(bus.publish(worker, _REQUESTS, request) for worker in workers):
                complete.wait(SURVEY_TIMEOUT)
        finally:
            for worker in workers:
                del bus.routes[_route(number, worker)]
        return answers

    def _on_request(self, data: bytes) -> None:
        # This runs in the event loop. An answer may take too long for it.
        if not self._answering.full():
            self._answering.spawn(self._answer, data)

    def _answer(self, data: bytes) -> None:
        with suppress(msgspec.MsgspecError, RecursionError):
            request = _decode_request(data)
            handler = self.handlers.get(request.topic)
            if handler is not None and len(answer := handler(request)) <= request.max_bytes:
                self._bus.publish(request.worker, _route(request.number, self._bus.worker), answer)


def _route(number: str, worker: str) -> bytes:
    return f"{number}{worker}".encode()


def _decode_answer(answer: bytes | None, decode: Callable[[bytes], T]) -> T | None:
    # A node of another version may answer in another form.
    with suppress(msgspec.MsgspecError, RecursionError):
        return None if answer is None else decode(answer)
    return None
