"""Whether the running service is well, and runs with the settings in the files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from ..config import process_state
from ..config.env import SettingsError
from ..config.names import check_names, nearest
from ..config.process_state import ProcessState, digest
from ..config.settings import Settings
from .local import NoAnswerError, request_health


class Status(msgspec.Struct, kw_only=True):
    """The status of the service on this host; its fields are those of ``--json``."""

    ok: bool = True
    problems: list[str] = []
    """What is not well, each in a sentence."""
    pid: int | None = None
    """The id of gunicorn's master; None and the rest too if it does not run."""
    version: str | None = None
    release: str | None = None
    started: str | None = None
    settings: str | None = None
    """The digest of the settings of the process."""
    settings_in_files: str | None = None
    """The digest of the settings in the files; None if none are named."""
    unknown_settings: list[str] = []
    """The ``SIGNALING_`` variables of the process that are no settings."""
    health: str | None = None
    """The status in the answer of ``/healthz``; None without an answer."""

    def report(self, problem: str) -> None:
        """Add a problem."""
        self.ok = False
        self.problems.append(problem)


def examine(state_file: Path, environ: Mapping[str, str], *, from_files: bool) -> Status:
    """Return the status of the service.

    Args:
        state_file: the file that the service wrote at its start.
        environ: the settings that the service ought to have.
        from_files: whether these come from files, and not just from this process.
    """
    status = Status(settings_in_files=digest(environ) if from_files else None)
    try:
        state = process_state.read(state_file)
    except FileNotFoundError:
        status.report(f"{state_file} does not exist: the service does not run, or is older than this command")
    except (OSError, ValueError) as error:
        status.report(f"The state of the service cannot be read: {error}")
    else:
        _take(status, state)
    try:
        settings = Settings.load(environ)
        check_names(environ)
    except SettingsError as error:
        status.report(f"The service would not start with the settings {'in the files' if from_files else ''}: {error}")
    else:
        _ask(status, settings)
    return status


def _take(status: Status, state: ProcessState) -> None:
    if not state.is_alive:
        status.report(f"Process {state.pid}, which started at {state.started}, does not run any more")
        return
    status.pid, status.version, status.release = state.pid, state.version, state.release
    status.started, status.settings = state.started, state.settings
    status.unknown_settings = list(state.unknown_settings)
    if status.settings_in_files not in (None, state.settings):
        status.report("The process has other settings than the files: restart it to use them")


def _ask(status: Status, settings: Settings) -> None:
    try:
        answer = request_health(settings)
        status.health = str(json.loads(answer.text)["status"])
    except NoAnswerError as error:
        status.report(f"/healthz does not answer: {error}")
    except (ValueError, LookupError, TypeError, RecursionError):
        status.report(f"/healthz answers with HTTP {answer.status}, and without a status: {answer.text!r:.200}")
    else:
        if answer.status != 200:
            status.report(f"The service is not healthy: {status.health}")


def lines(status: Status) -> Iterable[str]:
    """Yield the status for a person."""
    if status.pid is not None:
        yield f"version   {status.version}"
        yield f"release   {status.release or 'without a name (SIGNALING_RELEASE)'}"
        yield f"process   {status.pid}, since {status.started}"
        compared = {None: "not compared: name their files with --env-file", status.settings: "as in the files"}
        yield f"settings  {compared.get(status.settings_in_files, 'other ones than in the files')}"
        for name in status.unknown_settings:
            yield f"unknown   {name}: did you mean {nearest(name)}?"
    yield f"health    {status.health or 'unknown'}"
    yield from status.problems
