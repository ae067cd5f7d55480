"""A plan carried out: look, PCA, networks within what is left of the budget, and the choice on validation rows."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aerun.api import composed
from aerun.build import build, dataset_of
from aerun.core.errors import AerunError
from aerun.core.logs import quiet_aerun
from aerun.core.text import counted, say, span
from aerun.evaluate import applications
from aerun.logger.rows import curve
from aerun.runs.folder import Folder
from aerun.settings.overrides import config_of, resolved
from aerun.settings.shells import command_line
from aerun.settings.sources import Source
from aerun.solve import written
from aerun.solve.look import Look, look
from aerun.solve.plan import Plan, begun, sized
from aerun.solve.rules import READING, Line
from aerun.solve.tasks import Task
from aerun.sweep.costs import cost_of_job
from aerun.train import train

PLAN, RESULTS = "solve.json", "results.json"
_LEAST = 3.0  # seconds without which nothing is begun
_SCORES = 10  # times the score of a run on validation rows, that all scores of the application take on test rows
_MOST = 3  # networks that are held against each other
_LAST = 0.15  # share of the time for networks that is kept, to end one where none has come to its end
_PROBE = 1.0  # seconds of a bill and of the shortest network, in those that PCA took
OBJECTIVE = "val/mse"

Sweep = Callable[[list[str]], None]  # runs `aerun -m` with these words


@dataclass
class Conduct:
    """folder: of the plan. data: the settings that say which data are read. typed: others of the user's own, by key.

    ends: by time.time(). sweep: runs a sweep with these words. fresh: an earlier plan was removed.
    """

    task: Task
    folder: Path
    data: Sequence[Line]
    typed: Mapping[str, str]
    words: Sequence[str]
    began: float
    budget: float
    sweep: Sweep
    took: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """Return the seconds that are left of the budget."""
        return self.began + self.budget - time.time()

    def seen(self) -> Look | None:
        """Return what the data are, which is said; None where a plan is there already, which stands."""
        if Folder(self.folder).read(PLAN).get("planned"):
            say(f"plan   as it stands in {self.folder / 'experiment'} (--fresh makes a new one)")
            return None
        self.data = [*self.data, *self._reading()]
        words = [*self.words, *(f"{line.key}={line.value}" for line in self._reading())]
        self._refuse_unasked(words)
        started = time.perf_counter()
        known = look(dataset_of(composed(words)), _option(self.words))
        self.took["look"] = time.perf_counter() - started
        need = max(_LEAST, self.took["look"])
        if self.left < need:
            used = time.time() - self.began
            raise AerunError(
                f"--budget {self.budget:g}s: below one job: {used:.0f} s went into the start and a look at the data, and PCA "
                f"takes about {need:.0f} s more. Give {span(2 * (used + need))} or more."
            )
        for line in facts_in_words(known):
            say(f"data   {line}")
        return known

    def _reading(self) -> list[Line]:
        """Return how the task has the data read, where they have these settings and nobody typed them."""
        has, typed = composed(self.words)["dataset"], {word.partition("=")[0] for word in self.words}
        lines = READING.get(self.task.name, ())
        return [line for line in lines if line.key.partition(".")[2] in has and line.key not in typed]

    def _refuse_unasked(self, words: Sequence[str]) -> None:
        """Raise AerunError for data that have no target for the task, before they are read."""
        with quiet_aerun():  # the look says what is to be said of the data
            plan = build(composed([*words, f"model={self.task.model}"]))
        why = applications.unsupported_reason(self.task.ask, plan.autoencoder, plan.dataset)
        if why:
            more = ", or dataset.anomaly=COLUMN of a table" if self.task.name == "anomaly" else ""
            raise AerunError(f"--for {self.task.name}: {_option(self.words)} {why}{more}.")

    def planned(self, known: Look) -> Plan:
        """Return the plan without its length, its run of PCA written down."""
        plan = begun(known, self.task.name, self.typed, self.data)
        self._mark(planned=False)
        texts = written.presets(plan, self.folder.absolute())
        written.save({k: v for k, v in texts.items() if k == written.PCA}, self.folder)
        return plan

    def network(self, plan: Plan, known: Look, reserve: float) -> Plan:
        """Return the plan with as many networks as fit, of such a length, written down. reserve: seconds for the choice."""
        wanted = bool(plan.networks)
        if plan.linear and self.left - reserve < _PROBE * self.took.get("pca", 0.0):  # as a bill would use up what is left
            words = f"no network: {span(max(0.0, self.left - reserve))} are left, and the bill of one takes as long"
            plan = replace(plan, networks=(), remarks=(*plan.remarks, words))
        if plan.networks:
            cost = cost_of_job(self._of_lines(plan))
            if cost is None:
                raise AerunError(
                    "no network gets beyond its first steps on these data; aerun with the lines of the plan tells why."
                )
            plan = sized(plan, known, cost, (1 - _LAST) * (self.left - reserve))
        written.save(written.presets(plan, self.folder.absolute()), self.folder)
        self._mark(planned=bool(plan.networks) or not wanted)  # else a larger budget makes a plan with networks
        for words in plan.remarks:
            say(f"plan   {words}")
        return plan

    def _mark(self, planned: bool) -> None:
        """Write down whose plan this is, and whether it is whole."""
        Folder(self.folder).write(PLAN, {"for": self.task.name, "typed": list(self.words), "planned": planned})

    def _of_lines(self, plan: Plan) -> dict[str, Any]:
        words = [f"{line.key}={line.value}" for line in plan.networks]
        return composed([*words, "trainer.max_epochs=30"] if "trainer.max_epochs" not in self.typed else words)

    def pca(self) -> Path | None:
        """Train the run that is PCA, or find it; None where there is none."""
        if not written.is_there(self.folder, written.PCA):
            return None
        run = self.folder.absolute() / written.PCA_RUN
        if Folder(run).read().get("status") != "completed":
            cfg = resolved(config_of([f"experiment={written.PCA}"], Source(str(self.folder))))
            words = ["aerun", "--config-dir", str(self.folder.absolute()), f"experiment={written.PCA}"]
            started = time.perf_counter()
            train(cfg, run, command_line(words))
            self.took["pca"] = time.perf_counter() - started
        return run

    def networks(self, reserve: float) -> str:
        """Run the sweep for as long as the budget leaves time; return why there is none, empty where there is."""
        if not written.is_there(self.folder, written.NETWORKS):
            return "no network is planned"
        last = max(2.0, _LAST * (self.left - reserve))
        seconds = self.budget - reserve - last
        if self.left - reserve - last < 1:
            return "no time is left for networks"
        words = ["--config-dir", str(self.folder.absolute()), f"experiment={written.NETWORKS}", f"sweep.budget={seconds:.1f}s"]
        try:
            self.sweep(words)
        except AerunError as e:
            if not str(e).startswith("sweep.budget="):
                raise
            return str(e) if written.is_there(self.folder, written.PCA) else self._alone(reserve)
        return self._ended(reserve)

    def _alone(self, reserve: float) -> str:
        """Train one network for as long as there is time, where there is nothing else to fall back on."""
        words = [f"experiment={written.NETWORKS}", f"trainer.max_time={max(1.0, 0.7 * (self.left - reserve)):.0f}s"]
        run = self.folder.absolute() / written.ENDED
        shutil.rmtree(run, ignore_errors=True)
        command = command_line(["aerun", "--config-dir", str(self.folder.absolute()), *words])
        train(resolved(config_of(words, Source(str(self.folder)))), run, command)
        return "one network was trained for as long as there was time"

    def _ended(self, reserve: float) -> str:
        """End a copy of the best job where the budget let none come to its end; return what is to be said of it."""
        if self.trained():
            return ""
        begun = [(curve(path, OBJECTIVE), path) for path in self._jobs() if Folder(path).has("checkpoints/last.ckpt")]
        best = min(((min(v for _, v in points), path) for points, path in begun if points), default=None)
        if best is None or self.left < reserve / 2:
            return "no network came far enough to be judged"
        run = self.folder.absolute() / written.ENDED
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(best[1], run, ignore=shutil.ignore_patterns(".lock*", "rungs.json", "events*"), symlinks=True)
        spent = float(Folder(run).read().get("seconds/epochs") or Folder(run).read().get("seconds") or 0.0)
        config = Folder(run).config()
        config["trainer"]["max_time"] = f"{spent + max(0.5, (self.left - reserve) / 2):.1f}s"
        train(config, run, str(Folder(run).read("run.json").get("command", "aerun")), resume=True)
        return f"the budget let no network come to its end: {best[1].name}, the best so far, was ended early"

    def _jobs(self) -> list[Path]:
        sweep = self.folder.absolute() / written.SWEEP
        return sorted(path for path in sweep.iterdir() if path.is_dir()) if sweep.is_dir() else []

    def trained(self) -> list[Path]:
        """Return the networks that are complete, the best by their objective first: three at most."""
        found = [(Folder(path).read(), path) for path in (*self._jobs(), self.folder.absolute() / written.ENDED)]
        done = [(float(r["objective"]), str(path), path) for r, path in found if r.get("status") == "completed"]
        return [path for _, _, path in sorted(done)[:_MOST]]

    def reserve(self, judging: float) -> float:
        """Return the seconds that are kept for the choice and the one look at the test rows."""
        asked = _MOST + 1.5 + (_SCORES if self.task.name == "anomaly" else 0)  # whose other scores only test rows are asked for
        return max(1.0, min(self.budget / 2, asked * judging + 0.04 * self.budget + 2.0))


def facts_in_words(known: Look) -> list[str]:
    """Return in lines what a plan knows of the data."""
    first = (
        f"{known.option}: {known.kind} of {' x '.join(map(str, known.shape))}; {known.rows:,} training, {known.val:,} "
        f"validation and {known.test:,} test samples (the plan is made from the training samples)"
    )
    found = [
        f"{known.gaps:.1%} of the cells empty" if known.gaps else "",
        f"{counted(known.words, 'column')} of words" if known.words else "",
        f"{known.skewed:.0%} of the columns skewed" if known.skewed else "",
        f"{known.components(0.7)} components hold 70 % of the variance, {known.components(0.9)} hold 90 %",
        f"intrinsic dimension {known.dimension:.1f}" if known.dimension else "",
    ]
    return [first, "; ".join(f for f in found if f)]


def _option(words: Sequence[str]) -> str:
    return next((w.partition("=")[2] for w in words if w.startswith("dataset=")), "digits")
