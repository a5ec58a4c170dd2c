"""The files that the roles write, rendered by Ansible itself, without a host that they are for."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployment.controller import PROGRAMS
from tests.driver import ROOT

ROLES = ROOT / "ansible/roles"

# What a role must be given, and what it finds out on the host.
GIVEN: dict[str, dict[str, Any]] = {
    "certbot": {
        "certbot_email": "admin@example.org",
        "certbot_domains": ["call.example.org"],
        "certbot_deploy_directory": "/etc/signaling/tls",
        "certbot_deploy_owner": getpass.getuser(),
    },
    "coturn": {
        "coturn_domain": "call.example.org",
        "coturn_cert_name": "signaling",
        "coturn_shared_secret": "{{ coturn_secret }}",
    },
    "firewall": {},
    "redis": {"redis_enabled": True, "redis_port": 6380, "redis_password": "p" * 32, "redis_address": "10.0.0.1"},
    "signaling": {"signaling_domain": "call.example.org", "signaling_repository": str(ROOT)},
}


@dataclass(frozen=True)
class Case:
    """A role and the variables that are other ones than the usual."""

    role: str
    variables: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """Why the role refused its variables; or the files it writes, by the names of their templates."""

    refused: list[str]
    files: dict[str, str]
    hook: str
    """The path of certbot's hook, where the role has one."""


def render(folder: Path, cases: Sequence[Case]) -> list[Outcome]:
    """Have Ansible validate the variables of each case and render the templates of its role, in one run."""
    hosts = {f"case-{number}": case for number, case in enumerate(cases)}
    inventory, playbook, outcomes = (folder / name for name in ("inventory.json", "render.yml", "outcomes.json"))
    groups = {
        role: {"hosts": {name: GIVEN[role] | case.variables for name, case in hosts.items() if case.role == role}}
        for role in GIVEN
    }
    inventory.write_text(json.dumps(groups))
    playbook.write_text(json.dumps([*(_play(role) for role in GIVEN), _collect(list(hosts), outcomes)]))
    result = subprocess.run(
        [PROGRAMS / "ansible-playbook", "-i", inventory, playbook],
        cwd=folder,
        env=os.environ
        | {"ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_ROLES_PATH": str(ROLES), "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    return [
        Outcome(_reasons(one.get("refused", {})), one.get("files", {}), one.get("hook", ""))
        for one in json.loads(outcomes.read_text())
    ]


def _play(role: str) -> dict[str, Any]:
    files = {
        path.name.removesuffix(".j2"): f"{{{{ lookup('ansible.builtin.template', '{path}') }}}}"
        for path in sorted((ROLES / role / "templates").glob("*.j2"))
    }
    return {
        "hosts": role,
        "gather_facts": False,
        "tasks": [
            {
                "block": [
                    {"include_role": {"name": role, "tasks_from": "validate", "public": True}},
                    {"set_fact": {"outcome": {"files": files, "hook": f"{{{{ {role}_hook | default('') }}}}"}}},
                ],
                "rescue": [{"set_fact": {"outcome": {"refused": "{{ ansible_failed_result }}"}}}],
            }
        ],
    }


def _collect(names: list[str], outcomes: Path) -> dict[str, Any]:
    found = f"{{{{ {names} | map('extract', hostvars, 'outcome') | to_json }}}}"
    return {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [{"copy": {"content": found, "dest": str(outcomes), "mode": "0600"}}],
    }


def _reasons(failed: dict[str, Any]) -> list[str]:
    results = failed.get("results", [failed] if failed else [])
    return [result["msg"] for result in results if result.get("failed")]
