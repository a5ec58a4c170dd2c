"""Who loses their place among the connections that are no WebSockets yet, and who keeps it."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from signaling.transport import pending, pending_connections
from signaling.transport.loop_share import LoopShare
from signaling.transport.pending import CROWD_STALL_SECONDS, STALL_SECONDS, Pending
from signaling.transport.pending_connections import PendingConnections

PLACES = 10


class Clock:
    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (pending, pending_connections):
        monkeypatch.setattr(module, "time", clock)
    return clock


def places(exempt: Callable[[str], bool] = lambda _: False) -> PendingConnections:
    return PendingConnections(places=PLACES, seconds=10.0, max_head_bytes=8_192, exempt=exempt)


def enter(all_: PendingConnections, address: str, waiting: bool = True) -> Pending:
    one = all_.enter(address)
    assert one is not None
    one.waiting = waiting
    return one


def test_whoever_waits_longest_without_need_makes_room(clock: Clock):
    all_ = places()
    first, *_ = [enter(all_, f"192.0.2.{number}") for number in range(PLACES)]
    assert not all_.make_room()
    clock.now += STALL_SECONDS
    assert all_.make_room()
    assert len(all_) == PLACES - 1
    all_.leave(first)
    assert len(all_) == PLACES - 1


def test_whoever_has_most_places_loses_one_first(clock: Clock):
    all_ = places()
    lonely = enter(all_, "192.0.2.1")
    clock.now += 0.5
    for _ in range(PLACES // 2):
        enter(all_, "192.0.2.2")
    clock.now += STALL_SECONDS
    for _ in range(PLACES // 2 - 1):
        assert all_.end_stalled()
    # Each has one now.
    assert len(all_) == 2
    all_.leave(lonely)
    assert len(all_) == 1


@pytest.mark.parametrize("is_proxy", [False, True])
def test_the_crowd_of_one_address_has_less_patience_unless_it_is_a_proxy(clock: Clock, is_proxy: bool):
    all_ = places(exempt=lambda _: is_proxy)
    for _ in range(PLACES - 1):
        enter(all_, "192.0.2.1")
    enter(all_, "192.0.2.2")
    clock.now += CROWD_STALL_SECONDS
    assert all_.make_room() is not is_proxy
    clock.now += STALL_SECONDS
    assert all_.make_room()


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.{}"], ids=["a crowd", "many addresses"])
def test_whoever_waited_for_the_server_is_not_late(clock: Clock, monkeypatch: pytest.MonkeyPatch, address: str):
    def acquire(_share: LoopShare, served: bool = False) -> None:
        clock.now += 10 * STALL_SECONDS

    monkeypatch.setattr(LoopShare, "acquire", acquire)
    all_ = places()
    for number in range(PLACES):
        enter(all_, address.format(number)).acquire_share()
        clock.now -= 10 * STALL_SECONDS
    clock.now += 10 * STALL_SECONDS
    assert not all_.make_room()
    clock.now += STALL_SECONDS
    assert all_.make_room()


def test_a_connection_that_goes_on_keeps_its_place(clock: Clock):
    all_ = places()
    for _ in range(PLACES):
        enter(all_, "192.0.2.1", waiting=False)
    clock.now += 3_600
    assert not all_.make_room()


def test_a_place_comes_back_if_its_client_is_heard_in_the_last_moment(clock: Clock):
    """It was chosen to go, and got what it waited for before it was told. No place is lost or counted twice."""
    all_ = places()
    first = enter(all_, "192.0.2.1")
    clock.now += STALL_SECONDS
    assert all_.end_stalled()
    first.waiting = False
    gevent.sleep(0)
    assert len(all_) == 1
    all_.leave(first)
    all_.leave(first)
    assert len(all_) == 0


def test_a_place_that_was_given_back_meanwhile_does_not_come_back(clock: Clock):
    all_ = places()
    first = enter(all_, "192.0.2.1")
    clock.now += STALL_SECONDS
    assert all_.end_stalled()
    first.waiting = False
    all_.leave(first)
    gevent.sleep(0)
    assert len(all_) == 0
