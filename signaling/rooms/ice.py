"""The ICE servers of a client: STUN, and TURN with credentials that expire. Pure.

"A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest-00) defines the credentials. coturn accepts them
with ``use-auth-secret``. The TURN server knows the secret too, so this server need not tell it of each credential.
"""

from __future__ import annotations

import base64
import hmac
from typing import NotRequired, TypedDict

from ..config.settings import Settings


class IceServer(TypedDict):
    """An ``RTCIceServer``, an item of the ``iceServers`` of a browser's ``RTCPeerConnection`` (W3C WebRTC)."""

    urls: tuple[str, ...]
    username: NotRequired[str]
    credential: NotRequired[str]


def ice_servers(settings: Settings, user: str, now: float) -> list[IceServer]:
    """Return the ICE servers that the settings name, with TURN credentials that are valid from ``now`` on.

    Args:
        settings: the URLs, the secret of the TURN server, and the lifetime of a credential in seconds.
        user: a part of the TURN user name. It must be the server's choice and identify nobody, since the name goes
            over the network in the clear, and into the TURN server's log and quotas.
        now: seconds since 1970.
    """
    servers: list[IceServer] = []
    if settings.stun_urls:
        servers.append({"urls": settings.stun_urls})
    if settings.turn_urls:
        username = f"{int(now + settings.turn_ttl)}:{user}"
        digest = hmac.digest(settings.turn_secret.encode(), username.encode(), "sha1")
        credential = base64.b64encode(digest).decode()
        servers.append({"urls": settings.turn_urls, "username": username, "credential": credential})
    return servers
