"""The other workers that share the rooms: what they told of themselves, and what they answer when they are asked.

A question goes to the channel of each of them, the answer to that of the worker that asked, both among the messages
between users: as those, they are for a route. Whoever does not answer in time is missing, and nobody waits longer.
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
"""How long the answers are waited for."""

MAX_SURVEYS = 4
"""Questions of one worker at a time; the next one waits for its turn."""

MAX_SURVEY_ANSWERS = 16
"""Answers that one worker makes at a time; what it is asked beside them it leaves unanswered."""

MAX_SURVEY_BYTES = 8_388_608
"""Of all answers to one question: Redis parts with a worker for which it has to keep more than 32 MiB."""

MAX_ANSWER_BYTES = 524_288
"""Of one answer."""

_SURVEYS = b"questions".ljust(32)
"""The route of a question; that of an answer has the number of the question and the worker that answers."""


class SurveyRequest(msgspec.Struct, array_like=True, frozen=True):
    """What one worker asks the others."""

    worker: str
    number: str
    what: str
    argument: str
    most: int
    """How many bytes the answer may have; one that is longer is not sent."""


SurveyHandler = Callable[[SurveyRequest], bytes]

_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(SurveyRequest).decode
_decode_node = msgspec.json.Decoder(NodeInfo).decode


class Cluster:
    """The other workers, as one of them sees them.

    Attributes:
        handlers: what makes the answers, by what is asked.

    """

    def __init__(self, bus: Bus, handlers: Mapping[str, SurveyHandler] | None = None) -> None:
        """Ask over ``bus``, and answer with ``handlers``."""
        self._bus = bus
        self.handlers = dict(handlers or {})
        self._turns = BoundedSemaphore(MAX_SURVEYS)
        self._answering = Pool(MAX_SURVEY_ANSWERS)
        bus.routes[_SURVEYS] = self._on_request

    @property
    def redis(self) -> str:
        """Return whether all of Redis can be reached: ``up`` or ``down``."""
        return "up" if self._bus.up else "down"

    def nodes(self) -> dict[str, NodeInfo]:
        """Return those that are alive, as of their last beat, by their names in Redis; none while it is down."""
        found = {}
        for worker, words in self._bus.others().items():
            # One that registered and had no beat yet told nothing; one of another version may tell something else.
            with suppress(msgspec.MsgspecError, RecursionError):
                found[worker] = _decode_node(words)
        return found

    def survey(self, what: str, decode: Callable[[bytes], T], argument: str = "") -> list[tuple[NodeInfo, T | None]]:
        """Return what each of them answers, None for who does not in time. Waits."""
        nodes = self.nodes()
        if not nodes:
            return []
        with self._turns:
            handlers = self._collect(what, argument, list(nodes))
        told = []
        for worker, node in nodes.items():
            told.append((node, _decoded(handlers.get(worker), decode)))
            # Others have their turn: there may be many, and long ones.
            gevent.sleep(0)
        return told

    def _collect(self, what: str, argument: str, workers: list[str]) -> dict[str, bytes]:
        bus, number = self._bus, secrets.token_hex(8)
        handlers: dict[str, bytes] = {}
        whole = Event()

        def take(worker: str, answer: bytes) -> None:
            handlers[worker] = answer
            if len(handlers) == len(workers):
                whole.set()

        most = min(MAX_ANSWER_BYTES, MAX_SURVEY_BYTES // len(workers))
        request = _encode(SurveyRequest(bus.worker, number, what, argument, most))
        for worker in workers:
            bus.routes[_route(number, worker)] = partial(take, worker)
        try:
            # Where Redis is too slow for it, it is not made slower.
            if all(bus.publish(worker, _SURVEYS, request) for worker in workers):
                whole.wait(SURVEY_TIMEOUT)
        finally:
            for worker in workers:
                del bus.routes[_route(number, worker)]
        return handlers

    def _on_request(self, data: bytes) -> None:
        # In the event loop, where an answer may take too long.
        if not self._answering.full():
            self._answering.spawn(self._answer, data)

    def _answer(self, data: bytes) -> None:
        with suppress(msgspec.MsgspecError, RecursionError):
            request = _decode_request(data)
            answer = self.handlers.get(request.what)
            if answer is not None and len(said := answer(request)) <= request.most:
                route = _route(request.number, self._bus.worker)
                self._bus.publish(request.worker, route, said)


def _route(number: str, worker: str) -> bytes:
    return f"{number}{worker}".encode()


def _decoded(answer: bytes | None, decode: Callable[[bytes], T]) -> T | None:
    # One of another version may answer in another form.
    with suppress(msgspec.MsgspecError, RecursionError):
        return None if answer is None else decode(answer)
    return None
