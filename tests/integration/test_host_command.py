"""The command of an operator on the host of the service: `python -m signaling.host`, or `signaling`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from signaling.host.rotation import SECRETS
from tests.driver import ROOT, Server
from tests.unit.security.test_jwt import PRIVATE, SECRET, pem
from tests.waiting import TIMEOUT

Command = Callable[..., subprocess.CompletedProcess[str]]
MET = "two users met and exchanged offer, answer and candidate in "


def run(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "signaling.host", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run the command with these settings in a file, as the Ansible role writes it."""

    def with_settings(*arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
        lines = (
            f'{name}="{str(value).translate({ord(each): chr(92) + each for each in chr(92) + chr(34) + "$`"})}"\n'
            for name, value in settings.items()
        )
        (tmp_path / "10-signaling.env").write_text("".join(lines))
        return run("--env-file", f"{tmp_path}/*.env", *arguments)

    return with_settings


def tls(certificate: Path) -> dict[str, object]:
    return {"SIGNALING_TLS_CERT": certificate, "SIGNALING_TLS_KEY": certificate.with_suffix(".key")}


def test_a_check_finds_the_port_the_name_and_the_key_in_the_files(command: Command, certificate: Path):
    # With every character that the file must escape.
    settings = {
        "SIGNALING_JWT_KEY": SECRET + '"$`\\',
        "SIGNALING_JWT_AUDIENCE": "calls",
        "SIGNALING_ALLOW_MISSING_ORIGIN": "0",
    }
    with Server(certificate, **settings) as server:
        settings |= {"PORT": server.port, **tls(certificate)}
        done = command("--ca", certificate, "check", **settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"wss://localhost:{server.port}/ at localhost: {MET}")
        # Behind the name of the command as well.
        assert command("check", "--ca", certificate, **settings).returncode == 0
        # The certificate is not for that name.
        done = command("--ca", certificate, "--name", "call.example.org", "check", **settings)
        assert done.returncode == 1
        assert done.stderr.startswith(f"wss://call.example.org:{server.port}/ at localhost: ")
        assert "not valid for 'call.example.org'" in done.stderr
        done = command("check", **settings)
        assert done.returncode == 1
        assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
        assert done.stderr.endswith("; name the authority with --ca\n")
        assert done.stderr.count("\n") == 1


def test_a_check_calls_over_a_socket(command: Command, tmp_path: Path):
    settings = {"SIGNALING_BIND": f"unix:{tmp_path}/signaling.sock", "SIGNALING_SERVICE_SECRET": SECRET}
    server = Server(**settings)
    try:
        server.wait_for_log("Booting worker")
        done = command("check", **settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"ws://localhost/ at unix:{tmp_path}/signaling.sock: {MET}")
    finally:
        server.stop()
    done = command("check", **settings)
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr or "refused" in done.stderr


def test_with_a_public_key_a_check_sees_that_strangers_are_refused(command: Command, tmp_path: Path):
    key = tmp_path / "jwt.pem"
    key.write_text(pem(PRIVATE["ES256"]))
    with Server(SIGNALING_JWT_KEY=key) as server:
        done = command("check", SIGNALING_JWT_KEY=key, PORT=server.port)
        assert (done.returncode, done.stderr) == (0, "")
        assert "the key only verifies tokens, and a join without one is refused: Unauthorized" in done.stdout
    # The service that runs has no key.
    with Server() as server:
        done = command("check", SIGNALING_JWT_KEY=key, PORT=server.port)
        assert done.returncode == 1
        assert "a join without a token is not refused" in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PORT": "0"}, "PORT=0 lets the system choose a port"),
        ({"PORT": "http"}, "PORT: 'http' is not usable"),
        (
            {"SIGNALING_TLS_CERT": "/none", "SIGNALING_TLS_KEY": "/none"},
            "SIGNALING_TLS_CERT: '/none' cannot be read: No",
        ),
        ({"SIGNALING_TLS_CERT": __file__, "SIGNALING_TLS_KEY": __file__}, "it is no certificate that names a host"),
    ],
    ids=["no port", "wrong port", "no certificate", "other file"],
)
def test_settings_that_lead_nowhere_are_one_line(command: Command, settings: dict[str, str], words: str):
    done = command("check", **settings)
    assert (done.returncode, done.stdout) == (78, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_files_that_cannot_be_read_are_one_line():
    done = run("--env-file", "/none/*.env", "check")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "--env-file: /none/*.env: no file that you may see matches\n"


def test_the_page_of_the_operator_is_named_and_its_password_only_on_demand(command: Command, certificate: Path):
    settings = {"SIGNALING_OPS_TOKEN": SECRET, "PORT": 8443, **tls(certificate)}
    done = command("ops", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "https://localhost:8443/ops"
    assert "sudo signaling ops --show-password" in done.stdout
    assert SECRET not in done.stdout
    done = command("--name", "call.example.org", "ops", **settings)
    assert done.stdout.splitlines()[0] == "https://call.example.org:8443/ops"
    done = command("ops", SIGNALING_OPS_TOKEN=SECRET, SIGNALING_BIND="unix:/run/x")
    assert done.stdout.splitlines()[0] == "/ops at the address of your proxy, which forwards it to unix:/run/x"
    done = command("ops")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == "SIGNALING_OPS_TOKEN is not set: there is no page /ops without a password\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may see it")
def test_only_root_sees_the_password(command: Command, tmp_path: Path):
    done = command("ops", "--show-password", SIGNALING_OPS_TOKEN=SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"Any user name, and this password: {SECRET}"
    # Another user may not read this Python. So it is loaded before.
    code = "import os, sys; from signaling.host.command import main; os.setuid(65534); sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "ops", "--show-password"],
        cwd=ROOT,
        env={"SIGNALING_OPS_TOKEN": SECRET, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert done.stderr == "Only root may see the password: sudo signaling ops --show-password\n"


@pytest.mark.parametrize("secret", SECRETS)
def test_the_command_that_replaces_a_secret_is_printed(secret: str):
    done = run("rotate", secret)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].endswith(f" rotate.yml -e secret={secret}")


@pytest.mark.parametrize("arguments", [(), ("rotate", "tls"), ("restart",), ("check", "-n", "5"), ("status", "x")])
def test_a_wrong_command_line_is_another_status(arguments: tuple[str, ...]):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: signaling ")


def test_the_log_takes_every_option_of_journalctl(tmp_path: Path):
    """A host with systemd has the real one: see tests/deployment."""
    program = tmp_path / "journalctl"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    options = ("-p", "warning", "-n", "50", "--since", "1 hour ago", "-h", "--name", "_PID=1")
    done = run("--env-file", "/none", "logs", *options, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert done.stdout.splitlines() == ["--namespace=*", "--unit=signaling.service", *options]
    done = run("logs", PATH="/none")
    assert (done.returncode, done.stderr) == (1, "journalctl cannot be run: No such file or directory\n")
