"""Tells an app's own server who waits for somebody absent, so that it can ring.

Nobody waits for it: what is to be sent goes into a bounded queue, and one greenlet sends it.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import NamedTuple

import gevent
import msgspec
import urllib3
from gevent.event import Event
from msgspec import Raw
from urllib3.exceptions import HTTPError

from ..config.settings import Settings
from ..config.values import signing_key
from ..process.supervisor import ErrorLog, spawn_forever
from ..protocol.messages import Pair, User
from ..version import __version__
from .registry import Registry
from .signature import signed

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""How often a POST is tried."""

FIRST_DELAY = 1.0
"""Seconds between the first two attempts at the most; twice as many before each further one."""

_ANSWER_BYTES = 65_536
"""What is read of an answer, so that its connection can be used again."""

_HEADERS = {"Content-Type": "application/json", "User-Agent": f"webrtc-signaling/{__version__}"}

_LOG_INTERVAL = 60.0

# Who answers with another of these will answer with it again. So will who sends one elsewhere.
_TRY_AGAIN = {408, 429}


class Delivery(NamedTuple):
    """One POST that is still to be sent, or to be sent again."""

    due: float
    """Seconds of the monotonic clock."""
    number: int
    pair: Pair
    user: User
    body: bytes
    id: str
    attempt: int = 1


class Webhook:
    """The POSTs of one worker to one URL.

    Attributes:
        delivered: how many the receiver took.
        failed: how many it did not take, at the last attempt.
        dropped: how many found no place in the queue.
    """

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.delivered = self.failed = self.dropped = 0
        self._url = settings.webhook_url
        self._key = signing_key(settings.webhook_secret)
        self._timeout = settings.webhook_timeout
        self._most = settings.webhook_queue
        self._registry = registry
        self._http = urllib3.PoolManager(retries=False)
        # By when they are due: one that is to be tried again later is not in the way of a new one.
        self._queue: list[Delivery] = []
        self._news = Event()
        self._number = 0
        self._greenlet: gevent.Greenlet[..., None] | None = None
        self._errors = ErrorLog("the webhook")
        # What went wrong since that was last logged, and when that was.
        self._unsaid = 0
        self._said = -_LOG_INTERVAL

    def __len__(self) -> int:
        """The number of POSTs that wait."""
        return len(self._queue)

    def tell_waiting(self, pair: Pair, user: User, remote: User) -> None:
        """Tell that ``user`` waits for ``remote``. Neither waits nor raises."""
        if len(self._queue) >= self._most:
            self.dropped += 1
            self._complain(f"{self._most} wait already (SIGNALING_WEBHOOK_QUEUE)")
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        data = {"room": pair.room, "userId": Raw(user.json), "remoteId": Raw(remote.json)}
        body = msgspec.json.encode({"type": "user.waiting", "timestamp": now, "data": data})
        self._number += 1
        self._put(Delivery(time.monotonic(), self._number, pair, user, body, f"msg_{secrets.token_hex(16)}"))
        if self._greenlet is None:
            self._greenlet = spawn_forever("the webhook", self._run)

    def _put(self, delivery: Delivery) -> None:
        heappush(self._queue, delivery)
        self._news.set()

    def _run(self) -> None:
        """Send what is due, or wait for it. It is called again and again."""
        self._news.clear()
        wait = self._queue[0].due - time.monotonic() if self._queue else None
        if wait is None or wait > 0:
            self._news.wait(wait)
        else:
            self._deliver(heappop(self._queue))

    def _deliver(self, delivery: Delivery) -> None:
        # The user may be gone, or in the call, by the time that it is a delivery's turn.
        if not self._registry.is_alone(delivery.pair, delivery.user):
            return
        status, words = self._post(delivery)
        log.debug("Webhook %s, attempt %d: %s", delivery.id, delivery.attempt, words)
        if 200 <= status < 300:
            self.delivered += 1
        elif 300 <= status < 500 and status not in _TRY_AGAIN:
            self.failed += 1
            self._complain(words)
        elif delivery.attempt >= MAX_ATTEMPTS:
            self.failed += 1
            self._complain(f"{words}, {MAX_ATTEMPTS} times")
        else:
            delay = delay_after(delivery.attempt)
            self._put(delivery._replace(due=time.monotonic() + delay, attempt=delivery.attempt + 1))

    def _post(self, delivery: Delivery) -> tuple[int, str]:
        """Return the status of the answer, 0 if there is none, and what to say of it."""
        # Not urllib3's: that one is for each read, and name servers and handshakes take their time as well.
        with gevent.Timeout(self._timeout, False):  # type: ignore[arg-type]
            try:
                headers = _HEADERS | signed(self._key, delivery.id, int(time.time()), delivery.body)
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
                # Whatever it is, the POST is tried again.
                self._errors.add(error)
                return 0, repr(error)
            return response.status, f"it answered {response.status}"
        return 0, f"no answer within {self._timeout:g} seconds"

    def _complain(self, words: str) -> None:
        self._unsaid += 1
        now = time.monotonic()
        if now - self._said >= _LOG_INTERVAL:
            log.warning("Webhooks that failed: %d, the last one: %s", self._unsaid, words)
            self._unsaid, self._said = 0, now


def delay_after(attempt: int) -> float:
    """Return how many seconds to wait after that attempt failed."""
    return FIRST_DELAY * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - nobody gains by guessing it
