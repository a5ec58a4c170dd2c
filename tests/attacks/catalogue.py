"""All attacks."""

from __future__ import annotations

from tests.attacks import frames, headers, places, requests
from tests.attacks.attack import Attack

NOBODY = Attack("nobody attacks", lambda _: iter(()), connections=0)
"""What to compare the figures of attacks with."""

ATTACKS = [NOBODY, *requests.ATTACKS, *headers.ATTACKS, *places.ATTACKS, *frames.ATTACKS]
