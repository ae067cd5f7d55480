"""The rules by which a plan is made, as data: of each setting the first rule that applies.

They were changed by what came out on tuning sets alone, which `scripts/solve_benchmark.py` names beside the locked ones.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aerun.solve.look import Look

NETWORKS_FROM = 200  # training samples below which no network is trained
_CONV = 32  # pixels of the shorter side: of 28 (MNIST 5k) a step took 3.4 times as long as with mlp
_STEPS = 16  # of a sequence
_BATCH, _BATCH_OF_TABLES, _LEAST_BATCH, _PER_BATCH = 128, 256, 16, 20
_NARROW, _WIDE = "[256,128]", "[512,256]"


@dataclass(frozen=True)
class Line:
    """One setting of a plan and its reason. values: several where the plan tries them all."""

    key: str
    values: tuple[str, ...]
    because: str

    @property
    def value(self) -> str:
        """Return its only value, or all of them with commas between."""
        return ",".join(self.values)


@dataclass(frozen=True)
class Rule:
    """A setting, of which tasks, on which data, to which value, and why, in words that may name facts."""

    key: str
    tasks: str
    when: Callable[[Look], bool]
    value: Callable[[Look], str]
    because: Callable[[Look], str]


def _always(look: Look) -> bool:
    return True


def _rule(
    key: str, value: str | Callable[[Look], str], because: str | Callable[[Look], str], *, tasks: str = "", when: object = None
) -> Rule:
    return Rule(
        key,
        tasks,
        when if callable(when) else _always,
        value if callable(value) else lambda look: value,
        because if callable(because) else lambda look: because,
    )


def _small(look: Look, k: int) -> str:
    """Return a size of the code that is less than the data's."""
    return str(max(1, min(k, max(1, look.size - 1), look.rows - 1)))


def _of_dimension(look: Look) -> str:
    return _small(look, max(math.ceil(1.5 * look.dimension), min(32, look.components(0.8))))


def _batch(look: Look) -> int:
    most = min(_BATCH_OF_TABLES if look.kind == "table" else _BATCH, look.rows // _PER_BATCH)
    return 2 ** int(math.log2(max(_LEAST_BATCH, most)))


# How data are read for a task, where the data set has the setting and nobody typed it.
READING: Mapping[str, Sequence[Line]] = {
    "impute": (
        Line("dataset.missing", ("keep",), "empty cells count for nothing, and are what is to be filled"),
        Line("dataset.show_missing", ("false",), "PCA reads no marks of empty cells, and all read alike"),
    )
}

# Of every run of a plan.
COMMON = (
    _rule(
        "model.latent_dim",
        lambda look: _small(look, look.components(0.7)),
        lambda look: f"{look.components(0.7)} components hold 70 % of the variance: more of it hides anomalies",
        tasks="anomaly",
    ),
    _rule(
        "model.latent_dim",
        lambda look: _small(look, min(64, max(8, look.components(0.95)))),
        lambda look: f"{look.components(0.95)} components hold 95 % of the variance; bits are the limit, not numbers",
        tasks="compress",
    ),
    _rule(
        "model.latent_dim",
        _of_dimension,
        lambda look: (
            f"1.5 x {look.dimension:.1f}, the intrinsic dimension, or the {look.components(0.8)} components (32 at "
            "most) of 80 % of the variance"
        ),
        when=lambda look: look.dimension > 0,
    ),
    _rule(
        "model.latent_dim",
        _of_dimension,
        lambda look: f"{look.components(0.8)} components hold 80 % of the variance (32 at most)",
    ),
    _rule("objective", "val/mse", "jobs are compared by what all models have, on validation rows"),
    _rule("evaluate", "[]", "what jobs are good for is asked once, of the chosen one"),
    _rule("pictures", "[]", "aerun evaluate RUN --pictures default draws them"),
    _rule("seed", "0", "one seed: others tell how far a figure depends on it"),
)

# Of networks.
NETWORK = (
    _rule("model/arch", "recurrent", "samples differ in length", when=lambda look: look.ragged or look.tokens),
    _rule(
        "model/arch",
        "conv",
        lambda look: f"images of {look.shape[-2]} x {look.shape[-1]}: {_CONV} and more a side",
        when=lambda look: look.kind == "image" and min(look.shape[-2:]) >= _CONV,
    ),
    _rule(
        "model/arch",
        "conv",
        lambda look: f"sequences of {look.shape[0]} steps",
        when=lambda look: look.kind == "sequence" and look.shape[0] >= _STEPS,
    ),
    _rule("model/arch", "mlp", "rows, or samples too small for convolutions"),
    _rule(
        "model.arch.hidden",
        _WIDE,
        "wide beside the data: narrower ones were worse on the sets that the rules were made on",
        when=lambda look: architecture(look) == "mlp",
    ),
    _rule(
        "model.arch.norm",
        "batch",
        "a rate several times higher then suits, and the error ends lower",
        when=lambda look: architecture(look) in ("mlp", "conv"),
    ),
    _rule("model/loss", "gaussian", "codes are weighed by a likelihood", tasks="impute", when=lambda look: not look.words),
    _rule(
        "model.loss.activation",
        "sigmoid",
        "values lie within [0, 1]",
        tasks="anomaly reduce",
        when=lambda look: look.bounded and not look.tokens,
    ),
    _rule("schedule", "one_cycle", "the rate that ends lowest: best of the schedules for a length known beforehand"),
    _rule(
        "trainer.batch_size",
        lambda look: str(_batch(look)),
        lambda look: f"at most a twentieth of the {look.rows:,} training samples",
    ),
)

# What is tried, the most telling first, and of each the likeliest: as many of them as the budget holds.
AXES = (
    _rule(
        "optimizer.lr",
        "5e-3,2e-3,1e-2",
        "which rate suits is not known beforehand",
        when=lambda look: architecture(look) in ("mlp", "conv"),
    ),
    _rule("optimizer.lr", "2e-3,5e-3,1e-3", "which rate suits is not known beforehand"),
    _rule(
        "model.arch.norm",
        "batch,none",
        "batch norm helps most, and harms some",
        when=lambda look: architecture(look) in ("mlp", "conv"),
    ),
    _rule("model.arch.hidden", f"{_WIDE},{_NARROW}", "how wide", when=lambda look: architecture(look) == "mlp"),
)

# Of the run that is PCA.
LINEAR = (
    _rule("model", "linear", "PCA as a run, with which every verb works"),
    _rule("model/loss", "mse", "PCA is the optimum of squared error"),
    _rule("model.arch.start", "principal", "it begins at PCA of the training samples, the optimum"),
    _rule("optimizer.lr", "1e-9", "there is nothing left to learn"),
    _rule("trainer.max_epochs", "1", "as before"),
    _rule("trainer.limit_batches", "1", "as before"),
)


def architecture(look: Look) -> str:
    """Return the architecture of networks for these data."""
    return next(rule.value(look) for rule in NETWORK if rule.key == "model/arch" and rule.when(look))


def decided(rules: Iterable[Rule], look: Look, task: str, typed: Sequence[str] = ()) -> list[Line]:
    """Return what rules make of a data set: of each setting the first that applies. typed: settings of the user's own."""
    found: dict[str, Line] = {}
    for rule in rules:
        if rule.key in found or rule.key in typed or (rule.tasks and task not in rule.tasks.split()):
            continue
        if rule.when(look):
            found[rule.key] = Line(rule.key, tuple(_parts(rule.value(look))), rule.because(look))
    return list(found.values())


def _parts(value: str) -> list[str]:
    """Return the values of a list with commas between, those within brackets left whole."""
    parts, depth = [""], 0
    for sign in value:
        depth += (sign == "[") - (sign == "]")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
