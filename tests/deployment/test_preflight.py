"""preflight.yml: what would stop a play in the middle, or cut others off, stops it before a host is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.deployment.command import run
from tests.deployment.controller import Controller, Play
from tests.deployment.rig import DOMAIN
from tests.deployment.test_first_deployment import TRACES
from tests.deployment.vm import VM
from tests.waiting import wait_until

BEHIND_PROXY = {"SIGNALING_BIND": "127.0.0.1", "SIGNALING_TLS_CERT": "", "SIGNALING_TLS_KEY": ""}
SECOND = "second.example.org"


@pytest.fixture
def untouched(vm: VM) -> Iterator[None]:
    """The bare VM, which stays as it is."""
    yield
    assert vm.ssh(TRACES, check=False) == ""


@contextmanager
def stranger(vm: VM, *ports: int) -> Iterator[None]:
    """A service of somebody else's."""
    for port in ports:
        vm.root(f"systemd-run --unit=stranger-{port} python3 -m http.server --bind :: {port}")
        wait_until(lambda there=f":{port}": there in vm.ssh("ss --listening --tcp --numeric"))
    try:
        yield
    finally:
        vm.root("; ".join(f"systemctl stop stranger-{port}" for port in ports))


def refused(play: Play, *problems: str) -> None:
    assert not play.ok, play.output
    assert play.changed == 0
    for problem in problems:
        assert play.says(problem), play.output


@pytest.mark.usefixtures("untouched")
class TestABareVM:
    def test_nothing_is_wrong_and_nothing_changes(self, controller: Controller, vm: VM):
        play = controller.play("preflight.yml")
        assert play.ok, play.output
        assert play.changed == 0
        # What answered on port 80 for a moment.
        wait_until(lambda: ":80 " not in vm.ssh("ss --listening --tcp --numeric"))

    def test_names_that_no_role_has(self, controller: Controller):
        play = controller.play("site.yml", coturn_enabeld=True, signaling_prot=443, redis_of_ours="x", our_redis="x")
        refused(
            play,
            "coturn_enabeld is no variable of the roles: write coturn_enabled",
            "signaling_prot is no variable of the roles: write signaling_port",
            "redis_of_ours is no variable",
        )
        assert "our_redis" not in play.output
        assert controller.play("preflight.yml", redis_of_ours="x", preflight_own_variables=["redis_of_*"]).ok

    def test_a_secret_that_is_nowhere(self, controller: Controller):
        settings = {"SIGNALING_OPS_TOKEN": "{{ vault_ops_token }}"}
        play = controller.play("site.yml", signaling_settings=settings, certbot_email="", signaling_prot=443)
        refused(play, "vault_ops_token is not set", "certbot_email", "write signaling_port")

    def test_a_port_that_somebody_else_has(self, controller: Controller, vm: VM):
        with stranger(vm, 8443):
            play = controller.play("site.yml")
        refused(play, "signaling_port needs 8443/tcp, where python3 (stranger-8443.service) listens")

    def test_a_site_that_the_firewall_would_cut_off(self, controller: Controller, vm: VM):
        settings = BEHIND_PROXY | {"SIGNALING_TRUSTED_PROXIES": "127.0.0.1"}
        with stranger(vm, 80, 443):
            play = controller.play("site.yml", signaling_settings=settings)
            for port in (80, 443):
                refused(
                    play,
                    f"python3 listens on {port}/tcp, which the firewall would cut off; "
                    f"add {port}/tcp to firewall_open_ports, or to firewall_closed_ports",
                )
            known = {"firewall_open_ports": ["443/tcp"], "firewall_closed_ports": ["80/tcp"]}
            play = controller.play("preflight.yml", signaling_settings=settings, **known)
            assert play.ok, play.output
            play = controller.play("site.yml", firewall_closed_ports=["443/tcp"])
            refused(play, "certbot_challenge (standalone) needs 80/tcp, where python3 (stranger-80.service) listens")

    @pytest.mark.parametrize(
        ("bind", "word"), [("127.0.0.1", "such as 127.0.0.1"), ("unix:/run/signaling/s", "the word unix")]
    )
    def test_a_proxy_that_is_not_trusted(self, controller: Controller, bind: str, word: str):
        settings = BEHIND_PROXY | {"SIGNALING_BIND": bind}
        refused(
            controller.play("site.yml", signaling_settings=settings),
            "add SIGNALING_TRUSTED_PROXIES to signaling_settings",
            word,
        )

    def test_a_name_that_leads_nowhere(self, controller: Controller):
        names = {"certbot_domains": [DOMAIN, "nowhere.example.org"]}
        refused(controller.play("site.yml", **names), "nowhere.example.org has no address")

    def test_a_name_that_leads_to_another_host(self, controller: Controller, vm: VM):
        controller.name(SECOND, vm.network.host)
        play = controller.play("site.yml", signaling_domain=SECOND)
        refused(play, f"{SECOND} leads to {vm.network.host}, which is not the host's ({vm.address},")

    def test_a_port_80_that_the_provider_closes(self, controller: Controller, vm: VM):
        table = f"ip {vm.network.name}"
        run("nft", f"add chain {table} provider {{ type filter hook output priority 0; }}")
        run("nft", f"add rule {table} provider ip daddr {vm.address} tcp dport 80 drop")
        try:
            play = controller.play("site.yml")
        finally:
            run("nft", f"delete chain {table} provider")
        refused(play, f"port 80 of {DOMAIN} at {vm.address} cannot be reached (timed out), and a certificate needs it")

    def test_a_host_that_cannot_be_reached(self, controller: Controller):
        refused(controller.play("site.yml", ansible_port=9), f"SSH does not reach {DOMAIN}")

    def test_what_the_host_does_not_have(self, controller: Controller):
        limits: dict[str, Any] = {"preflight_min_disk_mb": 10**9, "preflight_min_memory_mb": 10**9}
        refused(
            controller.play("site.yml", **limits),
            "MB free, preflight_min_disk_mb is 1000000000; make room",
            "MB of memory, preflight_min_memory_mb is 1000000000; take a larger VM",
        )
        assert controller.play("preflight.yml", **limits, preflight_skip=["host"]).ok
