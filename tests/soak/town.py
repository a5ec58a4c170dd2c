"""Where users meet: the server, the pace of life, and the tally of it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from websockets.asyncio.client import connect

from tests.soak.pace import Pace
from tests.soak.rude import Rude
from tests.soak.tally import Tally
from tests.soak.user import User
from tests.waiting import TIMEOUT


@dataclass
class Town:
    """What all users share.

    Attributes:
        url: the server's, of its WebSocket.
        pace: how fast they live.
    """

    url: str
    port: int
    tls: ssl.SSLContext
    pace: Pace
    tally: Tally = field(default_factory=Tally)

    async def user(self, name: str | int, remote: str | int) -> User:
        """Return a new connection of this user."""
        self.tally["connections"] += 1
        socket = await connect(self.url, ssl=self.tls, compression=None, ping_interval=None, open_timeout=TIMEOUT)
        return User(socket, name, remote, self.tally)

    async def rude(self, tls: bool = True) -> Rude:
        self.tally["connections"] += 1
        return await Rude.come(self.port, self.tls if tls else None)
