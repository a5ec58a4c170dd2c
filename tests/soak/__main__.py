"""The command line: ``python -m tests.soak --minutes 30``; it exits with 1 when the server is at fault."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.certificates import make_certificate
from tests.soak.soak import soak


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="Hundreds of users come and go at random."
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of all that is random in it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        faults = soak(make_certificate(Path(folder) / "localhost.crt"), options.minutes, options.seed)
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"{len(faults)} faults" if faults else "No fault: nothing is left of all who came.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
