"""Lines to somebody who does not read: nothing waits, nothing is cut, and what is lost is counted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from signaling.process import output
from signaling.process.output import MAX_PENDING_BYTES, Output
from tests.waiting import TIMEOUT


def described(lost: int) -> str:
    return f"LOST {lost}"


class Reader:
    """The other end of an :class:`Output`."""

    def __init__(self, kind: str) -> None:
        if kind == "socket":
            ours, theirs = socket.socketpair()
            self.descriptor, self.writer = ours.detach(), theirs.detach()
        else:
            self.descriptor, self.writer = os.openpty() if kind == "terminal" else os.pipe()
        os.set_blocking(self.descriptor, False)
        self.output = Output(self.writer, described)
        self.found = b""

    def read(self) -> None:
        try:
            while data := os.read(self.descriptor, 4_096):
                self.found += data
        except OSError:
            return

    def lines(self) -> list[str]:
        """Read all that there is and will be."""
        for _ in range(10_000):
            before = len(self.found)
            self.read()
            self.output.drain()
            if len(self.found) == before and not self.output._pending and not self.output._lost:
                break
        return self.found.decode().replace("\r\n", "\n").splitlines()

    def close(self) -> None:
        self.output.close()
        for descriptor in (self.descriptor, self.writer):
            os.close(descriptor)


@pytest.fixture(params=["pipe", "socket", "terminal", "pipe of another user"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    if "another" in request.param:

        def forbid(path: str, *_: object) -> int:
            raise PermissionError(path)

        monkeypatch.setattr(output.os, "open", forbid)
    made = Reader(request.param)
    yield made
    made.close()


@pytest.mark.parametrize("length", [1, 100, 4_095, 4_096, 5_000, 70_000])
def test_lines_are_whole_and_in_order_and_the_lost_ones_are_counted(reader: Reader, length: int):
    count = 3 * MAX_PENDING_BYTES // max(length, 30)
    for number in range(count):
        assert reader.output.write(f"{number} {'x' * length}\n".encode()) > length
    shared = os.get_blocking(reader.writer)
    assert shared, "other processes that share it may wait, if they like"
    lines = reader.lines()
    told = [line for line in lines if line.startswith("LOST ")]
    kept = [line for line in lines if not line.startswith("LOST ")]
    assert kept == [f"{number} {'x' * length}" for number in range(len(kept))]
    assert len(kept) + sum(int(line.split()[1]) for line in told) == count
    reader.output.write(b"again\n")
    assert reader.lines()[-1] == "again"


def test_it_flows_again_and_again(reader: Reader):
    sent = 0
    for _ in range(3):
        for _ in range(4_000):
            reader.output.write(f"{sent} {'x' * 200}\n".encode())
            sent += 1
        lines = reader.lines()
    numbers = [int(line.split()[0]) for line in lines if not line.startswith("LOST")]
    lost = [int(line.split()[1]) for line in lines if line.startswith("LOST")]
    assert numbers == sorted(set(numbers))
    assert len(lost) == 3
    assert len(numbers) + sum(lost) == sent


def test_a_line_may_come_in_pieces(reader: Reader):
    for piece in (b"a", b"b\nc", b"", b"d\n", b"\n", b"e"):
        assert reader.output.write(piece) == len(piece)
    assert reader.lines() == ["ab", "cd", ""]
    reader.output.finish(1)
    assert reader.lines()[-1] == "e"


def test_what_never_ends_is_no_line(reader: Reader):
    for _ in range(10):
        reader.output.write(bytes(MAX_PENDING_BYTES // 2))
    assert len(reader.output._partial) <= MAX_PENDING_BYTES


def test_the_end_waits_for_a_reader_and_not_for_ever(reader: Reader):
    for number in range(5_000):
        reader.output.write(f"{number} {'x' * 200}\n".encode())
    begin = time.monotonic()
    reader.output.finish(0.2)
    assert time.monotonic() - begin < TIMEOUT
    assert reader.output._pending


def test_a_full_disk_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    full = os.open("/dev/full", os.O_WRONLY)
    lines = Output(full, described)
    for number in range(10_000):
        lines.write(f"{number} {'x' * 100}\n".encode())
    begin = time.monotonic()
    lines.finish(10 * TIMEOUT)
    assert time.monotonic() - begin < TIMEOUT, "nobody waits for a disk"
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    lines._write = lambda data: os.write(log, data)
    lines.write(b"again\n")
    written = (tmp_path / "log").read_text().splitlines()
    assert written[0].startswith("0 ")
    lost = int(written[-2].removeprefix("LOST "))
    assert len(written) - 2 + lost == 10_000
    lines.close()
    os.close(full)
    os.close(log)


def test_a_reader_that_is_gone_is_no_error(reader: Reader):
    null = os.dup(0)
    os.dup2(null, reader.descriptor)
    os.close(null)
    for _ in range(10_000):
        reader.output.write(b"x" * 100 + b"\n")
    reader.output.finish(60)
    assert reader.output._pending_bytes <= MAX_PENDING_BYTES


def run(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, check=False, **options
    )


def test_everything_that_is_written_goes_this_way():
    done = run(
        "import gevent.monkey\n"
        "from signaling.process import output\n"
        "output.install(); output.install()\n"
        "gevent.monkey.patch_all()\n"
        "import gevent, sys, warnings, logging\n"
        "print('out')\n"
        "print('\\udcff', 'err', file=sys.stderr)\n"
        "warnings.warn('careful')\n"
        "logging.warning('logged')\n"
        "gevent.spawn(lambda: 1 / 0).join()\n"
        "sys.stderr.write('the end')\n"
        "assert all(type(stream.buffer) is output.Output for stream in (sys.stdout, sys.stderr))\n"
    )
    assert (done.returncode, done.stdout) == (0, "out\n")
    for word in ("\\udcff err\n", "careful", "logged", "ZeroDivisionError", "the end"):
        assert word in done.stderr


def test_a_child_does_not_write_what_its_parent_keeps():
    done = run(
        "import os, sys\n"
        "from signaling.process import output\n"
        "output.install()\n"
        "sys.stderr.write('begin ')\n"
        "if not os.fork():\n"
        "    sys.stderr.write('child\\n'); sys.exit()\n"
        "os.wait()\n"
        "sys.stderr.write('end\\n')\n"
    )
    assert done.stderr.splitlines() == ["child", "begin end"]


def test_closed_streams_are_left_alone():
    done = run("import sys; sys.stderr = None; from signaling.process import output; output.install(); print('fine')")
    assert (done.returncode, done.stdout) == (0, "fine\n")
    done = run("import sys; sys.stderr.close(); from signaling.process import output; output.install(); print('fine')")
    assert (done.returncode, done.stdout) == (0, "fine\n")
