"""One log line for each call at its end, in place of the lines of its connections (``SIGNALING_LOG_EVENTS=calls``)."""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress

from ..config.logging import quoted
from ..process.occasional_log import OccasionalLog
from ..rooms.events import Event, EventType
from ..telemetry.stats import Stats

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Lines that wait for a log handler of the app. Further ones are dropped, and a warning counts them."""

DROPPED = "Lines of ended calls that were dropped: %d, since the log is slow"


class CallLines:
    """The lines of one node. Each call and each wait without a call has one line in the cluster."""

    def __init__(self, stats: Stats) -> None:
        """Show users as ``stats`` names them."""
        self._name = stats.name
        # An event comes under the lock of the rooms, where nothing may log.
        self._ended: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._dropped = OccasionalLog(log)
        self._thread: threading.Thread | None = None

    def put(self, event: Event) -> None:
        """Log ``event`` soon if it is an end. Neither waits nor raises."""
        if event.type == EventType.CALL_ENDED or (event.type == EventType.WAITING_ENDED and event.outcome != "met"):
            if self._ended.qsize() < MAX_WAITING:
                self._ended.put(event)
            else:
                self._dropped.warning(DROPPED)

    def start(self) -> None:
        """Write lines from now on. Does not wait."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def write(self) -> None:
        """Write the lines that wait."""
        with suppress(queue.Empty):
            while True:
                self._write(self._ended.get(block=False))

    def _run(self) -> None:
        while True:
            self._write(self._ended.get())

    def _write(self, event: Event) -> None:
        try:
            (_log_call if event.call is not None else _log_wait)(event, tuple(map(self._name, event.pair)))
        # A handler of an app may raise anything, at this line as well, and the thread must go on.
        except BaseException:
            with suppress(BaseException):
                log.exception("The line of call %s could not be written", event.call_id)


def _log_call(event: Event, users: tuple[str, ...]) -> None:
    call = event.call
    assert call is not None
    fields: dict[str, object] = {"outcome": call.outcome or ("unanswered" if event.answered is None else "answered")}
    if event.answered is not None:
        fields["answered"] = round(event.answered - event.began, 3)
    text = "Call of %s and %s ended"
    _log(text, event, users, fields | {"seconds": round(call.duration, 3), "reason": call.reason})


def _log_wait(event: Event, users: tuple[str, ...]) -> None:
    waited = users if event.user == event.pair.first else users[::-1]
    fields = {"outcome": "no-peer", "seconds": round(event.at - event.began, 3), "reason": event.outcome}
    _log("User %s waited for %s, who did not come", event, waited, fields)


def _log(text: str, event: Event, users: tuple[str, ...], fields: dict[str, object]) -> None:
    log.info(text, *map(quoted, users), extra={"call": event.call_id, "users": users, **fields})
