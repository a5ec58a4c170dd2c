"""The command line: ``python -m tests.chaos --minutes 15``. It exits with 1 when a rule was broken."""

from __future__ import annotations

import argparse
import random
import sys

from tests.chaos.chaos import chaos


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Users live at two hosts while everything breaks, one after the other.",
    )
    parser.add_argument("--minutes", type=float, default=15.0, help="how long (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of all that is random in it")
    options = parser.parse_args()
    return 1 if chaos(options.minutes, options.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
