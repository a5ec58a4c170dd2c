"""Odd values of variables: a file says exactly what was set, or the play stops with one line and touches nothing.

Ansible renders the files here, and the shells that would read them run here. No VM is needed.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.acme import self_signed
from tests.deployment.rendering import ROLES, Case, Outcome, render
from tests.driver import ROOT

LIVE = "/etc/letsencrypt/live"

# Names that a shell would take apart, or run.
CERTIFICATES = [
    "signaling",
    "my site",
    "a; touch pwned",
    "$(touch pwned)`touch pwned`",
    "a && touch pwned #\\c",
    "ünï*?~é",
]
FOLDERS = {
    "certbot": ["/etc/coturn/tls", "/DEPLOY/my service; touch pwned", '/DEPLOY/it\'s "quoted" `touch pwned` \\c %h'],
    "coturn": ["/etc/coturn/tls"],
}
HOOKS = [
    *(
        Case("certbot", {"certbot_cert_name": name, "certbot_deploy_directory": FOLDERS["certbot"][1]})
        for name in CERTIFICATES
    ),
    Case("certbot", {"certbot_cert_name": "my site", "certbot_deploy_directory": FOLDERS["certbot"][2]}),
    *(Case("coturn", {"coturn_cert_name": name}) for name in CERTIFICATES[1:4]),
]

# Each is the value of a setting that may be any text.
TEXTS = {
    "SIGNALING_JWT_AUDIENCE": "two words; touch pwned",
    "SIGNALING_JWT_ISSUER": "$(touch pwned)`touch pwned`",
    "SIGNALING_OPS_TOKEN": 'it\'s "quoted"',
    "SIGNALING_METRICS_TOKEN": "$HOME ${HOME} $$ %h %% %n",
    "SIGNALING_REDIS_SENTINEL_PASSWORD": 'back\\slash \\n \\" \\$ end\\',
    "SIGNALING_TURN_SECRET": "  spaces\tand tabs  ",
    "SIGNALING_WEBHOOK_SECRET": "# no comment = ünï\u2028 \x1b[2J",
    "SIGNALING_JWT_KEY": "'",
}
SETTINGS = Case("signaling", {"signaling_settings": TEXTS})

EVENTS = Case("signaling", {"signaling_settings": {"SIGNALING_LOG_EVENTS": "all"}})

REFUSED = [
    ("certbot", {"certbot_cert_name": "../other"}),
    ("certbot", {"certbot_cert_name": "-x"}),
    ("certbot", {"certbot_cert_name": "two\nlines"}),
    ("certbot", {"certbot_cert_name": "backup~"}),
    ("certbot", {"certbot_cert_name": "x" * 300}),
    ("certbot", {"certbot_deploy_directory": "tls"}),
    ("certbot", {"certbot_deploy_directory": "/etc/tls\n"}),
    ("certbot", {"certbot_deploy_directory": "/srv/$HOME"}),
    ("certbot", {"certbot_deploy_owner": "1000"}),
    ("certbot", {"certbot_deploy_group": "root; touch pwned"}),
    ("certbot", {"certbot_email": "admin@example.org\n"}),
    ("certbot", {"certbot_domains": ["call.example.org\n"]}),
    ("certbot", {"certbot_acme_url": "https://acme.example.org/a b"}),
    ("certbot", {"certbot_challenge": "webroot", "certbot_webroot": "/var/www\n"}),
    ("coturn", {"coturn_domain": "call.example.org\n"}),
    ("coturn", {"coturn_external_ip": "192.0.2.1\nno-auth"}),
    ("coturn", {"coturn_allowed_peers": ["10.0.0.1-10.0.0.9\nno-auth"]}),
    ("coturn", {"coturn_secret": "secret\nno-auth"}),
    ("coturn", {"coturn_port": "3478\n"}),
    ("coturn", {"coturn_cert_name": "../other"}),
    ("coturn", {"coturn_settings_file": "20-turn.env"}),
    ("redis", {"redis_address": "redis.example.org,DNS:other.example.org"}),
    ("redis", {"redis_address": '10.0.0.1"'}),
    ("redis", {"redis_password": "p" * 32 + "\nnopass"}),
    ("redis", {"redis_port": "6_380"}),
    ("redis", {"redis_max_memory": "1gb\nappendonly yes"}),
    ("redis", {"redis_settings_file": "/etc/$HOME/30-redis.env"}),
    ("firewall", {"firewall_tcp_ports": ["80\n"]}),
    ("firewall", {"firewall_tcp_sources": [{"port": " 5432", "from": ["10.0.0.1"]}]}),
    ("firewall", {"firewall_udp_ports": ["80 from any"]}),
    ("signaling", {"signaling_domain": "call.example.org\n"}),
    ("signaling", {"signaling_port": "8443\n"}),
    ("signaling", {"signaling_watchdog_seconds": "2_0"}),
    ("signaling", {"signaling_log_max_size": "500M\n"}),
    ("signaling", {"signaling_settings": {"SIGNALING_JWT_AUDIENCE": "two\nlines"}}),
    ("signaling", {"signaling_settings": {"SIGNALING_JWT_AUDIENCE": "a\0b"}}),
]

HSTS = "SIGNALING_HSTS_MAX_AGE"
OWN_DOMAIN = {"signaling_dedicated_domain": True}
DOMAINS = [
    ({}, None),
    (OWN_DOMAIN, "31536000"),
    (OWN_DOMAIN | {"signaling_settings": {HSTS: 300}}, "300"),
]

# For hosts without Ansible: each is what the role renders with its defaults, under its own first line.
BY_HAND = {
    "signaling.service": (Case("signaling", {}), "signaling.service"),
    "journald@signaling.conf": (Case("signaling", {}), "journald.conf"),
    "signaling.sh": (Case("signaling", {}), "signaling.sh"),
    "signaling.env": (Case("signaling", {}), "signaling.env"),
    "certbot-hook.sh": (
        Case("certbot", {"certbot_deploy_owner": "root", "certbot_deploy_group": "signaling"}),
        "hook.sh",
    ),
}

# By hand the certificate has the name, and a release has no deployment around it.
OTHER_BY_HAND = {
    " --name call.example.org": "",
    "# One deployment, by its whole path: a crash or a reboot never runs parts of two.\n": "",
    "/opt/signaling/deployments//release": "/opt/signaling/current",
    "/opt/signaling/deployments//settings/": "/etc/signaling/settings.d/",
    "/opt/signaling/deployments//venv/": "/opt/signaling/current/.venv/",
}

CASES = [
    *(case for case, _ in BY_HAND.values()),
    *HOOKS,
    SETTINGS,
    EVENTS,
    *(Case(role, variables) for role, variables in REFUSED),
    *(Case("signaling", variables) for variables, _ in DOMAINS),
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Case, Outcome]]:
    return list(zip(CASES, render(tmp_path_factory.mktemp("rendering"), CASES), strict=True))


def outcome_of(outcomes: list[tuple[Case, Outcome]], wanted: Case) -> Outcome:
    return next(outcome for case, outcome in outcomes if case is wanted)


class Host:
    """What of a host a hook touches, in a folder of the test's own."""

    def __init__(self, folder: Path, outcome: Outcome, name: str) -> None:
        assert outcome.refused == []
        self.folder = folder
        self.lineage = folder / "live" / name
        self._programs = folder / "bin"
        self._here = folder / "here"
        for path in (self.lineage, self._programs, self._here, folder / "hooks", folder / "etc/coturn/tls"):
            path.mkdir(parents=True)
        self.hook = folder / "hooks" / Path(outcome.hook).name
        text = outcome.files["hook.sh"].replace(LIVE, f"{folder}/live")
        self.hook.write_text(text.replace("/DEPLOY", f"{folder}/deploy").replace("/etc/coturn", f"{folder}/etc/coturn"))
        self.hook.chmod(0o755)
        # The users of a real host are not on this machine.
        self._program("install", 'shift 4; exec /usr/bin/install "$@"')
        self._program("systemctl", "exit 3")

    def _program(self, name: str, script: str) -> None:
        (self._programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self._programs / name).chmod(0o755)

    def renew(self, name: str | None = None) -> str:
        """Run the hook as certbot does, by a shell, and return what it said; `name` is another certificate's."""
        lineage = self.lineage if name is None else self.lineage.parent / name
        done = subprocess.run(
            str(self.hook),
            shell=True,
            cwd=self._here,
            env=os.environ
            | {
                "PATH": f"{self._programs}:{os.environ['PATH']}",
                "RENEWED_LINEAGE": str(lineage),
                "RENEWED_DOMAINS": "a.example.org; touch pwned",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert not list(self.folder.rglob("pwned")), "what is a name was run"
        return done.stdout


@pytest.mark.parametrize("case", HOOKS, ids=lambda case: f"{case.role}-{list(case.variables.values())}")
def test_a_hook_copies_the_certificate_of_its_name_and_runs_nothing_of_it(
    outcomes: list[tuple[Case, Outcome]], case: Case, tmp_path: Path
):
    host = Host(tmp_path, outcome_of(outcomes, case), case.variables[f"{case.role}_cert_name"])
    directory = Path(case.variables.get("certbot_deploy_directory", "/etc/coturn/tls").replace("/DEPLOY", "/deploy"))
    copies = tmp_path / directory.relative_to("/")
    copies.mkdir(parents=True, exist_ok=True)
    self_signed(host.lineage / "fullchain.pem", host.lineage / "privkey.pem", "DNS:call.example.org")
    assert host.renew("another; touch pwned") == ""
    assert list(copies.iterdir()) == []
    assert host.renew() == f"{copies} has the certificate of {host.lineage}\n"
    for name in ("fullchain.pem", "privkey.pem"):
        assert (copies / name).read_bytes() == (host.lineage / name).read_bytes()
        assert stat.S_IMODE((copies / name).stat().st_mode) == 0o640
    assert len(list(copies.iterdir())) == 2
    assert host.renew() == "", "the same certificate is not copied twice"


def test_two_certificates_have_two_hooks(outcomes: list[tuple[Case, Outcome]]):
    hooks = [outcome_of(outcomes, case).hook for case in HOOKS[: len(CERTIFICATES)]]
    assert hooks[0] == "/etc/letsencrypt/renewal-hooks/deploy/signaling"
    assert len(set(hooks)) == len(CERTIFICATES)


def variables_of(text: str, folder: Path) -> dict[str, str]:
    """Return what a shell gets from an environment file. In double quotes systemd reads the same (systemd.exec(5))."""
    file = folder / "settings.env"
    file.write_text(text)
    command = ["env", "-i", "HOME=/root", "sh", "-euc", 'set -a; . "$0"; exec env -0', str(file)]
    shown = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    assert sorted(folder.iterdir()) == [file], "a value was run"
    return dict(line.split("=", 1) for line in shown.split("\0") if line)


def test_a_setting_is_what_was_set(outcomes: list[tuple[Case, Outcome]], tmp_path: Path):
    """An operator may read the file by a shell too, such as for a check by hand: nothing in it runs."""
    text = outcome_of(outcomes, SETTINGS).files["signaling.env"]
    found = variables_of(text, tmp_path)
    assert {name: found.get(name) for name in TEXTS} == TEXTS


@pytest.mark.parametrize(
    ("role", "variables"), REFUSED, ids=lambda value: value if isinstance(value, str) else str(value)[:60]
)
def test_a_value_that_a_file_cannot_hold_is_refused_in_one_line(
    outcomes: list[tuple[Case, Outcome]], role: str, variables: dict[str, Any]
):
    outcome = next(outcome for case, outcome in outcomes if case.role == role and case.variables is variables)
    assert outcome.files == {}
    [reason] = outcome.refused
    assert list(variables)[-1] in reason
    assert reason.splitlines() == [reason]


@pytest.mark.parametrize(("case", "events"), [(SETTINGS, "calls"), (EVENTS, "all")])
def test_the_log_has_calls_alone_unless_the_operator_wants_all(
    outcomes: list[tuple[Case, Outcome]], case: Case, events: str, tmp_path: Path
):
    text = outcome_of(outcomes, case).files["signaling.env"]
    assert variables_of(text, tmp_path)["SIGNALING_LOG_EVENTS"] == events


@pytest.mark.parametrize(("variables", "seconds"), DOMAINS)
def test_browsers_are_told_to_use_tls_alone_where_the_domain_is_the_services_own(
    outcomes: list[tuple[Case, Outcome]], variables: dict[str, Any], seconds: str | None, tmp_path: Path
):
    outcome = next(outcome for case, outcome in outcomes if case.variables is variables)
    assert variables_of(outcome.files["signaling.env"], tmp_path).get(HSTS) == seconds


@pytest.mark.parametrize("name", BY_HAND)
def test_what_is_copied_by_hand_is_what_the_role_writes(outcomes: list[tuple[Case, Outcome]], name: str):
    case, template = BY_HAND[name]
    rendered = outcome_of(outcomes, case).files[template].replace("#\n# Ansible managed\n#\n", "")
    for written, by_hand in OTHER_BY_HAND.items():
        rendered = rendered.replace(written, by_hand)
    copied = (ROOT / "docs/systemd" / name).read_text()
    assert re.sub(r"^# (?:Copy it|Settings:) .*\n", "", copied, count=1, flags=re.MULTILINE) == rendered


def test_no_command_of_a_role_is_taken_apart_by_a_shell():
    """What has a variable in it is a list of arguments."""
    for path in ROLES.glob("*/*/*.yml"):
        text = path.read_text()
        assert "ansible.builtin.shell" not in text, path
        lines = [line for line in text.splitlines() if "ansible.builtin.command: " in line]
        assert not [line for line in lines if "{{" in line], path
