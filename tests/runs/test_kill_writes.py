"""A sample of what scripts/kill_writes.py does to every write; the counts that it prints are its own."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "kill_writes.py"


@pytest.mark.slow
@pytest.mark.parametrize(("what", "step"), [("run", 37), ("sweep", 97), ("fused", 127), ("stacked", 97)])
def test_a_disturbed_command_typed_again_ends_as_if_nothing_had_happened(what, step):
    command = [sys.executable, SCRIPT, "--what", what, "--how", "kill", "ENOSPC", "--step", str(step), "--first", "7"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.endswith(" disturbed, 0 wrong\n")
