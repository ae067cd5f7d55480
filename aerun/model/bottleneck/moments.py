"""Mean and variance of normal distributions, from the outputs of a network."""

from torch import Tensor

from aerun.vocabulary import wide

_LOG_VAR = 10.0  # |log variance| is kept below this: exp(10) in fp32 is harmless, exp(90) is not


def moments_of(pair: Tensor, axis: int = 1) -> tuple[Tensor, Tensor]:
    """Return mean and bounded log variance, the two halves of `pair` along an axis, in at least 32 bits."""
    mean, log_variance = wide(pair).chunk(2, axis)
    return mean, log_variance.clamp(-_LOG_VAR, _LOG_VAR)
