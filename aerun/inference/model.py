"""`aerun.load(RUN)`: a trained model, and everything that can be asked of it."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.dataset.sequences.windows import covering
from aerun.evaluate import scores
from aerun.evaluate.step_scores import Way
from aerun.formats.framing import FrameFormat
from aerun.inference import codes, compressed_file, judged, layers, looks, reasons
from aerun.inference.columns import marks_of, of_columns
from aerun.inference.history import History
from aerun.inference.inpainting import CODES, Tally, impute, inpaint
from aerun.inference.nats import column_nats
from aerun.inference.neighbours import nearest
from aerun.inference.runner import Runner
from aerun.inference.samples import OutputFormat
from aerun.inference.steps import judge
from aerun.inference.support import unsupported_reason
from aerun.metrics import conformal
from aerun.runs.reference import Calibration

Samples = Any
"""n samples in the data's own stored units: an array or a tensor (n, *stored); of sequences whose lengths differ a
list of arrays
(T, F), or one array with NaN behind their ends; of text a list of strings; of tables also a mapping or a data frame of columns.
Answers come as the samples did: tensors for tensors, whole numbers for whole numbers, columns for columns, and frames of
pandas, polars or Arrow for frames, with the index, the names and the types of their columns."""
Values = NDArray[np.float32]

__all__ = ["Model", "Samples"]

log = logging.getLogger("aerun")


class Model(Runner):
    """A trained autoencoder in evaluation mode. Nothing here draws at random but `generate`, by its own seed.

    facts: of its data. config: as it was trained. results: its figures. Every method works in batches that fit into memory, and
    raises AerunError for samples that its data could not hold: other shapes, columns, ranges.
    """

    @property
    def name(self) -> str:
        """Return the name of its recipe."""
        return str(self.config["model"].get("name", "model"))

    def __repr__(self) -> str:
        """Return recipe, data, code size, main figure and folder in one line."""
        return looks.line(self, self.name, self.results)

    def _repr_html_(self) -> str:
        return looks.card(self, self.name, self.results, self.history)

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a model of the same settings, and its weights are the same."""
        if not isinstance(other, Model):
            return NotImplemented
        ours, theirs = self.autoencoder.state_dict(), other.autoencoder.state_dict()
        same = self.config == other.config and ours.keys() == theirs.keys()
        return same and all(ours[k].shape == theirs[k].shape and bool((ours[k] == theirs[k]).all()) for k in ours)

    def __hash__(self) -> int:
        return hash((self.name, self.seed, self.code_shape))

    @cached_property
    def results(self) -> dict[str, Any]:
        """Return results.json of its run."""
        return self.folder.read()

    @cached_property
    def history(self) -> History:
        """Return the figures of its training, epoch by epoch: `history["val/loss"]`, `history.plot()`."""
        return History.of(self.folder.path, self.results)

    def plot(self, what: str = "history", x: Samples = None, *, labels: Any = None, samples: int = 8, ax: Any = None) -> Any:
        """Draw and return a matplotlib figure, which a notebook shows where it is a cell's value, into `ax` where given.

        what: history, the losses over the epochs; codes, those of samples x, coloured by `labels` (n,), more than two numbers
        by PCA; reconstructions, of x: the first `samples` images, series or lines of text beside what is left of them, of
        nested codes also from their first numbers; of tables the error of each column.
        """
        return looks.plot(self, self.history, what, x, labels, samples, ax)

    # -- codes -------------------------------------------------------------------------------------------------------

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the code sizes that one nested run serves, its own last; empty where codes have one size."""
        return self.autoencoder.sizes

    def given(self, **conditions: Any) -> "Model":
        """Return this model, told these conditions of all samples that it is asked for: `model.given(label=3).generate(64)`.

        Of a run that was trained with `dataset.condition`. Each is one value, or one for each sample; columns of a frame say
        what is not given. AerunError for a condition or a class that training had not.
        """
        told = copy(self)
        told.form = copy(self.form)
        told.form.give(conditions)
        return told

    def encode(self, x: Samples, size: int | None = None) -> Any:
        """Map n samples -> their deterministic codes (n, d, *grid), 32-bit; size: of nested ones so many units or stages."""
        self._require_size(size)
        stored, output_format = self.form.to_stored(x)
        whole = self.codes_of(stored, size)
        codes_ = whole[:, :size] if self.autoencoder.bottleneck.piece == "unit" else whole
        return output_format.numbers(codes_, [f"z{i + 1}" for i in range(codes_.shape[1])])

    def decode(self, z: Any, lengths: Sequence[int] | None = None) -> Any:
        """Map codes (n, d, *grid), also flat, -> samples; of nested codes also the first units alone.

        lengths: steps of each, where sequences have lengths of their own.
        """
        self._refuse("decode")
        cut = self.autoencoder.cut if self.sizes and self.autoencoder.bottleneck.piece == "unit" else None
        codes_, tensor = codes.to_code_tensor(z, self.code_shape, cut)
        codes_ = codes.on_space(self.autoencoder.bottleneck, codes_)
        valid = self.steps_of(len(codes_), lengths)
        own = self.decoded(codes_, valid, self.given_c(len(codes_)))
        output_format = self.form.way
        if tensor and output_format.kind == "array":
            output_format = OutputFormat("tensor", output_format.dtype)
        if output_format.kind == "columns" and (rows := FrameFormat.of(z)):
            own_frame = output_format.frame or FrameFormat(rows.library)
            output_format = replace(output_format, frame=replace(own_frame, index=rows.index))
        return self.form.to_caller(own, valid, output_format)

    def features(self, x: Samples, layer: str) -> Any:
        """Return output (n, ...) of a layer of the encoder; `layers` lists them."""
        stored, output_format = self.form.to_stored(x)
        output = layers.output(self, stored, layer)
        return output_format.numbers(output, [f"{layer}.{i}" for i in range(output[0].numel())])

    @property
    def layers(self) -> list[str]:
        """Return names of the encoder's layers, in order."""
        return layers.names(self.autoencoder)

    def compress(
        self, x: Samples, step: float | None = None, prior: str | None = None, data: str | Path | None = None
    ) -> bytes:
        """Map n samples -> a file's bytes: their codes, entropy-coded.

        Whole numbers (bottleneck quantized, vq) lose nothing; other codes are rounded to `step` (0.1) standard deviations of
        training codes. prior: counts or transformer, of discrete codes: they are coded by how probable a sampler finds them
        that is fitted as in `generate`; the folder keeps it, and `decompress` needs it.
        """
        return compressed_file.compress(self, x, step, prior, data)

    def decompress(self, data: bytes) -> Any:
        """Map what `compress` gave -> samples, as they were given.

        Of whole numbers exactly what `reconstruct` says on the same machine. AerunError for another model's bytes and damaged
        ones.
        """
        samples = compressed_file.decompress(self, data)
        return samples if self.form.frame is None or not isinstance(samples, Mapping) else self.form.frame.frame(samples)

    # -- samples -----------------------------------------------------------------------------------------------------

    def reconstruct(self, x: Samples, size: int | None = None) -> Any:
        """Map n samples -> what is left of them after the code, within the data's range.

        size: of nested codes the first so many units alone.
        """
        self._require_size(size)
        stored, output_format = self.form.to_stored(x)
        return self.form.to_caller(self.rebuilt(stored, size), self.facts.valid(stored), output_format)

    def _require_size(self, size: int | None) -> None:
        """Raise AerunError for a size that these codes do not have; log a warning for one that was not trained."""
        if size is None:
            return
        if not self.sizes:
            raise AerunError(
                f"size={size}: this run's codes have one size, {self.code_shape[0]}. regularizer=nested gives others."
            )
        most, piece = self.autoencoder.bottleneck.pieces, self.autoencoder.bottleneck.piece
        if not 1 <= integer("size", size, 1) <= most:
            raise AerunError(f"size={size}: this run's codes have {most} {piece}s; use 1 to {most}.")
        if size not in self.sizes:
            log.warning("size=%d: was not trained; %s were.", size, ", ".join(map(str, self.sizes)))

    def denoise(self, x: Samples) -> Any:
        """Map noisy samples -> clean ones. AerunError of a run that was not trained to remove noise."""
        self._refuse("denoise")
        return self.reconstruct(x)

    def inpaint(self, x: Samples, mask: Any = None) -> Any:
        """Return samples with what is hidden filled in; all else stays as it is. mask.

        True where hidden, as x or one for all of them.

        Without a mask what is missing (NaN) is hidden. AerunError of a run that was not trained with holes.
        """
        self._refuse("inpaint")
        return inpaint(self, x, mask)

    def impute(self, x: Samples, draws: int = 0, codes: int = CODES, interval: float | None = None, seed: int = 0) -> Any:
        """Return samples with what is missing (NaN, None) filled in; all else stays as it is.

        With a posterior, a prior and a loss in nats, as model=iwae has: sum_l w_l E[x|z_l] over `codes` codes of each row, with
        w_l ~ p(x_seen|z_l) p(z_l) / q(z_l|x_seen), and of words the most probable one; draws by `seed`. Other runs fill in what
        they reconstruct. draws: so many samples with draws in the gaps, for estimates whose spread counts what is not known
        (Rubin: the variance of an estimate is W + (1 + 1/M) B, W its mean variance over M draws, B that between them).
        interval: the share of draws between `low` and `high`. With either an `Imputation` is returned, with `values` too.
        """
        found = impute(self, x, codes, draws, interval, seed)
        for line in Tally().plus(found).lines(self.autoencoder):
            log.warning(line)
        return found if draws or interval is not None else found.values

    def _refuse(self, verb: str) -> None:
        if why := unsupported_reason(verb, self.autoencoder):
            raise AerunError(f"{verb}: {why}")

    def generate(
        self, n: int, seed: int = 0, sampler: str = "auto", data: str | Path | None = None, guidance: float = 1.0
    ) -> Any:
        """Return n new samples, from codes drawn by `sampler`; with loss=mixed words, numbers and gaps of rows are drawn too.

        prior; gaussian, mixture, flow, second_stage, fitted to training codes; counts, transformer, fitted to the numbers of
        discrete ones; aggregate, codes of training samples; or auto, prior where codes follow it by training, else gaussian.
        All but prior and gaussian read the training data once, from `data` where they are files. guidance: how strongly what
        the model is told counts, where training left it out of some samples (dataset.condition_drop): raw = raw_null +
        guidance (raw_told - raw_null), raw_null the output without it.
        """
        self._refuse("generate")
        integer("n", n, 1)
        refuse_beyond(f"generate: n={n:,}", 4.0 * n * (self.facts.size + self.autoencoder.code_elements))
        self._refuse_guidance(guidance)
        c = self.given_c(n)
        drawn = codes.draw(self, n, seed, one_of("sampler", sampler, codes.SAMPLERS), data, c)
        return self.form.to_caller(self.sampled(drawn, seed, c, guidance), None, self.form.way, self.autoencoder.loss.draws)

    def _refuse_guidance(self, guidance: float) -> None:
        if guidance == 1:
            return
        told, given = self.autoencoder.told, self.form.conditions
        if not math.isfinite(guidance) or guidance < 0:
            raise AerunError(f"guidance={guidance}: a number from 0 on: 1 is what is told as it is, 0 nothing of it.")
        if told is None or not told.nullable:
            missing = "dataset.condition=label and dataset.condition_drop=0.1" if told is None else "dataset.condition_drop=0.1"
            raise AerunError(
                f"guidance={guidance}: compares the output with that of a model which is told nothing, and this one was never "
                f"trained so: train with {missing}."
            )
        if given is None or not given.values:
            raise AerunError(f"guidance={guidance}: of what? It stresses what is told: --condition NAME=VALUE.")

    def interpolate(self, a: Samples, b: Samples, steps: int = 9, way: str = "linear") -> Any:
        """Return what lies between samples a and b, through their codes: (n, steps, *stored).

        way: linear, or spherical (great circles). Points of a curved space are joined by its own shortest ways: on a sphere
        both are great circles, in a ball linear stands for geodesics.
        """
        self._refuse("interpolate")
        line = codes.line(self.autoencoder.bottleneck, one_of("way", way, tuple(codes.LINES)))
        t = torch.linspace(0, 1, integer("steps", steps, 2))
        (first, back), (last, _) = self.form.to_stored(a), self.form.to_stored(b)
        if len(first) != len(last):
            raise AerunError(f"interpolate: {len(first)} samples on one side and {len(last)} on the other.")
        z = torch.stack([line(p, q, t) for p, q in zip(self.codes_of(first), self.codes_of(last), strict=True)])
        z = self._brought_back(z)
        return self._rows_of_samples(z, back, self._c_between(first, last, t))

    def _brought_back(self, z: Tensor) -> Tensor:
        """Return codes (n, steps, d, *grid) as those of the bottleneck, where they were moved off the space of its codes."""
        bottleneck, flat = self.autoencoder.bottleneck, z.flatten(0, 1)
        return (bottleneck.nearest(flat) if bottleneck.curved else codes.on_space(bottleneck, flat)).view_as(z)

    def _c_between(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor | None:
        """Return c (n, steps, m) on the way from stored samples to others: numbers in equal steps, classes of the first."""
        told = self.autoencoder.told
        if told is None:
            return None
        a, b = (self.c_of(self.facts.conditions(x))[:, None] for x in (first, last))
        c = a.repeat(1, len(t), 1)
        numbers = len(told.numeric)
        c[..., :numbers] = torch.lerp(a[..., :numbers], b[..., :numbers], t[None, :, None])
        return c

    def traverse(
        self, x: Samples, unit: int | None, values: Sequence[float] | None = None, condition: str | None = None
    ) -> Any:
        """Return samples whose codes have one unit set to each of `values` (default: 7 quantiles of it in training).

        (n, values, *stored). unit: None for a model that is told a class beforehand: the code stays as it is, and the model is
        told each class in turn, (n, classes, *stored); condition: which one, where it is told several.
        """
        self._refuse("traverse")
        if unit is None:
            return self._told_each(x, condition)
        if condition is not None:
            raise AerunError(f"traverse: either unit {unit} is moved or {condition}, and what else is told can be given.")
        if not 0 <= unit < self.code_shape[0]:
            raise AerunError(f"unit={unit}: this run's codes have units 0 to {self.code_shape[0] - 1}.")
        wanted = self.training_codes.units[:, unit] if values is None else values
        stored, back = self.form.to_stored(x)
        moved = self.codes_of(stored)[:, None].repeat(1, len(wanted), *[1] * len(self.code_shape))
        moved[:, :, unit] = torch.as_tensor(np.asarray(wanted, np.float32)).reshape(1, -1, *[1] * (len(self.code_shape) - 1))
        moved = self._brought_back(moved)
        c = self.autoencoder.known(stored.to(self.device))
        return self._rows_of_samples(moved, back, None if c is None else c.cpu()[:, None].expand(-1, len(wanted), -1))

    def _told_each(self, x: Samples, condition: str | None) -> Any:
        """Return each sample as it would be of every class of a condition, (n, classes, *stored)."""
        given = self.form.conditions
        if given is None or self.autoencoder.told is None:
            raise AerunError("traverse: without a unit a class is moved, and this run is told none: dataset.condition=label.")
        place, count = given.category(condition)
        stored, back = self.form.to_stored(x)
        values = self.facts.conditions(stored)[:, None].repeat(1, count, 1)
        values[:, :, place] = torch.arange(count).float()
        z = self.codes_of(stored)[:, None]
        c = self.c_of(values.flatten(0, 1)).unflatten(0, (-1, count))
        return self._rows_of_samples(z.expand(-1, count, *z.shape[2:]), back, c)

    # -- scores ------------------------------------------------------------------------------------------------------

    def score(self, x: Samples) -> Any:
        """Return anomaly score of each sample, (n,).

        The mean squared error of its reconstruction over its real elements, in the units the model works in (behind the
        preparation, never clipped), as `aerun evaluate --ask anomaly` has it. Missing cells of tables count for nothing (see
        `aerun.evaluate.scores`), and a row without any cell scores 0. 64-bit.
        """
        stored, output_format = self.form.to_stored(x)
        return output_format.numbers(self.scores_of(stored), "score")

    def by(self, judge: str, data: str | Path | None = None) -> "Model":
        """Return this model with another score: `model.by("code_knn").score(x)`. Thresholds and p-values go by it too.

        judge: error, the squared error of the reconstruction; code_knn, code_mixture, how far the code lies from those of
        training; probability, expected, in nats, where codes are random; novelty, of a part that says what is unusual: see
        `aerun.evaluate.judges`. What it learns from training and validation samples is kept in the run's folder; the first call
        reads them, of files from `data`.
        """
        if one_of("by", judge, judged.WAYS) == judged.ERROR:
            return self
        return self._judged(*judged.judge_of(self, judge, data))

    def by_steps(self, smooth: int = 1, online: bool = False, data: str | Path | None = None) -> "Model":
        """Return this model with another score of time steps: means of `smooth` steps, online from a step and its past alone.

        Thresholds are of validation steps that are scored so, which are read once, of files from `data`.
        """
        way = Way(integer("smooth", smooth, 1), online)
        other = copy(self)
        other.way = way
        other.__dict__["calibration"] = judged.steps_of(self, way, data)
        return other

    def together(self, *others: "Model") -> "Model":
        """Return this model with the score of several that were trained on the same data, see `Ensemble`.

        It is 1 less the mean of their p-values; thresholds and p-values hold for it. AerunError for runs of other data.
        """
        for place, other in enumerate(others):
            if any(other.folder.path.resolve() == m.folder.path.resolve() for m in (self, *others[:place])):
                raise AerunError(f"{other.folder.path}: scores together with itself; name each run once.")
            judged.refuse_other(self, other)
        ensemble = judged.Ensemble([self, *others])
        return self._judged(ensemble, ensemble.calibration)

    def _judged(self, judge: Callable[[Autoencoder, Tensor], Tensor], calibration: Calibration) -> "Model":
        other = copy(self)
        other.judge = judge
        other.__dict__["calibration"] = calibration
        return other

    def reasons(self, x: Samples) -> Any:
        """Return for each sample (n,), in words, where its score comes from and what is expected there instead."""
        stored, output_format = self.form.to_stored(x)
        told = self.reasons_of(stored)
        return told if output_format.frame is None else output_format.frame.series(np.array(told, dtype=object), "reasons")

    def reasons_of(self, stored: Tensor) -> list[str]:
        """Return `reasons` of stored samples."""
        errors, marks = self.errors_of(stored).double().numpy(), self.mark_errors_of(stored).double().numpy()
        return reasons.reasons(self, stored, errors, marks)

    def step_scores(self, x: Any, stride: int = 1) -> NDArray[np.float64]:
        """Return the anomaly score (T,) of each step of one series (T, F) that is as long as a sample or longer.

        It is the mean, over the windows that cover a step, of the squared error of that step alone. One window begins every
        `stride` steps, and a last one ends where the series does, for steps that no other covers.
        """
        steps, features = self.facts.stored if self.facts.kind == "sequence" and not self.facts.ragged else (0, 0)
        series = np.asarray(x, dtype=np.float32)
        series = series[:, None] if series.ndim == 1 else series
        if not steps or series.ndim != 2 or series.shape[1] != features or len(series) < steps:
            shape = f"(T, {features}) with T from {steps}" if steps else "no sequences of one length"
            raise AerunError(f"step_scores: a series of shape {series.shape}; this run was trained on {shape}.")
        step = min(integer("stride", stride, 1), steps)
        starts, tails = covering(np.zeros(1, dtype=np.int64), np.array([len(series)]), steps, step)
        return judge(self, series, starts, tails).score

    def errors(self, x: Samples) -> Any:
        """Return where the score comes from: the squared error of each stored element (n, *stored).

        Of tables of each column, of text of each step. 0 behind the end of a sequence.
        """
        stored, output_format = self.form.to_stored(x)
        return output_format.numbers(self.errors_of(stored), [f.name for f in self.form.features])

    def errors_of(self, stored: Tensor) -> Tensor:
        """Return `errors` of stored samples."""
        self.refuse_unjudged(stored)

        def each(part: Tensor, _: Any) -> Tensor:
            element_errors = scores.errors(self.autoencoder, part)
            if self.form.features:
                return of_columns(element_errors, self.form.preparation)
            return element_errors.sum(-1) if self.facts.tokens else element_errors

        return self.in_batches(each, stored, None)

    def nats(self, x: Samples) -> Any:
        """Return how improbable each cell is, -log p(x_c | z) in nats, (n, columns): of runs with loss=mixed.

        Their sum is the reconstruction loss of a row whose cells are all there. Numbers have densities, in prepared units, so
        that theirs may be below 0.
        """
        stored, output_format = self.form.to_stored(x)
        return output_format.numbers(column_nats(self, stored), [f.name for f in self.form.features])

    def mark_errors_of(self, stored: Tensor) -> Tensor:
        """Return the part of `errors_of` a table's rows that is of whether a cell is missing, (n, columns)."""
        if not self.form.marked:
            return torch.zeros(len(stored), len(self.form.features))
        each = lambda part, _: marks_of(scores.errors(self.autoencoder, part), self.form.features)  # noqa: E731
        return self.in_batches(each, stored, None)

    def p_values(self, x: Samples) -> Any:
        """Return the conformal p-value of each sample, (n,): how likely a normal sample is to score as high, or higher."""
        stored, output_format = self.form.to_stored(x)
        p = conformal.p_values(self.validation_scores, self.scores_of(stored).numpy())
        return p if output_format.frame is None else output_format.frame.series(p, "p")

    def retrieve(self, index: Samples, queries: Samples, k: int = 10, metric: str = "euclidean") -> tuple[Any, Any]:
        """Return the k samples of `index` whose codes are nearest to that of each query: places (q, k) and distances (q, k).

        metric: euclidean, or cosine (1 less the cosine of the angle between codes).
        """
        one_of("metric", metric, ("euclidean", "cosine"))
        (base, _), (asked, output_format) = self.form.to_stored(index), self.form.to_stored(queries)
        if not 1 <= k <= len(base):
            raise AerunError(f"k={k}: the index holds {len(base)} samples.")
        return self.nearest(self.codes_of(base), self.codes_of(asked), k, metric, output_format)

    def nearest(self, base: Tensor, asked: Tensor, k: int, metric: str, output_format: OutputFormat) -> tuple[Any, Any]:
        """Return `retrieve` of codes."""
        places, far = nearest(base, asked, k, metric)
        if output_format.kind == "tensor":
            return places.to(output_format.device), far.to(output_format.device)
        return places.numpy(), far.numpy()

    def _rows_of_samples(self, z: Tensor, back: OutputFormat, c: Tensor | None = None) -> Any:
        n, count = z.shape[:2]
        own = self.decoded(z.flatten(0, 1), None, None if c is None else c.flatten(0, 1))
        samples = self.form.to_caller(own, None, replace(back, frame=None))
        if isinstance(samples, Mapping):
            return {k: v.reshape(n, count) for k, v in samples.items()}
        return (
            [samples[i * count : (i + 1) * count] for i in range(n)]
            if isinstance(samples, list)
            else samples.reshape(n, count, *samples.shape[1:])
        )
