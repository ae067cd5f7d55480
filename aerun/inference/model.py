"""`aerun.load(RUN)`: a trained model, and everything that can be asked of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from aerun.autoencoder import Autoencoder
from aerun.compose import option
from aerun.core.checks import integer, one_of, table
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.memory import rows_that_fit
from aerun.evaluate import scores
from aerun.inference import codes
from aerun.inference.columns import of_columns
from aerun.inference.masks import mask_of
from aerun.inference.samples import OutputFormat, SampleConverter
from aerun.model.corruption.base import Hiding
from aerun.runs import reference
from aerun.runs.folder import Folder

Samples = Any
"""n samples in the data's own stored units: an array or a tensor (n, *stored); of sequences whose lengths differ a
list of arrays
(T, F), or one array with NaN behind their ends; of text a list of strings; of tables also a mapping or a data frame of columns.
Answers come as the samples did: tensors for tensors, whole numbers for whole numbers, columns for columns."""
Values = NDArray[np.float32]

__all__ = ["Model", "Samples"]


class Model:
    """A trained autoencoder in evaluation mode. Nothing here draws at random but `generate`, by its own seed.

    facts: of its data. config: as it was trained. results: its figures. Every method works in batches that fit into memory, and
    raises AerunError for samples that its data could not hold: other shapes, columns, ranges.
    """

    def __init__(
        self, autoencoder: Autoencoder, config: Mapping[str, Any], folder: Folder, device: torch.device, seed: int
    ) -> None:
        self.autoencoder, self.config, self.folder, self.device, self.seed = autoencoder, config, folder, device, seed
        settings = config.get("dataset")
        self.form = SampleConverter(
            autoencoder.facts,
            autoencoder.preparation,
            settings if isinstance(settings, Mapping) else {},
            table("reading", {"reading": {}, **folder.read("facts.json")}),
        )

    @property
    def facts(self) -> Facts:
        """Shape, kind and range of its data."""
        return self.autoencoder.facts

    @property
    def name(self) -> str:
        """Of its recipe."""
        return str(self.config["model"].get("name", "model"))

    @cached_property
    def results(self) -> dict[str, Any]:
        """results.json of its run."""
        return self.folder.read()

    @cached_property
    def training_codes(self) -> reference.Codes:
        """What the run wrote down of its training codes, read once. AerunError where it did not."""
        return reference.codes(self.folder.path, self.autoencoder)

    @cached_property
    def validation_scores(self) -> NDArray[np.float64]:
        """1,001 quantiles of the scores of its validation samples, read once. AerunError where they were not written down."""
        return reference.scores(self.folder.path)[0]

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Of one code, (d, *grid)."""
        return (self.autoencoder.bottleneck.latent_dim, *self.autoencoder.arch.grid)

    # -- codes -------------------------------------------------------------------------------------------------------

    def encode(self, x: Samples) -> Any:
        """n samples -> their deterministic codes (n, d, *grid), 32-bit."""
        stored, way = self.form.to_stored(x)
        return _as(way, self.codes_of(stored))

    def decode(self, z: Any, lengths: Sequence[int] | None = None) -> Any:
        """Codes (n, d, *grid), also flat, -> samples. lengths: steps of each, where sequences have lengths of their own."""
        codes_, tensor = codes.to_code_tensor(z, self.code_shape)
        valid = self._valid(len(codes_), lengths)
        own = self._in_parts(self._decoded, codes_, valid)
        way = self.form.way
        return self.form.to_caller(own, valid, OutputFormat("tensor", way.dtype) if tensor and way.kind == "array" else way)

    def features(self, x: Samples, layer: str) -> Any:
        """Output (n, ...) of a layer of the encoder; `layers` lists them."""
        if layer not in self.layers:
            raise AerunError(f"layer={layer}: one of {', '.join(self.layers)}.")
        stored, way = self.form.to_stored(x)
        seen: list[Tensor] = []

        def keep(module: Any, given: Any, out: Any) -> None:
            seen.append((out[0] if isinstance(out, tuple) else out).cpu())

        hook = self.autoencoder.arch.get_submodule(layer).register_forward_hook(keep)
        try:
            self.codes_of(stored)
        finally:
            hook.remove()
        return _as(way, torch.cat(seen))

    @property
    def layers(self) -> list[str]:
        """Names of the encoder's layers, in order."""
        names = [name for name, _ in self.autoencoder.arch.named_modules() if name.startswith("encoder.")]
        return [name for name in names if ".parametrizations" not in name]

    def compress(self, x: Samples, step: float | None = None) -> bytes:
        """n samples -> a file's bytes: their codes, entropy-coded. Whole numbers (bottleneck quantized, vq) lose nothing; other
        codes are rounded to `step` (0.1) standard deviations of training codes."""
        from aerun.inference.compressed_file import compress

        return compress(self, x, step)

    def decompress(self, data: bytes) -> Any:
        """What `compress` gave -> samples, as they were given: of whole numbers exactly what `reconstruct` says on the same
        machine. AerunError for another model's bytes and damaged ones."""
        from aerun.inference.compressed_file import decompress

        return decompress(self, data)

    # -- samples -----------------------------------------------------------------------------------------------------

    def reconstruct(self, x: Samples) -> Any:
        """n samples -> what is left of them after the code, within the data's range."""
        stored, way = self.form.to_stored(x)
        return self.form.to_caller(self.rebuilt(stored), self.facts.valid(stored), way)

    def denoise(self, x: Samples) -> Any:
        """Noisy samples -> clean ones. AerunError of a run that was not trained to remove noise."""
        if option(self.autoencoder.corruption) == "none":
            raise AerunError("denoise: this run was trained on clean input (model/corruption=none); see reconstruct.")
        return self.reconstruct(x)

    def inpaint(self, x: Samples, mask: Any = None) -> Any:
        """Samples with what is hidden filled in; all else stays as it is. mask: True where hidden, as x or one for all of them.

        Without a mask what is missing (NaN) is hidden. AerunError of a run that was not trained with holes.
        """
        corruption = self.autoencoder.corruption
        if not isinstance(corruption, Hiding) or self.facts.tokens:
            raise AerunError(
                "inpaint: this run was not trained to fill holes; that takes model/corruption=block, masking or the like."
            )
        given = mask_of(x, mask, self.form)
        stored, way = self.form.to_stored(given.x)
        if isinstance(x, Mapping) or hasattr(x, "columns"):
            way = OutputFormat("columns", way.dtype)
        valid = self.facts.valid(stored)

        def fill(part: Tensor, hidden: Tensor) -> Tensor:
            units, v = self._units(part), self.facts.valid(part)
            hole = given.of_elements(hidden).expand_as(units)
            told = hole if corruption.shows_mask else None
            return self._own(self.autoencoder(units.masked_fill(hole, corruption.fill), told, v), v)

        filled = self._in_parts(fill, stored, given.mask)
        whole = torch.where(given.mask, filled, stored.to(filled.dtype))
        return self.form.to_caller(whole, valid, way)

    def generate(self, n: int, seed: int = 0, sampler: str = "auto") -> Any:
        """n new samples, from codes drawn by `sampler`: prior, gaussian (fitted to training codes), mixture (the same,
        reads the
        training data) or auto, prior where codes were trained to follow it, else gaussian."""
        integer("n", n, 1)
        drawn = codes.draw(self, n, seed, one_of("sampler", sampler, ("auto", "prior", "gaussian", "mixture")))
        own = self._in_parts(self._decoded, drawn, None)
        return self.form.to_caller(own, None, self.form.way)

    def interpolate(self, a: Samples, b: Samples, steps: int = 9, way: str = "linear") -> Any:
        """Between samples a and b, through their codes: (n, steps, *stored). way: linear, or spherical (great circles)."""
        line = codes.LINES[one_of("way", way, tuple(codes.LINES))]
        t = torch.linspace(0, 1, integer("steps", steps, 2))
        (first, back), (last, _) = self.form.to_stored(a), self.form.to_stored(b)
        if len(first) != len(last):
            raise AerunError(f"interpolate: {len(first)} samples on one side and {len(last)} on the other.")
        z = torch.stack([line(p, q, t) for p, q in zip(self.codes_of(first), self.codes_of(last), strict=True)])
        return self._rows_of_samples(z, back)

    def traverse(self, x: Samples, unit: int, values: Sequence[float] | None = None) -> Any:
        """Samples whose codes have one unit set to each of `values` (default: 7 quantiles of it in training): (n,
        values, *stored).
        """
        if not 0 <= unit < self.code_shape[0]:
            raise AerunError(f"unit={unit}: this run's codes have units 0 to {self.code_shape[0] - 1}.")
        wanted = self.training_codes.units[:, unit] if values is None else values
        stored, back = self.form.to_stored(x)
        moved = self.codes_of(stored)[:, None].repeat(1, len(wanted), *[1] * len(self.code_shape))
        moved[:, :, unit] = torch.as_tensor(np.asarray(wanted, np.float32)).reshape(1, -1, *[1] * (len(self.code_shape) - 1))
        return self._rows_of_samples(moved, back)

    # -- scores ------------------------------------------------------------------------------------------------------

    def score(self, x: Samples) -> Any:
        """Anomaly score of each sample, (n,): the mean squared error of its reconstruction over its real elements, in the units
        the model works in (behind the preparation, never clipped), as `aerun evaluate --ask anomaly` has it. Missing cells of
        tables count for nothing (see `aerun.evaluate.scores`), and a row without any cell scores 0. 64-bit."""
        stored, way = self.form.to_stored(x)
        return _as(way, self.scores_of(stored))

    def errors(self, x: Samples) -> Any:
        """Where the score comes from: squared error of each stored element (n, *stored); of tables of each column, of
        text of each
        step. 0 behind the end of a sequence."""
        stored, way = self.form.to_stored(x)

        def each(part: Tensor, _: Any) -> Tensor:
            found = scores.errors(self.autoencoder, part)
            if self.form.features:
                return of_columns(found, self.form.features, self.form.marked)
            return found.sum(-1) if self.facts.tokens else found

        return _as(way, self._in_parts(each, stored, None))

    def threshold(self, alpha: float = 0.05) -> float:
        """The score that a share `alpha` of the run's validation samples exceeds."""
        if not 0 <= alpha <= 1:
            raise AerunError(f"alpha={alpha}: the share of ordinary samples that may pass for anomalies, between 0 and 1.")
        quantiles = self.validation_scores
        return float(np.interp(1 - alpha, np.linspace(0, 1, len(quantiles)), quantiles))

    def retrieve(self, index: Samples, queries: Samples, k: int = 10, metric: str = "euclidean") -> tuple[Any, Any]:
        """The k samples of `index` whose codes are nearest to that of each query: places (q, k) and distances (q, k).

        metric: euclidean, or cosine (1 less the cosine of the angle between codes).
        """
        one_of("metric", metric, ("euclidean", "cosine"))
        (base, _), (asked, way) = self.form.to_stored(index), self.form.to_stored(queries)
        if not 1 <= k <= len(base):
            raise AerunError(f"k={k}: the index holds {len(base)} samples.")
        return self.nearest(self.codes_of(base), self.codes_of(asked), k, metric, way)

    def nearest(self, base: Tensor, asked: Tensor, k: int, metric: str, way: OutputFormat) -> tuple[Any, Any]:
        """`retrieve` of codes."""
        base, asked = base.flatten(1).double(), asked.flatten(1).double()
        if metric == "cosine":
            base, asked = normalize(base, dim=1), normalize(asked, dim=1)
        parts = [
            torch.cdist(part, base, compute_mode="donot_use_mm_for_euclid_dist").topk(k, 1, largest=False)
            for part in asked.split(256)
        ]
        far, places = torch.cat([p.values for p in parts]), torch.cat([p.indices for p in parts])
        return _as(way, places), _as(way, far.square() / 2 if metric == "cosine" else far)

    # -- inside ------------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Samples that are worked on together."""
        return max(1, min(4096, rows_that_fit(max(self.facts.size, self.autoencoder.code_elements))))

    def _units(self, stored: Tensor) -> Tensor:
        return self.autoencoder.units(stored.to(self.device)).to(self._dtype)

    def _decoded(self, z: Tensor, valid: Tensor | None) -> Tensor:
        return self._own(self.autoencoder.decode(z.to(self._dtype), valid), valid)

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.autoencoder.arch.parameters()).dtype

    def _own(self, x_hat: Tensor, valid: Tensor | None) -> Tensor:
        return self.form.own(x_hat, valid)

    def _samples(self, f: Callable[[Tensor, Tensor | None], Tensor], stored: Tensor) -> Tensor:
        """f of samples in the model's units and what is real of them, all batches on the CPU."""
        return self._in_parts(lambda part, _: f(self._units(part), self.facts.valid(part)), stored, None)

    @torch.inference_mode()
    def _in_parts(self, f: Callable[[Tensor, Any], Tensor], x: Tensor, beside: Tensor | None) -> Tensor:
        found = [f(*pair) for pair in self._pairs(x, beside)]
        return torch.cat([part.cpu() for part in found])

    def _pairs(self, x: Tensor, beside: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
        for first in range(0, len(x), self.rows):
            part = slice(first, first + self.rows)
            yield x[part].to(self.device), None if beside is None else beside[part].to(self.device)

    def codes_of(self, stored: Tensor) -> Tensor:
        """Codes of stored samples, on the CPU."""
        return self._samples(lambda u, v: self.autoencoder.encode(u, valid=v), stored)

    def rebuilt(self, stored: Tensor) -> Tensor:
        """Stored samples' reconstructions (n, *stored) in own units, on the CPU."""
        return self._samples(lambda u, v: self._own(self.autoencoder(u, valid=v), v), stored)

    def scores_of(self, stored: Tensor) -> Tensor:
        """Anomaly scores of stored samples, on the CPU."""
        return self._in_parts(lambda part, _: scores.score(self.autoencoder, part), stored, None)

    def _valid(self, n: int, lengths: Sequence[int] | None) -> Tensor | None:
        steps = self.facts.stored[0]
        if lengths is None or not self.facts.ragged:
            return None
        found = torch.as_tensor(lengths)
        if found.shape != (n,) or bool((found < 1).any()) or bool((found > steps).any()):
            raise AerunError(f"lengths: one for each of the {n} codes, from 1 to {steps}.")
        return torch.arange(steps) < found[:, None]

    def _rows_of_samples(self, z: Tensor, back: OutputFormat) -> Any:
        n, count = z.shape[:2]
        own = self._in_parts(self._decoded, z.flatten(0, 1), None)
        found = self.form.to_caller(own, None, back)
        if isinstance(found, Mapping):
            return {k: v.reshape(n, count) for k, v in found.items()}
        return (
            [found[i * count : (i + 1) * count] for i in range(n)]
            if isinstance(found, list)
            else found.reshape(n, count, *found.shape[1:])
        )


def _as(way: OutputFormat, found: Tensor) -> Any:
    return found.to(way.device) if way.kind == "tensor" else found.numpy()
