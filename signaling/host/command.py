"""The command ``signaling`` on the host of the service: ``check``, ``status``, ``logs``, ``ops`` and ``rotate``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..config import env_file
from ..config.env import SettingsError
from ..config.process_state import FILE
from ..config.settings import Settings
from . import status
from .call import FailedCallError, hold_call
from .local import address, has_tls, origin
from .rotation import SECRETS, instructions

UNIT = "signaling.service"
"""The unit of the service. Its log is in a namespace of its own."""

_FOLDER = "/run/signaling"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    parser = _parser()
    options, others = parser.parse_known_args(arguments)
    if options.command == "logs":
        return _show_logs(others)
    if others:
        parser.error(f"unknown arguments: {' '.join(others)}")
    if options.command == "rotate":
        print(instructions(options.secret))
        return 0
    try:
        environ = env_file.read(options.env_file) if options.env_file else dict(os.environ)
    except (OSError, ValueError) as error:
        parser.exit(2, f"--env-file: {error}\n")
    if options.command == "status":
        return _show_status(options, environ)
    try:
        return (_check if options.command == "check" else _show_ops)(options, Settings.load(environ))
    except SettingsError as error:
        parser.exit(os.EX_CONFIG, f"{error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="signaling", description="Look after the signaling service on this host.", allow_abbrev=False
    )
    _add_shared(parser, state=Path(os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or _FOLDER, FILE))
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    check = commands.add_parser("check", help="hold a call over the service as two users")
    examine = commands.add_parser("status", help="say whether it is well, and has the settings in its files")
    examine.add_argument("--json", action="store_true", help="print JSON, which docs/deployment.md describes")
    ops = commands.add_parser("ops", help="print the address of the page /ops, and how to get its password")
    ops.add_argument("--show-password", action="store_true", help="print the password too; only for root")
    for each in (check, examine, ops):
        _add_shared(each)
    commands.add_parser(
        "logs", help="show its log; all options are those of journalctl, such as -f or -n 50", add_help=False
    )
    rotate = commands.add_parser("rotate", help="print the command that replaces a secret")
    rotate.add_argument("secret", choices=SECRETS, help=", ".join(SECRETS), metavar="SECRET")
    return parser


def _add_shared(parser: argparse.ArgumentParser, state: Path | None = None) -> None:
    """Add the options that come before the name of a command, with their defaults, or behind it."""
    default = argparse.SUPPRESS if state is None else None
    parser.add_argument(
        "--env-file",
        metavar="GLOB",
        action="append",
        default=default,
        help="files of settings in the syntax of systemd's EnvironmentFile; repeat it for more, the last one wins; "
        "without one, the settings are those of the environment",
    )
    parser.add_argument(
        "--state", metavar="FILE", type=Path, default=state or default, help="what the service wrote at its start"
    )
    parser.add_argument(
        "--name", default=default, help="the name that clients connect to; else the first one in the certificate"
    )
    parser.add_argument(
        "--ca", metavar="FILE", default=default, help="certificates to trust, in PEM, instead of the system's"
    )


def _show_status(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    found = status.examine(options.state, environ, from_files=bool(options.env_file))
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        print(*status.lines(found), sep="\n")
    return 0 if found.ok else 1


def _check(options: argparse.Namespace, settings: Settings) -> int:
    try:
        print(hold_call(settings, options.name, options.ca))
    except FailedCallError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _show_logs(arguments: Sequence[str]) -> int:
    # The messages of systemd about the unit are in the journal of the host.
    command = ["journalctl", "--namespace=*", f"--unit={UNIT}", *arguments]
    try:
        os.execvp(command[0], command)  # noqa: S606 - it takes the place of this program
    except OSError as error:
        print(f"journalctl cannot be run: {error.strerror}", file=sys.stderr)
        return 1


def _show_ops(options: argparse.Namespace, settings: Settings) -> int:
    if not settings.ops_token:
        raise SettingsError("SIGNALING_OPS_TOKEN is not set: there is no page /ops without a password")
    own = origin(settings, options.name)
    if has_tls(settings):
        print(f"{own}/ops")
    else:
        print(f"/ops at the address of your proxy, which forwards it to {address(settings)}")
    if not options.show_password:
        print("Any user name, and the password that this prints: sudo signaling ops --show-password")
    elif os.geteuid() != 0:
        print("Only root may see the password: sudo signaling ops --show-password", file=sys.stderr)
        return 1
    else:
        print(f"Any user name, and this password: {settings.ops_token}")
    return 0
