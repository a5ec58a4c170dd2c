"""The records of a connection's lines: all of an ordinary record, without looking for it."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from signaling.process import lean_logger
from signaling.process.lean_logger import LeanLogger
from tests.waiting import TIMEOUT


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[LeanLogger, Kept]]:
    monkeypatch.setattr(lean_logger, "LOGGERS", ("tests.lean",))
    lean_logger.install()
    log = logging.getLogger("tests.lean")
    assert isinstance(log, LeanLogger)
    handler = Kept()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield log, handler
    log.removeHandler(handler)


def test_a_record_has_all_that_an_ordinary_one_has(kept: tuple[LeanLogger, Kept]):
    log, handler = kept
    before = time.time()
    log.info("User %s", "alice", extra={"connection": "c1"})
    [record] = handler.records
    ordinary = logging.LogRecord("tests.lean", logging.INFO, "(unknown file)", 0, "User %s", ("alice",), None)
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


def test_an_error_has_its_traceback(kept: tuple[LeanLogger, Kept]):
    log, handler = kept
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("An error", stack_info=True)
    [record] = handler.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert "test_lean_logger.py" in (record.stack_info or "")


def test_the_records_of_an_app_stay_its_own(kept: tuple[LeanLogger, Kept]):
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
    assert type(logging.getLogger("tests.lean.other")) is logging.Logger


def test_the_service_has_these_loggers_and_an_app_that_embeds_it_has_not():
    code = (
        "import logging, sys\n"
        "from signaling import gunicorn_conf as conf\n"
        "from types import SimpleNamespace as Any\n"
        "{}\n"
        "import wsgi\n"
        "from signaling.process.lean_logger import LOGGERS\n"
        "print([type(logging.getLogger(name)).__name__ for name in LOGGERS])\n"
        "print([type(sys.modules[name].log).__name__ for name in LOGGERS])\n"
        "print(type(logging.getLogger('shop')).__name__, logging.logThreads, bool(logging._srcfile))\n"
    )
    for hook, expected in (("post_fork", "LeanLogger"), ("hooks.guard_start", "Logger")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(f"conf.{hook}(None, Any(load_wsgi=None))")],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        assert done.stdout.splitlines() == [f"['{expected}', '{expected}']"] * 2 + ["Logger True True"]
