"""What a process and all its descendants use, as the operating system counts it (Linux)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

CPUCLOCK_SCHED = 2


def tree(pid: int) -> list[int]:
    """The process and its living descendants."""
    pids = [pid]
    for parent in pids:  # grows while it is walked
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            pids += map(int, task.read_text().split())
    return pids


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system CPU of the trees since their start, in seconds.

    Read from each process's CPU clock, which counts all its threads, ended ones too, in nanoseconds where
    `/proc/PID/stat` counts in hundredths of a second. A descendant that has ended is not counted.
    """
    return sum(time.clock_gettime(~process << 3 | CPUCLOCK_SCHED) for pid in pids for process in tree(pid))


def memory_bytes(pids: Iterable[int]) -> int:
    """The trees' proportional set size (PSS) in bytes: shared pages are divided among those who share them."""
    return sum(_pss(process) for pid in pids for process in tree(pid))


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
