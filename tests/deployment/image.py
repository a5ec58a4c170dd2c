"""The image of a fresh VM, as providers hand it over: systemd, sshd, python3-apt, and a user who may use sudo."""

from __future__ import annotations

import ast
import datetime
import hashlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tests.deployment.command import run

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "signaling-deployment"
USER = "admin"
AUTHORITIES = Path("usr/local/share/ca-certificates")

_PACKAGES = "systemd,systemd-sysv,dbus,python3,ca-certificates,iproute2,sudo,openssh-server,python3-apt"
_PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "cert", "timeout", "default-timeout")


def image(suite: str) -> Path:
    """Return the folder of the image, made anew once a week, and when the way to the package registries changed."""
    recipe = [Path(__file__).read_text(), *_mirror(), *_machine_files().values()]
    year, week, _ = datetime.date.today().isocalendar()
    folder = CACHE / f"{suite}-{year}-{week}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]}"
    if not folder.exists():
        for old in CACHE.glob(f"{suite}-*"):
            shutil.rmtree(old)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{suite}-unfinished-", dir=CACHE))
        unfinished.chmod(0o755)
        _make(suite, unfinished)
        unfinished.rename(folder)
    return folder


def _make(suite: str, root: Path) -> None:
    apt = [f"--aptopt={line}" for line in _apt_options()]
    # When it is interrupted, all that it started ends with it, and all that it mounted is gone.
    alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    # With the package lists: those of a stable release are seldom others, and each VM would fetch and read them all.
    options = ("--quiet", "--variant=minbase", "--skip=cleanup/apt/lists", f"--include={_PACKAGES}")
    run(*alone, "mmdebstrap", *options, *apt, suite, root, *_mirror())
    for name, text in _machine_files().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "etc/hostname").write_text("vm\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 vm\n")
    (root / "etc/machine-id").write_text("")
    (root / "etc/sudoers.d/admin").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    run("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", USER)
    run("chroot", root, "update-ca-certificates")


def _machine_files() -> dict[str, str]:
    """What this machine needs to reach the package registries, its VM needs as well."""
    authorities = (Path("/") / AUTHORITIES).glob("**/*.crt")
    files = {str(AUTHORITIES / path.name): path.read_text() for path in authorities}
    return files | {"etc/pip.conf": _pip_configuration()}


def _mirror() -> list[str]:
    """Return the mirror of Debian that this machine uses, if it is of Debian; mmdebstrap knows one by itself."""
    uris = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    return [uri for uri in uris if uri.rstrip("/").endswith("/debian")][:1]


def _apt_options() -> list[str]:
    lines = run("apt-config", "dump", "Acquire").splitlines()
    return [line for line in lines if re.match(r"Acquire::(https?|Check-|Force|Retries)", line, re.IGNORECASE)]


def _pip_configuration() -> str:
    """All of pip's configuration on this machine, be it in files or in the environment, as one file."""
    options = {}
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        option = name.rpartition(".")[2]
        # A folder of this machine is not in the VM.
        if option in _PIP_OPTIONS and "file:" not in value:
            options[option] = " ".join(ast.literal_eval(value).split())
    return "[global]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
