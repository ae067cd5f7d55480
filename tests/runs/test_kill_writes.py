"""A sample of what scripts/kill_writes.py does to every write; the counts that it prints are its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "kill_writes.py"
EVERY = {"run": 37, "sweep": 97, "fused": 127, "stacked": 97}  # so many-th write is disturbed


@pytest.mark.slow
def test_a_disturbed_command_typed_again_ends_as_if_nothing_had_happened():
    steps = map(str, EVERY.values())
    command = [sys.executable, SCRIPT, "--what", *EVERY, "--how", "kill", "ENOSPC", "--step", *steps, "--first", "7"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert told.returncode == 0, told.stdout + told.stderr
    for what in EVERY:
        for how in ("kill", "ENOSPC"):
            assert re.search(rf"^{what}, {how}: [1-9]\d* disturbed, 0 wrong;", told.stdout, re.MULTILINE), told.stdout
    assert told.stdout.endswith(" disturbed, 0 wrong\n")
