"""Every setting, its present value, and where that comes from."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import current_app

from ..beside.service import DEFAULT_PREFIX
from ..config.app_config import AppConfig
from ..config.env import is_secret, variable_name
from ..config.fallbacks import SUFFIX
from ..web.tags import blueprint_name
from .target import config_of, node_of


def explain(name: str | None) -> list[dict[str, Any]]:
    """Return ``name``, ``value``, ``source`` and ``default`` of each setting of an instance of the present app.

    The value of a secret is ``set`` or ``not set``.

    Raises:
        click.UsageError: the app has no instance ``name``.
        SettingsError: a setting has a wrong value.
    """
    settings, config = node_of(name).settings, config_of(name)
    rows = [
        _row(config, field, getattr(values, field.name))
        for values in (settings, config.own)
        for field in msgspec.structs.fields(values)
    ]
    prefix = current_app.blueprints[blueprint_name(name)].url_prefix or ""
    for row in rows:
        if row["name"].endswith(variable_name("url_prefix")) and row["value"] != prefix:
            is_default = row["source"] == "default" and prefix in (f"/{name}", DEFAULT_PREFIX)
            source = "default" if is_default else "Signaling(url_prefix=…)"
            row |= {"value": prefix, "source": source}
    return rows


def _row(config: AppConfig, field: msgspec.structs.FieldInfo, value: Any) -> dict[str, Any]:
    written, source = config.source(variable_name(field.name), current_app.config)
    if is_secret(field):
        if value and source == "default":
            # Three secrets are derived from it, and their second values from its second value.
            shared = "service_secret" + (SUFFIX if field.name.endswith(SUFFIX) else "")
            source, _ = config.source(variable_name(shared), current_app.config)
        value, default = ("set" if value else "not set"), "not set"
    else:
        default = field.default
    return {"name": written, "value": value, "source": source, "default": default}


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
