"""What all users of a soak share: the server, the throttle and the results."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from websockets.asyncio.client import connect

from tests.soak.raw_client import RawClient
from tests.soak.results import Results
from tests.soak.throttle import Throttle
from tests.soak.user import User
from tests.waiting import TIMEOUT


@dataclass
class SoakContext:
    """What all users share.

    Attributes:
        url: the server's, of its WebSocket.
        throttle: how often they act.
    """

    url: str
    port: int
    tls: ssl.SSLContext
    throttle: Throttle
    results: Results = field(default_factory=Results)

    async def user(self, name: str | int, remote: str | int) -> User:
        """Return a new connection of this user."""
        self.results["connections"] += 1
        socket = await connect(self.url, ssl=self.tls, compression=None, ping_interval=None, open_timeout=TIMEOUT)
        return User(socket, name, remote, self.results)

    async def raw_client(self, tls: bool = True) -> RawClient:
        self.results["connections"] += 1
        return await RawClient.come(self.port, self.tls if tls else None)
