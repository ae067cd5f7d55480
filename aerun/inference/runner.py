"""A trained model and its samples, batch by batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.memory import rows_that_fit
from aerun.evaluate.scores import score
from aerun.evaluate.step_scores import Way
from aerun.inference.samples import SampleConverter
from aerun.metrics import conformal
from aerun.runs import reference
from aerun.runs.folder import Folder
from aerun.trained import in_64_bits


class Runner:
    """A trained autoencoder in evaluation mode, fed in batches that fit into memory.

    Stored samples (n, *stored) go in, tensors on the CPU come out. facts: those of its data. config: as it was trained. folder:
    its run's. seed: that of the run. form: converts between samples in own units and stored ones. judge: maps the model in 64
    bits and stored samples to their scores (B,).
    """

    def __init__(
        self, autoencoder: Autoencoder, config: Mapping[str, Any], folder: Folder, device: torch.device, seed: int
    ) -> None:
        self.autoencoder, self.config, self.folder, self.device, self.seed = autoencoder, config, folder, device, seed
        settings = config.get("dataset")
        own = settings if isinstance(settings, Mapping) else {}
        self.form = SampleConverter(autoencoder.facts, autoencoder.preparation, own, self.reading)
        self.way = Way()  # in which it scores steps of series
        self.judge: Callable[[Autoencoder, Tensor], Tensor] = score

    # -- what its run wrote down -------------------------------------------------------------------------------------

    @property
    def facts(self) -> Facts:
        """Return the shape, kind and range of its data."""
        return self.autoencoder.facts

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Return the shape of one code, (d, *grid)."""
        return (self.autoencoder.bottleneck.latent_dim, *self.autoencoder.arch.grid)

    @property
    def rows(self) -> int:
        """Return the number of samples that are worked on together."""
        return max(1, min(4096, rows_that_fit(max(self.facts.size, self.autoencoder.code_elements))))

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of its weights, and of the samples that it reads."""
        return next(self.autoencoder.arch.parameters()).dtype

    @cached_property
    def reading(self) -> Mapping[str, Any]:
        """Return what its run stored of how its files were read; empty where it stored nothing."""
        reading = self.folder.read("facts.json").get("reading")
        return reading if isinstance(reading, Mapping) else {}

    @cached_property
    def training_codes(self) -> reference.Codes:
        """Return what the run wrote down of its training codes, read once. Raises AerunError where it wrote nothing."""
        return reference.codes(self.folder.path, self.autoencoder)

    @cached_property
    def calibration(self) -> reference.Calibration:
        """Return the scores of its validation samples, read once. Raises AerunError where they were not written down."""
        return reference.calibration(self.folder.path)

    @property
    def validation_scores(self) -> NDArray[np.float64]:
        """Return the scores of its validation samples (of more than 100,000 a random part), ascending."""
        return self.calibration.scores

    def threshold(self, alpha: float = 0.05) -> float:
        """Return the conformal threshold: the score of a new normal sample is above it with a probability of at most `alpha`.

        Infinite where the run's validation samples are too few: n of them need alpha (n + 1) >= 1. See `metrics.conformal`.
        """
        if not 0 <= alpha <= 1:
            raise AerunError(f"alpha={alpha}: the share of ordinary samples that may pass for anomalies, between 0 and 1.")
        return conformal.threshold(self.validation_scores, alpha)

    # -- answers for stored samples ----------------------------------------------------------------------------------

    def codes_of(self, stored: Tensor, size: int | None = None) -> Tensor:
        """Return the codes (n, d, *grid) of stored samples; size: of so many of their pieces."""
        return self.over_samples(lambda u, beside: self.autoencoder.first(u, size, **beside), stored)

    def numbers_of(self, stored: Tensor) -> Tensor:
        """Return the numbers (n, u, *grid) that stand for the codes of stored samples."""
        model = self.autoencoder
        return self.over_samples(lambda u, beside: model.bottleneck.indices(model.features(u, **beside)), stored)

    def rebuilt(self, stored: Tensor, size: int | None = None) -> Tensor:
        """Return the reconstructions (n, *stored) of stored samples, in own units; size: from so many pieces of the code."""
        model = self.autoencoder

        def again(u: Tensor, beside: dict[str, Tensor]) -> Tensor:
            return self.form.own(model.decode(model.first(u, size, **beside), **beside, like=u), beside.get("valid"))

        return self.over_samples(again, stored)

    def scores_of(self, stored: Tensor) -> Tensor:
        """Return their anomaly scores (n,) by its judge; computed in 64 bits, see `in_64_bits`."""
        self.refuse_unjudged(stored)
        return self.in_batches(lambda part, _: self.judge(self.exact, part), stored, None)

    def refuse_unjudged(self, stored: Tensor) -> None:
        """Raise AerunError for samples that lack what is computed of them: nothing is there to hold it against."""
        source = self.facts.source
        if source and bool((gone := stored[:, source:].isnan().any(1)).any()):
            words = f"what is to be computed (dataset.target) is missing behind its {source} numbers, and nothing can be judged"
            raise AerunError(f"sample {int(gone.int().argmax()) + 1}: {words}. See encode and reconstruct.")

    @cached_property
    def exact(self) -> Autoencoder:
        """Return the model in 64 bits, see `in_64_bits`."""
        return in_64_bits(self.autoencoder)

    def decoded(self, z: Tensor, valid: Tensor | None = None, c: Tensor | None = None, guidance: float = 1.0) -> Tensor:
        """Return the samples (n, *stored), in own units, of codes (n, d, *grid).

        valid (n, T): their real steps. c (n, m): what is known of them beforehand; guidance: see `Autoencoder.guided`.
        """

        def samples(part: Tensor, beside: Mapping[str, Tensor]) -> Tensor:
            x_hat = self.autoencoder.guided(part.to(self.dtype), guidance, **beside)
            return self.form.own(x_hat, beside.get("valid"))

        beside = {k: v for k, v in (("valid", valid), ("c", c)) if v is not None}
        return self.in_batches(samples, z, beside)

    def sampled(self, z: Tensor, seed: int, c: Tensor | None = None, guidance: float = 1.0) -> Tensor:
        """Return a draw of the samples (n, *stored), in own units, of codes; the same for the same seed.

        Where the loss draws nothing it is what `decoded` gives.
        """
        if not self.autoencoder.loss.draws:
            return self.decoded(z, None, c, guidance)

        def samples(part: Tensor, beside: Mapping[str, Tensor]) -> Tensor:
            return self.form.own(self.autoencoder.sampled(part.to(self.dtype), guidance, **beside), None, drawn=True)

        with torch.random.fork_rng():
            torch.manual_seed(seed + 1)  # the codes were drawn by the seed itself
            return self.in_batches(samples, z, {} if c is None else {"c": c})

    def given_c(self, n: int) -> Tensor | None:
        """Return c (n, m) of n samples of which only is known what the question says; None where the model is told nothing."""
        if self.form.conditions is None or self.autoencoder.told is None:
            return None
        return self.c_of(self.form.conditions.of(n))

    def c_of(self, values: Tensor) -> Tensor:
        """Return c (n, m) of conditions (n, columns), on the CPU."""
        told = self.autoencoder.told
        assert told is not None
        with torch.inference_mode():
            c: Tensor = told(values.to(told.rate)).cpu()
        return c

    # -- batches -----------------------------------------------------------------------------------------------------

    def units(self, stored: Tensor) -> Tensor:
        """Return stored samples in the units and the type that the model works in, on its device."""
        return self.autoencoder.units(stored.to(self.device)).to(self.dtype)

    def over_samples(self, f: Callable[[Tensor, dict[str, Tensor]], Tensor], stored: Tensor) -> Tensor:
        """Return f of samples in the model's units and of what is known beside them (`Autoencoder.beside`), batch by batch."""
        return self.in_batches(lambda part, _: f(self.units(part), self.autoencoder.beside(part)), stored, None)

    @torch.inference_mode()
    def in_batches(self, f: Callable[[Tensor, Any], Tensor], x: Tensor, beside: Tensor | Mapping[str, Tensor] | None) -> Tensor:
        """Return f of batches of x and of what lies beside them."""
        parts = [f(*pair) for pair in self._pairs(x, beside)]
        return torch.cat([part.cpu() for part in parts])

    def _pairs(self, x: Tensor, beside: Tensor | Mapping[str, Tensor] | None) -> Iterator[tuple[Tensor, Any]]:
        for first in range(0, len(x), self.rows):
            part = slice(first, first + self.rows)
            if isinstance(beside, Mapping):
                yield x[part].to(self.device), {k: v[part].to(self.device) for k, v in beside.items()}
            else:
                yield x[part].to(self.device), None if beside is None else beside[part].to(self.device)

    def steps_of(self, n: int, lengths: Sequence[int] | None) -> Tensor | None:
        """Return which steps of n samples are real, (n, T), or None where all are.

        Raises AerunError for impossible lengths.
        """
        steps = self.facts.stored[0]
        if lengths is None or not self.facts.ragged:
            return None
        counts = torch.as_tensor(lengths)
        if counts.shape != (n,) or bool((counts < 1).any()) or bool((counts > steps).any()):
            raise AerunError(f"lengths: one for each of the {n} codes, from 1 to {steps}.")
        return torch.arange(steps) < counts[:, None]
