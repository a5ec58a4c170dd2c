"""What preflight.yml works out: each problem is one line that names the thing, its value and the remedy."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml

ANSIBLE = Path(__file__).resolve().parent.parent
OWN = ("skip", "unneeded", "own_variables", "addresses", "min_disk_mb", "min_memory_mb", "max_clock_skew")
PREFIXES = ("signaling_", "certbot_", "coturn_", "firewall_", "redis_", "preflight_")


def unknown_variables(names: Iterable[str], own: Iterable[str]) -> list[str]:
    """Return a problem for each name that begins as the roles' variables do and is none; ``own`` has exceptions."""
    found = []
    for name in sorted(names):
        if not name.startswith(PREFIXES) or any(fnmatch.fnmatchcase(name, pattern) for pattern in own):
            continue
        if name not in _settable() | _internal():
            near = difflib.get_close_matches(name, _settable(), 1)
            meant = f"write {near[0]}" if near else "remove it"
            found.append(f"{name} is no variable of the roles: {meant}, or list it in preflight_own_variables")
    return found


def failure_reasons(result: dict[str, Any]) -> list[str]:
    """Return why a task failed: a line for each item of its loop and for each wrong argument of its role."""
    failed = [one for one in result.get("results", []) if one.get("failed")] or [result]
    return [reason for one in failed for text in one.get("argument_errors") or [_words(one)] for reason in _plain(text)]


def _words(result: dict[str, Any]) -> str:
    """Return what a command that ended said itself; Ansible's words are about its status."""
    return str(result.get("stderr") or result.get("module_stderr") or result.get("msg") or "it failed")


def _plain(text: str) -> Iterator[str]:
    missing = re.search(r"missing required arguments: (.+)", text)
    undefined = re.search(r"'(\w+)' is undefined", text)
    for name in missing[1].split(", ") if missing else [undefined[1]] if undefined else []:
        yield f"{name} is not set; set it in the inventory (a secret belongs in vault.yml)"
    if re.search(r"(Missing|Incorrect) sudo password|password is required", text):
        yield "sudo asks for a password; set ansible_become_password in vault.yml, or run with --ask-become-pass"
    elif not missing and not undefined:
        yield " ".join(text.removeprefix("Task failed: ").split())


def taken_ports(listeners: Iterable[dict[str, Any]], wanted: Iterable[dict[str, Any]]) -> list[str]:
    """Return a problem for each port of ours where a process of somebody else's listens."""
    found = list(listeners)
    return [
        f"{mine['name']} needs {mine['port']}, where {one['process'] or 'the kernel'}"
        f"{' (' + one['unit'] + ')' if one['unit'] else ''} listens; "
        f"stop that, or {mine.get('otherwise', 'set another port')}"
        for mine in wanted
        for one in found
        if mine["wanted"] and mine["port"] == one["port"] and mine["unit"] != one["unit"]
        if _overlap(mine.get("address", ""), one["address"])
    ]


def _overlap(wanted: str, taken: str) -> bool:
    """Tell if nobody can listen at one of the addresses while somebody does at the other; a name may be any."""
    try:
        addresses = [ip_address(text.strip("[]")) for text in (wanted, taken)]
    except ValueError:
        return True
    return addresses[0] == addresses[1] or any(address.is_unspecified for address in addresses)


@functools.cache
def _settable() -> frozenset[str]:
    """Return the variables that an inventory may set: of preflight.yml, of the roles and of group_vars/all.yml."""
    names = {f"preflight_{name}" for name in OWN} | yaml.safe_load((ANSIBLE / "group_vars/all.yml").read_text()).keys()
    for path in ANSIBLE.glob("roles/*/meta/argument_specs.yml"):
        names |= yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"].keys()
    return frozenset(names)


@functools.cache
def _internal() -> frozenset[str]:
    """Return what the roles and the playbooks have for themselves: a play before this one may have set it."""
    names: set[str] = set()
    for path in ANSIBLE.glob("roles/*/vars/**/*.yml"):
        names |= yaml.safe_load(path.read_text()).keys()
    for path in [*ANSIBLE.glob("roles/*/tasks/*.yml"), *ANSIBLE.glob("*.yml"), *ANSIBLE.glob("preflight/*.yml")]:
        names |= set(_set_by_tasks(yaml.safe_load(path.read_text())))
    return frozenset(names)


def _set_by_tasks(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for item in part:
            yield from _set_by_tasks(item)
    elif isinstance(part, dict):
        yield from part.get("ansible.builtin.set_fact", ())
        if isinstance(name := part.get("register"), str):
            yield name
        for value in part.values():
            yield from _set_by_tasks(value)


class FilterModule:
    """The filters, by the names that the playbook has for them."""

    def filters(self) -> dict[str, Any]:
        """Return them."""
        return {
            "preflight_unknown_variables": unknown_variables,
            "preflight_failure_reasons": failure_reasons,
            "preflight_taken_ports": taken_ports,
        }
