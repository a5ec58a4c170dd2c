"""Log lines of one tick of the event loop are one write; none is lost, doubled or out of order, whatever happens."""

from __future__ import annotations

import logging
import logging.config
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from signaling.process.log_handler import LineHandler
from signaling.process.output import MAX_COLLECTED_BYTES, MAX_PENDING_BYTES, Output
from tests.waiting import TIMEOUT


class Log:
    """A logger that writes into a pipe; the test ends the ticks of its event loop."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.output = Output(self.writer, lambda lost: f"LOST {lost}")
        self.output.write(b"first\n")
        self.writes: list[bytes] = []
        assert self.output._write is not None
        self._write = self.output._write
        self.output._write = self.write
        self.tick: list[Callable[[], None]] = []
        self.output.collect(self.tick.append)
        self.handler = LineHandler(self.output)
        self.handler.setFormatter(logging.Formatter("%(message)s"))
        self.log = logging.Logger("test")
        self.log.addHandler(self.handler)
        self._found = b""
        assert self.lines() == ["first"]

    def write(self, data: bytes) -> int:
        self.writes.append(data)
        return self._write(data)

    def end_tick(self) -> None:
        callbacks, self.tick[:] = self.tick[:], []
        for callback in callbacks:
            callback()

    def lines(self) -> list[str]:
        """Return the lines that were written since the last call."""
        found = b""
        try:
            while data := os.read(self.reader, 65_536):
                found += data
        except BlockingIOError:
            pass
        assert found == b"" or found.endswith(b"\n")
        return found.decode().splitlines()

    def close(self) -> None:
        self.output._write = self._write
        self.output.close()
        for descriptor in (self.reader, self.writer):
            os.close(descriptor)


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.close()


def test_the_lines_of_one_tick_are_one_write(log: Log):
    for turn in range(3):
        for number in range(5):
            log.log.info("%d.%d", turn, number)
        assert log.lines() == []
        assert len(log.tick) == 1
        log.end_tick()
        assert log.lines() == [f"{turn}.{number}" for number in range(5)]
    assert len(log.writes) == 3


def test_an_error_is_written_at_once_behind_what_is_before_it(log: Log):
    log.log.info("before")
    log.log.error("error")
    assert log.lines() == ["before", "error"]
    log.log.warning("behind")
    assert log.lines() == []
    log.end_tick()
    assert log.lines() == ["behind"]


def test_what_is_printed_comes_behind_what_was_logged(log: Log):
    log.log.info("logged")
    log.output.write(b"half a ")
    log.log.info("logged too")
    log.output.write(b"line\n")
    assert log.lines() == ["logged", "logged too", "half a line"]


def test_a_flush_writes_what_was_collected(log: Log):
    log.log.info("one")
    log.handler.flush()
    assert log.lines() == ["one"]
    log.log.info("two")
    log.output.flush()
    assert log.lines() == ["two"]


def test_a_long_tick_writes_in_between_and_holds_up_nothing(log: Log):
    count = 10 * MAX_COLLECTED_BYTES // 100
    found = []
    for number in range(count):
        log.log.info("%d %s", number, "x" * 100)
        assert log.output._pending_bytes <= MAX_COLLECTED_BYTES + 200
        found += log.lines()
    log.end_tick()
    found += log.lines()
    assert [int(line.split()[0]) for line in found] == list(range(count))


def test_no_other_process_can_write_into_a_line(log: Log):
    for number in range(500):
        log.log.info("%d %s", number, "x" * (number % 200))
    log.end_tick()
    log.log.info("y" * 10_000)
    log.end_tick()
    assert all(len(data) <= select.PIPE_BUF and data.endswith(b"\n") for data in log.writes[:-1])
    assert log.writes[-1] == b"y" * 10_000 + b"\n"
    assert len(log.writes) < 30


class Formatted:
    def __init__(self) -> None:
        self.times = 0

    def __str__(self) -> str:
        self.times += 1
        return "x" * 100


def test_a_line_without_a_place_is_not_formatted_and_is_counted(log: Log):
    value, count = Formatted(), 4 * MAX_PENDING_BYTES // 100
    for number in range(count):
        log.log.info("%d %s", number, value)
        log.end_tick()
    assert value.times < count / 2, "a pipe and the buffer were full after a third of the lines"
    found = log.lines()
    while log.output._pending or log.output._lost:
        log.output.drain()
        found += log.lines()
    *kept, told = found
    assert [int(line.split()[0]) for line in kept] == list(range(len(kept)))
    assert told == f"LOST {count - len(kept)}"
    assert len(kept) + 1 >= value.times > len(kept) - 1
    log.log.info("again")
    log.end_tick()
    assert log.lines() == ["again"]


def test_below_the_level_nothing_is_formatted(log: Log):
    log.log.setLevel(logging.WARNING)
    value = Formatted()
    log.log.info("%s", value)
    assert value.times == 0
    assert not log.tick


def test_a_reader_that_is_gone_is_no_error_and_the_buffer_stays_bounded(log: Log):
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, log.reader)
    os.close(null)
    for number in range(10_000):
        log.log.error("%d %s", number, "x" * 100)
        log.log.info("%d %s", number, "x" * 100)
        log.end_tick()
    assert log.output._pending_bytes <= MAX_PENDING_BYTES
    log.output.finish(TIMEOUT)


def test_threads_lose_nothing_and_double_nothing(log: Log):
    """Only the thread of the event loop collects."""
    begin, found = threading.Barrier(5), []

    def write(name: int) -> None:
        begin.wait()
        for number in range(2_000):
            log.log.info("%d %d", name, number)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        begin.wait()
        for number in range(2_000):
            log.log.info("4 %d", number)
            log.end_tick()
            found += log.lines()
        while any(thread.is_alive() for thread in threads):
            found += log.lines()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    log.end_tick()
    found += log.lines()
    by_thread: dict[str, list[int]] = {}
    for line in found:
        name, number = line.split()
        by_thread.setdefault(name, []).append(int(number))
    assert by_thread == {str(name): list(range(2_000)) for name in range(5)}


def test_another_thread_does_not_wait_for_the_tick(log: Log):
    log.log.info("main")
    thread = threading.Thread(target=log.log.info, args=("other",))
    thread.start()
    thread.join()
    assert log.lines() == ["main", "other"]


def test_one_thread_at_a_time_writes(log: Log):
    thread = threading.Thread(target=log.log.info, args=("other",))
    with log.output._lock:
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join()
    assert log.lines() == ["other"]


def test_a_handler_of_a_signal_may_log_while_lines_are_written(log: Log):
    write = log.output._write
    assert write is not None

    def interrupted(data: bytes) -> int:
        log.output._write = write
        log.log.error("from the handler")
        assert log.lines() == [], "not between the lines that are being written"
        return write(data)

    log.log.info("one")
    log.log.info("two")
    log.output._write = interrupted
    log.end_tick()
    assert log.lines() == ["one", "two", "from the handler"]


def test_a_write_that_raises_anything_holds_up_no_later_line(log: Log):
    write = log.output._write

    def exit_in_a_handler_of_a_signal(data: bytes) -> int:
        log.output._write = write
        raise SystemExit

    log.log.info("one")
    log.output._write = exit_in_a_handler_of_a_signal
    with pytest.raises(SystemExit):
        log.end_tick()
    log.output.finish(TIMEOUT)
    assert log.lines() == ["one"]


class Logging:
    def __init__(self, log: Log) -> None:
        self.log = log

    def __str__(self) -> str:
        self.log.log.info("inner")
        return "outer"


def test_a_value_that_logs_is_behind_what_it_logged(log: Log):
    log.log.info("%s", Logging(log))
    log.end_tick()
    assert log.lines() == ["inner", "outer"]


class Broken:
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("bad", [("%d", "x"), ("%s %s", 1), ("%s", Broken()), (Broken(),)])
def test_a_bad_record_costs_no_other_line_and_is_told(
    log: Log, bad: tuple[object, ...], capsys: pytest.CaptureFixture[str]
):
    log.log.info("before")
    log.log.info(*bad)  # type: ignore[arg-type]
    log.log.info("behind")
    log.end_tick()
    assert log.lines() == ["before", "behind"]
    assert "--- Logging error ---" in capsys.readouterr().err


@pytest.mark.parametrize("message", [7, None, b"bytes", ValueError("an error"), "\ud800", ["a", "list"]])
def test_a_message_may_be_anything(log: Log, message: object):
    log.log.info(message)
    log.end_tick()
    assert log.lines() == [str(message).encode(errors="backslashreplace").decode()]


def test_filters_hold(log: Log):
    log.handler.addFilter(lambda record: "secret" not in record.getMessage())
    log.log.info("a secret")
    log.log.info("a word")
    log.end_tick()
    assert log.lines() == ["a word"]


PRELUDE = """
import atexit
at_the_very_end = []
atexit.register(lambda: [each() for each in at_the_very_end])
import gevent.monkey, logging, logging.config, os, signal, sys
from signaling.config.logging import dict_config
from signaling.config.settings import Settings
from signaling.process import deferred_logger, log_handler, output
output.install()
deferred_logger.install()
logging.config.dictConfig(dict_config(Settings(), log_handler.on_stderr))
gevent.monkey.patch_all()
import gevent
output.collect(gevent.get_hub().loop.run_callback)
log = logging.getLogger("{name}")
def lines(first, behind):
    for number in range(first, behind):
        log.info("line %d", number)
lines(0, 50)
"""

# How a process ends, and how many lines of its own there are then.
ENDS = {
    "the end of the program": ("", 50),
    "sys.exit": ("sys.exit(3)", 50),
    "an exception": ("1 / 0", 50),
    "an exception of a greenlet": ("gevent.spawn(lambda: (lines(50, 60), 1 / 0)).join(); lines(60, 70)", 70),
    "sys.exit of a greenlet": ("gevent.spawn(lambda: (lines(50, 60), sys.exit(3))).join()", 60),
    "a greenlet that nobody waits for": ("gevent.spawn(lines, 50, 60); gevent.sleep(0); lines(60, 70)", 70),
    "an event loop that is gone": ("gevent.sleep(0); gevent.get_hub().destroy(destroy_loop=True); lines(50, 60)", 60),
    "os._exit after a flush": ("sys.stderr.flush(); os._exit(3)", 50),
    "os._exit after logging.shutdown": ("logging.shutdown(); os._exit(3)", 50),
    "a handler of a signal": (
        "signal.signal(signal.SIGABRT, lambda *_: (lines(50, 60), sys.exit(1)))\n"
        "os.kill(os.getpid(), signal.SIGABRT)\n"
        "while True: pass",
        60,
    ),
    "another thread": ("gevent.get_hub().threadpool.spawn(lines, 50, 60).get(); lines(60, 70)", 70),
    "a fork": ("if not os.fork(): lines(100, 110); os._exit(0)\nos.wait(); lines(50, 60)", 60),
    "a fork that goes on": ("if not os.fork(): lines(100, 110); sys.exit()\nos.wait(); lines(50, 60)", 60),
    "a function at the end": ("atexit.register(lines, 50, 60)", 60),
    "a function at the very end": ("at_the_very_end.append(lambda: (lines(50, 60), os._exit(3)))", 60),
}


@pytest.mark.parametrize("name", ["signaling.test", "signaling.rooms.session"])
@pytest.mark.parametrize("end", ENDS)
def test_every_line_is_written_once_and_in_order_at(end: str, name: str):
    code, count = ENDS[end]
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE.replace("{name}", name) + code],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    found = [int(line.rpartition(" ")[2]) for line in done.stderr.splitlines() if "] line " in line]
    assert [number for number in found if number < 100] == list(range(count)), done.stderr
    assert [number for number in found if number >= 100] == (list(range(100, 110)) if "fork" in end else [])
