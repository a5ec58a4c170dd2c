"""Ansible's own linter, with the rules for what others rely on."""

import os
import subprocess

from tests.deployment.controller import PROGRAMS
from tests.driver import ROOT


def test_lint():
    result = subprocess.run(
        [PROGRAMS / "ansible-lint", "--profile", "production", "--offline", "--strict", "--nocolor"],
        cwd=ROOT / "ansible",
        env=os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
