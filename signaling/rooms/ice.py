"""The ICE servers that a client is told of: STUN, and TURN with credentials that run out by themselves. Pure.

The credentials are those of "A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest-00), as coturn
takes them with ``use-auth-secret``: the TURN server knows the secret as well, and so it needs to be told of none.
"""

from __future__ import annotations

import base64
import hmac
from typing import NotRequired, TypedDict

from ..config.settings import Settings


class IceServer(TypedDict):
    """One of the ``iceServers`` of a browser's ``RTCPeerConnection``."""

    urls: tuple[str, ...]
    username: NotRequired[str]
    credential: NotRequired[str]


def ice_servers(settings: Settings, user: str, now: float) -> list[IceServer]:
    """Return what ``user`` may use from ``now`` (in seconds since 1970) on; nothing, where nothing is set.

    TURN's user name goes over the network in the clear, and into the TURN server's log and quotas. So ``user`` is not
    to tell who somebody is, and is to be of the server's choosing.
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
