"""Sweeps of many small runs: `python scripts/sweeps.py [--rounds 2] [--epochs 100] [--json FILE] [WORD ...]`.

The digits net 64-32-8: 8 runs one by one and two at a time, 32 runs one by one and fused. Each way is a command of its own, as
it is typed, with one thread and with all (a small net is fastest with one); the ways take turns, and the fastest round of each
counts. `whole` is the command from start to end, `training` the runs' own time in fit. WORDs are added to every command, such
as pictures=[].
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NET = ["model.arch.hidden=[32]", "model.latent_dim=8", "trainer.progress=false"]
WAYS = {
    "8 one by one": ["seed=range(8)"],
    "8, sweep.jobs=2": ["seed=range(8)", "sweep.jobs=2"],
    "32 one by one": ["seed=range(32)"],
    "32, sweep.fuse=true": ["seed=range(32)", "sweep.fuse=true"],
}
THREADS = ("1", "")


def measured(words: list[str], threads: str) -> tuple[float, float]:
    """Return (seconds of the whole command, seconds of its runs in training)."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | (
        {"OMP_NUM_THREADS": threads} if threads else {}
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "aerun", "-m", "sweep=s", *NET, *words],
            cwd=folder,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        whole = time.perf_counter() - started
        results = [json.loads(p.read_text()) for p in Path(folder, "outputs", "sweeps", "s").glob("*/results.json")]
    return whole, sum(f["seconds/fit"] for f in results)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--json", type=Path)
    parser.add_argument("words", nargs="*", metavar="WORD")
    args = parser.parse_args()
    more = [f"trainer.max_epochs={args.epochs}", *args.words]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for number in range(args.rounds):
        for name, words in WAYS.items():
            for threads in THREADS:
                times[name].append(measured([*words, *more], threads))
                print(
                    f"round {number + 1}, {name}, {threads or 'all'} threads: {times[name][-1][0]:.1f} s",
                    file=sys.stderr,
                    flush=True,
                )
    best = {name: {"whole": min(t[0] for t in rounds), "training": min(t[1] for t in rounds)} for name, rounds in times.items()}
    print(f"{'':22}{'whole, s':>10}{'ratio':>8}{'training, s':>13}{'ratio':>8}")
    for name, seconds in best.items():
        base = best["8 one by one" if name.startswith("8") else "32 one by one"]
        ratios = {k: seconds[k] / base[k] for k in seconds}
        print(f"{name:22}{seconds['whole']:10.1f}{ratios['whole']:8.2f}{seconds['training']:13.1f}{ratios['training']:8.2f}")
    if args.json:
        args.json.write_text(json.dumps(best, indent=1) + "\n")


if __name__ == "__main__":
    main()
