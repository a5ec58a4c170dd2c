"""Whether TURN servers relay: each URL of them is asked to, one by one, so that a dead one is known by its name."""

from __future__ import annotations

import asyncio
import ssl

from aioice.stun import TransactionError
from aioice.turn import create_turn_endpoint
from aiortc import RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri

from ..check import CheckError

PROVE_TIMEOUT = 5.0
"""Seconds that a TURN server may take."""


async def prove_relays(servers: list[RTCIceServer], ca: str | None = None) -> None:
    """Have each TURN server relay for a moment, by each of its URLs.

    Args:
        servers: as the server told of them.
        ca: path of the certificates to trust, in PEM, instead of the system's.

    Raises:
        CheckError: naming each URL that does not work, and why not.
    """
    urls = [(url, server) for server in servers for url in server.urls if url.startswith("turn")]
    if not urls:
        raise CheckError("the server tells of no TURN server")
    faults = await asyncio.gather(*[_fault(url, server, ca) for url, server in urls])
    if any(faults):
        raise CheckError("; ".join(filter(None, faults)))


async def _fault(url: str, server: RTCIceServer, ca: str | None) -> str | None:
    try:
        where = parse_stun_turn_uri(url)
        async with asyncio.timeout(PROVE_TIMEOUT):
            relay, _ = await create_turn_endpoint(
                asyncio.DatagramProtocol,
                (where["host"], where["port"]),
                server.username,
                server.credential,
                ssl=ssl.create_default_context(cafile=ca) if where["scheme"] == "turns" else None,
                transport=where["transport"],
            )
    except TimeoutError:
        return f"{url}: no answer within {PROVE_TIMEOUT:g} s"
    except (TransactionError, OSError, ValueError) as error:
        return f"{url}: {error}"
    relay.close()
    return None
