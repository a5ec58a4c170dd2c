"""The image, built with our Dockerfile by podman, and the service that compose.yaml makes of it.

No image registry is asked: the base is made of Debian's packages, with the Python that the Dockerfile's own base has.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.address import Address
from tests.certificates import make_certificate
from tests.containers.machine import Machine
from tests.driver import ROOT
from tests.left_out import leave_out
from tests.waiting import wait_until

SUITE, PYTHON = "trixie", "3.13"
BASE = f"localhost/python:{PYTHON}"
IMAGE = "localhost/webrtc-signaling"
NAME = "signaling_signaling_1"

NO_ROOT = "The containers are not tested: making namespaces and images takes root."

Compose = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    if os.getuid() != 0:
        leave_out(NO_ROOT)
    with Machine() as machine:
        yield machine


@pytest.fixture(scope="session")
def base(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with Python, as bare as the one that the Dockerfile is for."""
    archive = tmp_path_factory.mktemp("base") / "base.tar"
    packages = "python3,python3-venv,ca-certificates"
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", SUITE, archive], check=True)
    machine.run("podman", "import", str(archive), BASE)
    archive.unlink()
    return BASE


@pytest.fixture(scope="session")
def pip(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """Mounts for the build that let pip find its wheels without the configuration it may need on this machine."""
    folder = tmp_path_factory.mktemp("pip")
    download = ["pip", "download", "-q", "--require-hashes", "--only-binary", ":all:", "--python-version", PYTHON]
    subprocess.run([sys.executable, "-m", *download, "-r", ROOT / "requirements.txt", "-d", folder], check=True)
    configuration = folder / "pip.conf"
    configuration.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    return {folder: "/wheels", configuration: "/etc/pip.conf"}


@pytest.fixture(scope="session")
def compose(machine: Machine, base: str, pip: dict[Path, str]) -> Compose:
    """podman-compose with our compose.yaml; the image is built."""
    mounts = " ".join(f"--volume={path}:{target}:ro" for path, target in pip.items())

    def compose(
        *arguments: str, check: bool = True, file: Path = ROOT / "compose.yaml", **settings: object
    ) -> CompletedProcess[str]:
        command = [sys.executable, "-m", "podman_compose", "-f", str(file), "-p", "signaling"]
        options = [
            "--in-pod=false",
            "--env-file=/dev/null",
            f"--podman-build-args={mounts}",
            # podman's own limit is more than a root without CAP_SYS_RESOURCE may set.
            "--podman-run-args=--ulimit=nproc=4096",
        ]
        return machine.run(*command, *options, *arguments, check=check, PYTHON_IMAGE=base, **settings)

    compose("build")
    return compose


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The certificate in a folder as an operator fills it for compose.yaml: readable by the user of the container."""
    folder = tmp_path / "tls"
    folder.mkdir()
    return place_certificate(folder)


def place_certificate(folder: Path) -> Path:
    """Make a certificate, and rename it and its key into the folder, as a renewal does."""
    made = make_certificate(folder / "new.pem")
    made.with_suffix(".key").rename(folder / "privkey.pem").chmod(0o644)
    return made.rename(folder / "fullchain.pem")


@pytest.fixture
def service(machine: Machine, compose: Compose, certificate: Path) -> Iterator[Address]:
    """The service as `compose up` starts it."""
    compose("up", "-d", TLS_DIR=certificate.parent, SIGNALING_TLS_RELOAD_INTERVAL=0.2)
    try:
        wait_until_healthy(machine, NAME)
        yield Address(8443, certificate)
    finally:
        compose("down")


def wait_until_healthy(machine: Machine, container: str) -> None:
    """Wait until the image's own health check says so."""
    wait_until(
        lambda: machine.run("podman", "healthcheck", "run", container, check=False).returncode == 0,
        told=lambda: machine.run("podman", "logs", container).stdout,
    )
