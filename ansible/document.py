"""Writes what is said twice in the roles from where it is said first: ``python ansible/document.py``.

A role's ``meta/argument_specs.yml`` says what its variables are: ``defaults/main.yml`` and the table in its README are
written from it. ``signaling/config/settings.py`` says what the settings of the service are: what the role checks them
against, ``roles/signaling/vars/main/settings.yml``, is written from that.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import yaml

ROOT = Path(__file__).resolve().parent.parent
ROLES = ROOT / "ansible" / "roles"
sys.path.insert(0, str(ROOT))

from signaling.config.env import expected, variable_name  # noqa: E402
from signaling.config.settings import Settings  # noqa: E402


def options(role: Path) -> dict[str, dict[str, Any]]:
    """Return the variables of a role: what those are that must be set first."""
    specification = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())
    found: dict[str, dict[str, Any]] = specification["argument_specs"]["main"]["options"]
    return dict(sorted(found.items(), key=lambda item: "required" not in item[1]))


def defaults(role: Path) -> str:
    """Return ``defaults/main.yml``: a comment a variable; one that must be set is a comment as a whole."""
    parts = []
    for name, option in options(role).items():
        comment = textwrap.wrap(option["description"], 78, break_on_hyphens=False)
        value = f"# {name}: (must be set)\n" if "required" in option else _yaml({name: option["default"]})
        parts.append("".join(f"# {line}\n" for line in comment) + value)
    return f"---\n# {_written_from('meta/argument_specs.yml')}\n\n" + "\n".join(parts)


def readme(role: Path) -> str:
    """Return the README with its table of variables made anew."""
    lines = ["| variable | type | default | |", "| --- | --- | --- | --- |"]
    for name, option in options(role).items():
        default = "**must be set**" if "required" in option else f"`{_yaml(option['default']).rstrip()}`"
        kind = " or ".join(f"`{choice}`" for choice in option.get("choices", [])) or option["type"]
        if "elements" in option:
            kind += " of " + option["elements"]
        row = " | ".join(cell.replace("|", r"\|") for cell in (f"`{name}`", kind, default, option["description"]))
        lines.append(f"| {row} |")
    words, title, _ = (role / "README.md").read_text().partition("## Variables\n")
    return f"{words}{title}\n" + "\n".join(lines) + "\n"


def settings() -> str:
    """Return the settings of the service, with what a value must match and lie between."""
    fields = [field for field in msgspec.structs.fields(Settings) if field.name != "port"]
    known = {variable_name(field.name): _rule(field) for field in fields}
    head = f"---\n# {_written_from('signaling/config/settings.py')}\n# yamllint disable rule:line-length\n"
    return head + _yaml({"signaling_known_settings": known})


def _rule(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    kind = msgspec.inspect.type_info(field.type)
    rule = {"expected": expected(kind), "default": "" if field.default == () else field.default}
    while isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    match kind:
        case msgspec.inspect.IntType(ge=low, le=high):
            return rule | {"pattern": r"[0-9]+\Z", "low": low, "high": high}
        case msgspec.inspect.FloatType(gt=None, ge=low, le=high):
            return rule | {"pattern": r"[0-9]+([.][0-9]+)?\Z", "low": low, "high": high}
        case msgspec.inspect.BoolType():
            return rule | {"pattern": r"(true|false|True|False|1|0)\Z"}
        case msgspec.inspect.FloatType(gt=low, le=high):
            return rule | {"pattern": r"[0-9]+([.][0-9]+)?\Z", "above": low, "high": high}
        case msgspec.inspect.LiteralType(values=values):
            return rule | {"pattern": rf"({'|'.join(map(str, values))})\Z"}
        case msgspec.inspect.StrType(pattern=str(one)):
            return rule | {"pattern": one.removeprefix("^")}
        case msgspec.inspect.VarTupleType(
            item_type=msgspec.inspect.Metadata(type=msgspec.inspect.StrType(pattern=one))
        ):
            item = str(one).removeprefix("^").removesuffix(r"\Z")
            return rule | {"pattern": rf"[, ]*({item}([, ]+|\Z))*\Z"}
    return rule | {"pattern": r"[^\x00\n]*\Z"}


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=1000)
    return text.removesuffix("...\n")


def _written_from(source: str) -> str:
    return f"Written from {source} by make ansible-docs."


def files() -> dict[Path, str]:
    """Return all that is written, by its path."""
    made = {ROLES / "signaling" / "vars" / "main" / "settings.yml": settings()}
    for role in sorted(ROLES.iterdir()):
        made[role / "defaults" / "main.yml"] = defaults(role)
        made[role / "README.md"] = readme(role)
    return made


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
