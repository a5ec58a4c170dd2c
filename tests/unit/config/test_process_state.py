"""The state of a process: the digest of its settings, and whether it still runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from signaling.config import process_state
from signaling.config.process_state import ProcessState, digest, start_ticks


def test_the_digest_is_that_of_the_sorted_lines():
    lines = b"PORT=8443\nSIGNALING_BIND=\nSIGNALING_X=\xff a\nWEB_CONCURRENCY=2\n"
    environ = {"WEB_CONCURRENCY": "2", "SIGNALING_X": "\udcff a", "PATH": "/bin", "SIGNALING_BIND": "", "PORT": "8443"}
    assert digest(environ) == hashlib.sha256(lines).hexdigest()[:16]


def test_an_empty_setting_is_not_the_same_as_none():
    assert digest({"SIGNALING_BIND": ""}) != digest({})


def of(pid: int, ticks: int) -> ProcessState:
    return ProcessState(
        pid=pid, start_ticks=ticks, version="1", release="", settings="", unknown_settings=(), started=""
    )


def test_a_process_is_alive_until_it_ends():
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    ticks = start_ticks(child.pid)
    assert ticks
    assert of(child.pid, ticks).is_alive
    # Another process may get the same id.
    assert not of(child.pid, ticks - 1).is_alive
    child.kill()
    # A process that nobody has waited for still has its id.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not of(child.pid, ticks).is_alive
    child.communicate()
    assert not of(child.pid, ticks).is_alive


def test_a_name_with_parentheses_and_spaces_confuses_nothing(tmp_path: Path):
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/cat")
    child = subprocess.Popen([program], stdin=subprocess.PIPE)
    try:
        own = start_ticks(os.getpid())
        assert own
        assert (start_ticks(child.pid) or 0) >= own
    finally:
        child.communicate()


def test_what_is_no_state_is_an_error(tmp_path: Path):
    file = tmp_path / "state.json"
    for content in (b"", b"{}", b"[" * 10_000, b'{"pid": "x"}', b"\xff"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="is not the state of a signaling server"):
            process_state.read(file)
    file.write_bytes(msgspec.json.encode(of(1, 2)))
    assert process_state.read(file) == of(1, 2)
