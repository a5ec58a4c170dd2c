"""A call over the service on this host, with tokens that its settings sign."""

from __future__ import annotations

import asyncio
import ssl

from websockets.exceptions import WebSocketException

from ..check import TIMEOUT, CheckError, check, refusal
from ..config.env import SettingsError
from ..config.settings import Settings
from ..security.minting import mint_for_check
from .local import address, has_tls, origin


class FailedCallError(Exception):
    """The call failed; ``str()`` of it says why."""


def hold_call(settings: Settings, name: str | None = None, ca: str | None = None) -> str:
    """Hold a call as two users, and return how it went.

    If the key of the settings only verifies tokens, this checks that a join without a token is refused.

    Args:
        settings: the settings of the service.
        name: the name that clients connect to; without it, the first one in the certificate.
        ca: the path of the certificates to trust, in PEM, instead of the system's.

    Raises:
        FailedCallError: the call failed.
        SettingsError: the settings do not say how to reach the service.
    """
    own = origin(settings, name)
    url = f"{own.replace('http', 'ws', 1)}/"
    there = address(settings)
    try:
        context = ssl.create_default_context(cafile=ca) if has_tls(settings) else None
        try:
            tokens, refused = mint_for_check(settings), False
        except SettingsError:
            # The key only verifies.
            tokens, refused = (), True
        # The own origin is always allowed.
        if refused:
            words = asyncio.run(refusal(url, ca=context, address=there, origin=own))
            outcome = f"the key only verifies tokens, and a join without one is refused: {words}"
        else:
            seconds = asyncio.run(check(url, ca=context, address=there, origin=own, tokens=tokens))
            outcome = f"two users met and exchanged offer, answer and candidate in {seconds * 1000:.0f} ms"
    except TimeoutError:
        raise FailedCallError(f"{url} at {there}: no call within {TIMEOUT:g} s") from None
    except (CheckError, OSError, ValueError, RecursionError, WebSocketException) as error:
        hint = "; name the authority with --ca" if isinstance(error, ssl.SSLCertVerificationError) and not ca else ""
        raise FailedCallError(f"{url} at {there}: {str(error) or type(error).__name__}{hint}") from None
    return f"{url} at {there}: {outcome}"
