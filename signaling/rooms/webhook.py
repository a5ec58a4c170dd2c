"""The webhook: tell the app's own server of calls, and of users who wait, so that the app can ring.

Sending never makes a session wait. A bounded queue keeps the POSTs, and one greenlet sends them.
"""

from __future__ import annotations

import logging
import secrets
import time
from heapq import heappop, heappush
from typing import NamedTuple

import gevent
import gevent.event
import msgspec
import urllib3
from msgspec import Raw
from urllib3.exceptions import HTTPError

from ..config.settings import Settings
from ..config.timestamp import iso_8601
from ..config.values import signing_keys
from ..process import backoff
from ..process.occasional_log import OccasionalLog
from ..process.supervisor import ErrorLog, spawn_forever
from ..version import __version__
from .events import Event, EventType
from .registry import Registry
from .signature import signed

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""Attempts to send a POST."""

FIRST_DELAY = 1.0
"""Seconds of the longest delay after the first attempt. It doubles after each further one."""

_ANSWER_BYTES = 65_536
"""Bytes that are read of an answer, so that its connection can be used again."""

_HEADERS = {"Content-Type": "application/json", "User-Agent": f"webrtc-signaling/{__version__}"}

# The only redirects and client errors after which a retry may succeed.
_RETRY_STATUSES = {408, 429}


class Delivery(NamedTuple):
    """One POST that waits for its first or next attempt."""

    due: float
    """When it is due, in seconds of the monotonic clock."""
    number: int
    event: Event
    body: bytes
    id: str
    attempt: int = 1


class Webhook:
    """The POSTs of one node to one URL.

    Attributes:
        delivered: the number of POSTs that the receiver accepted.
        failed: the number of POSTs that failed at the last attempt.
        dropped: the number of POSTs that had no place in the queue.
    """

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.delivered = self.failed = self.dropped = 0
        self._url = settings.webhook_url
        self._keys = signing_keys(settings.webhook_secret, settings.webhook_secret_fallback)
        self._timeout = settings.webhook_timeout
        self._max_queued = settings.webhook_queue
        self._registry = registry
        self._http = urllib3.PoolManager(retries=False)
        # A heap in the order of due times: a retry does not delay a new POST.
        self._queue: list[Delivery] = []
        self._queued = gevent.event.Event()
        self._number = self._sending = 0
        self._greenlet: gevent.Greenlet[..., None] | None = None
        self._errors = ErrorLog("the webhook")
        self._failures = OccasionalLog(log)

    def __len__(self) -> int:
        """The number of POSTs that wait."""
        return len(self._queue)

    def tell(self, event: Event) -> None:
        """Queue the POST of ``event``. Neither waits nor raises."""
        if len(self._queue) >= self._max_queued:
            self.dropped += 1
            self._log_failure(f"{self._max_queued} wait already (SIGNALING_WEBHOOK_QUEUE)")
            return
        self._number += 1
        self._put(Delivery(time.monotonic(), self._number, event, body_of(event), f"msg_{secrets.token_hex(16)}"))
        if self._greenlet is None:
            self._greenlet = spawn_forever("the webhook", self._run)

    def drain(self, seconds: float) -> None:
        """Wait until all POSTs are sent, at most ``seconds``, and log how many were not."""
        limit = time.monotonic() + seconds
        while self._queue or self._sending:
            if time.monotonic() >= limit:
                log.error("The server stops with %d webhooks that were not delivered", len(self._queue) + self._sending)
                return
            gevent.sleep(0.01)

    def _put(self, delivery: Delivery) -> None:
        heappush(self._queue, delivery)
        self._queued.set()

    def _run(self) -> None:
        """Send the POST that is due, or wait for one. The supervisor calls this in a loop."""
        self._queued.clear()
        wait = self._queue[0].due - time.monotonic() if self._queue else None
        if wait is None or wait > 0:
            self._queued.wait(wait)
        else:
            self._sending = 1
            try:
                self._deliver(heappop(self._queue))
            finally:
                self._sending = 0

    def _deliver(self, delivery: Delivery) -> None:
        event = delivery.event
        # The user may have left or be in the call by now.
        if event.type == EventType.WAITING and not self._registry.is_alone(event.pair, event.user):
            return
        status, outcome = self._post(delivery)
        log.debug("Webhook %s, attempt %d: %s", delivery.id, delivery.attempt, outcome)
        if 200 <= status < 300:
            self.delivered += 1
        elif 300 <= status < 500 and status not in _RETRY_STATUSES:
            self.failed += 1
            self._log_failure(outcome)
        elif delivery.attempt >= MAX_ATTEMPTS:
            self.failed += 1
            self._log_failure(f"{outcome}, {MAX_ATTEMPTS} times")
        else:
            due = time.monotonic() + backoff.delay(delivery.attempt, FIRST_DELAY)
            self._put(delivery._replace(due=due, attempt=delivery.attempt + 1))

    def _post(self, delivery: Delivery) -> tuple[int, str]:
        """Send a POST; return the status of the answer, 0 if there is none, and the outcome in words."""
        # urllib3's own timeout is for each read, and does not cover name servers.
        with gevent.Timeout(self._timeout, False):  # type: ignore[arg-type]
            try:
                headers = _HEADERS | signed(self._keys, delivery.id, int(time.time()), delivery.body)
                response = self._http.request(
                    "POST", self._url, body=delivery.body, headers=headers, redirect=False, preload_content=False
                )
                try:
                    response.read(_ANSWER_BYTES)
                finally:
                    response.close()
            except (HTTPError, OSError) as error:
                return 0, str(error)
            except Exception as error:
                # An unexpected error, after which the POST is retried too.
                self._errors.add(error)
                return 0, repr(error)
            return response.status, f"it answered {response.status}"
        return 0, f"no answer within {self._timeout:g} seconds"

    def _log_failure(self, outcome: str) -> None:
        self._failures.warning("Webhooks that failed: %d, the last one: %s", outcome)


def body_of(event: Event) -> bytes:
    """Return the body of the POST about an event."""
    data: dict[str, object] = {"callId": event.call_id, "sequence": event.sequence, "room": event.pair.room}
    if event.call is None:
        data |= {"userId": Raw(event.json_of(event.user)), "remoteId": Raw(event.json_of(event.peer))}
        if event.outcome:
            data["outcome"] = event.outcome
    else:
        data |= {"users": [Raw(json) for json in event.json], "startedAt": iso_8601(event.call.started_at)}
        if event.call.ended_at is not None:
            data["endedAt"] = iso_8601(event.call.ended_at)
            data |= {"duration": round(event.call.duration, 3), "reason": event.call.reason}
        if event.call.connected_at is not None:
            data["connectedAt"] = iso_8601(event.call.connected_at)
        known = {"path": event.call.path, "outcome": event.call.outcome}
        data |= {name: value for name, value in known.items() if value is not None}
    return msgspec.json.encode({"type": event.type, "timestamp": iso_8601(event.at), "data": data})
