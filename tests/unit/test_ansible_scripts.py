"""The programs that the role ``signaling`` runs on a host and on the operator's machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).parents[2] / "ansible/roles/signaling/files"


def lock(command: str, path: Path, *who: dict[str, Any]) -> tuple[int, str]:
    words = [sys.executable, FILES / "lock.py", command, path, *map(json.dumps, who)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


ALICE = {"token": "a", "who": "alice", "play": "Upgrade"}
BOB = {"token": "b", "who": "bob", "play": "Roll back"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_one_play_has_the_lock_and_the_other_hears_which(file: Path):
    assert lock("take", file, ALICE) == (0, "")
    status, said = lock("take", file, BOB)
    assert status == os.EX_TEMPFAIL
    holder = json.loads(said)
    assert (holder["who"], holder["play"]) == ("alice", "Upgrade")
    assert holder["since"].endswith(" UTC")


def test_the_play_that_has_the_lock_may_take_it_again(file: Path):
    for _ in range(2):
        assert lock("take", file, ALICE) == (0, "")
    assert lock("take", file, BOB)[0] == os.EX_TEMPFAIL


def test_a_released_lock_is_free_and_only_its_play_releases_it(file: Path):
    lock("take", file, ALICE)
    assert lock("release", file, BOB) == (0, "")
    assert lock("take", file, BOB)[0] == os.EX_TEMPFAIL
    assert lock("release", file, ALICE) == (0, "")
    assert lock("take", file, BOB) == (0, "")


def test_the_lock_of_a_play_that_is_gone_goes_to_one_other(file: Path):
    lock("take", file, ALICE)
    _, holder = lock("take", file, BOB)
    carol = {"token": "c", "who": "carol", "play": "Upgrade"}
    assert lock("take", file, BOB, json.loads(holder)) == (0, "")
    # Carol saw that Alice's play is gone, too, and was slower.
    status, said = lock("take", file, carol, json.loads(holder))
    assert (status, json.loads(said)["who"]) == (os.EX_TEMPFAIL, "bob")


def test_a_lock_that_nobody_took_again_for_long_is_free(file: Path):
    lock("take", file, ALICE)
    held = json.loads(file.read_text())
    file.write_text(json.dumps(held | {"seen": held["seen"] - 3_601}))
    assert lock("take", file, BOB) == (0, "")


@pytest.mark.parametrize("text", ["", "{", "\0\0\0\0"])
def test_a_broken_file_is_no_lock(file: Path, text: str):
    file.write_text(text)
    assert lock("take", file, BOB) == (0, "")


class Playbook:
    """A process with the name of Ansible's that runs what a task runs, from a fork that looks like itself."""

    def __init__(self, folder: Path) -> None:
        program = folder / "ansible-playbook"
        program.write_text(
            "import os, subprocess, sys\n"
            "if os.fork() == 0:\n"
            f"    subprocess.run(['sh', '-c', '{sys.executable} {FILES}/owner.py me Upgrade; :'])\n"
            "    os._exit(0)\n"
            "os.wait()\n"
            "sys.stdin.read()\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.owner: dict[str, Any] = json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


def is_gone(owner: dict[str, Any]) -> bool:
    done = subprocess.run([sys.executable, FILES / "owner.py", "gone", json.dumps(owner)], capture_output=True)
    assert (done.returncode in (0, 1), done.stderr) == (True, b"")
    return done.returncode == 0


def test_a_play_is_known_by_its_process_and_is_gone_with_it(tmp_path: Path):
    playbook = Playbook(tmp_path)
    assert playbook.owner["pid"] == playbook.process.pid
    assert playbook.owner["play"] == "Upgrade"
    assert not is_gone(playbook.owner)
    # Another process got its id.
    assert is_gone(playbook.owner | {"started": "1"})
    # Nobody knows of a process of another machine.
    assert not is_gone(playbook.owner | {"machine": "another", "started": "1"})
    playbook.end()
    assert is_gone(playbook.owner)


def test_two_runs_outside_of_ansible_are_two():
    command = [sys.executable, FILES / "owner.py", "me", "By hand"]
    one, other = (json.loads(subprocess.check_output(command)) for _ in range(2))
    assert one["token"] != other["token"]
    assert not is_gone(one)


class Host:
    """The folders of a host, and a systemd that says which process runs."""

    def __init__(self, folder: Path) -> None:
        self.root, self.etc, self.units = (folder / name for name in ("root", "etc", "units"))
        for path in (self.root, self.etc / "settings.d", self.units / "signaling.service.d", folder / "bin"):
            path.mkdir(parents=True)
        self._programs = folder / "bin"
        self.runs(0)

    def runs(self, pid: int) -> None:
        program = self._programs / "systemctl"
        program.write_text(f"#!/bin/sh\nprintf 'MainPID={pid}\\nActiveState=active\\nUnitFileState=enabled\\n'\n")
        program.chmod(0o755)

    def deploy(self, name: str, release: str, **settings: str) -> Path:
        folder = self.root / "deployments" / name
        (folder / "settings").mkdir(parents=True)
        for file, text in settings.items():
            (folder / "settings" / f"{file}.env").write_text(text)
        (folder / "signaling.service").write_text(name)
        (folder / "made-of").write_text(f"{release}  release\n")
        (folder / "release").symlink_to(f"../../releases/{release}")
        (folder / "venv").symlink_to("../../venvs/v")
        subprocess.run([sys.executable, FILES / "host.py", folder], check=True)
        return folder

    def look(self) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, FILES / "host.py", self.root, self.etc, self.units],
            env=os.environ | {"PATH": f"{self._programs}:{os.environ['PATH']}"},
            check=True,
            capture_output=True,
            text=True,
        )
        return dict(json.loads(done.stdout))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_bare_host(host: Host):
    found = host.look()
    assert (found["current"], found["current_release"], found["deployments"], found["added"]) == ("", "", {}, [])


def test_a_host_from_before_there_were_deployments(host: Host):
    (host.root / "releases/0.1.0-a").mkdir(parents=True)
    (host.root / "current").symlink_to("releases/0.1.0-a")
    found = host.look()
    assert (found["current"], found["current_release"]) == ("", "0.1.0-a")


def test_what_changed_in_a_deployment_is_named(host: Host):
    folder = host.deploy("0.1.0-a-1", "0.1.0-a", own="A=1\n")
    (host.root / "current").symlink_to("deployments/0.1.0-a-1")
    found = host.look()
    assert found["current"] == "0.1.0-a-1"
    assert found["deployments"]["0.1.0-a-1"]["altered"] == []
    assert found["deployments"]["0.1.0-a-1"]["release"] == "0.1.0-a"
    (folder / "settings/own.env").write_text("A=2\n")
    (folder / "settings/mine.env").write_text("B=2\n")
    (folder / "signaling.service").unlink()
    changed = host.look()["deployments"]["0.1.0-a-1"]["altered"]
    assert changed == ["settings/mine.env", "settings/own.env", "signaling.service"]


def test_a_deployment_that_was_never_finished_is_not_whole(host: Host):
    folder = host.deploy("0.1.0-a-1", "0.1.0-a", own="A=1\n")
    (folder / "manifest").unlink()
    assert host.look()["deployments"]["0.1.0-a-1"]["altered"] != []


def test_a_release_counts_by_its_newest_deployment(host: Host):
    for age, (name, release) in enumerate([("d", "b"), ("c", "b"), ("b", "a"), ("a", "a")]):
        os.utime(host.deploy(name, release), (1_000 - age, 1_000 - age))
    found = host.look()
    assert found["newest"] == ["d", "c", "b", "a"]
    assert found["newest_of_releases"] == ["d", "b"]


def test_what_others_add_changes_with_each_of_their_files(host: Host):
    for name in ("10-signaling.env", "20-turn.env", "notes.txt"):
        (host.etc / "settings.d" / name).write_text("A=1\n")
    (host.units / "signaling.service.d/redis.conf").write_text("[Unit]\n")
    first = host.look()["added"]
    assert [Path(line).name for line in first] == ["20-turn.env", "redis.conf"]
    (host.etc / "settings.d/20-turn.env").write_text("A=2\n")
    second = host.look()["added"]
    assert (second[0] != first[0], second[1:]) == (True, first[1:])


def test_the_same_pins_need_the_same_environment(host: Host):
    for name, pins in (("a", "flask==1"), ("b", "flask==1"), ("c", "flask==2")):
        (host.root / "releases" / name).mkdir(parents=True)
        (host.root / "releases" / name / "requirements.txt").write_text(pins)
    needed = host.look()["needed_venvs"]
    assert needed["a"] == needed["b"] != needed["c"]


def test_the_deployment_of_the_process_is_the_one_it_was_started_with(host: Host):
    environ = {"SIGNALING_RELEASE": "0.1.0-a-1", "SIGNALING_OPS_TOKEN": "secret"}
    with subprocess.Popen(["/bin/cat"], env=environ, stdin=subprocess.PIPE) as process:
        host.runs(process.pid)
        found = host.look()
        process.communicate()
    assert found["process"]["deployment"] == "0.1.0-a-1"
    assert "secret" not in json.dumps(found)
