"""The target of a command: an instance of the extension in the present app, and its running service."""

from __future__ import annotations

import os
import ssl
from typing import NamedTuple

import click
from flask import current_app

from ..beside.service import BesideService
from ..config.app_config import DEFAULT_NAME, OWN_ONLY, AppConfig
from ..config.settings import Settings
from ..node.node import Node
from ..web.tags import blueprint_name, extension_key
from .wrong_setting import WrongSettingError

URL = "SIGNALING_SERVICE_URL"
API_TOKEN = "SIGNALING_API_TOKEN"  # noqa: S105 - the name of the setting


def node_of(name: str | None) -> Node | BesideService:
    """Return the node of the instance ``name`` of the present app, or the service that runs beside it.

    Raises:
        click.UsageError: the app has no such instance.
    """
    node = current_app.extensions.get(extension_key(name))
    if isinstance(node, Node | BesideService):
        return node
    keys = [key for key, each in current_app.extensions.items() if isinstance(each, Node | BesideService)]
    names = ", ".join(repr(key.partition(".")[2]) for key in keys if "." in key)
    known = f"; those with a name are {names}" if names else ""
    raise click.UsageError(f"This app has no Signaling {f'named {name!r}' if name else 'without a name'}{known}")


def config_of(name: str | None) -> AppConfig:
    """Return the settings of the instance ``name`` of the present app.

    Raises:
        SettingsError: a setting has a wrong value.
    """
    return AppConfig(name or DEFAULT_NAME, current_app.config, os.environ)


def address_setting(name: str | None, variable: str) -> str:
    """Return the value of :data:`URL` or :data:`API_TOKEN` for an instance; empty if it is not set."""
    own = _name_of_setting(name, variable)
    # The service of the default instance has none of the calls of another instance.
    for key in (own,) if variable in OWN_ONLY else (own, variable):
        for source in (current_app.config, os.environ):
            if value := source.get(key):
                return str(value)
    return ""


def _name_of_setting(name: str | None, variable: str) -> str:
    return f"{name.upper().replace('-', '_')}_{variable}" if name else variable


class Target(NamedTuple):
    """A running service."""

    url: str
    """The address of the instance, ``http:`` or ``https:``, with its prefix and without a slash at the end."""
    is_own: bool
    """Whether it is the address in the app's own settings, on this host."""
    ca: str | None
    """The path of the certificates to trust instead of the system's."""

    @property
    def tls(self) -> ssl.SSLContext:
        """The TLS of a connection to it."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.is_own and not self.ca:
            # The server is on this host, and its certificate need not contain this address.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def hint(self) -> str:
        """The advice for an error, if nobody answers."""
        return "; if the service listens elsewhere, name it with --url" if self.is_own else ""


def target(url: str | None, ca: str | None, name: str | None) -> Target:
    """Return the service at ``url``, or else at ``SIGNALING_SERVICE_URL``, or at the app's own address.

    Raises:
        click.UsageError: the URL is none, or the app's own address cannot be known.
        WrongSettingError: ``SIGNALING_SERVICE_URL`` is no URL.
    """
    if given := url or address_setting(name, URL):
        scheme, separator, rest = given.partition("://")
        scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        if not separator or not rest or scheme not in ("http", "https"):
            wrong = f"{given!r} is no URL; write one such as https://call.example.org:8443"
            if url:
                raise click.UsageError(f"--url: {wrong}")
            raise WrongSettingError(f"{_name_of_setting(name, URL)}: {wrong}")
        return Target(f"{scheme}://{rest}".rstrip("/").removesuffix("/ws"), is_own=False, ca=ca)
    settings = node_of(name).settings
    return Target(_own_origin(settings) + prefix_of(name), is_own=True, ca=ca)


def prefix_of(name: str | None) -> str:
    """Return the path in front of the routes of an instance of the present app; empty for none."""
    adapter = current_app.url_map.bind("localhost")
    return adapter.build(f"{blueprint_name(name)}.static", {"filename": "x"}).removesuffix("/static/x")


def _own_origin(settings: Settings) -> str:
    if settings.bind.startswith("unix:") or not settings.port:
        listens = f"SIGNALING_BIND={settings.bind!r}" if settings.port else "PORT=0"
        raise click.UsageError(f"{listens} is no address to connect to: name the service with --url")
    host = settings.bind.strip("[]") or "localhost"
    if host in ("0.0.0.0", "::"):  # noqa: S104 - every address, so this host's as well
        host = "localhost"
    scheme = "https" if settings.tls_cert and settings.tls_key else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"
