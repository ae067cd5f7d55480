"""Time and memory of `aerun score` on a long series: `python scripts/score_steps.py [--steps 1000000] [--window 64]`.

Trains a model on the first steps of a generated series, scores all of them step by step in a process of its own, from an npy
into an npz file and from csv into csv, and compares its processor time (user mode), start and files included, with that of the
forward passes of all windows through the same model in the same type of numbers, batch by batch, from memory. At most twice as
much is wanted of npy; a csv takes longer to read than many a model to pass. Memory is what is no page of a file (RssAnon), at
its peak.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import aerun
from aerun.core.memory import rows_that_fit
from aerun.dataset.sequences.windows import covering

_OUT = {".csv": ".scores.csv", ".npy": ".npz"}
_SCORE = """
import sys, json, resource
sys.path.insert(0, {scripts!r})
from streaming import Watch
watch = Watch(); watch.start()
from aerun.__main__ import main
try:
    main()
except SystemExit as e:
    code = e.code or 0
watch.done.set(); watch.join()
print(json.dumps([code, resource.getrusage(resource.RUSAGE_SELF).ru_utime, watch.most]))
"""


def series(path: Path, steps: int, channels: int) -> np.ndarray:
    """Write waves with noise as csv and npy, and return them."""
    g = np.random.default_rng(0)
    x = np.sin(np.arange(steps)[:, None] / 7 + np.arange(channels)) + 0.1 * g.normal(size=(steps, channels))
    heads = ",".join(f"s{i}" for i in range(channels))
    np.savetxt(path, x, "%.4f", ",", header=heads, comments="")
    np.save(path.with_suffix(".npy"), x.astype(np.float32))
    return x.astype(np.float32)


def scored(folder: Path, file: Path) -> tuple[float, float]:
    """Return the seconds of processor time and the megabytes at the peak of scoring a file."""
    script = _SCORE.format(scripts=str(Path(__file__).parent))
    words = [
        sys.executable,
        "-c",
        script,
        "score",
        str(folder),
        str(file),
        "--output",
        str(file.with_suffix(_OUT[file.suffix])),
    ]
    out = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    code, seconds, peak = json.loads(out.splitlines()[-1])
    assert code == 0, out
    return seconds, peak


def passes(folder: Path, x: np.ndarray, window: int, stride: int) -> float:
    """Return the seconds of processor time of the forward passes of all windows."""
    model = aerun.load(folder).exact
    starts, _ = covering(np.array([0]), np.array([len(x)]), window, stride)
    rows, at, ready = rows_that_fit(model.facts.size), np.arange(window), torch.from_numpy(x).double()
    began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with torch.inference_mode():
        for first in range(0, len(starts), rows):
            model(ready[torch.from_numpy(starts[first : first + rows, None] + at)])
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - began


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, value in (("--steps", 1_000_000), ("--channels", 8), ("--window", 64), ("--stride", 8)):
        parser.add_argument(flag, type=int, default=value)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        x = series(place / "all.csv", args.steps, args.channels)
        series(place / "tenth.csv", args.steps // 10, args.channels)
        series(place / "train.csv", 5000, args.channels)
        window = [f"dataset.window={args.window}", f"dataset.stride={args.stride}"]
        quick = ["dataset=series", "trainer.max_epochs=1", "pictures=[]"]
        for kind in _OUT:
            run = place / f"run{kind[1:]}"
            aerun.train(*quick, f"dataset.path={place / 'train'}{kind}", *window, folder=run)
            _, less = scored(run, place / f"tenth{kind}")
            whole, more = scored(run, place / f"all{kind}")
            forward = passes(run, x, args.window, args.stride)
            print(
                f"{kind}, {args.steps:,} steps of {args.channels} channels, windows of {args.window}, one every {args.stride}"
            )
            print(f"  score {whole:.1f} s, forward passes {forward:.1f} s: {whole / forward:.2f} times")
            print(f"  memory at the peak {more:.0f} MB, of a tenth {less:.0f} MB; the values alone {x.nbytes / 1e6:.0f} MB")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
