"""The process is what the files say, and the files are what the inventory says, however a play ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deployment.controller import Controller
from tests.deployment.service import Service
from tests.deployment.unit import Unit
from tests.deployment.vm import VM
from tests.waiting import wait_until

PING = "SIGNALING_PING_INTERVAL"
# A release that calls it by another name.
OLD, NEW = "ping_interval", "heartbeat_interval"

# What the role left before there were deployments: the release has its own environment, and the settings one place.
BEFORE_DEPLOYMENTS = """
cd /opt/signaling
here=$(realpath current)
release=$(readlink $here/release)
release=${release##*/}
cp -a $(realpath $here/venv) releases/$release/.venv
cp -p $here/settings/10-signaling.env /etc/signaling/settings.d/
sed -e "s|$here/release|/opt/signaling/current|" -e "s|$here/settings|/etc/signaling/settings.d|" \
    -e "s|$here/venv|/opt/signaling/current/.venv|" $here/signaling.service >/etc/systemd/system/signaling.service
rm -rf current previous deployments venvs
ln -s releases/$release current
systemctl daemon-reload
systemctl restart signaling.service
"""

# A disk of its own, with room for a little more than it has.
SMALL_DISK = """
size=$(du --summarize --block-size=1M /opt/signaling | cut -f 1)
mkdir /mnt/small
mount -t tmpfs -o size=$((size + 12))M,mode=0755 tmpfs /mnt/small
cp -a /opt/signaling/. /mnt/small/
mount --bind /mnt/small /opt/signaling
"""
# The process has files of it open.
LARGE_DISK = "umount --lazy /opt/signaling /mnt/small; rmdir /mnt/small; systemctl restart signaling.service"


def settings(**more: Any) -> dict[str, Any]:
    """Return the variable with the settings of the inventory, and more."""
    return {"signaling_settings": {"SIGNALING_TLS_RELOAD_INTERVAL": 1, **more}}


@pytest.fixture(scope="module", autouse=True)
def _as_it_was(service: Service, controller: Controller, vm: VM) -> Iterator[None]:
    """The release and the settings of the inventory again, for the tests after these."""
    commit = vm.ssh("readlink /opt/signaling/current/release").strip().rpartition("-")[2]
    yield
    play = controller.play("site.yml", signaling_ref=commit)
    assert play.ok, play.output


@pytest.fixture(scope="module")
def plain(service: Service, controller: Controller) -> None:
    """The settings of the inventory."""
    play = controller.play("site.yml")
    assert play.ok, play.output


@pytest.fixture
def commit(controller: Controller) -> Iterator[Controller]:
    """A place for commits, which are taken back."""
    before = controller.head()
    yield controller
    controller.reset(before)


def killed(controller: Controller, service: Service, playbook: str, task: str, **variables: Any) -> None:
    """Kill a play at the beginning of a task. Users notice nothing."""
    running = controller.start(playbook, **variables)
    running.reaches(task)
    running.kill()
    wait_until(service.lets_meet)


@pytest.mark.parametrize(
    "task", ["Write the unit", "Forget how often the service failed", "Note that this one is good"]
)
def test_a_killed_change_of_a_setting_is_completed_by_the_next_play(
    service: Service, controller: Controller, unit: Unit, task: str
):
    number = len(task)
    variables = settings(**{PING: number})
    killed(controller, service, "site.yml", task, **variables)
    play = controller.play("site.yml", **variables)
    assert play.ok, play.output
    assert unit.deployment
    assert unit.environ[PING] == str(number)
    check = controller.play("check.yml", **variables)
    assert check.ok, check.output


@pytest.mark.parametrize(
    "task", ["Install exactly what is pinned", "Run it, now and at every boot", "Wait until the service is healthy"]
)
def test_a_killed_upgrade_is_completed_by_the_next_one(
    service: Service, commit: Controller, unit: Unit, vm: VM, task: str
):
    commit.commit("requirements.txt", "flask==", f"# {task}\nflask==")
    killed(commit, service, "upgrade.yml", task)
    play = commit.play("upgrade.yml")
    assert play.ok, play.output
    assert commit.head()[:10] in unit.deployment
    assert vm.ssh("ls /opt/signaling/incoming", check=False) == ""


@pytest.mark.parametrize(
    "task", ["Forget how often the service failed", "Check it", "Remember the one that was rolled back"]
)
def test_a_killed_rollback_is_completed_by_the_next_one(
    service: Service, controller: Controller, unit: Unit, vm: VM, task: str
):
    former = vm.ssh("readlink /opt/signaling/previous").strip().removeprefix("deployments/")
    killed(controller, service, "rollback.yml", task)
    play = controller.play("rollback.yml")
    assert play.ok, play.output
    assert unit.deployment == former


def test_a_rollback_stays_until_the_next_upgrade_and_has_the_settings_that_its_release_knows(
    service: Service, commit: Controller, unit: Unit
):
    assert commit.play("site.yml", **settings(**{PING: 31})).ok
    former = unit.deployment
    commit.rename(OLD, NEW)
    renamed = settings(SIGNALING_HEARTBEAT_INTERVAL=32)
    play = commit.play("upgrade.yml", **renamed)
    assert play.ok, play.output
    assert unit.environ["SIGNALING_HEARTBEAT_INTERVAL"] == "32"
    play = commit.play("rollback.yml", **renamed)
    assert play.ok, play.output
    assert unit.deployment == former
    assert unit.environ[PING] == "31"
    check = commit.play("check.yml", **renamed)
    assert not check.ok
    assert check.says("not as the inventory says: 10-signaling.env")
    play = commit.play("site.yml", **renamed)
    assert not play.ok
    assert play.says("has no setting SIGNALING_HEARTBEAT_INTERVAL")
    assert play.says(f"{former} runs again")
    assert unit.deployment == former
    commit.take_back()
    play = commit.play("site.yml", **settings(**{PING: 31}))
    assert (play.ok, play.changed) == (True, 0), play.output
    assert unit.deployment == former


def test_a_port_that_is_taken_leaves_all_as_it_was(service: Service, controller: Controller, unit: Unit, vm: VM):
    variables = settings(**{PING: 31})
    assert controller.play("site.yml", **variables).ok
    former = unit.deployment
    vm.root("systemd-run --quiet --unit=stranger python3 -m http.server --bind 0.0.0.0 8444")
    wait_until(lambda: ":8444" in vm.ssh("ss --listening --tcp --numeric"))
    play = controller.play("site.yml", signaling_port=8444, **variables)
    vm.root("systemctl stop stranger")
    assert not play.ok
    assert play.says("8444")
    assert unit.deployment == former
    assert service.lets_meet()
    check = controller.play("check.yml", **variables)
    assert check.ok, check.output


def test_of_two_plays_at_once_one_is_refused(service: Service, commit: Controller, unit: Unit):
    commit.commit("signaling/version.py", '__version__ = "', '__version__ = "79.')
    first = commit.start("upgrade.yml")
    first.reaches("Look at the host")
    first.pause()
    second = commit.play("site.yml", **settings(**{PING: 33}))
    first.go_on()
    assert not second.ok
    assert second.says("Another play is at work on call.example.org since")
    assert second.says('"Upgrade the signaling server" of')
    play = first.wait()
    assert play.ok, play.output
    assert unit.deployment.startswith("79.")
    assert PING not in unit.environ
    assert commit.play("rollback.yml").ok


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (f"echo {PING}=5 >/opt/signaling/current/settings/20-mine.env", "/opt/signaling/current: settings/20-mine.env"),
        ("echo '[Service]' >>/etc/systemd/system/signaling.service", "the unit in /etc/systemd/system is not that of"),
        (
            f"echo {PING}=5 >/etc/signaling/settings.d/50-mine.env",
            "the inventory says: /etc/signaling/settings.d/50-mine",
        ),
        (
            f"cd /opt/signaling/current/settings; echo {PING}=5 >20-x.env; systemctl restart signaling; rm 20-x.env",
            "the process has other settings than the files",
        ),
    ],
    ids=["settings", "unit", "addition", "process"],
)
def test_the_check_names_what_differs_and_site_takes_it_back(
    plain: None, controller: Controller, unit: Unit, vm: VM, change: str, difference: str
):
    before = unit.deployment
    vm.root(change)
    check = controller.play("check.yml")
    assert not check.ok
    assert check.says(difference), check.output
    vm.root("rm -f /etc/signaling/settings.d/50-mine.env")
    play = controller.play("site.yml")
    assert play.ok, play.output
    assert unit.deployment == before
    assert PING not in unit.environ
    check = controller.play("check.yml")
    assert check.ok, check.output


def test_a_full_disk_stops_an_upgrade_and_nothing_of_it_stays(service: Service, commit: Controller, unit: Unit, vm: VM):
    former = unit.deployment
    vm.root(SMALL_DISK)
    commit.commit("requirements.txt", "flask==", "# other pins\nflask==")
    early = commit.play("upgrade.yml")
    # A check that was too optimistic.
    late = commit.play("upgrade.yml", signaling_needed_megabytes=0)
    left = vm.ssh("ls /opt/signaling /opt/signaling/releases /opt/signaling/venvs")
    free = vm.ssh("df --output=avail --block-size=1M /opt/signaling | tail -n 1")
    serves = service.lets_meet()
    vm.root(LARGE_DISK)
    assert not early.ok
    assert early.says("MB free, a release with its virtual environment takes up to 200")
    assert not late.ok
    assert "incoming" not in left
    assert int(free) >= 10
    assert serves
    assert unit.deployment == former
    assert commit.play("upgrade.yml").ok


@pytest.mark.parametrize("playbook", ["site.yml", "upgrade.yml"])
def test_a_host_from_before_there_were_deployments_comes_over(
    service: Service, controller: Controller, unit: Unit, vm: VM, playbook: str
):
    vm.root(BEFORE_DEPLOYMENTS)
    wait_until(service.lets_meet)
    release = vm.ssh("readlink /opt/signaling/current").strip().removeprefix("releases/")
    # One that fails gives it back as it was.
    play = controller.play(playbook, **settings(SIGNALING_REDIS_URL="redis://127.0.0.1:1"))
    assert not play.ok
    assert play.says(f"Release {release} runs again"), play.output
    wait_until(service.lets_meet)
    play = controller.play(playbook)
    assert play.ok, play.output
    assert unit.deployment
    assert json.loads(vm.root("cat /run/signaling/state.json"))["release"] == unit.deployment
    assert vm.ssh("sudo ls /etc/signaling/settings.d /opt/signaling/former.service 2>/dev/null", check=False) == (
        "/etc/signaling/settings.d:\n"
    )
    check = controller.play("check.yml")
    assert check.ok, check.output
