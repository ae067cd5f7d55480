"""From runs to verdicts: who ran, what each check obtained, and whether it holds."""

import shlex
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aerun.core.errors import TrainingError
from aerun.experiment import formula
from aerun.experiment.measures import refuse_unknown
from aerun.experiment.plan import Check, Experiment, Run
from aerun.experiment.run import composed, missing, perform


@dataclass(frozen=True)
class Verdict:
    """One check: its value for each seed; holds: None where it is only reported or could not be judged, `why` then says."""

    check: Check
    values: list[float]
    holds: bool | None
    why: str = ""


@dataclass
class Outcome:
    """What became of an experiment. seconds: of each run's training and measures, over seeds; anew: runs, seeds trained now."""

    experiment: Experiment
    seeds: tuple[int, ...]
    verdicts: list[Verdict] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    anew: set[tuple[str, int]] = field(default_factory=set)

    @property
    def holds(self) -> bool:
        """Return whether no check fails and no run failed; what was left out says so itself."""
        return not self.failed and all(v.holds is not False for v in self.verdicts)

    @property
    def fails_as_it_must(self) -> bool:
        """Return whether a negative control fails a check in every run that it changes, and no run for another reason."""
        changed = self.experiment.control.runs if self.experiment.control else {}
        fallen = {run for v in self.verdicts if v.holds is False for run in v.check.runs}
        return not self.failed and set(changed) <= fallen | set(self.left_out)


@dataclass(frozen=True)
class Settings:
    """How experiments are run: which seeds (None: their own; of these the first if short), without long runs, where, anew."""

    root: Path
    seeds: Sequence[int] | None = None
    short: bool = False
    fresh: bool = False


def decide(experiment: Experiment, settings: Settings, tell: Callable[[str], None]) -> Outcome:
    """Run what is to be run, one after another, and judge the checks. `tell` hears of each run.

    Every run is composed before the first is trained: AerunError for one that is wrong.
    """
    own = experiment.seeds[:1] if settings.short else experiment.seeds
    outcome = Outcome(experiment, own if settings.seeds is None else tuple(settings.seeds))
    for run in experiment.runs.values():
        refuse_unknown(run.measures)
        why = "long" if run.long and settings.short else missing(composed(run.overrides), whole=not run.begins)
        if why:
            outcome.left_out[run.name] = why
            tell(f"{experiment.id} {run.name}: left out: {why}")
    figures = {run.name: _seeds_of(run, outcome, settings, tell) for run in experiment.runs.values()}
    outcome.verdicts = [_judge(check, figures, outcome) for check in experiment.checks]
    return outcome


def _seeds_of(run: Run, outcome: Outcome, settings: Settings, tell: Callable[[str], None]) -> dict[int, dict[str, float]]:
    """Return figures of one run by seed; none where it is left out or fails."""
    figures = dict[int, dict[str, float]]()
    if run.begins in outcome.left_out or run.begins in outcome.failed:
        outcome.left_out[run.name] = f"it begins with {run.begins}, which is not there"
    if run.name in outcome.left_out:
        return figures
    for seed in outcome.seeds if run.seeds is None else run.seeds[: len(outcome.seeds)]:
        title, place = f"{outcome.experiment.id} {run.name} seed {seed}", settings.root / outcome.experiment.id
        begun = [f"model.init_from={place / run.begins / f'seed={seed}'}"] if run.begins else []
        typed = [*run.overrides, *begun, f"seed={seed}", "pictures=[]"]
        where, began = place / run.name / f"seed={seed}", time.perf_counter()
        try:
            fresh = settings.fresh or (run.begins, seed) in outcome.anew
            figures[seed], reused = perform(run, composed(typed), where, shlex.join(["aerun", *typed]), fresh)
        except TrainingError as e:
            outcome.failed[run.name] = f"seed {seed}: {e}"
            tell(f"{title}: failed: {e}")
            return {}
        outcome.anew |= set() if reused else {(run.name, seed)}
        outcome.seconds.setdefault(run.name, []).append(_seconds(figures[seed]))
        took = "there already" if reused else f"{time.perf_counter() - began:.1f} s"
        tell(f"{title}: {took}, test SE {figures[seed]['test/se']:.4g} (PCA {figures[seed]['pca/se']:.4g})")
    return figures


def _seconds(figures: dict[str, float]) -> float:
    """Return the seconds of the run and of its measures."""
    return figures["seconds"] + sum(v for k, v in figures.items() if k.endswith("/seconds"))


def _judge(check: Check, figures: dict[str, dict[int, dict[str, float]]], outcome: Outcome) -> Verdict:
    for run in sorted(check.runs):
        if run in outcome.failed:
            return Verdict(check, [], False, f"{run} failed")
        if run in outcome.left_out:
            return Verdict(check, [], None, f"{run} left out: {outcome.left_out[run]}")
    common = set.intersection(*(set(figures[run]) for run in check.runs))
    values = [formula.value(check.formula, {run: figures[run][seed] for run in check.runs}) for seed in sorted(common)]
    judged = values if check.over == "every" else [statistics.median(values)]
    if check.at_least is None and check.at_most is None:
        return Verdict(check, values, None)
    low = -float("inf") if check.at_least is None else check.at_least
    high = float("inf") if check.at_most is None else check.at_most
    return Verdict(check, values, all(low <= v <= high for v in judged))
