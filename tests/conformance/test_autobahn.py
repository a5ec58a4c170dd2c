"""Conformance to RFC 6455: the Autobahn testsuite against our handshake and connection, through gunicorn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import suite
from tests.driver import Server
from tests.left_out import leave_out

# Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, limits, the rest. Without 12 and 13, which are for
# compression: this server never agrees to it.
CASES = [f"{category}.*" for category in (1, 2, 3, 4, 5, 6, 7, 9, 10)]
COUNT = 301

# To these the suite has no right answer: data behind a close, and two close codes that no one has assigned.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}

NO_PYTHON = (
    "The Autobahn testsuite needs Python 2.7 with pip, and this machine has none: not as python2.7 or python2 on the "
    "PATH, not in $PYENV_ROOT/versions."
)


@pytest.fixture(scope="module")
def python() -> str:
    """A Python 2.7 with the suite installed. No system has one any more: without it CI fails, and others are told."""
    found = suite.find_python()
    if found is None:
        leave_out(NO_PYTHON)
    suite.install(found)
    return found


@pytest.fixture(params=["plain", "tls"])
def echo(request: pytest.FixtureRequest, certificate: Path) -> Iterator[Server]:
    """The app that sends every message back, under the server's own gunicorn.conf.py."""
    with Server(certificate if request.param == "tls" else None, app="tests.conformance.echo:app") as server:
        yield server


def test_every_case_is_ok(python: str, echo: Server, tmp_path: Path):
    reports = suite.fuzz(python, echo.ws_url, CASES, tmp_path)
    assert len(reports) == COUNT
    wrong = []
    for case, report in reports.items():
        outcome = report["behavior"], report["behaviorClose"]
        if outcome != ("OK", "OK") and not (case in INFORMATIONAL and outcome == ("INFORMATIONAL", "INFORMATIONAL")):
            wrong.append(f"{case} {' / '.join(outcome)}: {report['result']} {report['resultClose']}")
    if wrong:
        pytest.fail(f"{len(wrong)} of {COUNT} cases, reports in {tmp_path}:\n" + "\n".join(wrong), pytrace=False)
    assert not [line for line in echo.log if "Traceback" in line]
