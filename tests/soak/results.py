"""What happened so far, in figures, and the faults in words."""

from __future__ import annotations

import time
from collections import Counter

COUNTED = ("connections", "messages", "departures", "replacements", "drops", "misdeeds")


class Results(Counter[str]):
    """Counts of what was done and what was seen.

    Attributes:
        faults: what the server did wrong.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started = time.monotonic()
        self.faults: list[str] = []

    def note(self, fault: str) -> None:
        """Keep a fault, and say it at once."""
        print(fault, flush=True)
        self.faults.append(fault)

    def line(self, **more: object) -> str:
        """Return one line of all the figures, and of `more`."""
        minutes = (time.monotonic() - self.started) / 60
        figures = {name: self[name] for name in COUNTED} | more
        return f"minute {minutes:4.1f}: " + ", ".join(f"{name} {value}" for name, value in figures.items())
