"""Users who come, talk and go at random at two workers, while Redis and the connections to it fail at random."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest

from signaling.rooms.redis import client as redis_client
from signaling.rooms.redis.connection import RedisConnectionError
from tests.long import rest_long
from tests.redis.cable import Cable
from tests.redis.people import in_redis, indexed
from tests.redis_server import Redis, redis_server
from tests.unit.people import Host, Person, Workers, until
from tests.waiting import TIMEOUT

STEPS = 400
PAIRS = 6
_numbers = itertools.count()


class User(Person):
    """A person with a greenlet, as a connection has: it does one thing after the other, and the last is to end."""

    def __init__(self, workers: Workers) -> None:
        super().__init__(workers)
        self.gone = False
        self._joining: gevent.Greenlet[..., Any] | None = None

    @property
    def busy(self) -> bool:
        return self._joining is not None and not self._joining.dead

    def begins_to_join(self, user: str, remote: str) -> None:
        self._joining = gevent.spawn(self.joins, user, remote)

    def goes(self, code: int) -> None:
        if not self.gone:
            self.gone = True
            gevent.spawn(self._end, self.close_code or code)

    def _end(self, code: int) -> None:
        if self._joining is not None:
            self._joining.join()
        self.drops(code)


class Seat:
    """The place of one user of a pair, and what was said from it."""

    def __init__(self, user: str, remote: str) -> None:
        self.user = user
        self.remote = remote
        # Those that have come, the latest one last.
        self.all: list[User] = []
        # By each number that was said: who said it, and how many replies had come to them by then.
        self.said: dict[int, tuple[User, int]] = {}

    def joins(self, host: Host) -> None:
        self.all.append(User(host.workers))
        self.all[-1].begins_to_join(self.user, self.remote)

    def joins_again(self) -> None:
        if (person := self.open) is not None and not person.busy and person.session.pair is not None:
            person.begins_to_join(self.user, self.remote)

    @property
    def open(self) -> User | None:
        """Return the latest who came, while it is there."""
        return next((one for one in self.all[-1:] if not one.gone and one.close_code is None), None)

    def says(self) -> None:
        if (person := self.open) is not None and not person.busy and person.session.pair is not None:
            number = next(_numbers)
            self.said[number] = (person, len(person.inbox))
            person.says(type="message", data=number)

    def goes(self, code: int) -> None:
        if (person := self.open) is not None:
            person.goes(code)

    def tidies(self) -> None:
        """End whom the server closed, as the transport does."""
        for person in self.all:
            if person.close_code is not None:
                person.goes(person.close_code)


class Town:
    """Two workers, each with a connection to Redis that may fail, and those who come to them."""

    def __init__(self, stack: ExitStack, seed: int) -> None:
        self.random = random.Random(seed)
        self.redis: Redis = stack.enter_context(redis_server())
        self.cables: list[Cable] = [stack.enter_context(Cable(self.redis.port)) for _ in range(2)]
        self.hosts = [Host(cable.url, redis_timeout=0.3, node_timeout=5.0) for cable in self.cables]
        names = [(f"a{number}", f"b{number}") for number in range(PAIRS)]
        self.seats = [Seat(*names) for pair in names for names in (pair, pair[::-1])]
        self.held = self.deaf = False
        self.old_links: list[Any] = []

    def step(self) -> None:
        kinds = {
            self.talk: 60,
            self.come: 12,
            self.go: 3,
            self.join_again: 4,
            self.pause: 12,
            self.fail: 3,
            self.heal: 6,
        }
        self.random.choices(list(kinds), list(kinds.values()))[0]()

    def talk(self) -> None:
        self.random.choice(self.seats).says()

    def come(self) -> None:
        seat = self.random.choice(self.seats)
        # A newer connection while the older one is open, at times.
        if seat.open is None or self.random.random() < 0.2:
            seat.joins(self.random.choice(self.hosts))

    def go(self) -> None:
        self.random.choice(self.seats).goes(self.random.choice([1000, 1006]))

    def join_again(self) -> None:
        self.random.choice(self.seats).joins_again()

    def pause(self) -> None:
        for seat in self.seats:
            seat.tidies()
        gevent.sleep(self.random.choice([0.0, 0.001, 0.02]))

    def fail(self) -> None:
        self.random.choice([self.cut, self.slow, self.stop, self.kill, self.forget, self.unload, self.shut_ears])()

    def cut(self) -> None:
        self.random.choice(self.cables).pull()

    def slow(self) -> None:
        self.random.choice(self.cables).slow(self.random.choice([0.01, 0.1, 0.2]))

    def stop(self) -> None:
        self.redis.hold()
        self.held = True

    def ask(self, *command: str) -> None:
        if not self.held:
            self.redis.ask(*command)

    def kill(self) -> None:
        self.ask("CLIENT", "KILL", "TYPE", self.random.choice(["normal", "pubsub"]))

    def forget(self) -> None:
        self.ask("FLUSHALL")

    def unload(self) -> None:
        self.ask("SCRIPT", "FLUSH")

    def shut_ears(self) -> None:
        for link in self.random.choice(self.hosts).registry.redis.up:
            if link is not None:
                link._watcher.stop()
                self.old_links.append(link)

    def heal(self) -> None:
        self.redis.go_on()
        self.held = False
        for link in self.old_links:
            if not link.broken:
                link._watcher.start(link._readable)
        self.old_links.clear()
        for cable in self.cables:
            cable.slow(0.0)
            cable.plug()

    def settle(self) -> None:
        """Wait until all is well, and everybody has heard of all."""
        self.heal()
        for host in self.hosts:
            # Now it must succeed, on a machine that is busy too.
            host.registry.redis._timeout = TIMEOUT
        until(lambda: all(host.up for host in self.hosts))
        until(lambda: not any(person.busy for seat in self.seats for person in seat.all))
        for seat in self.seats:
            seat.tidies()
        # What was forgotten is noticed at the next beat.
        gevent.sleep(1.0)
        until(self._all_heard)

    def _all_heard(self) -> bool:
        try:
            for host in 2 * self.hosts:
                host.workers.settle()
        except RedisConnectionError:
            # A script was missing still, which a worker notices when it needs it.
            return False
        return True


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is to be ended after the test."""
    with ExitStack() as undo:
        yield undo


@pytest.mark.parametrize("seed", rest_long(range(10), quick=2))
def test_whatever_fails_each_message_is_heard_or_the_speaker_is_told(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, seed: int
):
    monkeypatch.setattr(redis_client, "RECONNECT_INTERVAL", 0.05)
    town = Town(stack, seed)
    for _ in range(STEPS):
        town.step()
    town.settle()
    for seat in town.seats:
        peers = [other for other in town.seats if (other.user, other.remote) == (seat.remote, seat.user)]
        check(seat, peers[0])
    agree(town)
    for seat in town.seats:
        for person in seat.all:
            person.goes(1006)
    town.settle()
    assert in_redis(town.redis) == {}
    assert indexed(town.redis) == set()
    for host in town.hosts:
        assert host.registry._routes.keys() == set()
        assert not host.registry._rooms
        host.registry.redis.stop()


def check(seat: Seat, peer: Seat) -> None:
    """What was said from one seat came to the other in order, or was followed by a word of why not."""
    for listener in peer.all:
        came = [reply["data"] for reply in listener.inbox if reply["type"] == "message"]
        assert came == sorted(set(came)), "in order, and none twice"
    came = {reply["data"] for listener in peer.all for reply in listener.inbox if reply["type"] == "message"}
    for person in seat.all:
        # Each message that is lost, from the last one on, needs an error of its own, or anything that says more.
        lost = [(number, at) for number, (who, at) in seat.said.items() if who is person and number not in came]
        for errors, (number, at) in enumerate(reversed(lost), 1):
            later = person.inbox[at:]
            # Who goes cannot hear it any more.
            if (
                person.gone
                or person.close_code is not None
                or any(reply["type"] in ("ready", "bye", "created") for reply in later)
            ):
                break
            told = sum(reply.get("code") in ("unavailable", "peer-absent") for reply in later)
            assert told >= errors, f"{seat.user} said {number} to nobody, and heard {later}"


def agree(town: Town) -> None:
    """Whoever is in a room is there in Redis, has the right peer, and knows of it."""
    rooms = in_redis(town.redis)
    for seat, peer in zip(town.seats[::2], town.seats[1::2], strict=True):
        inside = {person.session.id: person for person in (*seat.all, *peer.all) if person.session.pair is not None}
        assert rooms.get(f"{seat.user}_{peer.user}", set()) == inside.keys()
        assert len(inside) <= 2
        for id_, person in inside.items():
            others = [other for other in inside if other != id_]
            assert ([person.session.peer.id] if person.session.peer else []) == others
            known = [reply for reply in person.inbox if reply["type"] == "roomInfo"][-1]["users"]
            assert {user["id"] for user in known} == inside.keys()
