"""Experiments as they are written in configs/acceptance."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aerun.core.checks import integer, one_of, reject_unknown_keys
from aerun.core.errors import AerunError, nearest
from aerun.experiment import formula
from aerun.settings.catalog import summary

_KEYS = ("must", "budget", "seeds", "runs", "checks")
OVER = ("every", "median")  # how a check is judged over seeds


@dataclass(frozen=True)
class Run:
    """One command line, trained once per seed. `measures`: what is asked of the trained model beside its results.

    long: left out of a short pass. seeds: its own, where the experiment's are too many for it. weights: those that are
    measured, `best` by validation, or `last` where convergence itself is the question. begins: the run, one written before it,
    whose weights of the same seed it begins with (model.init_from); empty for none.
    """

    name: str
    overrides: tuple[str, ...]
    measures: tuple[str, ...] = ()
    long: bool = False
    seeds: tuple[int, ...] | None = None
    weights: str = "best"
    begins: str = ""


@dataclass(frozen=True)
class Check:
    """A formula over figures of runs with the same seed, and its bounds; without any it is only reported."""

    name: str
    formula: str
    at_least: float | None = None
    at_most: float | None = None
    over: str = "every"
    measured: str = ""
    published: str = ""

    @property
    def runs(self) -> set[str]:
        """Return names of the runs that the formula reads."""
        return {run for run, _ in formula.references(self.formula)}

    @property
    def required(self) -> str:
        """Return the bounds in words."""
        bounds = [f">= {self.at_least:g}" if self.at_least is not None else ""]
        bounds.append(f"<= {self.at_most:g}" if self.at_most is not None else "")
        words = " and ".join(b for b in bounds if b)
        return f"{words}, {'median' if self.over == 'median' else 'every seed'}" if words else "reported"


@dataclass(frozen=True)
class Control:
    """Settings with which an experiment must not hold: a check that passes there too proves nothing.

    why: what they take away. runs: overrides that some of its runs get in place of their own; each of these runs must fail a
    check.
    """

    why: str
    runs: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Experiment:
    """Runs and what must hold of them. budget: seconds on one CPU thread, without the long runs."""

    id: str
    title: str
    must: str
    source: str
    budget: int
    seeds: tuple[int, ...]
    runs: dict[str, Run]
    checks: list[Check]
    control: Control | None = None

    def controlled(self) -> "Experiment":
        """Return the negative control: the checks with bounds on runs that it changes, and the runs that these need.

        AerunError where the experiment has none.
        """
        if self.control is None:
            raise AerunError(f"{self.id}: has no negative control (a table `control` in its file).")
        changed = {name: self._changed(name) for name in self.control.runs}
        bounded = [c for c in self.checks if c.runs & set(changed) and (c.at_least is not None or c.at_most is not None)]
        needed = set.union(set(changed), *(c.runs for c in bounded))
        needed |= {self.runs[name].begins for name in needed}
        runs = {name: changed.get(name, run) for name, run in self.runs.items() if name in needed}
        must = f"nothing of this, the negative control. {self.control.why}"
        return replace(self, id=f"{self.id}-CONTROL", must=must, runs=runs, checks=bounded)

    def _changed(self, name: str) -> Run:
        assert self.control is not None
        more = self.control.runs[name]
        keys = {o.partition("=")[0] for o in more}
        run = self.runs[name]
        return replace(run, overrides=(*(o for o in run.overrides if o.partition("=")[0] not in keys), *more))


def read(path: Path) -> Experiment:
    """Return an experiment's file; AerunError where it is not one."""
    node = _node(path)
    common = tuple(node.get("common", ()))
    experiment = Experiment(
        id=path.stem.upper(),
        title=summary(path),
        must=" ".join(node["must"].split()),
        source=" ".join(node.get("source", "").split()),
        budget=integer("budget", node["budget"], 1),
        seeds=tuple(node["seeds"]),
        runs={name: _run(name, run, common) for name, run in node["runs"].items()},
        checks=[_check(path.stem, check) for check in node["checks"]],
        control=_control(path.stem, node["control"]) if "control" in node else None,
    )
    for place, later in enumerate(experiment.runs.values()):
        if later.begins and later.begins not in (before := [*experiment.runs][:place]):
            words = f"no run before it{nearest(later.begins, before)}"
            raise AerunError(f"{path.stem}: runs.{later.name}.begins={later.begins}: {words}.")
    for run in sorted(set(experiment.control.runs if experiment.control else ()) - set(experiment.runs)):
        raise AerunError(f"{path.stem}: control: no run {run}{nearest(run, experiment.runs)}.")
    for check in experiment.checks:
        for run in sorted(check.runs - set(experiment.runs)):
            raise AerunError(f"{path.stem}: {check.formula}: no run {run}{nearest(run, experiment.runs)}.")
    return experiment


def _node(path: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    try:
        node: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except Exception as e:
        raise AerunError(f"{path}: cannot be read: {str(e).splitlines()[0]}") from e
    if not isinstance(node, dict):
        raise AerunError(f"{path}: not an experiment: a table of {', '.join(_KEYS)}.")
    reject_unknown_keys(path.stem, node, (*_KEYS, "source", "common", "control"))
    for key in _KEYS:
        if key not in node:
            raise AerunError(f"{path}: {key} is missing.")
    return node


def _run(name: str, node: Mapping[str, Any], common: tuple[str, ...]) -> Run:
    reject_unknown_keys(f"runs.{name}", node, ("overrides", "measures", "long", "seeds", "weights", "begins"))
    seeds = tuple(node["seeds"]) if "seeds" in node else None
    overrides, measures = (*common, *node.get("overrides", ())), tuple(node.get("measures", ()))
    weights = one_of(f"runs.{name}.weights", node.get("weights", "best"), ("best", "last"))
    return Run(name, overrides, measures, bool(node.get("long", False)), seeds, weights, str(node.get("begins", "")))


def _control(experiment: str, node: Mapping[str, Any]) -> Control:
    reject_unknown_keys(f"{experiment}.control", node, ("why", "runs"))
    if not node.get("why") or not node.get("runs"):
        raise AerunError(f"{experiment}: control: needs `why` and `runs`: what is taken away, and the overrides that do it.")
    return Control(" ".join(node["why"].split()), {name: tuple(more) for name, more in node["runs"].items()})


def _check(experiment: str, node: Mapping[str, Any]) -> Check:
    reject_unknown_keys(
        f"{experiment}.checks", node, ("name", "formula", "at_least", "at_most", "over", "measured", "published")
    )
    check = Check(**{**node, "measured": str(node.get("measured", "")), "published": str(node.get("published", ""))})
    one_of(f"{experiment}.checks.over", check.over, OVER)
    return check
