"""The commands. ``calls``, ``waiting`` and ``disconnect`` ask a running service; ``check`` holds a call over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from flask import current_app
from flask.cli import AppGroup

from ..config.env import SettingsError
from . import settings as explained
from .service import ServiceError, ask
from .table import moment, print_json, print_table
from .target import API_TOKEN, address_setting, config_of, node_of, target
from .wrong_setting import WrongSettingError, one_line_in_commands

F = TypeVar("F", bound=Callable[..., Any])

commands = AppGroup("signaling")

GUNICORN_CONF = '''"""gunicorn's configuration: gunicorn -c gunicorn.conf.py {app}"""

from signaling.gunicorn import install

# The address to listen on. A proxy in front of it must forward WebSockets.
bind = "127.0.0.1:8000"

# Several workers need a Redis that they share: SIGNALING_REDIS_URL.
workers = 1

# Your own settings and hooks come here, before the last line, which adds those of the signaling service.

install(globals())
'''

_PROCESS_SETTINGS = (
    *("SIGNALING_MAX_CONNECTIONS", "SIGNALING_CONNECTIONS_PER_IP", "SIGNALING_TRUSTED_PROXIES"),
    *("SIGNALING_CLOSE_TIMEOUT", "SIGNALING_DRAIN_SECONDS", "SIGNALING_REDIS_URL"),
)
"""The settings that gunicorn reads from the environment before it loads the app."""

_named = click.option("--name", metavar="NAME", help="The instance: the name given to Signaling(name=…).")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def _at_service(function: F) -> F:
    for option in (
        _named,
        click.option("--ca", metavar="FILE", help="Certificates to trust, in PEM, instead of the system's."),
        click.option(
            "--url", help="The address of the service; default SIGNALING_SERVICE_URL, or else the app's own address."
        ),
    ):
        function = option(function)
    return function


@commands.command("check")
@_at_service
@click.option("--connect", metavar="ADDRESS", help="Connect to this address instead of the URL's host.")
@click.option("--token", "tokens", multiple=True, help="One for each of the two users, if the app cannot sign any.")
@click.option("--refused", is_flag=True, help="Check only that a join without a token is refused.")
def check_command(
    url: str | None, ca: str | None, name: str | None, connect: str | None, tokens: tuple[str, ...], refused: bool
) -> None:
    """Hold a call over a running service as two users.

    If the app makes tokens, the two users get one each. If only users who are logged in may join, the check ends there.
    """
    from websockets.exceptions import WebSocketException

    from ..check import TIMEOUT, CheckError, check, refusal

    where = target(url, ca, name)
    place = f"{where.url.replace('http', 'ws', 1)}/ws"
    trusted = where.tls if place.startswith("wss:") else None
    if not tokens and not refused:
        tokens = _check_tokens(name)
    try:
        if refused:
            outcome = f"a join is refused: {asyncio.run(refusal(place, ca=trusted, address=connect))}"
        else:
            seconds = asyncio.run(check(place, ca=trusted, address=connect, tokens=tokens))
            outcome = f"two users met and exchanged offer, answer and candidate in {seconds * 1000:.0f} ms"
    except TimeoutError:
        raise ServiceError(place, f"no call within {TIMEOUT:g} s") from None
    except CheckError as error:
        if not str(error).endswith("nobody is logged in"):
            raise ServiceError(place, str(error)) from None
        outcome = "the service answers, and lets in only users who are logged in"
    except (OSError, ValueError, RecursionError, WebSocketException) as error:
        raise ServiceError(place, f"{str(error) or type(error).__name__}{where.hint}") from None
    click.echo(f"{place}: {outcome}")


def _check_tokens(name: str | None) -> tuple[str, ...]:
    """Return tokens for two users, or nothing if the app needs none or cannot sign."""
    from ..security.minting import mint_for_check

    try:
        return mint_for_check(node_of(name).settings)
    except SettingsError:
        # The key only verifies. The service says that a token is needed.
        return ()


@commands.command("calls")
@_at_service
@_as_json
def calls_command(url: str | None, ca: str | None, name: str | None, as_json: bool) -> None:
    """List the calls of a running service."""
    answer = _ask(url, ca, name, "GET", "calls")
    if as_json:
        print_json(answer)
        return
    rows = (
        (call.get("id", ""), " ".join(map(str, call.get("users", ()))), *_times(call), call.get("path") or "")
        for call in _items(answer, "calls")
    )
    print_table(("CALL", "USERS", "STARTED", "CONNECTED", "PATH"), rows, empty="No calls.")


@commands.command("waiting")
@click.argument("user", required=False)
@_at_service
@_as_json
def waiting_command(user: str | None, url: str | None, ca: str | None, name: str | None, as_json: bool) -> None:
    """List the users who wait for an absent peer, or only the peers of USER."""
    path = ("waiting",) if user is None else ("users", user)
    answer = _ask(url, ca, name, "GET", *path)
    if as_json:
        print_json(answer)
        return
    rows = (
        (wait.get("user", user or ""), wait.get("peer", ""), moment(wait.get("since")))
        for wait in _items(answer, "waiting")
    )
    print_table(("USER", "WAITS FOR", "SINCE"), rows, empty="Nobody waits.")


@commands.command("disconnect")
@click.argument("user")
@click.option("--bar", metavar="SECONDS", type=click.FloatRange(0), help="Refuse the user's joins for so long.")
@_at_service
@_as_json
def disconnect_command(
    user: str, bar: float | None, url: str | None, ca: str | None, name: str | None, as_json: bool
) -> None:
    """Close all connections of USER, with the close code 4004."""
    query = {"bar": None if bar is None else f"{bar:g}"}
    answer = _ask(url, ca, name, "DELETE", "users", user, "connections", query=query)
    if as_json:
        print_json(answer)
        return
    closed = answer.get("closed")
    count = f"{closed} " if isinstance(closed, int) else ""
    barred = f"; their joins are refused for {bar:g} seconds" if bar else ""
    click.echo(f"Closed {count}connection{'' if closed == 1 else 's'} of {user}{barred}")


@commands.command("token")
@click.argument("user")
@click.option("--peer", "peers", metavar="USER", multiple=True, help="The only peer it allows; repeat it for more.")
@click.option("--ttl", metavar="SECONDS", type=click.IntRange(1), default=300, show_default=True, help="Its life.")
@_named
@one_line_in_commands
def token_command(user: str, peers: tuple[str, ...], ttl: int, name: str | None) -> None:
    """Print a token with which USER joins, signed with SIGNALING_JWT_KEY."""
    from ..security.minting import mint

    try:
        click.echo(mint(node_of(name).settings, user, peers or None, ttl))
    except SettingsError:
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@commands.command("settings")
@_named
@_as_json
@one_line_in_commands
def settings_command(name: str | None, as_json: bool) -> None:
    """Print every setting, its present value, and where that comes from."""
    rows = explained.explain(name)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("SETTING", "VALUE", "FROM"),
        ((row["name"], explained.shown(row["value"]), row["source"]) for row in rows),
        empty="",
    )


@commands.command("gunicorn-conf")
@_named
@one_line_in_commands
def gunicorn_conf_command(name: str | None) -> None:
    """Print a gunicorn.conf.py for this app."""
    click.echo(GUNICORN_CONF.format(app=f"{current_app.import_name}:app"), nl=False)
    config = config_of(name)
    if hidden := [each for each in _PROCESS_SETTINGS if config.source(each, current_app.config)[1] == "app.config"]:
        click.echo(f"gunicorn does not see app.config; set in the environment too: {', '.join(hidden)}", err=True)


def _ask(url: str | None, ca: str | None, name: str | None, method: str, *path: str, **options: Any) -> dict[str, Any]:
    where = target(url, ca, name)
    # The settings of the app may derive it from another secret.
    token = address_setting(name, API_TOKEN) or node_of(name).settings.api_token
    if not token:
        raise WrongSettingError(f"{API_TOKEN} is not set: the service answers this command only with its token")
    answer = ask(where, token, method, *path, **options)
    if silent := answer.get("missing"):
        names = ", ".join(map(str, silent)) if isinstance(silent, list) else str(silent)
        click.echo(f"Not complete, no answer from: {names}", err=True)
    elif answer.get("partial"):
        click.echo("Not complete: the service cannot reach its Redis", err=True)
    return answer


def _items(answer: dict[str, Any], key: str) -> Iterable[dict[str, Any]]:
    items = answer.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _times(call: dict[str, Any]) -> tuple[str, str]:
    return moment(call.get("startedAt")), moment(call.get("connectedAt"))
