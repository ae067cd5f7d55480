"""Disturbs a run, and a sweep of three jobs, at every write; then the same command must end as if nothing had happened.

`python scripts/kill_writes.py [--what run sweep stacked fused] [--how kill ENOSPC EIO] [--step 1 ...] [--first 1] [--keep]`. An
audit hook counts every opening for writing, rename, removal, making of a folder and truncation under the working folder. At the
N-th the process kills itself (SIGKILL), gets a signal, or the call raises OSError once (ENOSPC, EIO); N goes over all of them.
Then the same command is typed again, and results.json and metrics.csv must be those of the undisturbed run, but for times. A
failing write must end in words, without a traceback. Processes are forked from one that has the libraries loaded.
"""

import argparse
import contextlib
import csv
import errno
import io
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning  # noqa: F401 - what aerun defers is loaded here once
import torch
import torch.utils.tensorboard
from hydra.core.global_hydra import GlobalHydra

import aerun.command.train
import aerun.sweep.fuse
import aerun.train
import aerun.trainer.callbacks
import aerun.trainer.fused.fit  # noqa: F401
from aerun.__main__ import main as typed
from aerun.core.errors import StoppedError
from aerun.pictures import curves

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests import quick_hydra

TINY = [
    *("dataset=array", "dataset.path=../x.npy", "model.latent_dim=2"),
    *("trainer.max_epochs=2", "trainer.save_every=0", "trainer.progress=false"),
]
MLP = ["model.arch.hidden=[4]", *TINY]
COMMANDS = {
    "run": [*MLP, "hydra.run.dir=outputs/run", "pictures=[curves,projector]"],
    "sweep": ["-m", "sweep=s", "seed=0,1,2", *MLP, "pictures=[]"],
    "stacked": [
        "model=stacked",
        *TINY,
        "model.arch.hidden=[5,4]",
        "trainer.layer_epochs=1",
        "hydra.run.dir=outputs/run",
        "pictures=[]",
    ],
    "fused": ["-m", "sweep=s", "seed=0,1,2", *MLP, "pictures=[]", "sweep.fuse=true"],
}
WAYS = ("kill", "ENOSPC", "EIO", "SIGTERM", "SIGHUP")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OTHERS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
_ROUNDING = 1e-5  # of figures of jobs that were trained as one, and go on alone after a disturbance
_CLOCK = ("seconds", "samples_per_second", "started", "git")


class Ended(NamedTuple):
    """How a process ended (negative: by a signal), and what it printed."""

    code: int
    said: str


class Hook:
    """Counts writes under the working folder; at the `at`-th it does `act`. names: of all of them."""

    def __init__(self, at: int | None, act: Callable[[str], None] | None) -> None:
        self.at, self.act, self.names = at, act, list[str]()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """See what is about to happen."""
        if (event == "open" and _is_write(args)) or event in _OTHERS:
            path = args[0]
            name = os.fsdecode(path) if isinstance(path, str | bytes) else str(path)
            if not os.path.isabs(name) or name.startswith(os.getcwd()):
                self.names.append(f"{event} {name}")
                if len(self.names) == self.at and self.act is not None:
                    self.act(name)


def _is_write(args: tuple[Any, ...]) -> bool:
    path, mode, flags = args
    if isinstance(path, int) or path is None or os.fsdecode(path).startswith(("/dev/", "/proc/")):
        return False
    return bool(flags & _WRITES) and mode is None  # the call of the system alone, not also Python's `open` around it


def acts(how: str) -> Callable[[str], None]:
    """Return what happens at the write that is disturbed."""
    if how == "kill":
        return lambda _: os.kill(os.getpid(), signal.SIGKILL)
    if how.startswith("SIG"):
        return lambda _: os.kill(os.getpid(), getattr(signal, how))
    number = getattr(errno, how)

    def fail(name: str) -> None:
        raise OSError(number, os.strerror(number), name)

    return fail


def forked(command: list[str], place: Path, at: int | None = None, how: str | None = None) -> tuple[Ended, list[str]]:
    """Run `aerun COMMAND` in a process forked from this one, standing in `place`; return its end and the writes it did."""
    said, seen = place.parent / "said", place.parent / "seen"
    seen.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _child(command, place, said, seen, Hook(at, acts(how) if how else None))
    _, status = os.waitpid(child, 0)
    names = json.loads(seen.read_text()) if seen.exists() else []
    return Ended(os.waitstatus_to_exitcode(status), said.read_text(errors="replace")), names


def _child(command: list[str], place: Path, said: Path, seen: Path, hook: Hook) -> None:
    code = 70
    try:
        os.chdir(place)
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = ["aerun", *command]
        os.environ.pop("HYDRA_FULL_ERROR", None)  # which the command sets for itself
        sys.addaudithook(hook)
        try:
            typed()
        except SystemExit as e:
            code = int(e.code or 0)
        except StoppedError as e:
            code = e.code
        logging.shutdown()
        hook.at, names = None, list(hook.names)
        seen.write_text(json.dumps(names))
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def runs_of(place: Path) -> dict[str, Path]:
    """Return the run folders below a working folder, by their names in it."""
    return {str(p.parent.relative_to(place)): p.parent for p in sorted(place.rglob("results.json"))}


def figures(place: Path) -> dict[str, Any]:
    """Return results.json and metrics.csv of every run below, but for times."""
    found: dict[str, Any] = {}
    for name, folder in runs_of(place).items():
        results = json.loads((folder / "results.json").read_text())
        rows = (
            list(csv.DictReader((folder / "metrics.csv").read_text().splitlines())) if (folder / "metrics.csv").exists() else []
        )
        found[name] = [_timeless(results), [_timeless(row) for row in rows]]
    return found


def _timeless(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if not k.startswith(_CLOCK)}


def _same(a: Any, b: Any, rounding: float) -> bool:
    """Return whether figures, or rows of them, are equal but for rounding; with how many others a job was trained is aside."""
    if isinstance(a, list) or isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y, rounding) for x, y in zip(a, b, strict=True))
    a, b = ({k: v for k, v in figures.items() if k != "fused"} for figures in (a, b))
    return bool(a == b or (a.keys() == b.keys() and all(_near(a[k], b[k], rounding) for k in a)))


def _near(a: Any, b: Any, rounding: float) -> bool:
    try:
        return a == b or bool(np.isclose(float(a), float(b), rtol=rounding, atol=rounding))
    except (TypeError, ValueError):
        return False


def faults(first: Ended, again: Ended, expected: dict[str, Any], place: Path, how: str) -> Iterator[str]:
    """Yield in words what is wrong after a disturbed command and the same command again."""
    if "Traceback" in first.said + again.said or "Error ---" in first.said:
        yield f"a traceback: {(first if 'Traceback' in first.said else again).said[-600:]}"
    if how.startswith("E") and (
        first.code not in (0, 1, 2)
        or (first.code and not any(words in first.said + again.said for words in ("aerun: error: ", "not complete: ")))
    ):
        yield f"the failing write ended with {first.code}, not in words: {first.said[-300:]}"
    complete = again.code == 2 and "holds this very run, complete" in again.said
    if again.code and not complete:
        yield f"the same command again ended with {again.code}: {again.said[-300:]}"
    try:
        now = figures(place)
    except ValueError as e:
        yield f"a file is torn: {e}"
        return
    if now.keys() != expected.keys():
        yield f"other runs: {sorted(now)}"
    for name in now.keys() & expected.keys():
        for part, a, b in zip(("results.json", "metrics.csv"), expected[name], now[name], strict=True):
            if not _same(a, b, _ROUNDING if expected[name][0].get("fused", 1) > 1 else 0.0):
                yield f"{name}/{part} differs: {_difference(a, b)}"
    if left := [str(p.relative_to(place)) for p in place.rglob(".*.[0-9]*") if p.is_file()]:
        yield f"left behind: {left}"


def _difference(a: Any, b: Any) -> str:
    if isinstance(a, dict) and isinstance(b, dict):
        return str({k: (a.get(k), b.get(k)) for k in {*a, *b} if a.get(k) != b.get(k)})[:300]
    return (
        f"{len(a)} rows, {len(b)} rows"
        if len(a) != len(b)
        else next(_difference(x, y) for x, y in zip(a, b, strict=True) if x != y)
    )


def disturb(what: str, how: str, top: Path, first: int, step: int, keep: bool) -> tuple[int, int]:
    """Disturb a command at its writes in turn; return how many were disturbed, and after how many something was wrong."""
    command, place = COMMANDS[what], top / "work"
    expected, names = undisturbed(what, place)
    tried = wrong = 0
    began = time.perf_counter()
    for at in range(first, len(names) + 1, step):
        place = _emptied(place)
        one, _ = forked(command, place, at, how)
        two, _ = forked(command, place)
        tried += 1
        if found := list(faults(one, two, expected, place, how)):
            wrong += 1
            print(f"  {how} at {at} ({names[at - 1]}), exit {one.code}:", *found, sep="\n    ", flush=True)
            if keep:
                shutil.copytree(place, top / f"{what}-{how}-{at}", dirs_exist_ok=True)
    seconds = time.perf_counter() - began
    print(f"{what}, {how}: {tried} disturbed, {wrong} wrong; {seconds:.0f} s", flush=True)
    return tried, wrong


@cache
def undisturbed(what: str, place: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of the command that nothing disturbs, and its writes; say how many."""
    end, names = forked(COMMANDS[what], _emptied(place))
    if end.code:
        raise SystemExit(f"the undisturbed command failed with {end.code}: {end.said}")
    kinds = Counter(name.split()[0] for name in names)
    print(f"{what}: {len(names)} writes ({', '.join(f'{n} {k}' for k, n in kinds.items())})", flush=True)
    return figures(place), names


def _emptied(place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def prepare(top: Path) -> None:
    """Make the data, and load all libraries into this process by one run of the command."""
    torch.set_num_threads(1)
    np.save(top / "x.npy", np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32))
    quick_hydra.remember()
    curves.draw = lambda *_: np.zeros((8, 8, 3), np.uint8)  # drawing takes a second and writes nothing: a black square does
    _warm(COMMANDS["run"], _emptied(top / "warm"))
    _warm(COMMANDS["sweep"], top / "warm")


def _warm(command: list[str], place: Path) -> None:
    """Run the command in this process, so that its children find everything imported and every option read."""
    before, out = os.getcwd(), io.StringIO()
    os.chdir(place)
    sys.argv = ["aerun", *command]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.suppress(SystemExit):
        typed()
    os.chdir(before)
    GlobalHydra.instance().clear()
    for log in map(logging.getLogger, ("", "aerun")):
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()


def main() -> int:
    """Disturb what was asked for, and print counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--what", nargs="+", choices=COMMANDS, default=["run", "sweep"])
    parser.add_argument("--how", nargs="+", choices=WAYS, default=["kill", "ENOSPC", "EIO"])
    parser.add_argument(
        "--step", type=int, nargs="+", default=[1], help="every STEP-th write; 1: all; of several commands one for each, or one"
    )
    parser.add_argument("--first", type=int, default=1, help="the first write that is disturbed")
    parser.add_argument("--keep", action="store_true", help="keep the folders in which something was wrong")
    args = parser.parse_args()
    steps = args.step * len(args.what) if len(args.step) == 1 else args.step
    if len(steps) != len(args.what):
        parser.error(f"--step: {len(steps)} for {len(args.what)} commands; one for each, or one for all")
    top = Path(tempfile.mkdtemp(prefix="kill-writes-"))
    prepare(top)
    each = zip(args.what, steps, strict=True)
    counts = [disturb(what, how, top, args.first, step, args.keep) for what, step in each for how in args.how]
    if args.keep:
        print(f"kept in {top}")
    else:
        shutil.rmtree(top)
    tried, wrong = map(sum, zip(*counts, strict=True))
    print(f"{tried} disturbed, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
