"""The gate of one node: which clients get a WebSocket."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from ..config.env import SettingsError
from ..config.settings import Settings
from ..process.occasional_log import OccasionalLog
from ..rooms.admission import AppRules
from ..rooms.memory import MemoryRegistry
from ..rooms.registry import Registry
from ..security.client_ip import TrustedProxies
from ..security.connection_limit import ConnectionLimiter
from ..security.origins import Origins
from ..transport.connections import Connections
from . import sole_worker
from .rejection import Rejection

log = logging.getLogger(__name__)

SPLIT = (
    "%d WebSockets were refused: several workers would each have rooms of their own. Run one worker (-w 1), or let the "
    "workers share a Redis (SIGNALING_REDIS_URL)"
)


class Handshake(NamedTuple):
    """The part of an opening handshake that the gate considers."""

    remote: str
    """The address at the other end of the TCP connection; empty for a Unix socket."""
    forwarded: str
    """The value of ``X-Forwarded-For``."""
    origin: str | None
    """The origin of the page, if the client is a browser."""
    host: str
    """The host that the client has named, and its port unless it is the usual one."""
    multiprocess: bool
    """Whether the server has told the app of other workers."""


class Gate:
    """The rules and limits that each handshake must meet.

    Attributes:
        limiter: the limits of each address.
    """

    def __init__(
        self, settings: Settings, connections: Connections, registry: Registry, admission: AppRules | None
    ) -> None:
        """Guard ``connections`` with the limits of ``settings`` and the rules of the app, if it has any."""
        self._max_connections = settings.max_connections
        self._connections = connections
        self._needs_sole_worker = isinstance(registry, MemoryRegistry)
        self._admission = admission
        self._origins = Origins(settings.allowed_origins, allow_missing=settings.allow_missing_origin)
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self.limiter = ConnectionLimiter(settings)
        self._log = OccasionalLog(log)

    def client_address(self, remote: str, forwarded: str) -> str:
        """Return the address of a client. It is empty if no proxy names it on a Unix socket.

        Args:
            remote: the address at the other end of the TCP connection; empty for a Unix socket.
            forwarded: the value of ``X-Forwarded-For``.
        """
        return self._proxies.client(remote, forwarded)

    @property
    def has_loader(self) -> bool:
        """Return whether the app names the user of each connection."""
        return self._admission is not None and self._admission.has_loader

    def is_split(self, handshake: Handshake) -> bool:
        """Return whether each worker has rooms of its own, so that two users could wait for each other for ever."""
        return self._needs_sole_worker and (handshake.multiprocess or not sole_worker.is_sole())

    def check_settings(self) -> None:
        """Check that the app has set nothing too late.

        Raises:
            signaling.config.env.SettingsError: a protection came after ``init_app``, so it protects nothing.
        """
        if self._admission is not None and (problem := self._admission.problem()):
            raise SettingsError(problem)

    def misconfiguration(self) -> Rejection | None:
        """Return why this node must not serve, or None if it may: a setting came too late. The log names it."""
        if self._admission is None or not self._admission.problem():
            return None
        return Rejection("settings", 503, "A setting of the server came after init_app.", 30)

    def rejection(self, handshake: Handshake, address: str, *, count: bool = True) -> Rejection | None:
        """Return why the client gets no WebSocket, or None if it gets one.

        Args:
            handshake: the handshake, or a request that asks about one.
            address: the address of the client.
            count: whether this is an attempt, which counts against the limits of the address.
        """
        if (rejection := self.misconfiguration()) is not None:
            return rejection
        if self._connections.draining:
            return _draining()
        if self.is_split(handshake):
            self._log.warning(SPLIT)
            return Rejection("workers", 503, "The server has several workers and no Redis.", 30)
        # A browser sends cookies along from any page, so with the app's users the origin always counts.
        if not self._origins.allow(handshake.origin, handshake.host, always_check=self.has_loader):
            return Rejection("origin", 403, "This origin is not allowed.")
        if len(self._connections) >= self._max_connections:
            return _full()
        if reason := self.limiter.check(address, time.monotonic(), count=count):
            return Rejection("address", 429, reason, 10)
        return None

    def rejection_after_wait(self, address: str) -> Rejection | None:
        """Return what has come up since :meth:`rejection` let the client pass; it counts nothing again."""
        if self._connections.draining:
            return _draining()
        if len(self._connections) >= self._max_connections:
            return _full()
        if reason := self.limiter.check_open(address):
            return Rejection("address", 429, reason, 10)
        return None


def _draining() -> Rejection:
    return Rejection("draining", 503, "The server is restarting.", 1)


def _full() -> Rejection:
    return Rejection("full", 503, "The server is full.", 10)
