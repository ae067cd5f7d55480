"""Runs gathered from folders and grouped where they differ in nothing but the seed."""

import math
import re
import shlex
import statistics
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.runs import files
from aerun.runs.folder import Folder
from aerun.runs.status import PAUSED, PRUNED
from aerun.settings.flat import flat
from aerun.settings.labels import ASIDE, ASKED

# These are not what an experiment is about, but where it reads and writes, and what it shows.
_SHOWN = ("trainer.progress", "trainer.save_every", *ASKED)
_ASIDE = ("seed", "hydra", "sweep", "search", "dataset.root", "dataset.download", *ASIDE, *_SHOWN)
BEGUN = "model.init_from"  # the run whose weights another begins with
_DIGITS = 8  # A number of so many digits was drawn and not typed.


@dataclass(frozen=True)
class Run:
    """A run as its folder has it.

    typed: setting -> value, as its command has them. config: the resolved settings, flat. results: results.json. data: the
    fingerprint of what it was trained on; empty for runs older than fingerprints.
    """

    path: Path
    command: str
    typed: Mapping[str, str]
    config: Mapping[str, Any]
    results: Mapping[str, Any]
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """Return the seed of its weights, order and noise."""
        seed = self.config.get("seed", 0)
        if type(seed) is not int:
            raise AerunError(f"{self.path / 'config.yaml'}: damaged: seed={seed} is not a whole number.")
        return seed

    @property
    def objectives(self) -> tuple[str, ...]:
        """Return the names of the figures that it returned to its sweep, the first of which ranks it.

        Empty where the run was refused before it began.
        """
        names = self.config.get("objective", ())
        return (names,) if isinstance(names, str) else tuple(map(str, names))

    @property
    def complete(self) -> bool:
        """Return whether it came to its end."""
        return self.results.get("status") == "completed"

    @property
    def pruned(self) -> bool:
        """Return whether it stopped at a rung of a pruned sweep: it failed in nothing."""
        return self.results.get("status") in (PAUSED, PRUNED)

    @property
    def unfinished(self) -> str:
        """Return in a line why it is not complete."""
        if self.pruned:
            return f"{self.results['status']} after {self.results.get('epochs')} of {self.results.get('planned_epochs')} epochs"
        why = self.results.get("error") or self.results.get("status") or "nothing is known of it"
        return str(why).splitlines()[0]

    def setting(self, key: str) -> str:
        """Return what was chosen for `key`: as typed, else as the resolved settings have it, else `default`."""
        if key in self.typed:
            return self.typed[key]
        value = self.config.get("model.name" if key == "model" else key)
        return "default" if value is None else str(value)

    def figure(self, key: str) -> float:
        """Return a number of results.json; NaN where there is none."""
        value = self.results.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


@dataclass(frozen=True)
class Group:
    """Runs of the same settings (in the order of the columns), one for each seed."""

    settings: tuple[str, ...]
    runs: tuple[Run, ...]

    def mean(self, key: str) -> float:
        """Return the mean over seeds; NaN where a run has no such figure."""
        return statistics.fmean(run.figure(key) for run in self.runs)

    def deviation(self, key: str) -> float:
        """Return the standard deviation over seeds (n - 1); NaN for one seed, and where a figure is no finite number."""
        figures = [run.figure(key) for run in self.runs]
        return statistics.stdev(figures) if figures[1:] and all(map(math.isfinite, figures)) else math.nan


def gather(paths: Iterable[Path]) -> list[Run]:
    """Return every run in or below these folders. Raises AerunError for a folder that is not there or has none."""
    runs: dict[Path, Run] = {}
    for path in paths:
        if not path.is_dir():
            raise AerunError(f"{path}: no such folder.")
        below = list(files.folders(path))
        inside = sorted(where for where, names in below if "run.json" in names)
        failed = sorted(where for where, names in below if "results.json" in names and "run.json" not in names)
        if not inside and not failed:
            raise AerunError(f"{path}: holds no runs (no run.json in or below it).")
        runs |= {p.resolve(): _read(p) for p in (*inside, *failed)}
    return list(runs.values())


def _read(path: Path) -> Run:
    folder = Folder(path)
    config = (
        _as_older(flat(folder.config())) if folder.has("config.yaml") else {}
    )  # Without one, the run was refused before it began.
    about = folder.read("run.json")
    command = str(about.get("command", "")) or path.name.replace(",", " ")
    data = about.get("data")
    return Run(path, command, _typed(command), config, folder.read(), data if isinstance(data, dict) else {})


def _typed(command: str) -> dict[str, str]:
    """Return the settings of a command line."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    pairs = (word.lstrip("+").partition("=") for word in words if "=" in word and not word.startswith("-"))
    return {key: value for key, _, value in pairs if not _aside(key)}


def _aside(key: str) -> bool:
    return any(key == a or key.startswith((f"{a}.", f"{a}/")) for a in _ASIDE)


def _as_older(config: dict[str, Any]) -> dict[str, Any]:
    """Return flat settings with the data set's epochs as the length, as older runs have them, where nobody typed another."""
    if config.get("trainer.max_steps", 0) is not None:
        return config
    own = {k: v for k, v in config.items() if k != "trainer.max_steps"}
    return {**own, "trainer.max_epochs": own.get("dataset.epochs")} if own.get("trainer.max_epochs", 0) is None else own


def columns(runs: Sequence[Run]) -> list[str]:
    """Return the settings in which runs differ, in the order of the commands.

    Not which other of these runs one began with, where other settings tell it from that one: as after `sweep.nested=true`.
    """
    keys = dict.fromkeys(key for run in runs for key in run.typed)
    found = [key for key in keys if len({run.setting(key) for run in runs}) > 1]
    rest = [key for key in found if key != BEGUN]
    here = {run.path.name for run in runs}
    among = all(Path(run.typed[BEGUN].strip("'\"")).name in here for run in runs if BEGUN in run.typed)
    return rest if among and _distinct(runs, rest) == _distinct(runs, found) else found


def _distinct(runs: Sequence[Run], keys: Sequence[str]) -> int:
    return len({tuple(run.setting(key) for key in keys) for run in runs})


def grouped(runs: Sequence[Run], keys: Sequence[str]) -> list[Group]:
    """Return the complete runs, grouped by their settings; of two with one seed the later counts."""
    by_settings: dict[tuple[str, ...], dict[int, Run]] = {}
    for run in sorted(runs, key=lambda r: str(r.results.get("started", ""))):
        if run.complete:
            by_settings.setdefault(tuple(run.setting(k) for k in keys), {})[run.seed] = run
    return [Group(settings, tuple(by[s] for s in sorted(by))) for settings, by in by_settings.items()]


def tried(runs: Sequence[Run], keys: Sequence[str]) -> int:
    """Return how many settings were chosen among: those of complete runs, and those that were pruned, which others beat."""
    return _distinct([run for run in runs if run.complete or run.pruned], keys)


def ends_of(runs: Sequence[Run]) -> str:
    """Return how many runs are complete and how many were pruned, such as `: 3 complete, 24 pruned`; empty where none was."""
    pruned = sum(run.pruned for run in runs)
    if not pruned:
        return ""
    done = sum(run.complete for run in runs)
    other = len(runs) - done - pruned
    return f": {done} complete, {pruned} pruned{f', {other} not complete' if other else ''}"


def short(value: str) -> str:
    """Return a setting's value as it is shown, a fraction with many digits, as a search draws it, with four."""
    if not re.fullmatch(r"-?\d*\.\d+(e[-+]?\d+)?", value) or len(re.sub(r"e.*|^-?0*\.?0*|\D", "", value)) < _DIGITS:
        return value
    return f"{float(value):.4g}"


def label(group: Group, keys: Sequence[str]) -> str:
    """Return a group's settings in a line, such as `model=vae model.latent_dim=8`."""
    return " ".join(f"{k}={short(v)}" for k, v in zip(keys, group.settings, strict=True)) or group.runs[0].path.name


def objective(runs: Sequence[Run], sort: str) -> str:
    """Return the name of the figure that `sort` means.

    Raises AerunError where it is the objective and the runs have different ones.
    """
    names = sorted({run.objectives[0] for run in runs if run.complete and run.objectives})
    if sort != "objective":
        return sort
    if len(names) > 1:
        raise AerunError(f"these runs have different objectives ({', '.join(names)}): choose a figure with --sort KEY.")
    return names[0] if names else sort


def options(parser: ArgumentParser, paths: str, sort: str) -> None:
    """Add the options of a verb on many runs: folders, conditions, the figure that ranks.

    paths: the name of the folders' argument. sort: the default figure.
    """
    parser.add_argument("paths", nargs="+", type=Path, metavar=paths, help="folders of runs, or folders that hold some")
    parser.add_argument("--where", action="append", default=[], metavar="KEY=VALUE", help="only these runs; KEY=A,B: either")
    parser.add_argument("--sort", metavar="KEY", help=f"best of this figure first (default: {sort})")
    about = "two figures of results.json: the settings that nothing beats in both, such as test/se,parameters"
    parser.add_argument("--front", type=_two, metavar="A,B", help=about)


def _two(text: str) -> tuple[str, str]:
    first, _, second = text.partition(",")
    if not first or not second or "," in second:
        raise ArgumentTypeError(f"{text}: is not two figures, such as test/se,parameters")
    return first, second


def selected(paths: Iterable[Path], where: Sequence[str]) -> tuple[list[Run], list[str], list[Group]]:
    """Return the runs, the settings in which they differ, and the groups of complete ones.

    Raises AerunError where none is complete.
    """
    runs = filter_runs(gather(paths), where)
    keys = columns(runs)
    groups = grouped(runs, keys)
    if not groups:
        raise AerunError(f"none of {len(runs)} runs is complete.")
    return runs, keys, groups


def filter_runs(runs: Sequence[Run], where: Sequence[str]) -> list[Run]:
    """Return the runs for which every KEY=VALUE (VALUE may be a list: A,B) holds. Raises AerunError where none is left."""
    for condition in where:
        key, sign, value = condition.partition("=")
        if not sign or not key:
            raise AerunError(f"--where {condition}: is not KEY=VALUE, such as model.latent_dim=8 or model=ae,vae.")
        allowed = value.split(",")
        kept = [run for run in runs if {run.setting(key), short(run.setting(key))} & set(allowed)]
        if not kept:
            there = sorted({run.setting(key) for run in runs}, key=natural)
            raise AerunError(f"--where {condition}: no run has it; {key} is {', '.join(there[:12])}.")
        runs = kept
    return list(runs)


def natural(word: str) -> tuple[tuple[int, float, str], ...]:
    """Return a key for sorting words with numbers as people do: 2 before 10, 1e-3 before 0.1."""
    try:
        return ((0, float(word), ""),)
    except ValueError:
        parts = re.split(r"(\d+)", word)
        return tuple((0, float(p), "") if p.isdigit() else (1, 0.0, p) for p in parts if p)
