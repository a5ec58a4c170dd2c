"""What a server holds: connections, rooms, open files, greenlets, objects and memory."""

from __future__ import annotations

import asyncio
import os
import re
import time
from dataclasses import dataclass, fields
from pathlib import Path

from tests.driver import Server
from tests.waiting import TIMEOUT

MARGIN_KIB = 3 * 1_024
"""How much more memory than after the warm-up it may hold then: what the allocator could not give back."""

MARGIN_BLOCKS = 3_000
"""How many more of Python's memory blocks, likewise: of some 200,000, and less than one for each connection."""

_LOOK_SECONDS = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Vitals:
    """A look at a server; all but memory, the last two, must be the same whenever it is at rest."""

    connections: int
    rooms: int
    files: int
    greenlets: int
    connection_objects: int
    session_objects: int
    blocks: int
    resident_kib: int

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in fields(self))

    def left_since(self, before: Vitals) -> list[str]:
        """Return what is not as at an earlier rest; memory is not looked at."""
        return [
            f"{field.name}: {value} at rest, {then} before"
            for field in fields(self)[:-2]
            if (value := getattr(self, field.name)) != (then := getattr(before, field.name))
        ]

    def grown_since(self, warm: Vitals) -> list[str]:
        """Return what memory is held beyond the margins, compared with an earlier rest."""
        kib, blocks = self.resident_kib - warm.resident_kib, self.blocks - warm.blocks
        grown = [f"{kib} KiB more than after the warm-up"] * (kib > MARGIN_KIB)
        return grown + [f"{blocks} memory blocks more than after the warm-up"] * (blocks > MARGIN_BLOCKS)


def look(server: Server, worker: int) -> Vitals:
    # Before the requests, whose own connections end a moment after their answers.
    files = descriptors(worker)
    objects, health = server.get("/soak/objects"), server.health()
    return Vitals(
        health["connections"],
        health["rooms"],
        files,
        objects["greenlets"],
        objects["connections"],
        objects["sessions"],
        objects["blocks"],
        resident(worker),
    )


async def rest(server: Server, worker: int, before: Vitals | None = None) -> Vitals:
    """Wait until nothing changes and all is as it was `before`, or the time for it is over; return what is."""
    limit = time.monotonic() + TIMEOUT
    last = None
    while True:
        vitals = await asyncio.to_thread(look, server, worker)
        quiet = last is not None and not vitals.left_since(last) and vitals.connections == vitals.rooms == 0
        if (quiet and (before is None or not vitals.left_since(before))) or time.monotonic() > limit:
            return vitals
        last = vitals
        await asyncio.sleep(_LOOK_SECONDS)


def resident(pid: int) -> int:
    """Resident memory of a process, in KiB."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def children(pid: int) -> list[int]:
    """Return the processes that a process started and that run; those of a gunicorn are its workers."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def processor_seconds(pid: int) -> float:
    """The processor time a process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS
