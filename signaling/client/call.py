"""One connection to the peer, with a picture each way, and a data channel on which each side echoes the other."""

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
    """One call, from its negotiation to its end.

    The user who got ``ready`` makes the first offer. Either may make later ones.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        progress: CallProgress,
        ice_servers: list[RTCIceServer],
        *,
        relay: bool = False,
    ) -> None:
        """Create the connection, without a description yet.

        Args:
            send: sends data to the peer's :meth:`receive`.
            progress: records how the call goes.
            ice_servers: the STUN and TURN servers.
            relay: connect only through a TURN server.
        """
        policy = RTCIceTransportPolicy.RELAY if relay else RTCIceTransportPolicy.ALL
        self._send = send
        self._progress = progress
        self._connection = connection = RTCPeerConnection(
            RTCConfiguration(ice_servers, policy, RTCBundlePolicy.MAX_BUNDLE)
        )
        # Candidates that arrived before the description of the peer.
        self._early_candidates: list[dict[str, Any]] = []
        self._receiving: set[asyncio.Task[None]] = set()
        self._echo_request = f"echo {secrets.token_hex(8)}"
        connection.on("connectionstatechange", self._state_changed)
        connection.on("track", self._track_added)
        connection.on("datachannel", self._channel_opened)

    async def offer(self) -> None:
        """Make the first offer: a picture, sound to receive, and a data channel."""
        self._connection.addTrack(ColourBars())
        self._connection.addTransceiver("audio", "recvonly")
        channel = self._connection.createDataChannel("chat")
        channel.on("open", lambda: self._channel_opened(channel))
        await self._describe(await self._connection.createOffer())

    async def receive(self, data: dict[str, Any]) -> None:
        """Process a description or a candidate of the peer."""
        match data:
            case {"type": "offer" | "answer" as kind, "sdp": str(sdp)}:
                await self._accept(kind, sdp)
            case {"type": "candidate", "candidate": {"candidate": str(text)} as candidate} if text:
                if self._connection.remoteDescription:
                    await self._add(candidate)
                else:
                    self._early_candidates.append(candidate)

    def continues_with(self, offer: dict[str, Any]) -> bool:
        """Return whether ``offer`` has the same session as this call. If not, the peer begins a new call."""
        description = self._connection.remoteDescription
        return description is not None and _session(description.sdp) == _session(str(offer.get("sdp")))

    async def close(self) -> None:
        """End the call."""
        self._connection.remove_all_listeners()
        self._progress.end()
        await self._connection.close()
        # If the connection never connected, its tracks would wait forever.
        for task in self._receiving:
            task.cancel()

    async def _accept(self, kind: str, sdp: str) -> None:
        connection = self._connection
        offering = connection.signalingState == "have-local-offer"
        if offering != (kind == "answer"):
            return
        await connection.setRemoteDescription(RTCSessionDescription(sdp, kind))
        for candidate in self._early_candidates:
            await self._add(candidate)
        self._early_candidates.clear()
        if kind == "offer":
            if not any(sender.track for sender in connection.getSenders()):
                connection.addTrack(ColourBars())
            await self._describe(await connection.createAnswer())

    async def _describe(self, description: RTCSessionDescription) -> None:
        # aiortc gathers all candidates here, and adds them to the description.
        await self._connection.setLocalDescription(description)
        local = self._connection.localDescription
        await self._send({"type": local.type, "sdp": local.sdp})

    async def _add(self, candidate: dict[str, Any]) -> None:
        parsed = candidate_from_sdp(candidate["candidate"].removeprefix("candidate:"))
        parsed.sdpMid, parsed.sdpMLineIndex = candidate.get("sdpMid"), candidate.get("sdpMLineIndex")
        await self._connection.addIceCandidate(parsed)

    def _state_changed(self) -> None:
        self._progress.set_state(self._connection.connectionState)

    def _track_added(self, track: MediaStreamTrack) -> None:
        # Sound is consumed too, or else aiortc would queue it.
        task = asyncio.create_task(self._consume(track))
        self._receiving.add(task)
        task.add_done_callback(self._receiving.discard)

    async def _consume(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                await track.recv()
                if track.kind == "video":
                    self._progress.count_picture()

    def _channel_opened(self, channel: RTCDataChannel) -> None:
        opened = time.monotonic()

        @channel.on("message")
        def received(message: str | bytes) -> None:
            if message == self._echo_request:
                self._progress.set_latency(time.monotonic() - opened)
            else:
                channel.send(message)
                self._progress.echoed += 1

        if self._progress.asks:
            channel.send(self._echo_request)


def _session(sdp: str) -> str:
    """Return the session id in ``sdp``, which differs for each RTCPeerConnection (RFC 8866, section 5.2)."""
    found = re.search(r"^o=\S+ (\d+)", sdp, re.MULTILINE)
    return found[1] if found else ""
