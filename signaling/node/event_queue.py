"""The events of calls on their way to the app: a bounded queue, and the threads that deliver from it.

Events of one pair are delivered one after the other. A receiver that waits delays only the events of its pair, until
:data:`THREADS` of them wait. In a gevent worker the threads are greenlets.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol

from ..process.occasional_log import OccasionalLog
from ..protocol.messages import Pair
from ..rooms.events import Event

log = logging.getLogger(__name__)

THREADS = 8
"""Events that are delivered at the same time."""

TICK = 1.0
"""Seconds between two looks for calls that have ended."""

FULL = "Events of calls that were dropped: %d, since the receivers are slow (SIGNALING_EVENT_QUEUE): %s"


class Receivers(Protocol):
    """The receivers of an app."""

    def is_wanted(self, event: Event) -> bool:
        """Return whether any receiver wants ``event``. Neither waits nor raises."""

    def send(self, event: Event) -> None:
        """Tell the receivers of ``event``. It may wait."""


class EventQueue:
    """The events of one node that wait for the receivers of the app.

    Attributes:
        delivered: the number of events that the receivers got.
        dropped: the number of events that had no place in the queue.
    """

    def __init__(self, receivers: Receivers | None, max_waiting: int, on_tick: Callable[[], object]) -> None:
        """Make an empty queue.

        Args:
            receivers: the receivers of the app; without them, all events are dropped.
            max_waiting: events that may wait.
            on_tick: is called every :data:`TICK` seconds once the queue delivers; it must not wait.
        """
        self.delivered = self.dropped = 0
        self._receivers = receivers
        self._on_tick = on_tick
        self._max = max_waiting
        self._lock = threading.Lock()
        self._is_empty = threading.Condition(self._lock)
        self._count = 0
        self._lanes: dict[Pair, deque[Event]] = {}
        # Pairs whose next event is due. SimpleQueue.put does not wait, and gevent's does not either.
        self._due: queue.SimpleQueue[Pair] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._dropped = OccasionalLog(log)

    def __len__(self) -> int:
        """The number of events that wait or are being delivered."""
        return self._count

    def put(self, event: Event) -> None:
        """Add ``event`` if a receiver wants it. If the queue is full, log and count it. Neither waits nor raises."""
        if self._receivers is None or not self._receivers.is_wanted(event):
            return
        with self._lock:
            if self._count >= self._max:
                self.dropped += 1
                is_full = True
            else:
                is_full = False
                self._count += 1
                lane = self._lanes.get(event.pair)
                if lane is None:
                    self._lanes[event.pair] = deque([event])
                    self._due.put(event.pair)
                else:
                    lane.append(event)
        if is_full:
            self._dropped.warning(FULL, f"{event.type} of call {event.call_id}")

    def start(self) -> None:
        """Deliver from now on. Does not wait."""
        if not self._threads:
            steps = [self._tick, *[self._deliver_due] * THREADS]
            self._threads = [threading.Thread(target=_run_forever, args=(step,), daemon=True) for step in steps]
            for thread in self._threads:
                thread.start()

    def deliver_all(self) -> None:
        """Deliver all events in this thread, for tests without a server."""
        with suppress(queue.Empty):
            while True:
                self._deliver_next(self._due.get(block=False))

    def drain(self, seconds: float) -> None:
        """Wait until all events are delivered, at most ``seconds``, and log how many were not."""
        with self._is_empty:
            if self._threads:
                self._is_empty.wait_for(lambda: not self._count, max(0.0, seconds))
        if self._count:
            log.error("The server stops with %d events of calls that the app did not get", self._count)

    def _deliver_due(self) -> None:
        self._deliver_next(self._due.get())

    def _tick(self) -> None:
        time.sleep(TICK)
        self._on_tick()

    def _deliver_next(self, pair: Pair) -> None:
        event = self._lanes[pair][0]
        try:
            assert self._receivers is not None
            self._receivers.send(event)
        except Exception:
            log.exception("An error in the delivery of %s of call %s, which goes on", event.type, event.call_id)
        finally:
            with self._lock:
                self.delivered += 1
                self._count -= 1
                lane = self._lanes[pair]
                lane.popleft()
                if lane:
                    self._due.put(pair)
                else:
                    del self._lanes[pair]
                if not self._count:
                    self._is_empty.notify_all()


def _run_forever(step: Callable[[], object]) -> NoReturn:
    while True:
        try:
            step()
        # A receiver may raise SystemExit or gevent.Timeout, and the thread must go on.
        except BaseException:
            log.exception("An error in the delivery of events, which goes on")
