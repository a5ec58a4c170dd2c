"""Check that TURN servers relay. Each URL is checked by itself, so that the result names a dead one."""

from __future__ import annotations

import asyncio
import ssl

from aioice.stun import TransactionError
from aioice.turn import create_turn_endpoint
from aiortc import RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri

from ..check import CheckError

RELAY_TIMEOUT = 5.0
"""Seconds that a TURN server may take."""


async def check_relays(servers: list[RTCIceServer], ca: str | None = None) -> None:
    """Allocate a relay at each URL of the TURN servers, and release it at once.

    Args:
        servers: the ICE servers that the signaling server sent.
        ca: path of the certificates to trust, in PEM, instead of the system's.

    Raises:
        CheckError: there is no TURN server, or an URL does not work; the message names each such URL and its error.
    """
    urls = [(url, server) for server in servers for url in server.urls if url.startswith("turn")]
    if not urls:
        raise CheckError("the server names no TURN server")
    errors = await asyncio.gather(*[_relay_error(url, server, ca) for url, server in urls])
    if any(errors):
        raise CheckError("; ".join(filter(None, errors)))


async def _relay_error(url: str, server: RTCIceServer, ca: str | None) -> str | None:
    try:
        uri = parse_stun_turn_uri(url)
        async with asyncio.timeout(RELAY_TIMEOUT):
            relay, _ = await create_turn_endpoint(
                asyncio.DatagramProtocol,
                (uri["host"], uri["port"]),
                server.username,
                server.credential,
                ssl=ssl.create_default_context(cafile=ca) if uri["scheme"] == "turns" else None,
                transport=uri["transport"],
            )
    except TimeoutError:
        return f"{url}: no answer within {RELAY_TIMEOUT:g} s"
    except (TransactionError, OSError, ValueError) as error:
        return f"{url}: {error}"
    relay.close()
    return None
