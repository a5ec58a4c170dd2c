"""The certificate: issued over ACME, renewed under an open call, and never made worse by a renewal that went wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.deployment.controller import Controller
from tests.deployment.service import Service
from tests.deployment.unit import Unit
from tests.deployment.vm import VM
from tests.driver import ROOT
from tests.waiting import wait_until

LIVE = "/etc/letsencrypt/live/signaling"
COPIES = "/etc/signaling/tls"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/signaling"
OTHER_KEY = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"

# Every certificate is due, and certbot's timer comes every few seconds.
MONTHS_GO_BY = """
sed -i '1i renew_before_expiry = 10 years' /etc/letsencrypt/renewal/signaling.conf
mkdir /etc/systemd/system/certbot.timer.d
cat >/etc/systemd/system/certbot.timer.d/quick.conf <<END
[Timer]
OnCalendar=
OnCalendar=*:*:0/5
RandomizedDelaySec=0
AccuracySec=1s
END
systemctl daemon-reload
systemctl restart certbot.timer
"""
# The start waits for a renewal that is under way.
DAYS_GO_BY = """
systemctl stop certbot.timer
systemctl start certbot.service
sed -i '/^renew_before_expiry/d' /etc/letsencrypt/renewal/signaling.conf
rm -r /etc/systemd/system/certbot.timer.d
systemctl daemon-reload
systemctl start certbot.timer
"""


def test_a_call_with_the_certificate_that_was_issued(service: Service):
    certificate = service.certificate()
    assert "Pebble" in certificate.issuer.rfc4514_string()
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    with service.call() as call:
        assert call.goes_on()


def test_the_check_finds_it_good_from_elsewhere(service: Service, controller: Controller):
    command = [sys.executable, "-m", "signaling.check", f"wss://{service.domain}:{service.port}/"]
    options = ["--ca", str(controller.authority), "--connect", service.address]
    result = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "two users met" in result.stdout


@pytest.fixture
def months_go_by(service: Service, vm: VM) -> Iterator[None]:
    vm.root(MONTHS_GO_BY)
    yield
    vm.root(DAYS_GO_BY)


def test_certbots_timer_renews_under_an_open_call(service: Service, unit: Unit, request: pytest.FixtureRequest):
    first, process = service.certificate().serial_number, unit.worker
    with service.call() as call:
        request.getfixturevalue("months_go_by")
        wait_until(lambda: service.certificate().serial_number != first, 60)
        assert call.goes_on()
    assert unit.worker == process


@pytest.mark.parametrize(
    ("breakage", "reason"),
    [
        ("install -m 0600 privkey.pem .new", "/etc/signaling/tls/privkey.pem cannot be read: Permission denied"),
        (
            f"{OTHER_KEY} -out .new && chgrp signaling .new && chmod 0640 .new",
            "/etc/signaling/tls/privkey.pem is not the key of /etc/signaling/tls/fullchain.pem",
        ),
    ],
    ids=["unreadable key", "key of another certificate"],
)
def test_a_broken_pair_is_not_taken_up(service: Service, unit: Unit, vm: VM, breakage: str, reason: str):
    serial = vm.root(f"openssl x509 -noout -serial -in {COPIES}/fullchain.pem").strip().removeprefix("serial=")
    wait_until(lambda: service.certificate().serial_number == int(serial, 16))
    since = len(unit.log)
    vm.root(f"cd {COPIES}; {breakage}; mv .new privkey.pem")
    wait_until(lambda: any(f"the old one stays: {reason}" in line for line in unit.log[since:]))
    assert service.certificate().serial_number == int(serial, 16)
    with service.call() as call:
        assert call.goes_on()
    vm.root(HOOK)
    wait_until(lambda: any("A new certificate is used from now on" in line for line in unit.log[since:]))


def test_the_hook_does_not_copy_what_is_no_pair(service: Service, vm: VM):
    copies = vm.root(f"cd {COPIES}; sha256sum *")
    vm.root(f"mv {LIVE}/privkey.pem /root/; {OTHER_KEY} -out {LIVE}/privkey.pem")
    said = vm.ssh(f"sudo {HOOK} 2>&1", check=False)
    assert f"{LIVE}/privkey.pem is not the key of fullchain.pem: {COPIES} keeps what it has" in said
    assert vm.root(f"cd {COPIES}; sha256sum *") == copies
    vm.root(f"mv /root/privkey.pem {LIVE}/privkey.pem")
