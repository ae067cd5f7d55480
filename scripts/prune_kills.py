"""Kills a pruned sweep of 27 jobs again and again, and holds it against the same sweep undisturbed and against the full grid.

    python scripts/prune_kills.py PLACE [--data digits wine breast_cancer] [--kills 10] [--search asha] [--prune WORD ...]

Each data set: `search=asha` over 27 jobs (learning rate x size of the code x l1) is run once to its end, and once in a process
that is killed (SIGKILL) so many times, each at a write that a seeded draw chooses, and typed again. Then every job must have
the same rungs and decisions, and bit for bit the same curve, checkpoints and results. The full grid tells whether the winner
is its own. `--search hyperband`, `median` and `[own,asha]` likewise; of a search,
which may draw other points after a kill, every curve is held against the same run alone. It writes nothing into the tree and
exits with 1 where a job differs.
"""

import argparse
import csv
import json
import random
import signal
import sys
from pathlib import Path

import torch
from kill_writes import forked  # which loads what aerun defers, so that a forked process begins at once

GRID = ["optimizer.lr=3e-4,3e-3,3e-2", "model.latent_dim=2,4,8", "model=sparse", "reg.lambda=1e-4,1e-3,1e-2"]
DRAWN = ["optimizer.lr=tag(log,interval(3e-4,3e-2))", "model=sparse", "model.latent_dim=4", "search.trials=15"]
QUICK = ["pictures=[]", "trainer.progress=false", "trainer.max_epochs=27"]


def command(data, name, *more, grid=GRID):
    """Return the words of a sweep behind `aerun`."""
    return ["-m", f"sweep={name}", f"dataset={data}", *grid, *QUICK, *more]


def to_the_end(place, words):
    """Do a sweep; what it said, and how often it wrote."""
    told, writes = forked(words, place)
    if told.code:
        sys.exit(f"aerun {' '.join(words)}: exit {told.code}\n{told.said}")
    return told.said, len(writes)


def figures(folder):
    """results.json without what depends on the clock and on the place."""
    aside = ("seconds", "samples_per_second", "started", "git", "machine", "submitted")
    found = json.loads((folder / "results.json").read_text())
    return {k: v for k, v in found.items() if not k.startswith(aside) and not k.endswith("/seconds")}


def curve(folder):
    """Read metrics.csv without its one column that is a speed."""
    with (folder / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "samples_per_second"} for row in csv.DictReader(file)]


def state(folder, name):
    """All tensors and numbers of a checkpoint but the clock, and the paths of the folder that it is in."""
    checkpoint = torch.load(folder / "checkpoints" / name, weights_only=True)
    kept = {k: v for k, v in checkpoint.items() if k not in ("seconds", "callbacks")}
    scores = {k: {n: v for n, v in s.items() if "score" in n or "count" in n} for k, s in checkpoint["callbacks"].items()}
    return flat({**kept, "scores": scores})


def flat(node, where=""):
    """Make one table of a tree of plain data: path -> value."""
    if isinstance(node, dict):
        return {p: v for k, one in node.items() for p, v in flat(one, f"{where}/{k}").items()}
    if isinstance(node, list | tuple):
        return {p: v for k, one in enumerate(node) for p, v in flat(one, f"{where}/{k}").items()}
    return {where: node}


def unlike(a, b):
    """Return the paths at which two tables differ."""
    if a.keys() != b.keys():
        return sorted(map(str, a.keys() ^ b.keys()))
    return [k for k in a if not (torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k])]


def rungs_of(folder):
    """Read the figures of a job at its rungs, and what was decided there."""
    return json.loads((folder / "rungs.json").read_text())


def differences(one, other, *more):
    """In words, in what two folders of a job differ. more: (name, what reads it) to be compared as well."""
    found = [name for name, read in (("results", figures), ("curve", curve), *more) if read(one) != read(other)]
    for name in ("last.ckpt", "best.ckpt"):
        found += [f"{name}: {key}" for key in unlike(state(one, name), state(other, name))]
    return found


def names(sweep):
    """Return the jobs of a sweep that were begun."""
    return sorted(p.name for p in sweep.iterdir() if (p / "results.json").exists())


def tested(place, data, kills, prune, kind):
    """Do it for one data set and print what came of it; return whether all is as it must be."""
    place = place / data
    place.mkdir(parents=True, exist_ok=True)
    sweeps = {name: place / "outputs" / "sweeps" / name for name in ("straight", "killed", "full")}
    drawn = kind.startswith("[")
    more = {"grid": DRAWN if drawn else GRID}
    told, writes = to_the_end(place, command(data, "straight", f"search={kind}", *prune, **more))
    draw, words = random.Random(data), command(data, "killed", f"search={kind}", *prune, **more)
    ended = [forked(words, place, draw.randint(2, max(3, 2 * writes // (kills + 1))), "kill")[0] for _ in range(kills)]
    done = sum(one.code == -signal.SIGKILL for one in ended)
    again, _ = to_the_end(place, words)
    if drawn:
        return as_straight_runs(place, data, sweeps["killed"], done, again)
    jobs = names(sweeps["straight"])
    unequal = {
        name: d for name in jobs if (d := differences(sweeps["straight"] / name, sweeps["killed"] / name, ("rungs", rungs_of)))
    }
    same = jobs == names(sweeps["killed"])
    rungs = sum(len(rungs_of(sweeps["straight"] / n)["values"]) for n in jobs)
    print(f"{data}: killed {done} times; {len(jobs)} jobs and {rungs} figures at rungs, unequal {len(unequal)}", flush=True)
    for name, found in unequal.items():
        print(f"  {name}: {', '.join(found[:5])}")
    figures_of = [[line for line in said.splitlines() if "pruning (" in line or "checked" in line] for said in (told, again)]
    print("  " + "\n  ".join(figures_of[0]), flush=True)
    same = same and figures_of[0] == figures_of[1]
    return same and not unequal and as_the_full_grid(place, data, sweeps, jobs)


def as_straight_runs(place, data, sweep, kills, told):
    """Hold each curve of a search that was killed against the same run alone; return whether all are equal to there."""
    unlike = []
    for n, name in enumerate(names(sweep)):
        alone = place / "alone" / str(n)
        settings = [name.partition(",")[0], f"dataset={data}", *DRAWN[1:3], *QUICK]
        to_the_end(place, [*settings, f"hydra.run.dir={alone}"])
        own, whole = curve(sweep / name), curve(alone)
        unlike += [name] if own != whole[: len(own)] else []
    print(f"{data}: killed {kills} times; {len(names(sweep))} points, {len(unlike)} curves differ from the run alone")
    print("  " + "\n  ".join(line for line in told.splitlines() if "pruning (" in line or "checked" in line), flush=True)
    return not unlike and len(names(sweep)) == 15


def as_the_full_grid(place, data, sweeps, jobs):
    """Hold the jobs that ended against the same grid without pruning; return whether all of them are bit for bit the same."""
    to_the_end(place, command(data, "full"))
    ends = {n: figures(sweeps["full"] / n)["objective"] for n in jobs}
    best = min(ends, key=ends.get)
    went = [n for n in jobs if figures(sweeps["straight"] / n)["status"] == "completed"]
    promoted = [n for n in went if not differences(sweeps["straight"] / n, sweeps["full"] / n)]
    chosen = min((n for n in went if not rungs_of(sweeps["straight"] / n)["check"]), key=ends.get)
    place_of = 1 + sum(v < ends[chosen] for v in ends.values())
    print(f"  {len(promoted)} of {len(went)} that ended are bit for bit those of the full grid")
    won = "the full grid's" if chosen == best else f"number {place_of} of the full grid's {len(jobs)}"
    print(f"  the winner is {won}: {ends[chosen]:.5g}, the best {ends[best]:.5g} (val/mse, seed 0)", flush=True)
    return len(promoted) == len(went)


def main():
    """Read the arguments, and do it for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("place", type=Path)
    parser.add_argument("--data", nargs="+", default=["digits", "wine", "breast_cancer"])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--search", default="asha", help="asha, hyperband, median, or [own,asha] for a search")
    parser.add_argument("--prune", nargs="*", default=[])
    args = parser.parse_args()
    results = [tested(args.place.resolve(), data, args.kills, args.prune, args.search) for data in args.data]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
