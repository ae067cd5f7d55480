"""Damaged run folders, one after the other: `python scripts/fuzz_folders.py [--count 5000] [--seed 0] [--keep DIR]`.

Four small runs are trained. Every region of bytes of their files, every key of their tables at any depth, every array, member
of an archive and name in them is damaged in turn (`scripts/folders`): bytes changed, files cut short, keys taken out, renamed,
given values of other kinds, sizes without bounds, links, hard links, pipes, sockets, paths that lead out, commands. Each folder
is opened by the loader and three verbs in a child of this process, which has limits of memory and time. Wrong is: code of the
folder that runs, a process that is started, a file outside that is changed, or read (`resume` and `evaluate` may read data that
they have named), an error that is no line of words, exit codes but 0, 1 and 2, more than 200 MB or 10 s of computing above the
sound run's. What is wrong is shown, its folder is kept, and the exit code is 1. A seed and a number make a folder again.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", AERUN_DATA="")

import torch

from scripts.folders import bases
from scripts.folders.damage import OUTSIDE, Point, damage, points
from scripts.folders.watch import MARK, Watch

MEGABYTES, SECONDS, HANG = 200, 10, 60  # above the sound run's; of a whole step on the clock
SECRET = "precious-7c1f"
HEAVY = ("evaluate", "resume", "warm start")  # which train or draw: once in thirty each


@dataclass
class Step:
    """What came of one command: exit code, words, seconds of computing, megabytes at most, and what is wrong."""

    verb: str
    code: int
    said: str
    seconds: float
    megabytes: float
    wrong: list[str] = field(default_factory=list)


def rotation() -> list[str]:
    """Return thirty verbs in the order in which they come: of 5,000 folders each is asked of 500 at least."""
    light = [v for v in bases.VERBS if v not in HEAVY]
    return [*light, *HEAVY, *light[: 30 - len(bases.VERBS)]]


def verbs_of(number: int) -> list[str]:
    """Return the three verbs of a folder."""
    order = rotation()
    return [order[(3 * number + i) % len(order)] for i in range(3)]


# -- in the child ----------------------------------------------------------------------------------------------------


def _memory(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) // 1024


def _step(verb: str, place: Path, base: str, watch: Watch) -> Step:
    watch.on = False
    Path("/proc/self/clear_refs").write_text("5")  # the most memory so far begins again
    before, start = _memory("VmRSS"), time.process_time()
    watch.seen.clear()
    watch.read.clear()
    watch.on = True
    signal.alarm(HANG)
    try:
        code, said = bases.enter(verb, place, base)
    except BaseException as e:
        code, said = -1, f"Traceback: {type(e).__name__}: {e}"
    signal.alarm(0)
    watch.on = False
    step = Step(verb, code, said, time.process_time() - start, _memory("VmHWM") - before)
    step.wrong = [*watch.seen, *_read(step, watch.read)]
    return step


def _read(step: Step, paths: Sequence[str]) -> list[str]:
    """Return what was read outside without having been named first."""
    named = [line.partition("=")[2] for line in step.said.splitlines() if line.startswith("reads ")]
    may = step.verb in bases.READS_DATA
    return [
        f"read: {p}" for p in paths if not (may and any(n and os.path.realpath(n) in (p, os.path.dirname(p)) for n in named))
    ]


def _child(place: Path, base: str, verbs: Sequence[str], watch: Watch, room: int, out: int) -> None:
    # The limit is on address space, which a library reserves more of than it uses.
    resource.setrlimit(resource.RLIMIT_AS, ((_memory("VmSize") + room) << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (150, 160))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30,) * 2)
    os.environ.update(TMPDIR=str(place / "tmp"), HOME=str(place / "home"))
    tempfile.tempdir = None
    watch.start(place)
    watch.places = tuple(os.path.join(watch.places[0], n) for n in ("run", "out", "tmp", "data", "outputs")) + tuple(
        os.path.join(watch.places[0], n) for n in ("x.npy", "x.csv", "z.npz", "mask.npy", bases.PACKED)
    )
    for verb in verbs:
        step = _step(verb, place, base, watch)
        os.write(out, (json.dumps(step.__dict__) + "\n").encode())


# -- around it -------------------------------------------------------------------------------------------------------


def ask(place: Path, base: str, verbs: Sequence[str], watch: Watch, room: int) -> list[Step]:
    """Open a folder in a child, once for each verb, and return what came of it."""
    into, out = os.pipe()
    number = os.fork()
    if not number:
        code = 1
        try:
            os.close(into)
            null = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(null, stream)
            _child(place, base, verbs, watch, room, out)
            code = 0
        finally:
            os._exit(code)
    os.close(out)
    with os.fdopen(into, "rb") as file:
        lines = _lines(file, number)
    _, status = os.waitpid(number, 0)
    steps = [Step(**json.loads(line)) for line in lines]
    if len(steps) < len(verbs) or status:
        steps.append(
            Step(verbs[min(len(steps), len(verbs) - 1)], -1, "", 0, 0, [f"ended: status {status} (killed, or it hung)"])
        )
    return steps


def _lines(file: Any, number: int) -> list[bytes]:
    def _kill(signum: int, frame: Any) -> None:
        os.kill(number, signal.SIGKILL)

    signal.signal(signal.SIGALRM, _kill)
    signal.alarm(5 * HANG)
    lines: list[bytes] = file.read().splitlines()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return lines


def judge(steps: Sequence[Step], sound: dict[tuple[str, str], Step], base: str, place: Path, before: Any) -> None:
    """Add to the steps what is wrong with them."""
    for step in steps:
        plain = sound[base, step.verb]
        errors = [line for line in step.said.splitlines() if line.startswith("aerun: error: ")]
        if step.code not in (0, 1, 2) and not step.wrong:
            step.wrong.append(f"exit {step.code}: {step.said[-300:]}")
        if "Traceback" in step.said or "HYDRA_FULL_ERROR" in step.said:
            step.wrong.append(f"no words: {step.said[-400:]}")
        if step.code in (1, 2) and len(errors) != 1:
            step.wrong.append(f"no line of an error: {step.said[-300:]}")
        if any(c in step.said for c in ("\x1b]", "\x1b[2J", "\u202e")):
            step.wrong.append("control characters on the terminal")
        if step.seconds > plain.seconds + SECONDS:
            step.wrong.append(f"slow: {step.seconds:.1f} s, {plain.seconds:.1f} s of the sound run")
        if step.megabytes > plain.megabytes + MEGABYTES or "MemoryError" in step.said or "allocate" in step.said:
            step.wrong.append(f"memory: {step.megabytes:.0f} MB, {plain.megabytes:.0f} of the sound run; {step.said[-200:]}")
    if _outside(place) != before:
        steps[-1].wrong.append("write: what lies outside has changed")
    for path in (p for p in (place / "out").rglob("*") if p.is_file() and p.stat().st_size < 1 << 24):
        if SECRET.encode() in path.read_bytes():
            steps[-1].wrong.append(f"leak: {path.name} holds what lies outside")
    if any(SECRET in step.said for step in steps) or list(place.rglob(f"{MARK}*")):
        steps[-1].wrong.append("leak: what lies outside is shown, or a command ran")


def _outside(place: Path) -> Any:
    """Return the state of what lies around the run."""
    paths = [p for top in (OUTSIDE, "data", "home") for p in sorted((place / top).rglob("*"))]
    return [(str(p), p.lstat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in paths]


def laid_out(top: Path, base: Path) -> Path:
    """Return a folder to work in, with a copy of the run, and what is not to be touched beside it."""
    place = top / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(base, place)
    for name in ("out", "tmp", "home", OUTSIDE):
        (place / name).mkdir(exist_ok=True)
    for path in [p for p in (place / "run").rglob("*") if p.is_file()]:
        (place / OUTSIDE / path.name).write_bytes(SECRET.encode() + path.read_bytes())
    for name in ("secret.txt", "any"):
        (place / OUTSIDE / name).write_text(f"{SECRET}\n" * 50)
    return place


class Sound(dict[tuple[str, str], Step]):
    """What each verb takes of each sound run, asked when it is first wanted."""

    def __init__(self, top: Path, watch: Watch) -> None:
        super().__init__()
        self.top, self.watch = top, watch

    def __missing__(self, key: tuple[str, str]) -> Step:
        """Return what came of a verb on a sound run. Raises RuntimeError where anything is wrong with it."""
        base, verb = key
        place = laid_out(self.top, self.top / "bases" / base)
        self[key] = step = ask(place, base, [verb], self.watch, 1 << 15)[0]
        judge([step], self, base, place, _outside(place))
        if step.wrong:
            raise RuntimeError(f"{base} {verb}, a sound run: {step.wrong}")
        return step

    def room(self, base: str, verbs: Sequence[str]) -> int:
        """Return how much address space a child may reserve for these verbs, megabytes above one that does nothing yet."""
        return int(max(self[base, v].megabytes for v in verbs)) + MEGABYTES + 300  # reserved, not used: arenas, maps of files


def fuzz(args: argparse.Namespace, top: Path) -> int:
    """Try the folders, print what came of them, and return how many were wrong."""
    watch = Watch()
    (top / "bases").mkdir()
    bases.make(top / "bases")
    warm(top)
    sound = Sound(top, watch)
    places = [(base, point) for base in bases.RUNS for point in points(top / "bases" / base / "run", bases.PACKED)]
    random.Random(args.seed).shuffle(places)
    print(f"{len(places):,} places to damage, in {len(bases.RUNS)} runs", flush=True)
    counts, wrong = Counts(), 0
    for number in range(args.first, args.first + args.count):
        base, point = places[number % len(places)]
        wrong += one(args, top, number, base, verbs_of(number), point, watch, sound, counts)
        if number % 250 == 249:
            print(f"{number + 1:,} folders, {wrong} wrong; {counts.line()}", flush=True)
    counts.tell(wrong)
    return wrong


def warm(top: Path) -> None:
    """Import in this process what children would, and let libraries write their caches."""
    for base in ("denoising", "vae"):  # one of arrays and one of tables
        for verb in (bases.LOADER, *bases.VERBS):
            bases.enter(verb, laid_out(top, top / "bases" / base), base)


def one(args: argparse.Namespace, top: Path, number: int, base: str, verbs: list[str], point: Point, watch: Watch,
        sound: Sound, counts: "Counts") -> int:  # fmt: skip
    """Damage one folder and ask it. Return 1 where something is wrong."""
    room = sound.room(base, [bases.LOADER, *verbs])
    place = laid_out(top, top / "bases" / base)
    g = random.Random(f"{args.seed} {number}")
    how = damage(place / "run", point, g)
    before = _outside(place)
    steps = ask(place, base, [bases.LOADER, *verbs], watch, room)
    judge(steps, sound, base, place, before)
    counts.add(point, steps, sound, base)
    bad = [s for s in steps if s.wrong]
    for step in bad:
        print(f"WRONG {number} {base} {step.verb}: {how}\n  {'; '.join(step.wrong)[:900]}", flush=True)
    if bad and args.keep:
        shutil.move(place, args.keep / f"{number}")
    return int(bool(bad))


class Counts:
    """How many folders and commands, what came of them, and the most time and memory above a sound run's."""

    def __init__(self) -> None:
        self.kinds, self.verbs, self.codes = Counter[str](), Counter[str](), Counter[int]()
        self.seconds = self.megabytes = 0.0

    def add(self, point: Point, steps: Sequence[Step], sound: dict[tuple[str, str], Step], base: str) -> None:
        """Count a folder."""
        self.kinds[point.kind] += 1
        for step in steps:
            self.verbs[step.verb] += 1
            self.codes[step.code] += 1
            self.seconds = max(self.seconds, step.seconds - sound[base, step.verb].seconds)
            self.megabytes = max(self.megabytes, step.megabytes - sound[base, step.verb].megabytes)

    def line(self) -> str:
        """Return the codes and the most that was taken."""
        codes = ", ".join(f"exit {k}: {v:,}" for k, v in sorted(self.codes.items()))
        return f"{codes}; at most {self.seconds:.1f} s and {self.megabytes:.0f} MB above the sound run"

    def tell(self, wrong: int) -> None:
        """Print them."""
        print("folders:", ", ".join(f"{k} {v:,}" for k, v in sorted(self.kinds.items())), f"; all {self.kinds.total():,}")
        print("commands:", ", ".join(f"{k} {v:,}" for k, v in sorted(self.verbs.items())), f"; all {self.verbs.total():,}")
        print(f"{self.line()}; wrong folders: {wrong}")


def main() -> int:
    """Read the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first folder, to go on or to see one again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where folders with which something is wrong are kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as top:
        return 1 if fuzz(args, Path(top)) else 0


if __name__ == "__main__":
    sys.exit(main())
