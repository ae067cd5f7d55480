"""What codes are held against in training, and drawn from after it."""

from collections.abc import Callable, Iterator

from torch import Tensor

from aerun.parts.base import Part


class Prior(Part):
    """p(z), a distribution of codes.

    `forward` takes names of the vocabulary, z among them, and returns a distribution for its B samples, on its device: of
    units one by one, with the batch shape of z, or of whole codes, with batch (B,) and the code as event. The latter promises
    `log_prob` and `sample`, mean and variance.

    usual: it is chosen where nothing is said, and does without codes that it fits. space: the codes that it is a distribution
    of, see `Bottleneck.space`. learned: it has weights, which the terms that
    evaluate it move. reads_codes: it begins with codes, which a run has to bring (model.init_from). bounded: it is 0
    somewhere, so that a posterior can be infinitely far from it. whole: it is one of whole codes, so that units have no
    divergence of their own.
    """

    usual: bool = False
    space: str = "real"
    learned: bool = False
    reads_codes: bool = False
    bounded: bool = False
    whole: bool = False

    def prepare(self, count: int, samples: Callable[[], Iterator[Tensor]], codes: Callable[[], Tensor]) -> None:
        """Learn from the `count` training samples, in batches (B, *S), or from codes (n, d), drawn from their posteriors.

        Called before the first step, after the weights were initialized; by default it does nothing.
        """
