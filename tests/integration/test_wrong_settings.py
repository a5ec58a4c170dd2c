"""A wrong setting of an app is one line, whatever starts the app."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.driver import ROOT
from tests.long import rest_long
from tests.waiting import TIMEOUT

APP = """
from flask import Flask
from signaling import Signaling

def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env()
    {before}
    Signaling(app, url_prefix="/call")
    {after}
    return app
"""
WITHOUT_OURS = 'worker_class = "gevent"\n'
WITH_OURS = "from signaling.gunicorn import install\ninstall(globals())\n"
WRONG = {
    "wrong": (
        'app.config["SIGNALING_JWT_KEY"] = "short"',
        "",
        "SIGNALING_JWT_KEY is not usable: a secret must have",
    ),
    "misspelled": ('app.config["SIGNALING_JWT_KEYS"] = "x" * 32', "", "SIGNALING_JWT_KEYS is not a setting; write SIG"),
    "number": ('app.config["SIGNALING_JWT_KEY"] = 12345', "", "SIGNALING_JWT_KEY: the value is a number, not text"),
}
LATE = ("", 'app.config["SIGNALING_JWT_KEY"] = "x" * 32', "SIGNALING_JWT_KEY came after init_app")


def start(folder: Path, before: str, after: str, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "mine.py").write_text(APP.format(before=before or "pass", after=after))
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{folder}:{ROOT}", "PORT": "0", **environ},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def gunicorn(folder: Path, configuration: str) -> tuple[str, ...]:
    (folder / "own.py").write_text(configuration)
    return ("gunicorn", "-c", str(folder / "own.py"), "-b", "127.0.0.1:0", "mine:create_app()")


@pytest.mark.parametrize("worker", rest_long(["", 'worker_class = "gevent"\n']), ids=["ours", "gevent"])
@pytest.mark.parametrize(
    ("before", "after", "words"), rest_long([LATE, *WRONG.values()], quick=2), ids=["late", *WRONG]
)
def test_gunicorn_ends_with_one_line_and_its_own_status(tmp_path: Path, worker, before, after, words):
    ended = start(tmp_path, before, after, *gunicorn(tmp_path, worker + WITH_OURS))
    assert ended.returncode == 78
    [line] = [line for line in ended.stderr.splitlines() if "SIGNALING_" in line and "does not start" in line]
    assert line.startswith(f"The signaling server does not start: {words}")
    assert "Traceback" not in ended.stderr


def test_our_own_configuration_does_the_same(tmp_path: Path):
    command = ("gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "-b", "127.0.0.1:0", "mine:create_app()")
    ended = start(tmp_path, *WRONG["wrong"][:2], *command)
    assert ended.returncode == 78
    assert f"The signaling server does not start: {WRONG['wrong'][2]}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_error_of_the_app_itself_keeps_gunicorns_status(tmp_path: Path):
    ended = start(tmp_path, "1 / 0", "", *gunicorn(tmp_path, WITH_OURS))
    assert ended.returncode == 3
    assert "ZeroDivisionError" in ended.stderr


@pytest.mark.parametrize(("before", "after", "words"), rest_long(WRONG.values()), ids=WRONG)
def test_a_gunicorn_without_our_hooks_ends_with_one_line(tmp_path: Path, before, after, words):
    ended = start(tmp_path, before, after, *gunicorn(tmp_path, WITHOUT_OURS))
    assert ended.returncode == 4
    assert [line for line in ended.stderr.splitlines() if line.startswith(words)]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["routes", "run"])
@pytest.mark.parametrize(("before", "after", "words"), rest_long(WRONG.values()), ids=WRONG)
def test_flasks_commands_end_with_one_line(tmp_path: Path, command: str, before, after, words):
    ended = start(tmp_path, before, after, "flask", "--app", "mine", command)
    assert ended.returncode == 78
    assert ended.stderr.splitlines()[-1].startswith(f"Error: {words}")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", rest_long(["SIGNALING_BND", "signaling_jwt_key"]))
def test_a_wrong_name_in_the_environment_is_the_same_everywhere(tmp_path: Path, name: str):
    for command, beginning in (
        (("flask", "--app", "mine", "run"), "Error: "),
        (("flask", "--app", f"{ROOT}/wsgi", "run"), "Error: "),
        (gunicorn(tmp_path, WITH_OURS), "The signaling server does not start: "),
    ):
        ended = start(tmp_path, "", "", *command, **{name: "x"})
        assert ended.returncode == 78
        assert ended.stderr.splitlines()[-1].startswith(f"{beginning}{name} is not a setting; write SIGNALING_")
        assert "Traceback" not in ended.stderr


def test_a_key_of_digits_is_a_key(tmp_path: Path):
    key = {"FLASK_SIGNALING_JWT_KEY": "12345678901234567890123456789012"}
    ended = start(
        tmp_path, "", "print(app.extensions['signaling'].settings.jwt_key)", "flask", "--app", "mine", "routes", **key
    )
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"{key['FLASK_SIGNALING_JWT_KEY']}\n")
