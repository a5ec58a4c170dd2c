"""The settings of one instance of the extension: from the config of its app, and from the environment."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import msgspec

from .env import PREFIX, SettingsError, convert, load, misspelled, nearest, variable_name
from .extension_settings import ExtensionSettings
from .settings import Settings

log = logging.getLogger(__name__)

DEFAULT_NAME = "signaling"
"""The name of the instance that an app has if it names none."""

_FLASK = "FLASK_"
"""The prefix that ``app.config.from_prefixed_env`` takes away."""

_FIELDS = {
    variable_name(field.name): field for kind in (Settings, ExtensionSettings) for field in msgspec.structs.fields(kind)
}

OWN_ONLY = {f"{PREFIX}{name}" for name in ("URL_PREFIX", "METRICS_BIND", "SERVICE_URL", "SERVICE_PUBLIC_URL")}
"""The settings that a named instance does not take from the default one: a path, a port or a service has one owner."""

_PROTECTIONS = {
    f"{PREFIX}{name}"
    for name in (
        *("JWT_KEY", "JWT_AUDIENCE", "JWT_ISSUER", "ALLOWED_ORIGINS", "ALLOW_MISSING_ORIGIN", "TRUSTED_PROXIES"),
        *("OPEN", "PRIVACY", "PRIVACY_SALT", "HASH_IDS"),
    )
}
"""The settings that must not be ignored in silence."""

_PROTECTING_WORDS = ("JWT", "ORIGIN", "_KEY", "SECRET", "TOKEN", "PRIVACY", "SALT")
"""The words in a name that is meant for a protection."""

_SAME = 0.85
"""The similarity from which on a name counts as a misspelled one."""


class _Entry(NamedTuple):
    """One value, and the name that it was written under."""

    name: str
    value: Any


class AppConfig:
    """The settings of one instance in one app, as they were at ``init_app``.

    Attributes:
        settings: those that the service alone has as well.
        own: those that only an app has.
    """

    def __init__(self, name: str, config: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        """Read the settings of the instance ``name``. The config of the app comes before the environment.

        A named instance looks for ``NAME_SIGNALING_…`` first, and then for ``SIGNALING_…``.

        Raises:
            SettingsError: a value cannot be used, or the name of a protection is misspelled or misplaced.
        """
        self._name = name
        self._own_prefix = PREFIX if name == DEFAULT_NAME else f"{name.upper().replace('-', '_')}_{PREFIX}"
        self._prefixes = dict.fromkeys((PREFIX, self._own_prefix))
        self._environ = {key: value for key, value in environ.items() if PREFIX in key or key == "PORT"}
        self._entries = self._collect(config)
        self._misplaced = dict(self._find_misplaced(config))
        self._check_names()
        values = {variable: self._as_text(variable, *entry) for variable, entry in self._entries.items()}
        try:
            self.settings = Settings.load(values)
            self.own = load(ExtensionSettings, values)
        except SettingsError as error:
            raise self.named(error) from None

    def named(self, error: SettingsError) -> SettingsError:
        """Return ``error`` with the names of the settings as this instance has them."""
        return SettingsError(re.sub(rf"\b{PREFIX}[A-Z_]+", lambda found: self._written(found[0]), str(error)))

    def _written(self, variable: str) -> str:
        entry = self._entries.get(variable)
        return variable if entry is None else entry.name

    def source(self, variable: str, config: Mapping[str, Any]) -> tuple[str, str]:
        """Return the name under which a setting is written, and ``app.config``, ``environment`` or ``default``.

        Args:
            variable: the name of the setting for the default instance.
            config: the config of the app.
        """
        entry = self._entries.get(variable)
        if entry is None or entry.name not in {**self._environ, **config}:
            return variable, "default"
        return entry.name, "app.config" if entry.name in config else "environment"

    def written_later(self, config: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Return the names that ``config`` has with other values than at ``init_app``: protections, and others."""
        later = self._collect(config)
        changed = {
            (later.get(variable) or self._entries[variable]).name
            for variable in later.keys() | self._entries.keys()
            if self._differs(variable, later.get(variable))
        }
        changed |= dict(self._find_misplaced(config)).keys() - self._misplaced.keys()
        protections = sorted(filter(_is_protection, changed))
        return protections, sorted(changed - set(protections))

    def _differs(self, variable: str, entry: _Entry | None) -> bool:
        """Return whether a setting would be another one with the value of ``entry``."""
        if entry == self._entries.get(variable):
            return False
        field = _FIELDS.get(variable)
        if field is None or entry is None:
            return True
        try:
            value = convert(variable, self._as_text(variable, *entry), field)
        except SettingsError:
            return True
        return bool(value != getattr(self.own if hasattr(self.own, field.name) else self.settings, field.name))

    def _collect(self, config: Mapping[str, Any]) -> dict[str, _Entry]:
        """Return the values by the variables of the default instance, misspelled ones included."""
        entries = {"PORT": _Entry("PORT", self._environ["PORT"])} if "PORT" in self._environ else {}
        for prefix in self._prefixes:
            for source in (self._environ, config):
                for name, value in source.items():
                    if not name.startswith(prefix):
                        continue
                    variable = PREFIX + name.removeprefix(prefix)
                    if prefix == self._own_prefix or variable not in OWN_ONLY:
                        entries[variable] = _Entry(name, deepcopy(value))
        if self._name != DEFAULT_NAME:
            variable = f"{PREFIX}REDIS_PREFIX"
            base = entries.get(variable, _Entry(variable, Settings().redis_prefix))
            if not base.name.startswith(self._own_prefix):
                entries[variable] = _Entry(base.name, f"{base.value}-{self._name}")
        return entries

    def _find_misplaced(self, config: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
        """Yield each name in ``config`` that is written in another form, and the name that it would be."""
        for key, value in config.items():
            name = f"{before}{key}"
            plain = re.sub("_+", "_", name.upper()).strip("_")
            # `from_prefixed_env` makes a dict at each two underscores.
            if isinstance(value, Mapping) and name not in _FIELDS:
                if any(prefix.startswith(plain) or plain.startswith(prefix) for prefix in self._prefixes):
                    yield from self._find_misplaced(value, f"{name}__")
            elif name != plain and self._prefix(plain):
                yield name, plain

    def _check_names(self) -> None:
        """Stop at a misplaced name and at a misspelled protection, and warn of other unknown names.

        Raises:
            SettingsError: the app would run without something that its team believes in.
        """
        for name, plain in self._misplaced.items():
            self._refuse(name, self._nearest(plain), stop="__" in name)
        for name in self._environ:
            wanted = name.removeprefix(_FLASK)
            prefix = self._prefix(wanted) if name.startswith(_FLASK) else ""
            if prefix and PREFIX + wanted.removeprefix(prefix) not in self._entries and _is_protection(wanted):
                raise SettingsError(
                    f"{name} is not in app.config: call app.config.from_prefixed_env() before init_app, "
                    f"or write {self._nearest(wanted)}"
                )
        values = {variable: entry.value for variable, entry in self._entries.items()}
        for variable, _ in misspelled(values, (field.name for field in _FIELDS.values())):
            name = self._entries[variable].name
            self._refuse(name, self._nearest(name))

    def _refuse(self, name: str, suggestion: str, *, stop: bool = False) -> None:
        if stop or _is_protection(name):
            raise SettingsError(f"{name} is not a setting; write {suggestion}")
        # The default instance warns of its own names.
        if self._prefix(suggestion) == self._own_prefix:
            log.warning("%s is not a setting: did you mean %s?", name, suggestion)

    def _prefix(self, name: str) -> str:
        """Return the prefix of this instance that ``name`` has; empty if it has none."""
        return next((prefix for prefix in self._prefixes if name.startswith(prefix)), "")

    def _nearest(self, name: str) -> str:
        """Return the setting that ``name`` is most like, with the same prefix."""
        prefix = self._prefix(name)
        variable = nearest(PREFIX + name.removeprefix(prefix), _FIELDS)
        return prefix + variable.removeprefix(PREFIX) if variable.startswith(PREFIX) else variable

    def _as_text(self, variable: str, name: str, value: Any) -> Any:
        """Return the text of a setting that is text, also if Flask has read a number in it.

        Raises:
            SettingsError: the text is not known any more.
        """
        field = _FIELDS.get(variable)
        if field is None or not isinstance(field.default, str) or isinstance(value, str):
            return value
        if type(value) in (int, float):
            # JSON cannot tell 1e3 from 1000.0, but the environment still has the text.
            for key, text in self._environ.items():
                if key.endswith("_" + name) and _as_json(text) == value:
                    return text
        raise SettingsError(
            f"{name}: the value is {_JSON_TYPES.get(type(value), 'of another type')}, not text; write it in quotes, "
            f"""such as {_FLASK}{name}='"…"' for from_prefixed_env"""
        )


_JSON_TYPES = {int: "a number", float: "a number", bool: "true or false", type(None): "null", list: "a list"}


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_protection(name: str) -> bool:
    """Return whether ``name`` is a protection, or is meant for one."""
    if any(word in name.upper() for word in _PROTECTING_WORDS):
        return True
    variable = PREFIX + name.upper().rpartition(PREFIX)[2]
    closest = nearest(variable, _FIELDS)
    return closest in _PROTECTIONS and SequenceMatcher(None, variable, closest).ratio() > _SAME
