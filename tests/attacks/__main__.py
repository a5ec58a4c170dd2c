"""The command line: ``python -m tests.attacks``. It exits with 1 when an attack made the server miss a target."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from tests.attacks.catalogue import ATTACKS
from tests.attacks.trial import Outcome, trial
from tests.certificates import make_certificate

P99_SECONDS = 0.1
HEALTH_SECONDS = 1.0

_HEAD = "| attack | p50 ms | p99 ms | max ms | healthz ms | CPU | MiB more | connections | ended | MB sent | verdict |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description="Single clients attack a server.")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each attack (default: %(default)g)")
    parser.add_argument("--tries", type=int, default=2, help="before a missed target counts (default: %(default)d)")
    parser.add_argument("--only", default="", help="a regular expression that is looked for in the attacks' names")
    parser.add_argument("--list", action="store_true", help="print the names of the attacks, and attack nobody")
    options = parser.parse_args()
    attacks = [attack for attack in ATTACKS if re.search(options.only, attack.name)]
    if options.list:
        print(*(attack.name for attack in attacks), sep="\n")
        return 0
    print(_HEAD, "| --- |" + " ---: |" * 9 + " --- |", sep="\n", flush=True)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(Path(folder) / "localhost.crt")
        for attack in attacks:
            for _ in range(options.tries):
                outcome = trial(attack, certificate, options.seconds)
                faults = outcome.faults(P99_SECONDS, HEALTH_SECONDS)
                if not faults:
                    break
            missed += bool(faults)
            print(row(outcome, faults), flush=True)
    print(f"\n{missed} of {len(attacks)} missed a target" if missed else "\nEvery target was met.")
    return 1 if missed else 0


def row(outcome: Outcome, faults: list[str]) -> str:
    done = outcome.done
    milliseconds = [outcome.latency(0.5), outcome.latency(0.99), outcome.latency(1.0), outcome.health]
    cells = [
        outcome.name,
        *(f"{1_000 * seconds:.0f}" for seconds in milliseconds),
        f"{outcome.share:.0%}",
        f"{outcome.grown:.0f}",
        f"{done.get('connections', 0):,}",
        f"{done.get('ended', 0):,}",
        f"{done.get('sent', 0) / 1e6:.1f}",
        "; ".join(dict.fromkeys(faults)) or "good",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
