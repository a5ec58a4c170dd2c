"""Every setting, its present value, and where that comes from."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import current_app

from ..config.env import is_secret, load, variable_name
from ..config.extension_settings import ExtensionSettings
from ..config.settings import Settings
from ..web.tags import blueprint_name
from .target import environ, node_of, source_of


def explain(name: str | None) -> list[dict[str, Any]]:
    """Return ``name``, ``value``, ``source`` and ``default`` of each setting of an instance of the present app.

    The value of a secret is ``set`` or ``not set``.

    Raises:
        click.UsageError: the app has no instance ``name``.
        SettingsError: a setting has a wrong value.
    """
    settings, own = node_of(name).settings, load(ExtensionSettings, environ())
    rows = [_row(field, getattr(settings, field.name)) for field in msgspec.structs.fields(Settings)]
    rows += [_row(field, getattr(own, field.name)) for field in msgspec.structs.fields(ExtensionSettings)]
    prefix = current_app.blueprints[blueprint_name(name)].url_prefix or ""
    for row in rows:
        if row["name"] == variable_name("url_prefix") and row["value"] != prefix:
            row |= {"value": prefix, "source": "Signaling(url_prefix=…)"}
    return rows


def _row(field: msgspec.structs.FieldInfo, value: Any) -> dict[str, Any]:
    variable = variable_name(field.name)
    source = source_of(variable)
    if is_secret(field):
        if value and source == "default":
            # Three secrets are derived from it.
            source = variable_name("service_secret")
        value, default = ("set" if value else "not set"), "not set"
    else:
        default = field.default
    return {"name": variable, "value": value, "source": source, "default": default}


def shown(value: Any) -> str:
    """Return a value as one writes it in the environment."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return " ".join(map(str, value))
    return str(value)
