"""Samplers that were fitted once, in a run's folder: `sampler_NAME.npz`."""

from aerun.core.seeding import own_draws
from aerun.evaluate.samplers import CODE_PRIORS, FITS, OfNumbers, Sampler, positions
from aerun.inference.kept_arrays import Arrays, keep, kept
from aerun.inference.runner import Runner

_KEPT = ("mixture", "flow", "second_stage", *CODE_PRIORS)  # gaussian is in codes.npz; aggregate is as large as the data
_RANGE = ("low", "high")  # arrays beside those of the density


def kept_sampler(runner: Runner, name: str) -> Sampler | OfNumbers | None:
    """Return the sampler that the folder holds for this model, or None: there is none, or it is of other weights.

    Raises AerunError for a damaged file.
    """

    def restored(arrays: Arrays) -> Sampler | OfNumbers:
        return _numbers(runner, name, arrays) if name in CODE_PRIORS else _density(runner, name, arrays)

    return kept(runner, _file(name), restored, _RANGE) if name in _KEPT else None


def _density(runner: Runner, name: str, arrays: Arrays) -> Sampler:
    """Return the density that arrays describe. Raises ValueError and others where they describe none of these codes."""
    elements = runner.autoencoder.code_elements
    low, high = arrays["low"].double(), arrays["high"].double()
    if {low.shape, high.shape, arrays.get("mean", low).shape} != {(elements,)}:
        raise ValueError("it is of another code")
    fit = FITS[name].restored({k: v for k, v in arrays.items() if k not in _RANGE})
    with own_draws():
        if fit.draw(1).shape != (1, elements):
            raise ValueError("its codes are of another size")
    return Sampler(runner.autoencoder, low, high, lambda: fit)


def _numbers(runner: Runner, name: str, arrays: Arrays) -> OfNumbers:
    """Return the probability that arrays describe. Raises ValueError and others where they describe none of these codes."""
    fit = CODE_PRIORS[name].restored(arrays, positions(runner.autoencoder))
    return OfNumbers(runner.autoencoder, lambda: fit)


def keep_sampler(runner: Runner, name: str, sampler: Sampler | OfNumbers) -> None:
    """Write a fitted sampler into the folder; where that cannot be written, say so."""
    if name in _KEPT:
        keep(runner, _file(name), sampler.arrays(), f"sampler={name}")


def _file(name: str) -> str:
    return f"sampler_{name}.npz"
