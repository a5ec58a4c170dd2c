"""The check of the TURN servers: now and then, an allocation with the credentials that clients get."""

from __future__ import annotations

import logging
import time

import gevent

from ..config.settings import Settings
from ..process.supervisor import spawn_forever
from ..rooms.ice import ice_servers
from ..rooms.turn_allocation import TurnError, allocate, can_check

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
"""Seconds that a TURN server may take for an allocation."""


class TurnCheck:
    """The check of one node. It is a :class:`~signaling.node.node.Background`.

    Attributes:
        up: whether each TURN server gave an allocation at the latest check, by its URL.
    """

    def __init__(self, settings: Settings) -> None:
        """Check the TURN servers that ``settings`` name, every ``SIGNALING_TURN_CHECK_INTERVAL`` seconds."""
        self.up: dict[str, bool] = {}
        self._settings = settings
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Check from now on. Does not wait."""
        if self._greenlet is None:
            self._greenlet = spawn_forever("the check of the TURN servers", self._check_and_wait)

    def stop(self) -> None:
        """Check no more. Does not wait."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)

    def check(self) -> None:
        """Check all TURN servers, one after the other. Waits."""
        for url in filter(can_check, self._settings.turn_urls):
            server = ice_servers(self._settings, "check", time.time())[-1]
            try:
                allocate(url, server["username"], server["credential"], CHECK_SECONDS)
            except TurnError as error:
                if self.up.get(url, True):
                    log.warning("The TURN server %s gives no relay: %s", url, error)
                self.up[url] = False
            else:
                if not self.up.get(url, True):
                    log.info("The TURN server %s gives relays again", url)
                self.up[url] = True

    def _check_and_wait(self) -> None:
        self.check()
        gevent.sleep(self._settings.turn_check_interval)
