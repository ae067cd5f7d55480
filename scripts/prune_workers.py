"""Kills a pruned sweep whose jobs run at the same time: what was decided stands, and curves are those of straight runs.

    python scripts/prune_workers.py PLACE [--engine joblib ray] [--data wine] [--kills 10] [--search asha] [--more WORD ...]

A sweep of 27 jobs as in scripts/prune_kills.py, two at once. The command and all processes that it started get SIGKILL as soon
as so many more figures at rungs are written as a seeded draw says, and the command is typed again. Who goes on depends on who
comes first, so there is no undisturbed sweep to hold it against. Instead: no figure and no decision that was written before a
kill may differ at the end, every curve must be, as far as it goes, that of the full grid trained one by one, and jobs that
ended must be so bit for bit. It writes nothing into the tree and exits with 1 where anything differs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from prune_kills import command, curve, differences, figures, names, to_the_end

ENGINES = {"joblib": ["sweep.jobs=2"], "ray": ["hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"]}


def decided(sweep):
    """Read what is written of each job: figures at its rungs, and whether it goes on."""
    found = {path.parent.name: path.read_text() for path in sweep.glob("*/rungs.json")}
    return {name: json.loads(words) for name, words in found.items()}


def count(sweep):
    """Return how many figures at rungs are written."""
    return sum(len(one["values"]) for one in decided(sweep).values())


def ended_by_kill(words, place, sweep, more):
    """Type a command and kill all of it once so many more figures are there; return whether it was killed before its end."""
    until = count(sweep) + more
    log = (place / "said").open("a")
    command = subprocess.Popen(
        [sys.executable, "-m", "aerun", *words], cwd=place, stdout=log, stderr=subprocess.STDOUT, process_group=0
    )
    while command.poll() is None and count(sweep) < until:
        time.sleep(0.02)
    if command.poll() is not None:
        return False
    all_of_it = [*psutil.Process(command.pid).children(recursive=True), psutil.Process(command.pid)]
    for one in all_of_it:
        try:
            os.kill(one.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    command.wait()
    psutil.wait_procs(all_of_it, timeout=30)
    return True


def tested(place, data, engine, args):
    """Do it for one data set and engine and print what came of it; return whether all is as it must be."""
    place = place / engine / data
    place.mkdir(parents=True, exist_ok=True)
    sweep, full = (place / "outputs" / "sweeps" / name for name in ("killed", "full"))
    words = command(data, "killed", f"search={args.search}", *ENGINES[engine], *args.more)
    draw, before, kills = random.Random(f"{data} {engine}"), [], 0
    while kills < args.kills and ended_by_kill(words, place, sweep, draw.randint(1, max(2, 60 // args.kills))):
        kills += 1
        before.append(decided(sweep))
    end = subprocess.run([sys.executable, "-m", "aerun", *words], cwd=place, capture_output=True, text=True, check=False)
    if end.returncode:
        print(end.stdout[-2000:], end.stderr[-2000:])
        return False
    to_the_end(place, command(data, "full"))
    after, jobs = decided(sweep), names(sweep)
    values = [
        (n, r) for one in before for n, d in one.items() for r, v in d["values"].items() if after[n]["values"].get(r) != v
    ]
    back = [
        n
        for one in before
        for n, d in one.items()
        if after[n]["to"] < d["to"] or (d["stopped"] not in (None, after[n]["stopped"]))
    ]
    rows = {n: (curve(sweep / n), curve(full / n)) for n in jobs}
    bent = [n for n, (own, whole) in rows.items() if own != whole[: len(own)]]
    went = [n for n in jobs if figures(sweep / n)["status"] == "completed"]
    other = {n: d for n in went if (d := differences(sweep / n, full / n))}
    stated = sum(len(d["values"]) for one in before for d in one.values())
    on = sum(d["to"] > 0 for one in before for d in one.values())
    print(f"{data}, {engine}, search={args.search}: killed {kills} times; {len(jobs)} jobs, {count(sweep)} figures at rungs")
    print(f"  of {stated} figures and {on} decisions to go on that kills left, changed: {len(values)} and {len(back)}")
    print(f"  of {len(jobs)} curves {len(bent)} differ from the straight run, of {len(went)} jobs that ended {len(other)}")
    for name, found in other.items():
        print(f"  {name}: {', '.join(found[:5])}")
    print("  " + "\n  ".join(line for line in end.stdout.splitlines() if "pruning (" in line or "checked" in line), flush=True)
    return kills == args.kills and len(jobs) == 27 and not (values or back or bent or other)


def main():
    """Read the arguments, and do it for each data set and engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("place", type=Path)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=["joblib"])
    parser.add_argument("--data", nargs="+", default=["wine"])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--search", default="asha", choices=("asha", "hyperband", "median"))
    parser.add_argument("--more", nargs="*", default=[])
    args = parser.parse_args()
    results = [tested(args.place.resolve(), data, engine, args) for engine in args.engine for data in args.data]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
