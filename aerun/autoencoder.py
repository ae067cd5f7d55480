"""The picture, as one module: a pass through the parts, the objective, and the clean use of what was learned.

Two passes, chosen by the method that is called and never by `training`: the *objective* pass corrupts and samples; the *use*
pass (encode, decode, forward) is clean and deterministic.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aerun.compose import Composition
from aerun.parts import Facts, Pass, Term, call


@dataclass(frozen=True)
class Value:
    """The objective of one batch: the scalar to descend, and its parts in the order of `Autoencoder.keys`."""

    loss: Tensor
    parts: list[Tensor]


class Autoencoder(nn.Module):
    """L = mean_i reconstruction_i + reg.lambda * sum_k weight_k * Omega_k, on stored samples divided by `facts.unit`."""

    def __init__(self, composition: Composition, facts: Facts) -> None:
        super().__init__()
        self.facts = facts
        self.arch, self.bottleneck = composition.arch, composition.bottleneck
        self.corruption, self.loss = composition.corruption, composition.loss
        self.terms: dict[str, Term] = dict(composition.terms)
        self.regularizers = nn.ModuleDict({k: t.regularizer for k, t in self.terms.items()})
        self.lambda_ = composition.lambda_
        self._takes = self.loss.takes().union(*(t.regularizer.takes() for t in self.terms.values()))

    # -- the use pass ------------------------------------------------------------------------------------------------

    def units(self, stored: Tensor) -> Tensor:
        """Stored samples (bytes, say) -> (B, *S) in the units the model works in."""
        x = stored if stored.is_floating_point() else stored.float()
        return x if self.facts.unit == 1 else x / self.facts.unit

    def encode(self, x: Tensor) -> Tensor:
        """(B, *S) -> deterministic code z (B, d)."""
        return self.bottleneck.code(self.arch.encode(x))

    def decode(self, z: Tensor) -> Tensor:
        """Code (B, d) -> reconstruction (B, *S)."""
        return self.loss.activate(self.arch.decode(z))

    def forward(self, x: Tensor) -> Tensor:
        """The clean, deterministic reconstruction of (B, *S)."""
        return self.decode(self.encode(x))

    # -- the objective pass ------------------------------------------------------------------------------------------

    def objective_pass(self, x: Tensor) -> Pass:
        """Fill the vocabulary for one batch (B, *S): corrupted input, sampled code."""
        seen = self.corruption(x)
        h = self.arch.encode(seen["x_in"])
        code = self.bottleneck(h)
        raw = self.arch.decode(code["z"])
        names: Pass = {"x": x, **seen, "h": h, **code, "raw": raw, "encode": self.encode, "decode": self.decode}
        if "x_hat" in self._takes:
            names["x_hat"] = self.loss.activate(raw)
        for weights in ("encoder_weights", "decoder_weights"):
            if weights in self._takes:
                names[weights] = getattr(self.arch, weights)()
        return names

    def keys(self, training: bool) -> list[str]:
        """Names of a Value's parts: the loss, the reconstruction, and each computed term, raw and weighted."""
        return ["loss", "reconstruction", *(f"{kind}/{k}" for k in self._computed(training) for kind in ("reg", "reg_w"))]

    def _computed(self, training: bool) -> list[str]:
        """A term that weighs nothing is left out of training (so it cannot disturb it) and still reported in validation."""
        return [k for k, t in self.terms.items() if not training or self.lambda_ * t.weight != 0]

    def objective(self, x: Tensor, progress: float | None) -> Value:
        """Objective of one batch at `progress` in [0, 1] of training; None: in validation, at full weights."""
        names = self.objective_pass(x)
        reconstruction = call(self.loss, names).mean()
        loss, parts = reconstruction, []
        for key in self._computed(progress is not None):
            raw = call(self.terms[key].regularizer, names).mean()
            weighted = self.weight(key, progress) * raw
            loss = loss + weighted
            parts += [raw.detach(), weighted.detach()]
        return Value(loss, [loss.detach(), reconstruction.detach(), *parts])

    def weight(self, key: str, progress: float | None) -> float:
        """reg.lambda times the term's weight times its ramp."""
        term = self.terms[key]
        return self.lambda_ * term.weight * (1.0 if progress is None else term.ramp(progress))

    def effective_lambda(self, key: str, progress: float | None) -> float:
        """The weight in units of summed error per sample, whatever `loss.reduction` is."""
        return self.weight(key, progress) * self.loss.per_lambda(self.facts.size)

    # -- before the first step ---------------------------------------------------------------------------------------

    @torch.no_grad()
    def start_from(self, stored: Tensor) -> None:
        """Centre the encoder on the mean of the stored training samples and start the output there."""
        mean = torch.stack([self.units(part).double().sum(0) for part in stored.split(8192)]).sum(0) / len(stored)
        mean = mean.to(next(self.arch.parameters()))
        self.arch.start_from(mean, self.loss.deactivate(mean))

    def rehearse(self) -> None:
        """One objective pass on two blank samples: what does not fit together is refused before any data is read."""
        was, like = self.training, next(self.arch.parameters())
        self.eval()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            x = torch.full((2, *self.facts.shape), 0.5, dtype=like.dtype, device=like.device)
            self.objective(x, None)
        self.train(was)
