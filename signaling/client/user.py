"""A user of the server who waits for one peer and takes part in their calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from aiortc import RTCIceServer

from ..check import CheckError, CheckUser, dial
from .call import Call
from .progress import CallProgress
from .relays import check_relays


class Server(NamedTuple):
    """A signaling server, and how to connect to it."""

    url: str
    ca: str | None = None
    """Path of the certificates to trust, in PEM, instead of the system's."""
    address: str | None = None
    """The address to connect to, instead of the host of the URL."""
    relay: bool = False
    """Whether to connect to the peer only through TURN servers."""


class User:
    """One user in one room.

    A ``ready`` begins a new call. So does an offer of another session, which the peer sends after a reload of its page.
    """

    def __init__(
        self,
        server: Server,
        me: CheckUser,
        remote: CheckUser,
        progress: CallProgress,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare to join.

        Args:
            server: the server to join on.
            me: this user.
            remote: the peer.
            progress: records how the calls go.
            report: called with a line for people about each change.
        """
        self._server = server
        self._me = me
        self._remote = remote
        self._progress = progress
        self._report = report
        self._ice_servers: list[RTCIceServer] = []
        self._call: Call | None = None

    async def serve(self) -> None:
        """Join, and take part until the connection to the server ends.

        Raises:
            CheckError: the server refuses the join, or a required TURN server does not work.
            OSError, WebSocketException: the server cannot be reached, is no WebSocket server, or ended the connection.
        """
        url, ca, address, _ = self._server
        async with dial(url, ca, address) as self._socket:
            await self._send(**self._me.join(self._remote, iceServers=True))
            try:
                while True:
                    await self._handle(json.loads(await self._socket.recv()))
            finally:
                await self._hang_up()
                # An ordinary close, also after an error, so that the peer sees that this user left.
                await self._socket.close()

    async def _handle(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "created" | "joined"}:
                # A server without ICE servers sends no list.
                self._ice_servers = [_ice_server(**server) for server in message.get("iceServers", [])]
                if self._server.relay:
                    await check_relays(self._ice_servers, self._server.ca)
                self._report(f"{self._me.name} is in {message['room']}")
            case {"type": "ready"}:
                await (await self._new_call()).offer()
            case {"type": "message", "data": {"type": "offer"} as offer}:
                call = self._call
                if call is None or not call.continues_with(offer):
                    call = await self._new_call()
                await self._pass_to(call, offer)
            case {"type": "message", "data": {} as data} if self._call:
                await self._pass_to(self._call, data)
            case {"type": "bye"} if self._call:
                await self._hang_up()
                self._report(f"{self._remote.name} left; so far {self._progress}")
            case {"type": "error", "message": text} if message.get("code") != "peer-absent":
                raise CheckError(text)

    async def _pass_to(self, call: Call, data: dict[str, Any]) -> None:
        try:
            await call.receive(data)
        except Exception as error:
            # aiortc raises many kinds of errors for a description that it cannot read.
            raise CheckError(f"the {data['type']} of {self._remote.name} cannot be used: {error!r}") from error

    async def _new_call(self) -> Call:
        await self._hang_up()
        self._report(f"{self._remote.name} is here")
        self._call = Call(self._send_to_peer, self._progress, self._ice_servers, relay=self._server.relay)
        return self._call

    async def _hang_up(self) -> None:
        if self._call is not None:
            call, self._call = self._call, None
            await call.close()

    async def _send_to_peer(self, data: dict[str, Any]) -> None:
        await self._send(type="message", data=data)

    async def _send(self, **message: Any) -> None:
        await self._socket.send(json.dumps(message))


def _ice_server(urls: str | list[str], username: str | None = None, credential: str | None = None) -> RTCIceServer:
    return RTCIceServer([urls] if isinstance(urls, str) else urls, username, credential)
