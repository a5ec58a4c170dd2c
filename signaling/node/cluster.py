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
    from ..rooms.redis.channels import Channels

T = TypeVar("T")

PATIENCE_SECONDS = 1.0
"""How long the answers are waited for."""

MOST_QUESTIONS = 4
"""Questions of one worker at a time; the next one waits for its turn."""

MOST_ANSWERS = 16
"""Answers that one worker makes at a time; what it is asked beside them it leaves unanswered."""

MOST_BYTES = 8_388_608
"""Of all answers to one question: Redis parts with a worker for which it has to keep more than 32 MiB."""

MOST_ANSWER_BYTES = 524_288
"""Of one answer."""

_QUESTIONS = b"questions".ljust(32)
"""The route of a question; that of an answer has the number of the question and the worker that answers."""


class Question(msgspec.Struct, array_like=True, frozen=True):
    """What one worker asks the others."""

    worker: str
    number: str
    what: str
    argument: str
    most: int
    """How many bytes the answer may have; one that is longer is not sent."""


Answer = Callable[[Question], bytes]

_encode = msgspec.msgpack.Encoder().encode
_decode_question = msgspec.msgpack.Decoder(Question).decode
_decode_node = msgspec.json.Decoder(NodeInfo).decode


class Colleagues:
    """The other workers, as one of them sees them.

    Attributes:
        answers: what makes the answers, by what is asked.

    """

    def __init__(self, channels: Channels, answers: Mapping[str, Answer] | None = None) -> None:
        """Ask over ``channels``, and answer with ``answers``."""
        self._channels = channels
        self.answers = dict(answers or {})
        self._turns = BoundedSemaphore(MOST_QUESTIONS)
        self._answering = Pool(MOST_ANSWERS)
        channels.routes[_QUESTIONS] = self._asked

    @property
    def redis(self) -> str:
        """Return whether all of Redis can be reached: ``up`` or ``down``."""
        return "up" if self._channels.up else "down"

    def nodes(self) -> dict[str, NodeInfo]:
        """Return those that are alive, as of their last beat, by their names in Redis; none while it is down."""
        found = {}
        for worker, words in self._channels.others().items():
            # One that registered and had no beat yet told nothing; one of another version may tell something else.
            with suppress(msgspec.MsgspecError, RecursionError):
                found[worker] = _decode_node(words)
        return found

    def ask(self, what: str, decode: Callable[[bytes], T], argument: str = "") -> list[tuple[NodeInfo, T | None]]:
        """Return what each of them answers, None for who does not in time. Waits."""
        nodes = self.nodes()
        if not nodes:
            return []
        with self._turns:
            answers = self._gather(what, argument, list(nodes))
        told = []
        for worker, node in nodes.items():
            told.append((node, _decoded(answers.get(worker), decode)))
            # Others have their turn: there may be many, and long ones.
            gevent.sleep(0)
        return told

    def _gather(self, what: str, argument: str, workers: list[str]) -> dict[str, bytes]:
        channels, number = self._channels, secrets.token_hex(8)
        answers: dict[str, bytes] = {}
        whole = Event()

        def take(worker: str, answer: bytes) -> None:
            answers[worker] = answer
            if len(answers) == len(workers):
                whole.set()

        most = min(MOST_ANSWER_BYTES, MOST_BYTES // len(workers))
        question = _encode(Question(channels.worker, number, what, argument, most))
        for worker in workers:
            channels.routes[_route(number, worker)] = partial(take, worker)
        try:
            # Where Redis is too slow for it, it is not made slower.
            if all(channels.tell(worker, _QUESTIONS, question) for worker in workers):
                whole.wait(PATIENCE_SECONDS)
        finally:
            for worker in workers:
                del channels.routes[_route(number, worker)]
        return answers

    def _asked(self, data: bytes) -> None:
        # In the event loop, where an answer may take too long.
        if not self._answering.full():
            self._answering.spawn(self._answer, data)

    def _answer(self, data: bytes) -> None:
        with suppress(msgspec.MsgspecError, RecursionError):
            question = _decode_question(data)
            answer = self.answers.get(question.what)
            if answer is not None and len(said := answer(question)) <= question.most:
                route = _route(question.number, self._channels.worker)
                self._channels.tell(question.worker, route, said)


def _route(number: str, worker: str) -> bytes:
    return f"{number}{worker}".encode()


def _decoded(answer: bytes | None, decode: Callable[[bytes], T]) -> T | None:
    # One of another version may answer in another form.
    with suppress(msgspec.MsgspecError, RecursionError):
        return None if answer is None else decode(answer)
    return None
