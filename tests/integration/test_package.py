"""The distribution: built, installed where there is no repository, typed, and run."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.driver import ROOT, Client
from tests.waiting import TEST_TIMEOUT, TIMEOUT

pytestmark = pytest.mark.long

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "gunicorn.conf.py", "wsgi.py", "signaling")

APP = '''
"""An app that names everything that is public, for mypy --strict."""

from typing import Any, assert_type

from flask import Flask, render_template_string, session
from signaling import (
    Call,
    CallNotAllowedError,
    Listing,
    Signaling,
    Unavailable,
    Waiting,
    __version__,
    call_ended,
    call_started,
    call_waiting,
    create_app,
    owns_request,
    waiting_ended,
)
from signaling.gunicorn import install
from signaling.testing import SignalingClient

signaling = Signaling(url_prefix="/call")
asked: list[tuple[str, str]] = []


@signaling.user_loader
def who() -> str | None:
    return session.get("user")


@signaling.authorizer
def may_call(user: str, peer: str) -> bool:
    asked.append((user, peer))
    return peer == "bob"


@call_waiting.connect
@waiting_ended.connect
def ring(app: Flask, user: str, peer: str, **_: Any) -> None:
    print(user, peer)


@call_started.connect
@call_ended.connect
def bill(app: Flask, call: Call, **_: Any) -> None:
    assert_type(call.id, str)


app = Flask(__name__)
app.secret_key = "the app's own"
signaling.init_app(app)


@app.get("/")
def home() -> str:
    return render_template_string("{{ signaling_tags() }}")


def types() -> None:
    assert_type(who(), str | None)
    assert_type(may_call("alice", peer="bob"), bool)
    assert_type(create_app(), Flask)
    assert_type(owns_request(page=False), bool)
    assert_type(__version__, str)
    with SignalingClient(app, app.test_client()) as alice:
        assert_type(alice, SignalingClient)
    assert_type(signaling.calls("alice"), Listing[Call])
    assert_type(signaling.waiting(peer="bob"), Listing[Waiting])
    try:
        assert_type(signaling.end("id", "over"), bool)
        assert_type(signaling.disconnect("alice", 60), int)
        assert_type(signaling.token("alice", "bob", ttl=60), str)
    except (Unavailable, CallNotAllowedError):
        pass
    install({})


def test_every_public_name_is_used_here() -> None:
    import signaling as package

    assert set(package.__all__) <= globals().keys()
'''

JOIN = """
import shop
from signaling.testing import SignalingClient

browser = shop.app.test_client()
with browser.session_transaction() as session:
    session["user"] = "alice"
with SignalingClient(shop.app, browser) as alice:
    assert alice.join("bob")["type"] == "created"
    assert alice.join("eve")["code"] == "unauthorized"
shop.test_every_public_name_is_used_here()
assert shop.asked == [("alice", "bob"), ("alice", "eve")]
"""


class Running(NamedTuple):
    """A gunicorn on a free port."""

    port: int
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://localhost:{self.port}"


def run(*command: object, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    # No PYTHONPATH: nothing of the repository may be found.
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environ},
        capture_output=True,
        text=True,
        timeout=TEST_TIMEOUT,
    )


def succeed(*command: object, cwd: Path, **environ: str) -> str:
    done = run(*command, cwd=cwd, **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def gunicorn(python: Path, *arguments: str, cwd: Path, module: str = "gunicorn", **environ: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [python, "-m", module, *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    log = []
    try:
        for line in process.stderr:
            log.append(line)
            if found := re.search(r"Listening at: .*:(\d+) \(", line):
                break
        else:
            pytest.fail("".join(log))
        yield Running(int(found[1]))
    finally:
        process.terminate()
        process.stderr.read()
        process.wait(TIMEOUT)
        process.stderr.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("package")


@pytest.fixture(scope="module")
def built(folder: Path) -> tuple[Path, str]:
    """The wheel, which is built from the sdist, and what the build wrote."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    succeed(sys.executable, "-m", "venv", folder / "builder", cwd=folder)
    python = folder / "builder/bin/python"
    succeed(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "build", cwd=folder)
    output = succeed(python, "-m", "build", "--outdir", folder / "dist", source, cwd=folder, PYTHONWARNINGS="default")
    [wheel] = (folder / "dist").glob("*.whl")
    return wheel, output


@pytest.fixture(scope="module")
def python(folder: Path, built: tuple[Path, str]) -> Path:
    """The Python of a virtual environment that has the wheel and what it depends on, and an app beside it."""
    succeed(sys.executable, "-m", "venv", folder / "user", cwd=folder)
    python = folder / "user/bin/python"
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    succeed(*pip, "--require-hashes", "-r", ROOT / "requirements.txt", cwd=folder)
    succeed(*pip, "--no-deps", built[0], cwd=folder)
    # The pinned packages are all that the wheel asks for.
    succeed(python, "-m", "pip", "check", cwd=folder)
    (folder / "shop.py").write_text(APP)
    return python


def test_the_build_warns_of_nothing(built: tuple[Path, str]):
    assert re.findall(r"(?i)^.*(?:warn|deprecat|\bmissing\b).*$", built[1], re.MULTILINE) == []


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(built: tuple[Path, str]):
    wheel, _ = built
    assert wheel.name.startswith("flask_webrtc_signaling-")
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if ".dist-info/" not in name}
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "signaling").rglob("*") if path.is_file()}
    assert packed == {name for name in files if "__pycache__" not in name}
    assert {
        "signaling/py.typed",
        "signaling/gunicorn_conf.py",
        "signaling/rooms/redis/lua/join.lua",
        "signaling/web/static/client/client.js",
        "signaling/web/templates/signaling/call_base.html",
    } <= packed


def test_an_app_with_every_public_name_is_typed(folder: Path, python: Path):
    # The mypy of the tests, with the packages of the user.
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "--cache-dir", folder / "cache"]
    assert succeed(*mypy, "shop.py", cwd=folder) == "Success: no issues found in 1 source file\n"
    (folder / "wrong.py").write_text("from signaling import Signaling\nSignaling(url_prefix=1)\n")
    assert "arg-type" in run(*mypy, "wrong.py", cwd=folder).stdout


def test_two_join_in_a_test_of_the_app(folder: Path, python: Path):
    succeed(python, "-c", JOIN, cwd=folder)


def test_the_printed_configuration_runs_the_app(folder: Path, python: Path):
    flask = [python, "-m", "flask", "--app", "shop", "signaling"]
    printed = run(*flask, "gunicorn-conf", cwd=folder)
    assert (printed.returncode, printed.stderr) == (0, "")
    (folder / "gunicorn.conf.py").write_text(printed.stdout.replace("127.0.0.1:8000", "localhost:0"))
    try:
        with gunicorn(python, "-c", "gunicorn.conf.py", "--log-level", "info", "shop:app", cwd=folder) as running:
            with Client(running, "/call/ws") as alice:
                assert alice.ask(type="join", userId="alice", remoteId="bob")["code"] == "unauthorized"
            checked = succeed(*flask, "check", "--url", f"{running.url}/call", cwd=folder)
            assert checked.endswith("the service answers, and lets in only users who are logged in\n")
    finally:
        (folder / "gunicorn.conf.py").unlink()


def test_the_service_runs_without_a_file_beside_it(folder: Path, python: Path):
    with gunicorn(python, module="signaling", cwd=folder, PORT="0") as running:
        with Client(running) as alice:
            assert alice.join("alice", "bob")[0]["type"] == "created"
        request = urllib.request.Request(running.url, headers={"Accept": "text/html"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as page:
            assert page.read() == (ROOT / "signaling/web/static/page/index.html").read_bytes()
        # The command of the operator is installed.
        command = python.with_name("signaling")
        assert "two users met" in succeed(command, "check", cwd=folder, PORT=str(running.url.rpartition(":")[2]))
