"""What a server writes of itself at its start, and `python -m signaling.status`, which compares it with the files."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signaling.config.process_state import digest
from signaling.version import __version__
from tests.driver import ROOT, Server
from tests.waiting import TIMEOUT

SECRET = "a secret of thirty-two bytes or more"
SETTINGS = {
    "SIGNALING_RELEASE": "2024-06-01 (blue)",
    "SIGNALING_PING_INTERVALL": "3",
    "SIGNALING_OPS_TOKEN": SECRET,
    "SIGNALING_METRICS_TOKEN": SECRET[::-1],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def named(folder: Path) -> Iterator[Server]:
    """A server as systemd starts it, with a release and an unknown setting."""
    with Server(RUNTIME_DIRECTORY=f"{folder}:/elsewhere", **SETTINGS) as running:
        yield running


@pytest.fixture
def files(named: Server, tmp_path: Path) -> Path:
    """The files of its settings. Its port is that of the environment, since it has chosen one itself."""
    (tmp_path / "10.env").write_text(
        "# Settings\n" + "".join(f'{name}="{value}"\n' for name, value in SETTINGS.items()) + "PORT=0\n"
    )
    return tmp_path


def state_in(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "state.json").read_text()))


def status(*arguments: object, **environ: object) -> tuple[int, str]:
    """The exit status of the command and what it printed."""
    command = [sys.executable, "-m", "signaling.status", *map(str, arguments)]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **{name: str(value) for name, value in environ.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )
    return result.returncode, result.stdout


def test_it_writes_its_state_where_systemd_says(named: Server, folder: Path):
    state = state_in(folder)
    assert state.pop("started").endswith("Z")
    assert state.pop("start_ticks") > 0
    assert state == {
        "pid": named.process.pid,
        "version": __version__,
        "release": SETTINGS["SIGNALING_RELEASE"],
        "settings": digest({**SETTINGS, "PORT": "0"}),
        "unknown_settings": ["SIGNALING_PING_INTERVALL"],
    }
    assert (folder / "state.json").stat().st_mode & 0o777 == 0o644
    assert [each.name for each in folder.iterdir()] == ["state.json"]


def test_everybody_may_read_the_state_whatever_the_umask(tmp_path: Path):
    with Server(before=("sh", "-c", 'umask 077; exec "$@"', "sh"), RUNTIME_DIRECTORY=tmp_path):
        assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path):
    with Server(RUNTIME_DIRECTORY=tmp_path / "none") as server:
        line = server.wait_for_log("The state of this process cannot be written")
        assert line.endswith(f"to {tmp_path}/none: No such file or directory")


def test_an_app_under_its_own_gunicorn_writes_it_too(tmp_path: Path):
    (tmp_path / "own.py").write_text("from signaling.gunicorn import install\ninstall(globals())\n")
    own = ("-c", str(tmp_path / "own.py"), "-b", "127.0.0.1:0")
    with Server(arguments=own, RUNTIME_DIRECTORY=tmp_path) as server:
        assert state_in(tmp_path)["pid"] == server.process.pid


def health(server: Server, authorization: str = "") -> dict[str, Any]:
    headers = {"Authorization": authorization} if authorization else {}
    with urllib.request.urlopen(urllib.request.Request(server.url + "/healthz", headers=headers)) as response:
        return dict(json.load(response))


def test_the_health_tells_only_an_operator_what_runs(named: Server):
    password = base64.b64encode(f"anybody:{SECRET}".encode()).decode()
    wanted = {
        "version": __version__,
        "release": SETTINGS["SIGNALING_RELEASE"],
        "settings": digest({**SETTINGS, "PORT": "0"}),
    }
    everybody = {"status", "uptime", "connections", "rooms"}
    for authorization in (f"Basic {password}", f"Bearer {SECRET}", f"Bearer {SECRET[::-1]}"):
        answer = health(named, authorization)
        assert {name: answer[name] for name in wanted} == wanted
        assert answer.keys() == everybody | wanted.keys()
    # A proxy may send credentials of its own: they are no reason to say that the service is ill.
    for authorization in ("", "Bearer wrong", "Bearer ", "Basic !"):
        assert health(named, authorization).keys() == everybody


def test_without_passwords_nobody_is_an_operator():
    with Server() as server:
        for authorization in ("Bearer ", "Bearer", "Basic Og=="):
            assert "version" not in health(server, authorization)


def test_the_metrics_have_the_release(named: Server):
    asked = urllib.request.Request(f"{named.url}/metrics", headers={"Authorization": f"Bearer {SECRET[::-1]}"})
    with urllib.request.urlopen(asked) as response:
        [line] = [line for line in response.read().decode().splitlines() if line.startswith("signaling_build_info{")]
    assert f'release="{SETTINGS["SIGNALING_RELEASE"]}"' in line


def test_all_is_well_while_the_process_has_the_settings_of_the_files(tmp_path: Path):
    # The service and its files agree on the port, so a free one is chosen for both.
    path = tmp_path / "signaling.sock"
    settings = SETTINGS | {"SIGNALING_BIND": f"unix:{path}", "PORT": "0"}
    (tmp_path / "10.env").write_text("".join(f'{name}="{value}"\n' for name, value in settings.items()))
    server = Server(RUNTIME_DIRECTORY=tmp_path, **settings)
    try:
        server.wait_for_log("Booting worker")
        arguments = ("--env-file", f"{tmp_path}/*.env", "--state", tmp_path / "state.json")
        code, text = status(*arguments)
        assert code == 0, text
        assert "settings  as in the files" in text
        assert "unknown   SIGNALING_PING_INTERVALL: did you mean SIGNALING_PING_INTERVAL?" in text
        assert f"release   {SETTINGS['SIGNALING_RELEASE']}" in text
        assert "health    ok" in text
        assert SECRET not in text
        code, text = status("--json", *arguments)
        found = json.loads(text)
        assert (code, found["ok"], found["problems"]) == (0, True, [])
        assert found["settings"] == found["settings_in_files"] == digest(settings)

        # A file that comes later.
        (tmp_path / "20.env").write_text("SIGNALING_OPS_TOKEN=another\n")
        code, text = status(*arguments)
        assert code == 1
        assert "The process has other settings than the files: restart it to use them" in text
        code, text = status("--json", *arguments)
        found = json.loads(text)
        assert (code, found["ok"], found["health"]) == (1, False, "ok")
        assert found["settings"] != found["settings_in_files"]

        # The next start would fail.
        (tmp_path / "20.env").write_text("SIGNALING_JWT_KEYS=x\n")
        assert (
            "would not start with the settings in the files: SIGNALING_JWT_KEYS is not a setting; "
            in status(*arguments)[1]
        )
        (tmp_path / "20.env").unlink()
        assert status(*arguments)[0] == 0

        server.signal(signal.SIGKILL)
        server.wait()
        code, text = status(*arguments)
        assert code == 1
        assert f"Process {server.process.pid}, which started at " in text
        assert "does not run any more" in text
        assert "/healthz does not answer" in text
    finally:
        server.stop()


def test_the_health_counts(named: Server, folder: Path, files: Path):
    """The port in the files is not the one that it listens on."""
    code, text = status("--env-file", files / "10.env", "--state", folder / "state.json")
    assert code == 1
    assert "settings  as in the files" in text
    assert "/healthz does not answer" in text


def test_without_files_it_takes_the_environment_and_compares_nothing(named: Server, folder: Path):
    code, text = status(RUNTIME_DIRECTORY=folder, PORT=named.port)
    assert code == 0
    assert "settings  not compared: name their files with --env-file" in text


def test_a_state_that_is_not_there_is_not_well(tmp_path: Path):
    code, text = status("--state", tmp_path / "state.json", PORT=1)
    assert code == 1
    assert f"{tmp_path}/state.json does not exist: the service does not run, or is older than this command" in text
    (tmp_path / "state.json").write_text("{")
    code, text = status("--state", tmp_path / "state.json", PORT=1)
    assert code == 1
    assert "is not the state of a signaling server" in text


@pytest.mark.parametrize("arguments", [("--env-file", "/none/*.env"), ("--nonsense",), ("more",)])
def test_a_wrong_command_line_is_another_status(arguments: tuple[str, ...]):
    code, text = status(*arguments)
    assert code == 2
    assert "Traceback" not in text
