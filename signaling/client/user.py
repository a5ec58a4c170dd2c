"""A user of the server who waits for one other user, and takes part in whatever calls come about."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from aiortc import RTCIceServer

from ..check import CheckError, Somebody, dial
from .call import Call
from .progress import CallProgress
from .relays import prove_relays


class Server(NamedTuple):
    """A signaling server, and how to use it."""

    url: str
    ca: str | None = None
    """Path of the certificates to trust, in PEM, instead of the system's."""
    address: str | None = None
    """Where to connect to, instead of to the host of the URL."""
    relay: bool = False
    """Whether to take no other way to the peer than through its TURN servers."""


class User:
    """One user in one room.

    A ``ready``, and an offer of another session, begin a new call, as when the peer reloads its page.
    """

    def __init__(
        self,
        server: Server,
        me: Somebody,
        remote: Somebody,
        progress: CallProgress,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Get ready.

        Args:
            server: where to meet.
            me: who this is.
            remote: who the other one is.
            progress: is told how the calls go.
            tell: is given a line for people about each change.
        """
        self._server = server
        self._me = me
        self._remote = remote
        self._progress = progress
        self._tell = tell
        self._ice_servers: list[RTCIceServer] = []
        self._call: Call | None = None

    async def serve(self) -> None:
        """Join, and take part until the connection to the server ends.

        Raises:
            CheckError: the server refuses the join, or a TURN server that is needed does not work.
            OSError, WebSocketException: the server cannot be reached, is no WebSocket server, or ended the connection.
        """
        url, ca, address, _ = self._server
        async with dial(url, ca, address) as self._socket:
            await self._say(**self._me.join(self._remote, iceServers=True))
            try:
                while True:
                    await self._hear(json.loads(await self._socket.recv()))
            finally:
                await self._hang_up()
                # Whatever ended it: it is no fault, and the peer is to hear that this user left.
                await self._socket.close()

    async def _hear(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "created" | "joined"}:
                # A server that knows nothing of them says nothing of them.
                self._ice_servers = [_ice_server(**server) for server in message.get("iceServers", [])]
                if self._server.relay:
                    await prove_relays(self._ice_servers, self._server.ca)
                self._tell(f"{self._me.name} is in {message['room']}")
            case {"type": "ready"}:
                await (await self._new_call()).offer()
            case {"type": "message", "data": {"type": "offer"} as offer}:
                call = self._call
                if call is None or not call.goes_on_with(offer):
                    call = await self._new_call()
                await self._take_in(call, offer)
            case {"type": "message", "data": {} as data} if self._call:
                await self._take_in(self._call, data)
            case {"type": "bye"} if self._call:
                await self._hang_up()
                self._tell(f"{self._remote.name} left; so far {self._progress}")
            case {"type": "error", "message": words} if message.get("code") != "peer-absent":
                raise CheckError(words)

    async def _take_in(self, call: Call, data: dict[str, Any]) -> None:
        try:
            await call.receive(data)
        except Exception as error:
            # There is no end to what aiortc raises of a description that it cannot read.
            raise CheckError(f"the {data['type']} of {self._remote.name} cannot be used: {error!r}") from error

    async def _new_call(self) -> Call:
        await self._hang_up()
        self._tell(f"{self._remote.name} is here")
        self._call = Call(self._send, self._progress, self._ice_servers, relay=self._server.relay)
        return self._call

    async def _hang_up(self) -> None:
        if self._call is not None:
            call, self._call = self._call, None
            await call.close()

    async def _send(self, data: dict[str, Any]) -> None:
        await self._say(type="message", data=data)

    async def _say(self, **message: Any) -> None:
        await self._socket.send(json.dumps(message))


def _ice_server(urls: str | list[str], username: str | None = None, credential: str | None = None) -> RTCIceServer:
    return RTCIceServer([urls] if isinstance(urls, str) else urls, username, credential)
