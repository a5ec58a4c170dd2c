"""What preflight.yml and the role firewall work out on what they find on a host."""

from __future__ import annotations

import http.server
import importlib.util
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load(path: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "ansible" / path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


preflight = load("filter_plugins/preflight.py")
listeners = load("roles/firewall/files/listeners.py")
reach = load("preflight/reach.py")

SS = """\
udp   UNCONN 0      0      127.0.0.53%lo:53         0.0.0.0:*    users:(("systemd-resolve",pid=0,fd=13))
udp   UNCONN 0      0      10.0.0.5%eth0:68         0.0.0.0:*    users:(("systemd-network",pid=0,fd=18))
udp   UNCONN 0      0            0.0.0.0:51820      0.0.0.0:*
udp   UNCONN 0      0            0.0.0.0:40001      0.0.0.0:*    users:(("avahi-daemon",pid=0,fd=12))
tcp   LISTEN 0      511          0.0.0.0:80         0.0.0.0:*    users:(("nginx",pid=0,fd=6),("nginx",pid=1,fd=6))
tcp   LISTEN 0      4096   [fe80::1]%eth0:443          [::]:*    users:(("my web",pid=0,fd=6))
tcp   LISTEN 0      4096           [::1]:5432          [::]:*    users:(("postgres",pid=0,fd=6))
tcp   LISTEN 0      4096               *:22               *:*    users:(("sshd",pid=0,fd=3))
"""
RULES = """\
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=616e7369626c65
### tuple ### limit any 53 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 Nginx%20Full - in
### tuple ### allow_log udp 49152:65535 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### route:allow tcp 26 0.0.0.0/0 any 0.0.0.0/0 in
"""


def ports_cut_off(*open_ports: str) -> set[str]:
    return {
        one["port"]
        for one in listeners.listeners(SS)
        if any(f" {one['port']}," in line for line in listeners.cut_off(listeners.listeners(SS), open_ports))
    }


def test_only_what_others_can_reach_is_cut_off():
    """Neither loopback, nor what ufw lets in by itself, nor a client that waits for answers; the kernel's own are."""
    assert ports_cut_off("22/tcp") == {"80/tcp", "443/tcp", "51820/udp"}
    assert ports_cut_off("22/tcp", "50000:60000/udp", "443/tcp") == {"80/tcp"}
    assert ports_cut_off("22/tcp", "80/udp", "any/tcp", "51820/udp") == set()


def test_it_says_who_and_what_to_do():
    [line] = listeners.cut_off(listeners.listeners(SS), ["22/tcp", "80/tcp", "51820/udp"])
    assert line == (
        "my web listens on 443/tcp, which the firewall would cut off; "
        "add 443/tcp to firewall_open_ports, or to firewall_closed_ports if nobody else needs it"
    )


def test_rules_that_are_there_count_as_ufw_has_them():
    assert listeners.allowed(RULES) == ["22/tcp", "53/tcp", "53/udp", "80/tcp", "443/tcp", "49152:65535/udp"]


def taken(address: str, unit: str, own_address: str = "", **more: Any) -> list[str]:
    mine = {"name": "signaling_port", "port": "8443/tcp", "unit": "signaling.service", "wanted": True}
    other = {"port": "8443/tcp", "address": address, "process": "java", "unit": unit}
    found: list[str] = preflight.taken_ports([other], [mine | {"address": own_address} | more])
    return found


def test_a_port_is_taken_by_a_process_that_is_not_of_our_unit():
    assert taken("*", "signaling.service") == []
    assert taken("*", "shop.service") == [
        "signaling_port needs 8443/tcp, where java (shop.service) listens; stop that, or set another port"
    ]
    assert taken("*", "") != []
    assert taken("*", "shop.service", wanted=False) == []


def test_two_addresses_can_have_the_same_port():
    assert taken("10.0.0.5", "shop.service", "127.0.0.1") == []
    assert taken("127.0.0.1", "shop.service", "127.0.0.1") != []
    assert taken("0.0.0.0", "shop.service", "[::1]") != []
    assert taken("10.0.0.5", "shop.service", "some.name") != []


def test_a_name_that_no_role_has():
    found = preflight.unknown_variables(
        [
            "signaling_prot",
            "signaling_port",
            "certbot_enabled",
            "redis_of_another_app",
            "firewall_zone_1",
            "my_var",
            "ansible_host",
        ],
        ["firewall_zone*"],
    )
    assert [line.partition(",")[0] for line in found] == [
        "redis_of_another_app is no variable of the roles: remove it",
        "signaling_prot is no variable of the roles: write signaling_port",
    ]


def test_what_the_roles_have_for_themselves_is_known():
    """A playbook of one's own may have run them before."""
    assert (
        preflight.unknown_variables(["signaling_root", "signaling_found", "preflight_host", "preflight_problems"], [])
        == []
    )


@pytest.mark.parametrize(
    ("result", "reasons"),
    [
        ({"msg": "signaling_port: 0 is wrong"}, ["signaling_port: 0 is wrong"]),
        ({"msg": "non-zero return code", "stderr": "no such\nfile"}, ["no such file"]),
        (
            {"msg": "One", "results": [{"failed": True, "msg": "a"}, {"msg": "b"}, {"failed": True, "msg": "c"}]},
            ["a", "c"],
        ),
        (
            {"msg": "Validation", "argument_errors": ["missing required arguments: certbot_email, certbot_domains"]},
            [f"{name} is not set; set it in the inventory (a secret belongs in vault.yml)" for name in
             ("certbot_email", "certbot_domains")],
        ),
        (
            {"msg": "Task failed: Error while evaluating conditional: 'vault_x' is undefined"},
            ["vault_x is not set; set it in the inventory (a secret belongs in vault.yml)"],
        ),
        (
            {"msg": "Task failed: Premature end of stream waiting for become success.\n>>> Missing sudo password"},
            ["sudo asks for a password; set ansible_become_password in vault.yml, or run with --ask-become-pass"],
        ),
    ],
)  # fmt: skip
def test_why_a_task_failed(result: dict[str, Any], reasons: list[str]):
    assert preflight.failure_reasons(result) == reasons


def host_problems(**limits: int) -> list[str]:
    usual = {"now": int(time.time()), "disk": 0, "memory": 0, "skew": 30, "certificate": "/none"}
    command = [sys.executable, str(ROOT / "ansible/preflight/host.py"), json.dumps(usual | limits)]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    # This machine need not be one to deploy to.
    return [line for line in shown["problems"] if "systemd" not in line and "apt-get" not in line]


def test_what_a_host_lacks_is_said():
    assert host_problems() == []
    ahead, behind = host_problems(now=int(time.time()) - 300)[0], host_problems(now=int(time.time()) + 300)[0]
    assert "s ahead of the one of Ansible's machine, preflight_max_clock_skew is 30; timedatectl" in ahead
    assert "s behind the one of Ansible's machine" in behind
    assert "preflight_min_memory_mb is 1000000000; take a larger VM" in host_problems(memory=10**9)[0]
    assert [line.split()[0] for line in host_problems(disk=10**9)] == ["/opt", "/var"]


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where names lead, and what answers on port 80 there."""

    def problems(names: dict[str, list[str]], answers: dict[str, tuple[str, str]], word: str) -> list[str]:
        monkeypatch.setattr(reach, "resolve", lambda name: (names.get(name, []), "" if name in names else "unknown"))
        monkeypatch.setattr(reach, "ask", lambda _, address: answers[address])
        return list(reach.problems(["a.example"], ["10.0.0.5"], "bastion", word))

    return problems


def test_a_name_leads_to_the_host_where_the_host_answers_there(way: Any):
    assert way({"a.example": ["192.0.2.1"]}, {"192.0.2.1": ("word", "another server answers")}, "word") == []
    assert way({"a.example": ["10.0.0.5"]}, {}, "") == []
    assert way({"a.example": ["192.0.2.1"], "bastion": ["192.0.2.1"]}, {}, "") == []
    [line] = way({"a.example": ["192.0.2.1"]}, {}, "")
    assert line.startswith("a.example leads to 192.0.2.1, which is not the host's (10.0.0.5); correct its DNS record")
    [line] = way({}, {}, "")
    assert line == "a.example has no address (unknown); make a DNS record that leads to 10.0.0.5"


def test_port_80_that_cannot_be_reached(way: Any):
    [line] = way({"a.example": ["10.0.0.5"]}, {"10.0.0.5": ("", "timed out")}, "word")
    assert line.startswith("port 80 of a.example at 10.0.0.5 cannot be reached (timed out), and a certificate needs it")
    [line] = way({"a.example": ["10.0.0.5"]}, {"10.0.0.5": ("hello", "another server answers")}, "word")
    assert "(another server answers)" in line
    # This machine has no IPv6: others may have.
    assert way({"a.example": ["10.0.0.5"]}, {"10.0.0.5": ("", "")}, "word") == []


def test_it_asks_a_real_server(monkeypatch: pytest.MonkeyPatch):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.headers["Host"] == "a.example"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"word")

        def log_message(self, *_: object):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(reach, "PORT", server.server_port)
        assert reach.ask("a.example", "127.0.0.1")[0] == "word"
        server.shutdown()
    assert reach.ask("a.example", "127.0.0.1") == ("", "Connection refused")
