"""The lines of ended calls, whose thread goes on after any error of a log handler."""

from __future__ import annotations

import logging
import queue

from signaling.config.settings import Settings
from signaling.node.call_lines import CallLines
from signaling.protocol.messages import Pair
from signaling.rooms.events import Event, EventType
from signaling.telemetry.stats import Stats
from tests.waiting import TIMEOUT


class Broken(logging.Handler):
    """Raises at every record, as a handler of an app may, until it is repaired."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = True
        self.seen: queue.SimpleQueue[str] = queue.SimpleQueue()

    def handle(self, record: logging.LogRecord) -> bool:
        self.seen.put(record.getMessage())
        if self.broken:
            raise RuntimeError("broken")
        return True


def test_the_lines_go_on_after_a_handler_that_raises_at_every_record():
    handler, log = Broken(), logging.getLogger("signaling.node.call_lines")
    log.addHandler(handler)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        lines = CallLines(Stats(Settings()))
        lines.start()
        wait = Event(
            type=EventType.WAITING_ENDED,
            call_id="call_1",
            sequence=2,
            at=2.0,
            pair=Pair("ann", "ben"),
            json=(b'"ann"', b'"ben"'),
            user="ann",
            outcome="left",
        )
        told = "User ann waited for ben, who did not come"
        lines.put(wait)
        assert handler.seen.get(timeout=TIMEOUT) == told
        assert handler.seen.get(timeout=TIMEOUT) == "The line of call call_1 could not be written"
        handler.broken = False
        lines.put(wait)
        assert handler.seen.get(timeout=TIMEOUT) == told
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
