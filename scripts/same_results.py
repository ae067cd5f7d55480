"""Do all recipes still give the same figures? `python scripts/same_results.py COMMIT [RECIPE ...] [--epochs N]`.

Every recipe is trained at seed 0 by the code of COMMIT and by the code as it stands, each in a process of its own, and every
figure of metrics.csv and results.json is compared to its last digit; times and versions are left out. Exit code 1: one differs.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_ASIDE = ("seconds", "samples_per_second", "versions", "machine", "started", "git", "backend", "time")
_CHILD = """
import json, sys, aerun
where, epochs, *names = sys.argv[1:]
for name in names:
    data = ["dataset=sines", "dataset.n=300"] if name == "recurrent" else []
    stages = ["trainer.layer_epochs=2"] if name.startswith("stacked") else []
    aerun.train(f"model={name}", *data, *stages, f"trainer.max_epochs={epochs}", "pictures=[]", "trainer.progress=false",
                folder=f"{where}/{name}")
"""


def figures(folder: Path) -> dict[str, object]:
    """Return every figure of a run that does not depend on the clock or the machine."""
    values: dict[str, object] = {}
    with (folder / "metrics.csv").open() as file:
        for n, row in enumerate(csv.DictReader(file)):
            values |= {f"metrics.csv {n} {k}": v for k, v in row.items()}
    values |= {f"results.json {k}": v for k, v in json.loads((folder / "results.json").read_text()).items()}
    return {k: v for k, v in values.items() if not any(word in k.split()[-1] for word in _ASIDE)}


def trained(tree: Path, where: Path, epochs: int, names: list[str]) -> None:
    """Train the recipes with the code in `tree`."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    where.mkdir()
    words = [sys.executable, "-c", _CHILD, str(where), str(epochs), *names]
    subprocess.run(words, env=environment, cwd=where, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Compare, print a line a recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("recipes", nargs="*", default=sorted(p.stem for p in (ROOT / "configs" / "model").glob("*.yaml")))
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    differ = 0
    with tempfile.TemporaryDirectory() as work:
        before = Path(work) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", before, args.commit], cwd=ROOT, check=True, capture_output=True)
        try:
            trained(before, Path(work) / "before", args.epochs, args.recipes)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)
        trained(ROOT, Path(work) / "after", args.epochs, args.recipes)
        for name in args.recipes:
            old, new = (figures(Path(work) / when / name) for when in ("before", "after"))
            apart = [k for k in old if old[k] != new.get(k)]
            differ += bool(apart)
            verdict = f"DIFFERENT: {apart[0]} {old[apart[0]]} -> {new.get(apart[0])}, {len(apart)} in all" if apart else "equal"
            print(f"{name}: {len(old)} figures {verdict}", flush=True)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
