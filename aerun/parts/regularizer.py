"""Penalties on a code or on the weights, and how strong they are."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from aerun.parts.base import Part


class Regularizer(Part):
    """A penalty on the code or on the weights.

    `forward` returns one value per sample (B,), averaged over the batch by the caller, or a scalar for a batch
    statistic or a penalty on weights. `batch_statistic` marks batch statistics, which need full batches.
    `shrinks_code` marks penalties that can be fooled by a small code and a large decoder. `differentiates_input`: needs
    the pass with a graph from `x_in` to `z`, where gradients are computed at all. `asked_rate`: the target share of
    samples that each unit is on for, where there is one. `gentler`, `not_fooled`: advice that names its own settings with
    which it leaves units alive, or with which it cannot be fooled. `cuts`: the sizes of prefixes that it makes codes of
    their own, in order; empty where it cuts no code. `tells_cuts`: the decoder reads beside each unit whether it is there, and
    NaN stands for one that is cut. `by_unit`: its setting that looks at the divergence of each unit, which
    a prior of whole codes does not have; empty without one. `of_length`: it depends on the length of a code alone.
    `shuffles`: it holds codes against such whose units were shuffled over the batch.
    `differentiates_decoder`: needs a decoder whose gradient by the
    code can be differentiated itself, and codes that can move a little. `reads_codes`: begins with codes of the training
    samples, which a run has to bring (model.init_from). `judges_whole`: looks at reconstructions as a whole. `infers`: what is
    told of samples, c, is a class that it teaches the code to say, so that neither encoder nor decoder may be told it.
    `known_share`: the least share of samples in a batch whose class is known; 0: as they come.
    `moves_codes`: it moves codes freely, so that any real vector must be one.
    `places_codes`: begins with codes of the training samples as they are before the first step, trained or not. `pulls`: pulls
    all codes to one point, so that an encoder that can write a constant, or a decoder that follows it, ends there at once.
    `borrows`: has layers of another run or of a file, which its setting `features` names unless it is `random`; its setting
    `network` has them in words (`aerun.regularizer.stack`), and `borrow` gives it their weights.
    `borrowed_as`: what these are: `layers` of an encoder or of a network for images, the `head` behind activations, which
    ends in logits, or a `matrix`.
    """

    batch_statistic: bool = False
    shrinks_code: bool = False
    differentiates_input: bool = False
    differentiates_decoder: bool = False
    reads_codes: bool = False
    judges_whole: bool = False
    asked_rate: float | None = None
    gentler: str = ""
    not_fooled: str = ""
    cuts: tuple[int, ...] = ()
    tells_cuts: bool = False
    by_unit: str = ""
    infers: bool = False
    of_length: bool = False
    shuffles: bool = False
    known_share: float = 0.0
    moves_codes: bool = False
    places_codes: bool = False
    pulls: bool = False
    borrows: bool = False
    borrowed_as: str = "layers"

    def setup(self, samples: int) -> None:
        """Learn the number of training samples, before the first step; by default it does nothing."""

    def start_from(self, codes: Tensor) -> None:
        """Learn from codes of training samples (n, d, *grid), before the first step, where one of the two asks for them.

        They are `reads_codes` and `places_codes`.
        """

    def figures(self, codes: Tensor) -> dict[str, float]:
        """Return what is seen of it in codes of validation samples (n, d, *grid), for `warning`; by default nothing."""
        return {}

    def warning(self, figures: Mapping[str, float]) -> str:
        """Return what is wrong by these figures, in a sentence with what to do; empty where nothing is."""
        return ""

    def setup_known(self, c: Tensor) -> None:
        """Learn what is known beforehand of the training samples, c (n, m), before the first step; by default nothing."""

    def borrow(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of the layers that it has of another run or of a file, before training begins."""

    def fill(self, *_: Any, **names: Any) -> dict[str, Tensor]:
        """Return names of a pass that it fills for others, from those that its signature takes; by default none."""
        return {}


class Opposed(Regularizer):
    """A regularizer with an opponent, which it trains alternately with the model: `forward` queries it, `oppose` trains it.

    apart: the term is not part of the descended objective but a phase of its own that changes the encoder alone. guides: it has
    another such phase, in which the encoder descends `guide`.
    """

    opponent: nn.Module
    apart: bool = False
    guides: bool = False

    def __init__(self, *, lr: float, betas: tuple[float, float]) -> None:
        super().__init__()
        self.lr, self.betas = lr, betas

    @abstractmethod
    def oppose(self, *_: Any, **names: Any) -> Tensor:
        """Return the opponent's own loss, a scalar, on a pass whose tensors carry no gradient; parameters as `forward`'s."""

    def guide(self, *_: Any, **names: Any) -> Tensor:
        """Return what the encoder descends in a further phase, a scalar; parameters as `forward`'s."""
        raise NotImplementedError


@dataclass(frozen=True)
class Term:
    """One regularizer with its weight.

    Over the first `warmup` share of training the weight rises linearly from 0; with `cycles` above 1 training is cut into so
    many parts and the weight rises anew in each (Fu et al. 2019, https://arxiv.org/abs/1903.10145).
    """

    regularizer: Regularizer
    weight: float
    warmup: float
    cycles: int = 1

    def ramp(self, progress: float) -> float:
        """Return a factor in [0, 1] for the weight at `progress` in [0, 1] of training."""
        if self.warmup <= 0:
            return 1.0
        return 1.0 if progress >= 1 else min(1.0, progress * self.cycles % 1 / self.warmup)
