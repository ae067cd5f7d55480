"""What is trained by turns with the model: the opponents of the `Opposed` regularizers.

One batch: (1) the model descends the objective without the terms that are apart; (2) each opponent learns on the codes of
that pass, which carry no gradient; (3) for each term that is apart, the encoder alone descends it on a fresh pass; (4) for each
that guides, the encoder alone descends that on another. Every
phase has an optimizer of its own, which is checkpointed with the others (Makhzani et al. 2015,
https://arxiv.org/abs/1511.05644).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from aerun.autoencoder import Autoencoder
from aerun.parts import Opposed
from aerun.vocabulary import Pass, call


class Turn:
    """Phases 2 to 4 of one term, by Adam at the regularizer's `lr` and `betas`.

    All learning rates follow the model's schedule. The weight of a term that is apart (reg.lambda times its own weight and
    ramp) scales the learning rate of phase 3: a factor of the loss would be undone by Adam. So with 0 the encoder stands
    still, and 2 moves it by twice as much. `clip` bounds the gradient's norm of each phase for itself.
    """

    def __init__(self, key: str, regularizer: Opposed, autoencoder: Autoencoder) -> None:
        self.key, self.regularizer, self.autoencoder = key, regularizer, autoencoder
        self.opponent = _adam(regularizer, regularizer.opponent.parameters())
        self.encoder = _adam(regularizer, _encoder(autoencoder)) if regularizer.apart else None
        self.guided = _adam(regularizer, _encoder(autoencoder)) if regularizer.guides else None

    @property
    def optimizers(self) -> list[Optimizer]:
        """Return the opponent's optimizer and those of the encoder's phases."""
        return [o for o in (self.opponent, self.encoder, self.guided) if o is not None]

    def take(
        self,
        names: Pass,
        x: Tensor,
        valid: Tensor | None,
        c: Tensor | None = None,
        seen: Tensor | None = None,
        *,
        progress: float,
        factor: float,
        clip: float | None,
    ) -> None:
        """Take all phases, after the model's step on x (B, *S) with the pass `names`.

        factor: the schedule's, at `progress`.
        """
        self.teach(names, factor=factor, clip=clip)
        if self.encoder is not None:
            weight = self.autoencoder.weight(self.key, progress)
            self._step(self.encoder, call(self.regularizer, self._fresh(x, valid, c, seen)).mean(), factor * weight, clip)
        if self.guided is not None:
            self._step(self.guided, call(self.regularizer.guide, self._fresh(x, valid, c, seen)), factor, clip)

    def _fresh(self, x: Tensor, valid: Tensor | None, c: Tensor | None, seen: Tensor | None) -> Pass:
        drawn = torch.bernoulli(x) if self.autoencoder.facts.binarize else x
        return self.autoencoder.code_pass(drawn, valid, c=c, seen=seen)

    def teach(self, names: Pass, *, factor: float, clip: float | None) -> None:
        """Take phase 2: a step of the opponent alone."""
        detached = {k: v.detach() if isinstance(v, Tensor) else v for k, v in names.items()}
        self._step(self.opponent, call(self.regularizer.oppose, detached), factor, clip)

    def _step(self, optimizer: Optimizer, loss: Tensor, factor: float, clip: float | None) -> None:
        """Take a step on the loss.

        Only the optimizer's own parameters receive a gradient, whatever else the loss depends on.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True):
            p.grad = g
        if clip is not None:
            nn.utils.clip_grad_norm_(parameters, clip)
        for group in optimizer.param_groups:
            group["lr"] = self.regularizer.lr * factor
        optimizer.step()
        optimizer.zero_grad()


def _adam(regularizer: Opposed, parameters: Iterable[nn.Parameter]) -> Optimizer:
    return Adam(list(parameters), regularizer.lr, regularizer.betas, fused=True)


def _encoder(autoencoder: Autoencoder) -> list[nn.Parameter]:
    """Return the parameters that the code depends on: those of the encoder and the bottleneck."""
    return [*autoencoder.arch.encoder.parameters(), *autoencoder.bottleneck.parameters()]
