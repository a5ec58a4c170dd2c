"""The records of a connection's lines: all of an ordinary record, without looking for it."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import gevent
import pytest

from signaling.config.logging import TextFormatter
from signaling.process import deferred_logger
from signaling.process.deferred_logger import MAX_CALLS, DeferredLogger
from signaling.process.descriptor import PIPE_BUF
from signaling.process.log_handler import LineHandler
from signaling.process.output import Output
from tests.waiting import TIMEOUT


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[DeferredLogger, Kept]]:
    monkeypatch.setattr(deferred_logger, "LOGGERS", ("tests.deferred",))
    deferred_logger.install()
    log = logging.getLogger("tests.deferred")
    assert isinstance(log, DeferredLogger)
    handler = Kept()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield log, handler
    log.removeHandler(handler)


def test_a_record_has_all_that_an_ordinary_one_has(kept: tuple[DeferredLogger, Kept]):
    log, handler = kept
    before = time.time()
    log.info("User %s", "alice", extra={"connection": "c1"})
    [record] = handler.records
    ordinary = logging.LogRecord("tests.deferred", logging.INFO, "(unknown file)", 0, "User %s", ("alice",), None)
    ordinary.funcName = "(unknown function)"
    ordinary.connection = "c1"
    assert type(record) is logging.LogRecord
    assert before <= record.created <= time.time()
    assert record.msecs == int(record.created % 1 * 1000)
    assert abs(record.relativeCreated - ordinary.relativeCreated) < TIMEOUT * 1000
    passing = {"created", "msecs", "relativeCreated", "message"}
    assert {name: value for name, value in vars(record).items() if name not in passing} == {
        name: value for name, value in vars(ordinary).items() if name not in passing
    }
    text = "%(asctime)s %(process)d %(thread)d %(threadName)s %(module)s:%(lineno)d %(message)s %(msecs)03d"
    assert "User alice" in logging.Formatter(text).format(record)


def test_an_error_has_its_traceback(kept: tuple[DeferredLogger, Kept]):
    log, handler = kept
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("An error", stack_info=True)
    [record] = handler.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert "test_deferred_logger.py" in (record.stack_info or "")


def test_the_records_of_an_app_stay_its_own(kept: tuple[DeferredLogger, Kept]):
    log, handler = kept

    class Record(logging.LogRecord):
        pass

    logging.setLogRecordFactory(Record)
    try:
        log.info("one")
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    assert type(handler.records[0]) is Record
    assert logging.getLoggerClass() is logging.Logger
    assert type(logging.getLogger("tests.deferred.other")) is logging.Logger


class Direct:
    """A deferred logger, whose lines go to a pipe, and an ordinary one beside it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.output = Output(self.writer)
        self.tick: list[Callable[[], None]] = []
        self.output.collect(self.tick.append)
        self.stream = io.TextIOWrapper(self.output, write_through=True)
        monkeypatch.setattr(sys, "stderr", self.stream)
        monkeypatch.setattr(deferred_logger, "_output", None)
        monkeypatch.setattr(deferred_logger, "LOGGERS", ("tests.direct.deferred",))
        deferred_logger.install()
        self.parent = logging.getLogger("tests.direct")
        self.handler = LineHandler(self.output)
        self.handler.setFormatter(TextFormatter())
        self.parent.propagate = False
        self.parent.setLevel(logging.INFO)
        self.deferred = logging.getLogger("tests.direct.deferred")

    def begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take out what pytest has put in for the call of the test."""
        self.parent.handlers[:] = [self.handler]
        monkeypatch.setattr(sys, "stderr", self.stream)

    def end_tick(self) -> list[str]:
        callbacks, self.tick[:] = self.tick[:], []
        for callback in callbacks:
            callback()
        return self.lines()

    def lines(self) -> list[str]:
        try:
            found = os.read(self.reader, 1_000_000).decode()
        except BlockingIOError:
            return []
        assert found.endswith("\n")
        return [line.partition("Z] ")[2] or line for line in found.splitlines()]

    def close(self) -> None:
        self.output.close()
        for descriptor in (self.reader, self.writer):
            os.close(descriptor)


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> Iterator[Direct]:
    made = Direct(monkeypatch)
    yield made
    made.parent.handlers.clear()
    deferred_logger._calls.clear()
    made.close()


def test_the_lines_of_a_tick_are_one_write_without_records(direct: Direct, monkeypatch: pytest.MonkeyPatch):
    direct.begin(monkeypatch)
    monkeypatch.setattr(direct.handler, "handle", lambda record: pytest.fail("a record was made"))
    for number in range(10):
        direct.deferred.info("%d", number, extra={"connection": "c 1", "code": 7})
    assert direct.lines() == []
    assert len(direct.tick) == 1
    assert direct.end_tick() == [f'{number} connection="c 1" code=7' for number in range(10)]


def test_all_lines_are_in_order(direct: Direct, monkeypatch: pytest.MonkeyPatch):
    direct.begin(monkeypatch)
    for turn in range(3):
        direct.deferred.info("%d one", turn)
        direct.parent.info("%d two", turn)
        direct.deferred.info("%d three", turn)
        direct.deferred.info("%d four", turn)
        print(turn, "five", file=sys.stderr)
        direct.deferred.info("%d six", turn)
        assert direct.end_tick() == [f"{turn} {word}" for word in ("one", "two", "three", "four", "five", "six")]
    direct.deferred.info("before")
    direct.parent.error("error")
    direct.deferred.info("behind")
    assert direct.lines() == ["before", "ERROR error"]
    assert direct.end_tick() == ["behind"]


def test_who_sees_records_gets_them_in_order(direct: Direct, monkeypatch: pytest.MonkeyPatch):
    direct.begin(monkeypatch)
    kept = Kept()
    direct.deferred.info("one")
    direct.parent.addHandler(kept)
    direct.deferred.info("two %s", "words")
    direct.parent.info("three")
    direct.deferred.info("four")
    assert direct.end_tick() == ["one", "two words", "three", "four"]
    assert [record.getMessage() for record in kept.records] == ["one", "two words", "three", "four"]
    direct.parent.removeHandler(kept)
    seen = []
    ordinary = logging.Logger.callHandlers
    monkeypatch.setattr(
        logging.Logger, "callHandlers", lambda self, record: (seen.append(record.msg), ordinary(self, record))
    )
    direct.deferred.info("five")
    assert direct.end_tick() == ["five"]
    assert seen == ["five"]
    monkeypatch.setattr(logging.Logger, "callHandlers", ordinary)
    direct.deferred.addFilter(lambda record: record.msg != "six")
    direct.deferred.info("six")
    direct.deferred.info("seven")
    assert direct.end_tick() == ["seven"]
    direct.deferred.filters.clear()


def test_a_handler_of_an_app_may_wait(direct: Direct, monkeypatch: pytest.MonkeyPatch):
    direct.begin(monkeypatch)
    direct.output.collect(gevent.get_hub().loop.run_callback)

    class Waiting(Kept):
        def emit(self, record: logging.LogRecord) -> None:
            gevent.sleep(0)
            super().emit(record)

    direct.parent.addHandler(waiting := Waiting())
    gevent.joinall([gevent.spawn(direct.deferred.info, word) for word in ("one", "two")], TIMEOUT)
    assert sorted(direct.lines()) == ["one", "two"]
    assert sorted(record.getMessage() for record in waiting.records) == ["one", "two"]


def test_a_bad_call_costs_no_other_one_and_is_told(direct: Direct, monkeypatch: pytest.MonkeyPatch):
    direct.begin(monkeypatch)
    direct.deferred.info("before")
    direct.deferred.info("%d", "x")
    direct.deferred.info("behind")
    found = direct.end_tick()
    assert found[0] == "before"
    assert found.count("--- Logging error ---") == found.count("behind") == 1


class LogsItself:
    def __init__(self, log: logging.Logger) -> None:
        self.log = log

    def __str__(self) -> str:
        self.log.info("inner")
        return "outer"


def test_a_value_that_logs_loses_nothing(direct: Direct, monkeypatch: pytest.MonkeyPatch):
    direct.begin(monkeypatch)
    direct.deferred.info("%s", LogsItself(direct.deferred))
    direct.deferred.info("%s", LogsItself(direct.parent))
    direct.deferred.info("last")
    assert sorted(direct.end_tick()) == ["inner", "inner", "last", "outer", "outer"]


def test_a_long_tick_is_bounded_and_no_process_can_write_into_a_line(direct: Direct, monkeypatch: pytest.MonkeyPatch):
    direct.begin(monkeypatch)
    direct.output.write(b"first\n")
    sizes: list[int] = []
    write = direct.output._write
    assert write is not None
    direct.output._write = lambda data: (sizes.append(len(data)), write(data))[1]
    found = direct.lines()
    for number in range(1_000):
        direct.deferred.info("%d %s", number, "x" * 100)
        assert len(deferred_logger._calls) <= MAX_CALLS + 1
        found += direct.lines()
    found += direct.end_tick()
    assert found == ["first", *(f"{number} {'x' * 100}" for number in range(1_000))]
    assert max(sizes) <= PIPE_BUF


def test_a_line_without_a_place_is_not_formatted(direct: Direct, monkeypatch: pytest.MonkeyPatch):
    direct.begin(monkeypatch)
    direct.output._lost = 1
    monkeypatch.setattr(direct.output, "_send", lambda data: data)
    monkeypatch.setattr(direct.handler, "line", lambda *_: pytest.fail("it was formatted"))
    for _ in range(10):
        direct.deferred.info("lost")
    direct.end_tick()
    assert direct.output._lost == 11


def test_other_threads_lose_nothing(direct: Direct, monkeypatch: pytest.MonkeyPatch):
    direct.begin(monkeypatch)
    direct.deferred.info("main")
    thread = threading.Thread(target=direct.deferred.info, args=("other",))
    thread.start()
    thread.join()
    direct.deferred.info("main again")
    assert direct.lines() + direct.end_tick() == ["main", "other", "main again"]


def test_the_service_has_these_loggers_and_an_app_that_embeds_it_has_not():
    code = (
        "import logging, sys\n"
        "from signaling import gunicorn_conf as conf\n"
        "from types import SimpleNamespace as Any\n"
        "{}\n"
        "import wsgi\n"
        "from signaling.process.deferred_logger import LOGGERS\n"
        "print([type(logging.getLogger(name)).__name__ for name in LOGGERS])\n"
        "print([type(sys.modules[name].log).__name__ for name in LOGGERS])\n"
        "print(type(logging.getLogger('shop')).__name__, logging.logThreads, bool(logging._srcfile))\n"
    )
    for hook, expected in (("post_fork", "DeferredLogger"), ("hooks.guard_start", "Logger")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(f"conf.{hook}(None, Any(load_wsgi=None))")],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        assert done.stdout.splitlines() == [f"['{expected}', '{expected}']"] * 2 + ["Logger True True"]
