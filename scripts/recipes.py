"""The figures that open the recipes: `python scripts/recipes.py [NAME ...] [--write]`.

Each `configs/model/NAME.yaml` begins with what it is, a command and what that command gave: test squared error per sample, mean
and standard deviation over the seeds, PCA with as many numbers in its code, data set, seeds and seconds. This script runs the
commands and fails where the mean has moved by more than three deviations (at least 5 %); `--write` replaces the lines instead.
Seconds are told and never judged.
"""

import argparse
import json
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aerun.core.paths import config_dir
from aerun.settings.catalog import catalog

SEEDS = (0, 1, 2)
_LINE = re.compile(r"^# (?P<command>aerun .*)\n# test/se (?P<se>\S+) \+- (?P<sd>\S+), PCA \S+ \(.*\)$", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """One recipe's figures over the seeds."""

    se: float
    sd: float
    pca: float
    dataset: str
    seconds: float

    def line(self) -> str:
        """As it stands in the YAML."""
        where = f"{self.dataset}, seeds {' '.join(map(str, SEEDS))}, {self.seconds:.0f} s a run"
        return f"test/se {self.se:.4g} +- {self.sd:.2g}, PCA {self.pca:.4g} ({where})"


def measure(command: str) -> Measured:
    """Run a recipe's command once per seed."""
    runs = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as where:
            first, _, last = command.rpartition(" && ")
            for part, folder in ((first, []), (last, ["hydra.run.dir=run"])):
                words = [*shlex.split(part)[1:], f"seed={seed}", *folder, "trainer.progress=false"]
                if part:  # a recipe that begins with a run has one trained before it
                    subprocess.run([sys.executable, "-m", "aerun", *words], cwd=where, check=True, capture_output=True)
            results = json.loads((Path(where) / "run" / "results.json").read_text())
            config = (Path(where) / "run" / "config.yaml").read_text()
        runs.append(results)
    (dataset,) = re.findall(r"_target_: aerun\.dataset\.(\w+)\.", config)
    values = [r["test/se"] for r in runs]
    seconds = statistics.mean(r["seconds"] for r in runs)
    return Measured(statistics.mean(values), statistics.stdev(values), runs[0]["pca/se"], dataset, seconds)


def check(name: str, write: bool) -> str | None:
    """Return complaint about one recipe, None where its line holds."""
    path = config_dir() / "model" / f"{name}.yaml"
    text = path.read_text()
    said = _LINE.search(text)
    typed = re.search(r"^# (aerun .*)$", text, re.MULTILINE)
    command = typed[1] if typed else f"aerun model={name}"
    now = measure(command)
    print(f"{command}\n  {now.line()}", flush=True)
    if write:
        lines = text.splitlines(keepends=True)
        kept = lines[:2] + [x for x in lines[2:] if not x.startswith(("# aerun ", "# test/se "))]
        path.write_text("".join([*kept[:2], f"# {command}\n# {now.line()}\n", *kept[2:]]))
        return None
    if said is None:
        return f"{path.name}: no measured line; run with --write"
    slack = max(3 * float(said["sd"]), 0.05 * float(said["se"]))
    if abs(now.se - float(said["se"])) > slack:
        return f"{path.name}: says test/se {said['se']}, measured {now.se:.4g}"
    return None


def main() -> int:
    """Check or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=sorted(catalog()["model"]))
    parser.add_argument("--write", action="store_true", help="replace the lines by what is measured now")
    args = parser.parse_args()
    complaints = [c for c in (check(name, args.write) for name in args.names) if c]
    print("\n".join(complaints), file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
