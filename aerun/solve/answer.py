"""The end of a plan: the candidates on validation rows, the choice, and its figures on test rows beside baselines."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.text import counted, say
from aerun.evaluate.applications.imputation import NAMES
from aerun.evaluate.outcome import Outcome
from aerun.report import terminal
from aerun.runs.folder import Folder
from aerun.settings.shells import command_line, in_shell
from aerun.solve.alarms import Alarms, standard_error
from aerun.solve.choose import WORTH, Candidate, Choice, best_of, by_auroc, by_error
from aerun.solve.conduct import Conduct
from aerun.solve.judge import Judge
from aerun.solve.written import NETWORKS


class Answer:
    """Chooses among the runs of a plan, and says what came of it."""

    def __init__(self, conduct: Conduct) -> None:
        self.conduct, self.task = conduct, conduct.task
        self.judge = Judge(conduct.task)
        self.alarms = Alarms(self.judge)
        self.left_out: list[str] = []
        self.known: dict[Path, Candidate] = {}

    def candidate(self, run: Path, linear: bool = False) -> Candidate | None:
        """Return a run with its figures on validation rows, asked once; None where it has none, which is said."""
        if run not in self.known:
            try:
                self.known[run] = Candidate(spoken(run), run, self._figures(run), linear)
            except AerunError as e:
                self.left_out.append(f"{run.name}: {e}")
                return None
        return self.known[run]

    def _figures(self, run: Path) -> Mapping[str, float]:
        if self.task.name != "anomaly":
            return self.judge.on_validation(run)
        value = self.alarms.auroc([run])
        if value is None:  # nothing can be made of such samples: the smaller error stands for it
            return {"model": -float(Folder(run).read().get("val/mse", math.inf))}
        return {"model": value}

    def choice(self, runs: Sequence[Path], pca: Path | None) -> Choice:
        """Return the choice among networks, within what is left of the budget, and PCA."""
        found = [self.candidate(pca, linear=True)] if pca is not None else []
        longest = 0.0
        for run in runs:
            if self.conduct.left < 2 * longest:
                self.left_out.append(f"{run.name}: no time was left to ask it")
                continue
            began = time.perf_counter()
            found.append(self.candidate(run))
            longest = max(longest, time.perf_counter() - began)
        candidates = [c for c in found if c is not None]
        if not candidates:
            raise AerunError(
                f"{self.conduct.folder}: no run came to its end within the budget. The same command goes on; give more time."
            )
        if self.task.name != "anomaly":
            return by_error(self.task, candidates, int(Folder(candidates[0].run).read().get("samples/val", 0)))
        return self._of_alarms(candidates)

    def _of_alarms(self, candidates: Sequence[Candidate]) -> Choice:
        rows, best = self.alarms.rows(candidates[0].run), best_of(candidates, -1)
        error = standard_error(best.own if best else candidates[0].own, rows)
        together = self.alarms.auroc([c.run for c in candidates]) if len(candidates) > 1 else None
        return by_auroc(candidates, together, error, rows)

    def told(self, choice: Choice, source: Any) -> dict[str, Any]:
        """Ask once about the test rows, print the answer, and return it as results.json has it."""
        conduct, first = self.conduct, choice.runs[0]
        outcome = self.judge.on_test(first.run)
        runs = [c.run for c in choice.runs]
        if len(runs) > 1:
            outcome = _with_row(outcome, f"{len(runs)} together", self.alarms.on_test(runs))
        results = Folder(first.run).read()
        split = f"test split of {results.get('samples/test', 0):,} samples, seed {results.get('seed')}"
        words = f"{self._headline(choice)} Chosen: {choice.because}.{self._without_model(choice)}"
        say()
        terminal.application(self.task.ask, outcome)
        say(f"       {split}, looked at once")
        say(words)
        for line in self.left_out:
            say(f"       left out: {line}")
        shown = [_shown(run) for run in runs]
        command = self._command(shown, source)
        say(f"run    {shown[0]}")
        say(f"next   {command}")
        return {
            "status": "completed",
            "for": self.task.name,
            "verdict": words,
            "pca_is_enough": choice.enough,
            "run": shown[0],
            "with": shown[1:],
            "next": command,
            "split": "test",
            "seed": results.get("seed"),
            "samples": {k: results.get(f"samples/{k}") for k in ("train", "val", "test")},
            "test": {who: dict(row) for who, row in outcome.figures.items()},
            "validation": {c.name: dict(c.figures) for c in self.known.values()},
            "figure": self.task.figure,
            "left_out": self.left_out,
            "latent_dim": results.get("latent_dim"),
            "budget": conduct.budget,
            "seconds": time.time() - conduct.began,
        }

    def _headline(self, choice: Choice) -> str:
        name = choice.runs[0].name
        if choice.enough is None:
            return "PCA is what there is, with nothing to tell whether a network would be better."
        if choice.runs[0].linear:
            return "PCA is enough: the run is PCA, with which every verb works."
        if choice.enough:
            return f"PCA would be enough; {name} is what can be used."
        if len(choice.runs) > 1:
            return f"Networks and PCA together find more than PCA: {name} with {counted(len(choice.runs) - 1, 'other run')}."
        return f"A network is worth it: {name}."

    def _without_model(self, choice: Choice) -> str:
        """Return which baseline without a model is better still, where one of the application's is."""
        chosen = choice.runs[0]
        others = {who: v for who, v in chosen.figures.items() if who in NAMES}
        who = min(others, key=lambda w: self.task.sign * others[w], default=None)
        if who is None or self.task.sign * others[who] >= self.task.sign * chosen.own * WORTH:
            return ""
        return f" Better still, without any model: {NAMES[who]} ({others[who]:.4g} against {chosen.own:.4g})."

    def _command(self, runs: Sequence[str], source: Any) -> str:
        words = self.task.words.replace("FILE", source or "FILE")
        if sampler := self.judge.samplers.get(Path(runs[0]).absolute()):
            words = f"--sampler {sampler} {words}"
        others = f" --with {command_line(list(runs[1:]))}" if len(runs) > 1 else ""
        return f"aerun {self.task.verb} {in_shell(runs[0])} {words}{others}"


def spoken(run: Path) -> str:
    """Return what a run is called in sentences: what was tried, without the plan's own words."""
    words = [w for w in run.name.split(",") if w != f"experiment={NETWORKS}"]
    return ",".join(words) or "the one network of the plan"


def _with_row(outcome: Outcome, name: str, row: Mapping[str, float]) -> Outcome:
    figures = dict(outcome.figures)
    return Outcome({**figures, name: row}, outcome.note, outcome.spread, outcome.beside, outcome.prefix)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
