"""Say whether the service on this host is well, and runs with the settings in its files.

``python -m signaling.status --env-file '/etc/signaling/settings.d/*.env'`` compares the digest of the settings with the
one that the service wrote at its start. The exit status is 0 if all is well, 1 if something is not, 2 if the command
line cannot be used.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import msgspec

from .config import env_file
from .config.process_state import FILE
from .host import status

_FOLDER = "/run/signaling"


def main(arguments: list[str] | None = None) -> int:
    """Print the status, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m signaling.status", description="Examine the service on this host.")
    parser.add_argument("--json", action="store_true", help="print JSON, in the form of docs/deployment.md")
    parser.add_argument(
        "--env-file",
        metavar="GLOB",
        action="append",
        default=[],
        help="files of settings in the syntax of systemd's EnvironmentFile; repeat it for more, the last one wins; "
        "without one, the settings are those of the environment",
    )
    parser.add_argument(
        "--state",
        metavar="FILE",
        type=Path,
        default=Path(os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or _FOLDER, FILE),
        help="what the service wrote at its start (default %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        environ = env_file.read(options.env_file) if options.env_file else dict(os.environ)
    except (OSError, ValueError) as error:
        parser.exit(2, f"--env-file: {error}\n")
    found = status.examine(options.state, environ, from_files=bool(options.env_file))
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        print(*status.lines(found), sep="\n")
    return 0 if found.ok else 1


if __name__ == "__main__":
    sys.exit(main())
