"""One connection to the peer: a picture each way, and a data channel on which each sends back what the other says."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

from .picture import ColourBars
from .progress import CallProgress


class Call:
    """A call that is being negotiated or under way.

    Who was told ``ready`` makes the first offer; the other one may make the later ones.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        progress: CallProgress,
        ice_servers: list[RTCIceServer],
        *,
        relay: bool = False,
    ) -> None:
        """Get ready.

        Args:
            send: passes something on to the peer's :meth:`receive`.
            progress: is told how it goes.
            ice_servers: what to find a way to the peer with.
            relay: take no other way than through a TURN server.
        """
        policy = RTCIceTransportPolicy.RELAY if relay else RTCIceTransportPolicy.ALL
        self._send = send
        self._progress = progress
        self._connection = connection = RTCPeerConnection(
            RTCConfiguration(ice_servers, policy, RTCBundlePolicy.MAX_BUNDLE)
        )
        self._early: list[dict[str, Any]] = []
        self._receiving: set[asyncio.Task[None]] = set()
        self._question = f"echo {secrets.token_hex(8)}"
        connection.on("connectionstatechange", self._state_changed)
        connection.on("track", self._track_came)
        connection.on("datachannel", self._channel_came)

    async def offer(self) -> None:
        """Make the first offer, of all that there is."""
        self._connection.addTrack(ColourBars())
        self._connection.addTransceiver("audio", "recvonly")
        channel = self._connection.createDataChannel("chat")
        channel.on("open", lambda: self._channel_came(channel))
        await self._describe(await self._connection.createOffer())

    async def receive(self, data: dict[str, Any]) -> None:
        """Take in what the peer sent: a description or a candidate."""
        match data:
            case {"type": "offer" | "answer" as kind, "sdp": str(sdp)}:
                await self._accept(kind, sdp)
            case {"type": "candidate", "candidate": {"candidate": str(text)} as candidate} if text:
                if self._connection.remoteDescription:
                    await self._add(candidate)
                else:
                    self._early.append(candidate)

    def goes_on_with(self, data: dict[str, Any]) -> bool:
        """Tell if an offer goes on with this call: its session is the same; or else the peer has begun anew."""
        mine = self._connection.remoteDescription
        return mine is not None and _session(mine.sdp) == _session(str(data.get("sdp")))

    async def close(self) -> None:
        """End it."""
        self._connection.remove_all_listeners()
        self._progress.end()
        await self._connection.close()
        # The tracks of a connection that never came about would be waited for without end.
        for task in self._receiving:
            task.cancel()

    async def _accept(self, kind: str, sdp: str) -> None:
        connection = self._connection
        offering = connection.signalingState == "have-local-offer"
        if offering != (kind == "answer"):
            return
        await connection.setRemoteDescription(RTCSessionDescription(sdp, kind))
        for candidate in self._early:
            await self._add(candidate)
        self._early.clear()
        if kind == "offer":
            if not any(sender.track for sender in connection.getSenders()):
                connection.addTrack(ColourBars())
            await self._describe(await connection.createAnswer())

    async def _describe(self, description: RTCSessionDescription) -> None:
        # aiortc gathers all candidates here, and puts them into the description.
        await self._connection.setLocalDescription(description)
        local = self._connection.localDescription
        await self._send({"type": local.type, "sdp": local.sdp})

    async def _add(self, candidate: dict[str, Any]) -> None:
        found = candidate_from_sdp(candidate["candidate"].removeprefix("candidate:"))
        found.sdpMid, found.sdpMLineIndex = candidate.get("sdpMid"), candidate.get("sdpMLineIndex")
        await self._connection.addIceCandidate(found)

    def _state_changed(self) -> None:
        self._progress.state_is(self._connection.connectionState)

    def _track_came(self, track: MediaStreamTrack) -> None:
        # Sound is taken in as well, or it would be kept.
        task = asyncio.create_task(self._take_in(track))
        self._receiving.add(task)
        task.add_done_callback(self._receiving.discard)

    async def _take_in(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                await track.recv()
                if track.kind == "video":
                    self._progress.picture_came()

    def _channel_came(self, channel: RTCDataChannel) -> None:
        sent = time.monotonic()

        @channel.on("message")
        def heard(message: str | bytes) -> None:
            if message == self._question:
                self._progress.echo_came(time.monotonic() - sent)
            else:
                channel.send(message)
                self._progress.echoed += 1

        if self._progress.asks:
            channel.send(self._question)


def _session(sdp: str) -> str:
    """Return what tells one RTCPeerConnection's descriptions from those of another (RFC 8866, section 5.2)."""
    found = re.search(r"^o=\S+ (\d+)", sdp, re.MULTILINE)
    return found[1] if found else ""
