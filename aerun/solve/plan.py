"""A plan: the run that is PCA, the networks that are tried, and how long they train so that the budget holds them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aerun.bill.cost import Cost
from aerun.core.text import counted, span
from aerun.solve.look import Look
from aerun.solve.rules import AXES, COMMON, LINEAR, NETWORK, NETWORKS_FROM, Line, decided
from aerun.solve.tasks import TASKS

LEAST_STEPS, LEAST_EPOCHS = 1_000, 20  # of a network's training, where the budget allows
SHORTEST = 200  # steps, below which a training says nothing
_MOST_STEPS, _MOST_EPOCHS = 20_000, 300
_EPOCHS_OF_RUNGS = 9  # of a training that is pruned at two of them
_MARGIN = 0.65  # of the time that is left: bills may be off
_VISIT = 0.5  # CPU seconds of a job's turn beside its training: it is looked at, opened and kept


@dataclass(frozen=True)
class Plan:
    """linear: the lines of the run that is PCA, none where the data allow none. networks: those of the sweep, none without.

    remarks: what of it is smaller than it might be, and why.
    """

    task: str
    linear: tuple[Line, ...]
    networks: tuple[Line, ...]
    remarks: tuple[str, ...] = ()

    @property
    def jobs(self) -> int:
        """Return how many networks are tried."""
        return math.prod(len(line.values) for line in self.networks) if self.networks else 0


def begun(look: Look, task: str, typed: Mapping[str, str], data: Sequence[Line]) -> Plan:
    """Return a plan whose networks have one value for each setting, and no length yet.

    typed: settings of the user's own, which no rule changes. data: the lines that say which data are read.
    """
    own = [Line(key, (value,), "typed") for key, value in typed.items()]
    common = [*data, *own, *decided(COMMON, look, task, tuple(typed))]
    fits = not (look.ragged or look.tokens)
    linear = decided(LINEAR, look, task) if fits else []
    remarks = [] if fits else ["samples differ in length or are text, so that no run is PCA: it is a baseline alone"]
    enough = look.rows >= NETWORKS_FROM
    if not enough and fits:
        remarks.append(f"{look.rows} training samples, fewer than {NETWORKS_FROM}: PCA alone, for a network would not gain")
    networks: list[Line] = []
    if enough or not fits:
        recipe = Line("model", (TASKS[task].model,), f"made for --for {task}") if "model" not in typed else None
        networks = [*common, *([recipe] if recipe else []), *decided(NETWORK, look, task, tuple(typed))]
    own_model = {"model", "optimizer.lr"} & set(typed)  # of networks
    shared = [line for line in common if line.key not in own_model and not line.key.startswith(_OF_NETWORKS)]
    keys = {line.key for line in linear}
    pca = [*(line for line in shared if line.key not in keys), *linear] if linear else []
    return Plan(task, tuple(pca), tuple(networks), tuple(remarks))


_OF_NETWORKS = ("model/", "model.arch", "model.loss", "model.bottleneck", "optimizer", "schedule", "reg", "trainer")


def sized(plan: Plan, look: Look, cost: Cost, seconds: float, pace: float = 1.0) -> Plan:
    """Return a plan whose networks fit into so many seconds by the clock: how many are tried, and how long each trains.

    cost: of one network. pace: what a second of its bill takes here. Without networks where not even a short one fits.
    """
    if not plan.networks:
        return plan
    batches, left = cost.size.batches, _MARGIN * seconds
    typed = {line.key for line in plan.networks if line.because == "typed"}
    length = next((line.value for line in plan.networks if line.key == "trainer.max_epochs"), None)
    least = max(LEAST_EPOCHS, math.ceil(LEAST_STEPS / batches))
    shortest = max(1, math.ceil(SHORTEST / batches))
    most = max(least, min(_MOST_EPOCHS, math.ceil(_MOST_STEPS / batches)))
    if length is not None:
        least = shortest = most = int(length)
    axes = [a for a in decided(AXES, look, plan.task) if a.key not in typed]
    for count in range(len(axes), 0, -1):
        jobs = math.prod(len(a.values) for a in axes[:count])
        epochs = _longest(jobs, cost, left, pace, most)
        if epochs >= max(least, 3):
            return _with(plan, axes[:count], min(epochs, most), jobs, batches)
    base = [replace(a, values=a.values[:1], because="the likeliest of those that a larger budget tries") for a in axes[:1]]
    epochs = _longest(1, cost, left, pace, most)
    if epochs >= shortest or not plan.linear:
        epochs = max(1, min(epochs, most))
        remark = () if epochs >= least else (f"the budget is for {counted(epochs, 'epoch')} of one network; {least} are usual",)
        plan = replace(_with(plan, base, epochs, 1, batches), remarks=(*plan.remarks, *remark))
        return (
            plan if plan.linear else _ending(plan, max(1.0, left - 1.5 * (cost.begin + cost.fit + cost.end) * cost.clock_rest))
        )
    need = _taken(1, shortest, cost, pace) / _MARGIN
    words = f"no network: the shortest takes about {span(need)}, and {span(max(0.0, seconds))} of the budget are left for it"
    return replace(plan, networks=(), remarks=(*plan.remarks, words))


def _with(plan: Plan, axes: Sequence[Line], epochs: int, jobs: int, batches: int) -> Plan:
    typed = {line.key for line in plan.networks if line.because == "typed"}
    tried = {a.key: a for a in axes}
    lines = [line for line in plan.networks if line.key not in tried]
    if "trainer.max_epochs" not in typed:
        why = f"{epochs * batches:,} steps: as many as the budget holds, or are worth their time"
        lines.append(Line("trainer.max_epochs", (str(epochs),), why))
    rungs = rungs_of(jobs, epochs)
    if rungs:
        lines.append(Line("search", ("asha",), f"of {jobs} jobs those that are behind stop; what goes on is as never stopped"))
        shares = ",".join(f"{share:.4g}" for share in rungs)
        lines.append(Line("search.prune.rungs", (f"[{shares}]",), "shares of the training after which one of 3 goes on"))
    return replace(plan, networks=(*lines, *axes))


def _ending(plan: Plan, seconds: float) -> Plan:
    """Return a plan whose one network ends in time whatever its bill says."""
    if any(line.key == "trainer.max_time" for line in plan.networks):
        return plan
    why = "no run is PCA on these data, so that this one must come to an end"
    return replace(plan, networks=(*plan.networks, Line("trainer.max_time", (f"{seconds:.0f}s",), why)))


def rungs_of(jobs: int, epochs: int) -> tuple[float, ...]:
    """Return where so many jobs are pruned, as shares of their training."""
    if jobs < 3 or epochs < 3:
        return ()
    return (1 / 3,) if jobs < 9 or epochs < _EPOCHS_OF_RUNGS else (1 / 9, 1 / 3)


def _taken(jobs: int, epochs: int, cost: Cost, pace: float) -> float:
    """Return the seconds by the clock of a sweep of so many jobs, pruned at their rungs."""
    rate, rest = cost.clock[1], cost.clock_rest
    shares = (*rungs_of(jobs, epochs), 1.0)
    whole, before, going = 0.0, 0.0, jobs
    for share in shares:
        whole += going * ((cost.begin + cost.fit + _VISIT) * rest + cost.training((share - before) * epochs) * rate)
        before, last, going = share, going, max(1, going // 3)
    return (whole + last * cost.end * rest) * pace


def _longest(jobs: int, cost: Cost, seconds: float, pace: float, most: int) -> int:
    """Return the most epochs with which so many jobs fit into so many seconds; 0 for none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _taken(jobs, middle, cost, pace) <= seconds else (low, middle - 1)
    return low
