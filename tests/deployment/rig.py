"""All of the rig together, and the proof that nothing of it stays behind."""

from __future__ import annotations

import fcntl
import itertools
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.deployment.acme import Acme, acme
from tests.deployment.command import run
from tests.deployment.controller import PRODUCTION, Controller, controller
from tests.deployment.image import CACHE, image
from tests.deployment.network import CABLE, FORWARD, NAME, Network, network
from tests.deployment.service import Service
from tests.deployment.vm import VM, vm

COMMANDS = ("git", "ip", "mmdebstrap", "nft", "openssl", "pebble", "pebble-challtestsrv", "ssh", "systemd-nspawn")

DOMAIN = "call.example.org"  # the example inventory's
# All that an operator may want of one VM.
OPTIONS = {"signaling_port": 443, "signaling_workers": 2, "coturn_enabled": True, "redis_enabled": True}

LOCK = Path("/run/signaling-deployment.lock")

_ENDS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Rig:
    """A fresh VM that is up, an ACME server, and an operator who can reach both."""

    vm: VM
    acme: Acme
    controller: Controller
    beside: Callable[[str], AbstractContextManager[VM]]
    """Boots another fresh VM, which the name leads to."""

    def service(self, port: int = 8443) -> Service:
        """Return what users see at a port of the VM."""
        return Service(DOMAIN, self.vm.address, port, self.acme.root)


@contextmanager
def rig(suite: str) -> Iterator[Rig]:
    """Set all of it up for a Debian release, and take it away, however the tests end."""
    missing = [command for command in COMMANDS if shutil.which(command) is None]
    assert not missing, f"missing on this machine: {', '.join(missing)}; make test-deployment installs them"
    CACHE.mkdir(parents=True, exist_ok=True)
    with ExitStack() as undo:
        # Two at once on this machine, whoever's, would each restore what the other one needs.
        lock = undo.enter_context(LOCK.open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        for number in _ENDS:
            undo.callback(signal.signal, number, signal.signal(number, _end))
        folder = Path(tempfile.mkdtemp(prefix="signaling-"))
        undo.callback(_assert_nothing_is_left, folder, FORWARD.read_text())
        undo.callback(shutil.rmtree, folder)
        numbers = itertools.count()
        base = image(suite)
        net = undo.enter_context(network(next(numbers)))
        authority = undo.enter_context(acme(folder, net.host))

        @contextmanager
        def boot(domain: str, net: Network) -> Iterator[VM]:
            # Not by its domain, which a later one may have.
            with vm(domain, base, folder / net.name, net) as machine:
                machine.power_on()
                machine.trust(authority.api_authority)
                authority.lead(domain, machine.address)
                yield machine

        @contextmanager
        def beside(domain: str) -> Iterator[VM]:
            with network(next(numbers)) as own, boot(domain, own) as machine:
                yield machine

        machine = undo.enter_context(boot(DOMAIN, net))
        operator = undo.enter_context(controller(folder, authority))
        operator.follow("example", PRODUCTION, {DOMAIN: machine})
        try:
            yield Rig(machine, authority, operator, beside)
        finally:
            _ignore_ends()


def _end(*_: object) -> NoReturn:
    # What `timeout` or a CI server ends the tests with is like a Ctrl-C.
    _ignore_ends()
    raise KeyboardInterrupt


def _ignore_ends() -> None:
    """Let nothing disturb the taking away."""
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)


def _assert_nothing_is_left(folder: Path, forward: str) -> None:
    left = traces(folder)
    assert not left, f"still there: {left}"
    assert FORWARD.read_text() == forward


def traces(folder: Path) -> list[str]:
    """Return what there still is of a rig: interfaces, namespaces, rules, mounts, control groups, processes."""
    listings = [
        run("ip", "-brief", "link"),
        run("ip", "netns"),
        run("nft", "list", "tables"),
        Path("/proc/self/mountinfo").read_text(),
        "\n".join(map(str, Path("/sys/fs/cgroup").glob("**/signaling-*"))),
        run("ps", "-e", "-o", "args", "-ww"),
    ]
    marks = (NAME, CABLE, str(folder))
    return [line for listing in listings for line in listing.splitlines() if any(mark in line for mark in marks)]
