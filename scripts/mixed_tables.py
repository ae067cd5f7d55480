"""Reading and encoding a table of mixed columns: `python scripts/mixed_tables.py [--rows 1000000] [--rounds 3] [--json FILE]`.

A csv of 20 columns of numbers, 8 of words and 2 of dates, one cell in fifty empty, is read, split, prepared on its training
rows and encoded (numbers and dates standardized, words as one-hots, marks of empty cells) by aerun (`dataset=table`) and as one
would write it by hand in torch, with Python's csv module and with pandas, in turns, each in a process of its own. Whoever
writes by hand knows which columns hold words and dates; aerun finds out. Shown: rows per second of processor time, user mode,
and the medians over rounds of the ratios in the same round: above 1 aerun is faster. All encode all rows, and what they encode
is compared: the sums of all elements differ by less than 1e-5 of their number.

Exit code 1 where aerun has less than 0.8 of the speed of the csv module. pandas parses in C, whose speed Python does not have.
"""

import argparse
import csv
import json
import logging
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import one_hot

NUMBERS, WORDS, DATES = 20, 8, 2
LEAST = 0.8
_PIECE = 100_000


def written(path: Path, rows: int) -> None:
    """Write the table."""
    g = np.random.default_rng(0)
    kinds = [*(["number"] * NUMBERS), *(["word"] * WORDS), *(["date"] * DATES)]
    with path.open("w") as file:
        file.write(",".join(f"{kind}{i}" for i, kind in enumerate(kinds)) + "\n")
        for first in range(0, rows, _PIECE):
            n = min(_PIECE, rows - first)
            columns = [np.char.mod("%.4f", g.normal(i, 1 + i, n)) for i in range(NUMBERS)]
            columns += [np.array([f"{chr(97 + j)}word" for j in range(3 + i)])[g.integers(0, 3 + i, n)] for i in range(WORDS)]
            columns += [(np.datetime64("2020-01-01") + g.integers(0, 2000, n)).astype(str) for _ in range(DATES)]
            cells = np.stack([np.where(g.random(n) < 0.02, "", c).astype("U12") for c in columns], 1)
            file.write("\n".join(",".join(row) for row in cells.tolist()) + "\n")


def by_aerun(path: Path) -> tuple[float, int]:
    """Return the sum of all encoded elements, and how many there are."""
    from aerun.build import build
    from aerun.settings.overrides import config_of, resolved

    logging.disable()
    plan = build(resolved(config_of(["dataset=table", f"dataset.path={path}", "model.latent_dim=2", "model.arch.hidden=[8]"])))
    data = plan.dataset.load()
    model = plan.autoencoder
    model.preparation.fit(model.facts.units(data.train.x))
    parts = [piece for part in (data.train, data.val, data.test) for piece in part.x.split(65536)]
    encoded = [model.units(piece) for piece in parts]
    return sum(float(x.double().sum()) for x in encoded), sum(x.numel() for x in encoded)


def by_pandas(path: Path) -> tuple[float, int]:
    """Return the same, of columns that pandas reads."""
    import pandas as pd

    head = pd.read_csv(path, nrows=100)
    frame = pd.read_csv(path, parse_dates=[name for name in head if name.startswith("date")])
    columns = {}
    for name in frame:
        if name.startswith("word"):
            known = frame[name].astype("category")
            columns[name] = (known.cat.codes.to_numpy(), len(known.cat.categories))
        elif name.startswith("date"):
            seconds = frame[name].to_numpy().astype("datetime64[s]").astype(np.float64)
            columns[name] = (np.where(frame[name].isna(), np.nan, seconds), 0)
        else:
            columns[name] = (frame[name].to_numpy(), 0)
    return encoded(columns)


def by_csv(path: Path) -> tuple[float, int]:
    """Return the same, of columns that Python's csv module reads."""
    with path.open(newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        pieces: dict[str, list[np.ndarray]] = {name: [] for name in names}
        words: dict[str, dict[str, int]] = {name: {} for name in names}
        while chunk := list(islice(rows, _PIECE // 10)):
            for name, cells in zip(names, zip(*chunk, strict=True), strict=True):
                if name.startswith("word"):
                    known = words[name]
                    values = [known.setdefault(c, len(known)) if c else -1 for c in cells]
                elif name.startswith("date"):
                    values = [datetime.fromisoformat(c).replace(tzinfo=UTC).timestamp() if c else np.nan for c in cells]
                else:
                    values = [float(c) if c else np.nan for c in cells]
                pieces[name].append(np.array(values))
    return encoded({name: (np.concatenate(pieces[name]), len(words[name])) for name in names})


def encoded(columns: dict[str, tuple[np.ndarray, int]]) -> tuple[float, int]:
    """Return the sum and the number of all elements of columns: values (NaN or -1: empty) and how many words."""
    n = len(next(iter(columns.values()))[0])
    order = torch.randperm(n, generator=torch.Generator().manual_seed(20061))
    train = order[: n - 2 * round(0.15 * n)].numpy()
    numbers, words, marks = [], [], []
    for values, count in columns.values():
        gone = values < 0 if count else np.isnan(values)
        own = values[train][~gone[train]]
        if count:
            codes = np.where(gone, np.bincount(own).argmax(), values)
            words.append(one_hot(torch.from_numpy(codes).long(), count).float())
        else:
            filled = torch.from_numpy(np.where(gone, np.median(own), values))
            mean, deviation = filled[train].mean(), filled[train].std(correction=0)
            numbers.append(((filled - mean) / deviation).float()[:, None])
        marks.append(torch.from_numpy(gone).float()[:, None])
    x = torch.cat([*numbers, *words, *marks], 1)[order]
    return sum(float(piece.double().sum()) for piece in x.split(65536)), x.numel()


WAYS: dict[str, Callable[[Path], tuple[float, int]]] = {"aerun": by_aerun, "csv": by_csv, "pandas": by_pandas}


def measured(way: str, path: Path) -> dict[str, float]:
    """Return what a process of its own says of one way."""
    command = [sys.executable, __file__, "--way", way, "--path", str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(told.stdout.splitlines()[-1]))


def child(way: str, path: Path) -> None:
    """Do it once, libraries loaded, and print the seconds of processor time as JSON."""
    torch.set_num_threads(1)
    little = path.with_name("little.csv")
    WAYS[way](little)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    total, count = WAYS[way](path)
    print(json.dumps({"seconds": resource.getrusage(resource.RUSAGE_SELF).ru_utime - before, "sum": total, "count": count}))


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        child(args.way, args.path)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        written(path, args.rows)
        written(path.with_name("little.csv"), 2000)
        rounds = [{way: measured(way, path) for way in WAYS} for _ in range(args.rounds)]
    for found in rounds:
        own = found["aerun"]
        for other in found.values():
            assert own["count"] == other["count"], found
            assert abs(own["sum"] - other["sum"]) < 1e-5 * own["count"], found
        print(", ".join(f"{way} {args.rows / one['seconds']:,.0f} rows/s" for way, one in found.items()))
    ratios = {
        way: statistics.median(r[way]["seconds"] / r["aerun"]["seconds"] for r in rounds) for way in WAYS if way != "aerun"
    }
    words = ", ".join(f"{ratio:.2f} times the speed of {way}" for way, ratio in ratios.items())
    print(f"{args.rows:,} rows of {NUMBERS + WORDS + DATES} columns: {words}")
    if args.json:
        args.json.write_text(json.dumps({"rows": args.rows, "ratios": ratios, "rounds": rounds}, indent=1) + "\n")
    return int(ratios["csv"] < LEAST)


if __name__ == "__main__":
    sys.exit(main())
