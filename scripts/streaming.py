"""Data larger than memory: `python scripts/streaming.py [--megabytes 200] [--times 5] [--rounds 3] [--json FILE] [--csv 1000]`.

Trains on an npy file and on a folder of images of five (`--times`) times the allowed `dataset.memory`, in memory and from a
warm disk, in turns, each in a process of its own. Shown: samples per second (the median over rounds) of whole epochs, and how
much the process grew from just before the data were read to its peak in loading and training, in megabytes: its resident
memory (VmHWM of /proc/self/status), and the part of it that is no page of a file (RssAnon, looked at every 10 ms), which the
system could not take back. model_mb: what weights, gradients, the optimizer and one batch take, which is no matter of the data:
the growth of a training on a tenth of `dataset.memory`, less these data. beyond_model_mb: the growth from disk less that.

`--csv MEGABYTES` reads a table of that size instead, 12 columns of numbers, one of words and one of dates, all of them
different, in memory and then with `dataset.memory` at `--megabytes`: rows per second of processor time in user mode, and the
growth to the peak, of all that happens before training. A table is read in pieces and kept as numbers: of a cell 1 to 8 bytes
(4 for up to nine digits) and 4 more as a sample, and some 200 bytes for each different word. Beyond `dataset.memory` all but
the words is on disk. Dates and numbers with a unit are no words once they are many.
"""

import argparse
import json
import logging
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 128  # of images
WIDTH = 512  # numbers of a row


def resident(name: str) -> float:
    """Return VmRSS (now), VmHWM (at most so far) or RssAnon (now, without pages of files) of this process, in megabytes."""
    match = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) * 1024 / 1e6


def forget_peak() -> None:
    """Let VmHWM begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


class Watch(threading.Thread):
    """The largest RssAnon while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done, self.most = threading.Event(), 0.0

    def run(self) -> None:
        while not self.done.wait(0.01):
            self.most = max(self.most, resident("RssAnon"))


def child(overrides: list[str]) -> None:
    """One training; prints what it measured as JSON."""
    from aerun.core.memory import trim_heap

    logging.disable()
    trained("trainer=smoke")  # libraries take their memory now
    trim_heap()  # what they have freed, so that it is not used again unseen
    forget_peak()
    before, anonymous, watch = resident("VmRSS"), resident("RssAnon"), Watch()
    watch.start()
    speed = trained(*overrides, "trainer.max_epochs=3", "model.latent_dim=16", "model.arch.hidden=[128]")
    watch.done.set()
    grown = {"rss_grown_mb": resident("VmHWM") - before, "anon_grown_mb": watch.most - anonymous}
    print(json.dumps({"speed": speed, **grown}))


def trained(*overrides: str) -> float:
    """Return samples per second of the fastest epoch but the first."""
    from benchmark import config

    from aerun.build import build
    from aerun.trainer.base import Job

    cfg = config(*overrides)
    plan = build(cfg)
    data = plan.dataset.load()
    plan.autoencoder.start_from(data.train.x)
    with tempfile.TemporaryDirectory() as folder:
        plan.trainer.fit(Job(plan.autoencoder, data, plan.optimizer, plan.schedule, 0, Path(folder), cfg), False)
        rows = (Path(folder) / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("samples_per_second")
    return max(float(row.split(",")[column]) for row in rows[2:] or rows[1:])


def table(path: Path, megabytes: float) -> list[str]:
    """Return an npy file of so many megabytes of 32-bit numbers, written piece by piece."""
    rows, g = int(megabytes * 1e6) // (4 * WIDTH), np.random.default_rng(0)
    file = np.lib.format.open_memmap(path / "x.npy", mode="w+", dtype=np.float32, shape=(rows, WIDTH))
    for first in range(0, rows, 4096):
        file[first : first + 4096] = g.normal(size=file[first : first + 4096].shape)
    file.flush()
    return ["dataset=array", f"dataset.path={path / 'x.npy'}"]


def images(path: Path, megabytes: float) -> list[str]:
    """Return a folder of grey images that decode to so many megabytes."""
    g = np.random.default_rng(0)
    for i in range(int(megabytes * 1e6) // SIDE**2):
        where = path / "images" / f"{i // 1000:03}"
        where.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(g.integers(0, 255, (8, 8), dtype=np.uint8)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        small.save(where / f"{i:06}.jpg")
    return ["dataset=images", f"dataset.path={path / 'images'}"]


def csv_file(path: Path, megabytes: float) -> list[str]:
    """Write a csv file of so many megabytes, piece by piece, and return the overrides that read it."""
    g, words, start, rows = (
        np.random.default_rng(0),
        np.array(["north", "south", "none at all"]),
        np.datetime64("2020-01-01"),
        0,
    )
    with (path / "x.csv").open("w") as file:
        file.write(",".join(["when", "kind", *(f"n{i}" for i in range(12))]) + "\n")
        while file.tell() < megabytes * 1e6:
            times = (start + np.arange(rows, rows + 4096) * np.timedelta64(61, "s")).astype(str)
            columns = [times, words[g.integers(0, 3, 4096)], *np.char.mod("%.4f", g.normal(size=(12, 4096)))]
            file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))
            rows += 4096
    return ["dataset=table", f"dataset.path={path / 'x.csv'}"]


def read(overrides: list[str]) -> None:
    """Read what a training would, and print what was measured as JSON."""
    from benchmark import config

    from aerun.build import build

    logging.disable()
    forget_peak()
    before, began = resident("VmRSS"), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    anonymous, watch = resident("RssAnon"), Watch()
    watch.start()
    data = build(config(*overrides)).dataset.load()
    watch.done.set()
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - began
    rows = sum(len(split) for split in (data.train, data.val, data.test))
    grown = {"rss_grown_mb": resident("VmHWM") - before, "anon_grown_mb": watch.most - anonymous}
    print(json.dumps({"rows": rows, "rows_per_second": rows / seconds, **grown}))


def measured(overrides: list[str]) -> dict[str, float]:
    """Return `child`, or `read` of a csv file, in a process of its own."""
    command = [sys.executable, __file__, "--read" if "dataset=table" in overrides else "--child", *overrides]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200, help="dataset.memory")
    parser.add_argument("--times", type=int, default=5, help="the data take so many times as much")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("--csv", type=int, metavar="MEGABYTES", help="read a csv file of this size instead")
    parser.add_argument("--read", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child or args.read:
        child(args.child) if args.child else read(args.read)
        return
    if args.csv:
        with tempfile.TemporaryDirectory() as name:
            base = [*csv_file(Path(name), args.csv), f"dataset.cache={name}/cache"]
            for memory in ("null", str(args.megabytes / 1000)):
                print(
                    f"dataset.memory={memory}", json.dumps(measured([*base, f"dataset.memory={memory}"]), indent=1), flush=True
                )
        return
    report: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        for kind, make in (("array", table), ("images", images)):
            few = args.megabytes / 10
            (Path(name) / "few").mkdir(exist_ok=True)
            model = measured([*make(Path(name) / "few", few), "dataset.memory=1000"])["rss_grown_mb"] - few
            base = [*make(Path(name), args.times * args.megabytes), f"dataset.cache={name}/cache"]
            ways = {"memory": "dataset.memory=1000", "disk": f"dataset.memory={args.megabytes / 1000}"}
            measured([*base, ways["disk"]])  # copies or decodes, once, and warms the disk
            rounds = [{way: measured([*base, more]) for way, more in ways.items()} for _ in range(args.rounds)]
            report[kind] = {
                "allowed_mb": args.megabytes,
                "data_mb": args.times * args.megabytes,
                **{f"{way}/{k}": statistics.median(r[way][k] for r in rounds) for way in ways for k in rounds[0][way]},
            }
            report[kind]["model_mb"] = model
            report[kind]["beyond_model_mb"] = report[kind]["disk/rss_grown_mb"] - model
            report[kind]["speed_ratio"] = report[kind]["disk/speed"] / report[kind]["memory/speed"]
            print(kind, json.dumps(report[kind], indent=1), flush=True)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
