"""A start that is not possible: one line that names the variable, its value and what would be right, and status 78."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from signaling.server import bind_address
from tests.certificates import make_certificate
from tests.driver import ROOT, Client, Server, meet
from tests.integration.test_process import fails_to_start
from tests.left_out import leave_out
from tests.long import rest_long
from tests.waiting import TIMEOUT

SAYS = "The signaling server does not start: "


def one_line(*arguments: str, **settings: object) -> str:
    """Start a server that must not start, and return the one line that it wrote beside what gunicorn always says."""
    log = fails_to_start(*arguments, **settings)
    [line] = [line for line in log if line.startswith(SAYS)]
    assert log[-1] == line
    assert not [line for line in log if "Traceback" in line or " ERROR " in line]
    assert line.isprintable()
    return line.removeprefix(SAYS)


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """A taken address is tried once; the test is not there to wait."""
    folder = tmp_path_factory.mktemp("quick")
    code = "from signaling.server import bind_address\nbind_address.BIND_ATTEMPTS = 1\n"
    (folder / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT}")


def test_a_number_of_workers_that_is_none():
    """gunicorn itself ends with a traceback for what is no number, before it reads any configuration."""
    count = "0"
    assert one_line(WEB_CONCURRENCY=count) == (
        f"WEB_CONCURRENCY: '{count}' is not usable; write a whole number from 1 to 1000, or unset it"
    )


@pytest.mark.parametrize("count", rest_long(["", "auto", "2.0", "0", "-1", " ", "1e3", "2,5"], quick=2))
def test_the_command_of_the_package_says_it_in_one_line_too(count: str):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALING_")}
    done = subprocess.run(
        [sys.executable, "-m", "signaling"],
        env={**clean, "WEB_CONCURRENCY": count},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert (done.returncode, done.stdout) == (os.EX_CONFIG, "")
    assert done.stderr == (
        f"{SAYS}WEB_CONCURRENCY: {count!r} is not usable; write a whole number from 1 to 1000, or unset it\n"
    )


def test_no_worker_at_all():
    assert one_line("-w", "0") == "-w 0 is not usable; run one worker or more"


def test_two_workers_without_redis_and_where_the_number_comes_from():
    words = "2 workers would each have rooms of their own"
    assert one_line(WEB_CONCURRENCY="2").startswith(f"WEB_CONCURRENCY=2: {words}")
    assert one_line("-w", "2").startswith(f"-w 2: {words}")
    assert one_line("-w", "2", WEB_CONCURRENCY="1").startswith(f"-w 2: {words}")


def missing(folder: Path) -> tuple[Path, str]:
    return folder / "none.pem", "No such file or directory"


def directory(folder: Path) -> tuple[Path, str]:
    return folder, "Is a directory"


def pipe(folder: Path) -> tuple[Path, str]:
    os.mkfifo(folder / "pipe")
    return folder / "pipe", "Not a regular file"


@pytest.mark.parametrize("make", rest_long([missing, directory, pipe]))
@pytest.mark.parametrize("variable", ["SIGNALING_TLS_CERT", "SIGNALING_TLS_KEY", "SIGNALING_REDIS_CA"])
def test_a_file_that_cannot_be_read(
    tmp_path: Path, variable: str, make: Callable[[Path], tuple[Path, str]], certificate: Path
):
    path, why = make(tmp_path)
    settings = {
        "SIGNALING_TLS_CERT": certificate,
        "SIGNALING_TLS_KEY": certificate.with_suffix(".key"),
        "SIGNALING_REDIS_URL": "rediss://localhost:1",
        variable: path,
    }
    line = one_line(**settings)
    assert line.startswith(f"{variable}: {str(path)!r} cannot be read: {why}; write the path of ")


def test_certificates_of_redis_that_are_none(tmp_path: Path):
    path = tmp_path / "ca.pem"
    path.write_text("nonsense")
    assert one_line(SIGNALING_REDIS_URL="rediss://localhost:1", SIGNALING_REDIS_CA=path) == (
        f"SIGNALING_REDIS_CA: {str(path)!r} is not usable; write the path of certificates in PEM"
    )


def test_a_pair_that_is_none_names_both(tmp_path: Path):
    one, other = make_certificate(tmp_path / "one.crt"), make_certificate(tmp_path / "other.crt")
    line = one_line(SIGNALING_TLS_CERT=one, SIGNALING_TLS_KEY=other.with_suffix(".key"))
    assert line.startswith("SIGNALING_TLS_CERT and SIGNALING_TLS_KEY: ")


@pytest.mark.parametrize(
    "url", rest_long(["redis://a..b", "redis://", "redis://a:b:c", "redis://[::1", "redis://a/x", "http://a"], quick=2)
)
def test_a_url_of_redis_that_is_none(url: str):
    assert one_line(SIGNALING_REDIS_URL=url).startswith("SIGNALING_REDIS_URL: the value is not usable; ")


@pytest.mark.parametrize(
    "bind",
    rest_long(
        [
            *(
                "a..b",
                "no.such.host.invalid",
                "192.0.2.1",
                "2001:db8::1",
                "[::",
                "localhost:80",
                "http://localhost",
                "*",
                " ",
            ),
            *(
                "unix:",
                "unix:/no/such/folder/s",
                f"unix:/tmp/{'x' * 200}",
                "unix:/etc/hostname",
                "\u00fcml\u00e4ut",
                "a\tb",
            ),
            *("999.1.1.1", "/run/x.sock", "fd://x", "x" * 1_000),
        ],
        quick=4,
    ),
)
def test_an_address_that_cannot_be_listened_on(bind: str):
    line = one_line(SIGNALING_BIND=bind)
    assert line.startswith("SIGNALING_BIND=")
    assert " cannot be listened on: " in line


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert one_line(SIGNALING_BIND="127.0.0.1", PORT=port) == (
            f"SIGNALING_BIND='127.0.0.1' and PORT={port} cannot be listened on: Address already in use"
        )
        assert f"the address to bind, ('127.0.0.1', {port})," in one_line("-b", f"127.0.0.1:{port}")


def test_a_server_that_is_about_to_end_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    taken = socket.create_server(("127.0.0.1", 0))
    address = taken.getsockname()
    monkeypatch.setattr(bind_address.time, "sleep", lambda _: taken.close())
    monkeypatch.setattr(bind_address, "BIND_ATTEMPTS", 2)
    bind_address.check(address)
    assert taken.fileno() == -1


def test_a_key_file_that_cannot_be_read(tmp_path: Path):
    assert one_line(SIGNALING_JWT_KEY=tmp_path).endswith("the file cannot be read: Is a directory")


@pytest.mark.long
@pytest.mark.parametrize("value", ["", "\udcff", "\u202e", " ", "x" * 50_000, "%", "-1"])
@pytest.mark.parametrize("variable", ["PORT", "SIGNALING_BIND", "SIGNALING_TLS_CERT", "SIGNALING_OPS_TOKEN"])
def test_an_odd_value_starts_or_is_one_line(variable: str, value: str):
    server = Server(**{variable: value} | ({"PORT": "0"} if variable != "PORT" else {}))
    try:
        line = server.wait_for_log(f"Listening at: |^{SAYS}")
        if line.startswith(SAYS):
            assert server.wait() == os.EX_CONFIG
            assert [line for line in server.log if line][-1] == line
        assert "Traceback" not in "\n".join(server.log)
    finally:
        server.stop()


@pytest.mark.parametrize("module", ["health", "check", "restart", "token"])
@pytest.mark.parametrize(
    ("variable", "value"),
    rest_long(
        [("SIGNALING_BIND", "a..b"), ("PORT", "x"), ("SIGNALING_BIND", "unix:/no"), ("SIGNALING_JWT_KEY", "/no")]
    ),
)
def test_the_commands_say_what_is_wrong_in_one_line(module: str, variable: str, value: str):
    arguments = {"health": [], "check": ["ws://a..b/"], "restart": ["999999999"], "token": ["alice"]}[module]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALING_")}
    done = subprocess.run(
        [sys.executable, "-m", f"signaling.{module}", *arguments],
        env={**clean, "PORT": "1", variable: value},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode in (1, os.EX_CONFIG)
    assert (done.stdout + done.stderr).count("\n") == 1
    if module == "health" and value == "x":
        assert done.stdout.startswith("No answer: PORT: 'x' is not usable; write a whole number")
        assert done.returncode == os.EX_CONFIG


# Where it listens.


def test_it_says_https_over_tls_and_http_without(server: Server):
    assert "Listening at: https://[::]:" in "\n".join(server.log)
    with Server() as plain:
        assert "Listening at: http://[::]:" in "\n".join(plain.log)


NAMESPACE = """
ip link set lo up
echo 1 > /proc/sys/net/ipv6/bindv6only || exit 42
exec "$@"
"""


@pytest.mark.parametrize("bind", rest_long(["", "::", "[::]"]))
def test_it_takes_ipv4_where_the_kernel_gives_ipv6_sockets_that_alone(bind: str):
    """In a network of its own, so that the machine's setting stays as it is."""
    if os.getuid() != 0:
        leave_out("A network in which IPv6 sockets take IPv6 alone takes root.")
    code = (
        "import sys, urllib.request\n"
        "from tests.driver import Server\n"
        f"with Server(SIGNALING_BIND={bind!r}) as server:\n"
        "    for host in ('127.0.0.1', '[::1]'):\n"
        "        print(urllib.request.urlopen(f'http://{host}:{server.port}/healthz').status)\n"
    )
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", NAMESPACE, "sh", sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT,
    )
    if done.returncode == 42:
        leave_out("The kernel's setting bindv6only cannot be changed here.")
    assert done.stdout.split() == ["200", "200"], done.stderr


def test_a_service_of_kubernetes_with_that_name_changes_nothing():
    from tests.unit.config.test_settings import OF_KUBERNETES

    with Server(**OF_KUBERNETES) as server:
        alice, bob = meet(server)
        with alice, bob, Client(server) as carol:
            assert carol.quiet()
    assert "is not a setting" not in "\n".join(server.log)
