"""The description of this node for the others, which every heartbeat sends."""

from __future__ import annotations

from collections.abc import Callable

from ...process.supervisor import ErrorLog


class Description:
    """A function that never raises: without a heartbeat, the other nodes would evict this one."""

    def __init__(self, describe: Callable[[], bytes]) -> None:
        """Take the description from ``describe``."""
        self._describe = describe
        self._errors = ErrorLog("the description of this node")

    def __call__(self) -> bytes:
        """Return the description as JSON."""
        try:
            return self._describe()
        except Exception as error:
            self._errors.add(error)
            return b"{}"
