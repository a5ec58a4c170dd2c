"""The networks of the VMs: each a namespace, a cable to the host, and the way to the others and to the registries."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.deployment.command import attempt, run

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


NAME = f"signaling-{os.getpid()}"
CABLE = f"sig{os.getpid()}"
# 198.18.0.0/15 is for tests of networks, so nobody's own is there.
NEIGHBOURS = f"198.18.{os.getpid() % 256}"


class Network:
    """The names and addresses: ``host`` is the end of the cable that the host has, ``vm`` the other one."""

    def __init__(self, number: int) -> None:
        self.name = f"{NAME}-{number}"
        self.cable = f"{CABLE}n{number}"
        self.host, self.vm = (f"{NEIGHBOURS}.{4 * number + end}" for end in (1, 2))
        self.host6, self.vm6 = (f"fd51:6e61:{os.getpid() % 65_536:x}:{number:x}::{end}" for end in (1, 2))


def reaches(address: str, port: int) -> bool:
    """Tell if there is an answer; where a firewall is silent, there is none."""
    with suppress(OSError), socket.create_connection((address, port), 3):
        return True
    return False


@contextmanager
def network(number: int) -> Iterator[Network]:
    """Lay the cable, and take everything away again."""
    net = Network(number)
    with ExitStack() as undo:
        undo.callback(attempt, "ip", "netns", "delete", net.name)
        run("ip", "netns", "add", net.name)
        undo.callback(attempt, "ip", "link", "delete", net.cable)
        run("ip", "link", "add", net.cable, "type", "veth", "peer", "name", "eth0", "netns", net.name)
        for inside, device, addresses in (
            (["-n", net.name], "eth0", (net.vm, net.vm6)),
            ([], net.cable, (net.host, net.host6)),
        ):
            run("ip", *inside, "address", "add", f"{addresses[0]}/30", "dev", device)
            run("ip", *inside, "address", "add", f"{addresses[1]}/64", "dev", device, "nodad")
            run("ip", *inside, "link", "set", device, "up")
        run("ip", "-n", net.name, "link", "set", "lo", "up")
        run("ip", "-n", net.name, "route", "add", "default", "via", net.host)

        undo.callback(attempt, "nft", f"delete table ip {net.name}")
        run("nft", f"add table ip {net.name}")
        run("nft", f"add chain ip {net.name} out {{ type nat hook postrouting priority srcnat; }}")
        # To each other the VMs have addresses of their own.
        run("nft", f"add rule ip {net.name} out ip saddr {net.vm} ip daddr != {NEIGHBOURS}.0/24 masquerade")
        undo.callback(FORWARD.write_text, FORWARD.read_text())
        FORWARD.write_text("1")
        yield net
