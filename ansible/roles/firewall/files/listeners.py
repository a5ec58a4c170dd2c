"""Prints what listens on this host, and what of it the firewall would cut off: ``{"open": [...], "closed": [...]}``.

The argument has the ports that stay open and those that may become unreachable, such as ``443/tcp`` or
``49152:65535/udp``. It needs root, to see whose process it is, and changes nothing.
"""

import ipaddress
import json
import os
import re
import subprocess
import sys
from pathlib import Path

# ufw lets these in by itself, and the last one is for the names of a local network alone: DHCP, UPnP, mDNS, LLMNR.
LET_IN = {"68/udp", "546/udp", "1900/udp", "5353/udp", "5355/udp", "5355/tcp"}


def run(*command):
    """Return what a command prints; nothing where it is not installed."""
    try:
        environment = dict(os.environ, LC_ALL="C")
        return subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True).stdout
    except FileNotFoundError:
        return ""


def listeners(text):
    """Return who listens where, from what ``ss`` prints."""
    found = []
    for line in text.splitlines():
        protocol, _, _, _, local, _, *owner = line.split(None, 6)
        address, _, port = local.rpartition(":")
        process = re.search(r'\(\("([^"]*)",pid=(\d+)', "".join(owner))
        found.append(
            {
                "port": f"{port}/{protocol}",
                "address": address.partition("%")[0].strip("[]"),
                "process": process[1] if process else "",
                "unit": unit(process[2]) if process else "",
            }
        )
    return found


def unit(pid):
    """Return the systemd service that a process belongs to."""
    try:
        service = re.search(r"([^/\n]+\.service)(/|$)", Path(f"/proc/{pid}/cgroup").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return service[1] if service else ""


def is_public(listener):
    """Tell if others than this host can reach it."""
    address = listener["address"]
    return address == "*" or not ipaddress.ip_address(address).is_loopback


def is_client(listener):
    """Tell if it is the socket of a client that waits for answers, at a port that the system chose."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    port, protocol = listener["port"].split("/")
    # The kernel's own have no process: WireGuard is one.
    return protocol == "udp" and low <= int(port) <= high and listener["process"] != ""


def allowed(rules):
    """Return what rules of ufw let in, from its files: also the rules that a profile of an app stands for."""
    found = []
    for action, protocol, ports in re.findall(r"^### tuple ### (\w+) (\w+) (\S+) ", rules, re.MULTILINE):
        if action.startswith(("allow", "limit")):
            protocols = ["tcp", "udp"] if protocol == "any" else [protocol]
            found += [f"{port}/{one}" for port in ports.split(",") for one in protocols]
    return found


def covers(rule, port):
    """Tell if a port, or a range of them, has another one in it."""
    (ports, protocol), (number, own) = rule.split("/"), port.split("/")
    ends = [0, 65535] if ports == "any" else [int(end) for end in ports.split(":")]
    return protocol == own and ends[0] <= int(number) <= ends[-1]


def cut_off(found, rules):
    """Return a line for each port that somebody can reach now, and nobody any more."""
    lines = {}
    for one in found:
        port = one["port"]
        if is_public(one) and not is_client(one) and port not in LET_IN and not any(covers(r, port) for r in rules):
            lines[port] = (
                f"{one['process'] or 'the kernel'} listens on {port}, which the firewall would cut off; "
                f"add {port} to firewall_open_ports, or to firewall_closed_ports if nobody else needs it"
            )
    return [line for _, line in sorted(lines.items())]


def main(wanted):
    """Print all of it."""
    found = listeners(run("ss", "-H", "-l", "-t", "-u", "-n", "-p"))
    there = [Path(f"/etc/ufw/{name}.rules") for name in ("user", "user6")]
    rules = allowed("".join(path.read_text() for path in there if path.exists()))
    status = run("ufw", "status", "verbose")
    defaults = Path("/etc/default/ufw")
    active = "Status: active" in status
    # What is cut off already stays so.
    refuses = active and "allow (incoming)" not in status and "IPV6=yes" in defaults.read_text()
    lost = [] if refuses else cut_off(found, rules + wanted["open"] + wanted["closed"])
    print(json.dumps({"listeners": found, "active": active, "allowed": rules, "cut_off": lost}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
