"""Prints what of the service is on this host, as JSON: the deployments, what other roles add to them, what runs.

Ansible runs it on the host: ``python3 -c … /opt/signaling /etc/signaling /etc/systemd/system``. It prints no setting's
value, only the SHA-256 of files. With the folder of one deployment alone, it writes the deployment's manifest.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

UNIT = "signaling.service"
# What the role itself writes. It was in settings.d before there were deployments.
OWN = "10-signaling.env"


def describe(root: Path, etc: Path, units: Path) -> dict[str, Any]:
    """Return all of it."""
    deployments = {folder.name: deployment(folder) for folder in newest(root / "deployments")}
    current, previous = link(root / "current"), link(root / "previous")
    return {
        "current": named(current, "deployments"),
        "previous": named(previous, "deployments"),
        # What a link leads to on a host that the role deployed to before there were deployments.
        "current_release": named(current, "releases"),
        "previous_release": named(previous, "releases"),
        "deployments": deployments,
        "newest": list(deployments),
        "newest_of_releases": newest_of_releases(deployments),
        "releases": [folder.name for folder in newest(root / "releases")],
        "venvs": [folder.name for folder in newest(root / "venvs")],
        "needed_venvs": {folder.name: needed_venv(folder) for folder in newest(root / "releases")},
        "added": added(etc, units),
        "leftovers": [str(file) for file in (root / "former.service", etc / "settings.d" / OWN) if file.exists()],
        "unit": digest(units / UNIT),
        "free_megabytes": shutil.disk_usage(root).free // 1_000_000 if root.exists() else 0,
        "process": process(),
    }


def deployment(folder: Path) -> dict[str, Any]:
    """Return what a deployment is made of, and which of its files are not as they were made."""
    made = lines(folder / "manifest")
    found = manifest(folder)
    return {
        "release": link(folder / "release").name,
        "venv": link(folder / "venv").name,
        "made_of": lines(folder / "made-of"),
        "unit": digest(folder / UNIT),
        "port": next((line[6:-1] for line in lines(folder / "settings" / OWN) if line.startswith('PORT="')), ""),
        "altered": sorted({line.split("  ", 1)[1] for line in {*made} ^ {*found}}),
    }


def newest_of_releases(deployments: dict[str, dict[str, Any]]) -> list[str]:
    """Return the newest deployment of each release."""
    found: dict[str, str] = {}
    for name, made in deployments.items():
        found.setdefault(made["release"], name)
    return list(found.values())


def manifest(folder: Path) -> list[str]:
    """Return a line for each file of a deployment, as sha256sum has it."""
    files = [*sorted((folder / "settings").glob("*")), folder / UNIT, folder / "made-of"]
    return [f"{digest(file)}  {file.relative_to(folder)}" for file in files]


def added(etc: Path, units: Path) -> list[str]:
    """Return a line for each file that other roles and the operator add to the settings and to the unit."""
    settings = [file for file in sorted((etc / "settings.d").glob("*.env")) if file.name != OWN]
    return [f"{digest(file)}  {file}" for file in [*settings, *sorted((units / f"{UNIT}.d").glob("*.conf"))]]


def needed_venv(release: Path) -> str:
    """Return the name of the virtual environment that a release runs in: its pins, and this Python."""
    python = f"{sys.implementation.cache_tag} {sysconfig.get_platform()}"
    return hashlib.sha256(f"{digest(release / 'requirements.txt')} {python}".encode()).hexdigest()[:10]


def process() -> dict[str, Any]:
    """Return what systemd knows of the service, and the deployment that its process was started with."""
    command = ["systemctl", "show", UNIT, "--property=ActiveState,UnitFileState,MainPID"]
    shown = subprocess.run(command, capture_output=True, text=True).stdout
    found = dict(line.split("=", 1) for line in shown.splitlines())
    environ = Path("/proc", found.get("MainPID", "0"), "environ")
    try:
        settings = dict(line.split(b"=", 1) for line in environ.read_bytes().split(b"\0") if b"=" in line)
    except OSError:
        settings = {}
    return {
        "state": found.get("ActiveState", ""),
        "at_boot": found.get("UnitFileState", ""),
        "pid": int(found.get("MainPID", "0")),
        "deployment": settings.get(b"SIGNALING_RELEASE", b"").decode(errors="replace"),
    }


def digest(file: Path) -> str:
    """Return the SHA-256 of a file; empty where there is none."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def lines(file: Path) -> list[str]:
    """Return the lines of a file; none where there is no file."""
    return file.read_text().splitlines() if file.is_file() else []


def link(path: Path) -> Path:
    """Return where a link leads."""
    return path.readlink() if path.is_symlink() else Path()


def named(target: Path, folder: str) -> str:
    """Return the name of a link's target, where it is in a folder of this name."""
    return target.name if target.parent.name == folder else ""


def newest(folder: Path) -> list[Path]:
    """Return the folders in a folder, the newest first."""
    found = [path for path in folder.glob("*") if path.is_dir() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


if __name__ == "__main__" and len(sys.argv) == 2:
    folder = Path(sys.argv[1])
    (folder / "manifest").write_text("".join(f"{line}\n" for line in manifest(folder)))
elif __name__ == "__main__":
    print(json.dumps(describe(*map(Path, sys.argv[1:]))))
