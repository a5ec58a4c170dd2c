"""The signals of calls, which an app connects to. The sender is the app."""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

call_waiting = _signals.signal(
    "signaling-call-waiting",
    """A user waits for an absent peer.

    Args:
        user: the id of the user who waits.
        peer: the id of the absent user.
    """,
)

waiting_ended = _signals.signal(
    "signaling-waiting-ended",
    """A user waits no longer.

    Args:
        user: the id of the user who waited.
        peer: the id of the other user.
        outcome: ``met`` if the peer came, ``left`` if the user left, ``lost`` if their connection broke.
    """,
)

call_started = _signals.signal(
    "signaling-call-started",
    """Both users are in their room.

    Args:
        call: the :class:`~signaling.Call`.
    """,
)

call_ended = _signals.signal(
    "signaling-call-ended",
    """A call ended. Each call that started ends once, unless the server crashes without a Redis.

    Args:
        call: the :class:`~signaling.Call`, with ``ended_at``, ``duration`` and ``reason``.
    """,
)
