"""A trained model as one function of stored samples, for other programs."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from aerun.evaluate.scores import score_of
from aerun.inference.model import Model
from aerun.metrics.conformal import alarm_limit

OUTPUTS = ("code", "reconstruction", "score", "anomaly")


class Exported(nn.Module):
    """A trained model as one function of stored samples (n, *stored) in the data's own units.

    Of a model that is told something beforehand they are rows (n, elements + conditions): all values of a sample one after the
    other, and behind them its conditions, classes as their numbers from 0.

    It returns code (n, d, *grid), reconstruction (n, *stored) in the same units, score (n,) and anomaly (n,), true where the
    score is above `threshold` by more than a millionth of it.

    Sequences of varying length are NaN behind their ends, and so is their reconstruction; text is numbers of symbols, -1 behind
    the end. Everything that stands between is inside: units, preparation, threshold. The model is changed: give a copy.
    """

    threshold: Tensor

    def __init__(self, model: Model, threshold: float) -> None:
        super().__init__()
        self.autoencoder, self.form = model.autoencoder, model.form
        _fix(self.autoencoder)
        self.register_buffer("threshold", torch.tensor(alarm_limit(threshold), dtype=torch.float32))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        facts = self.autoencoder.facts
        x, beside = self.autoencoder.units(samples), self.autoencoder.beside(samples)
        z = self.autoencoder.encode(x, **beside)
        x_hat, valid = self.autoencoder.decode(z, **beside, like=x), beside.get("valid")
        score = score_of(self.autoencoder, samples, x, x_hat).to(x.dtype)
        own = self.form.own(x_hat, valid)
        if valid is not None and not facts.tokens:
            own = own.masked_fill(~valid[..., None], torch.nan)
        return z, own, score, score > self.threshold


class _Constant(nn.Module):
    """A weight as it is now, where a formula of others stood."""

    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def forward(self) -> Tensor:
        return self.value


def _fix(autoencoder: nn.Module) -> None:
    """Turn weights that are functions of others, such as orthogonal ones, into constants: other programs lack these."""
    for module in [m for m in autoencoder.modules() if is_parametrized(m)]:
        formulas = cast(nn.ModuleDict, module.parametrizations)
        for name in list(formulas):
            formulas[name] = _Constant(getattr(module, name).detach())


def example(model: Model, n: int, seed: int) -> Tensor:
    """Return n stored samples as the data might hold them: decoded from codes around those of training, with noise and gaps."""
    g = torch.Generator().manual_seed(seed)
    own, conditions = _own_example(model, n, g), model.form.conditions
    return own if conditions is None else model.facts.joined(own, conditions.random(n, g))


def _own_example(model: Model, n: int, g: torch.Generator) -> Tensor:
    facts, about, told = model.facts, model.training_codes, model.autoencoder.told
    low, high = torch.from_numpy(about.low), torch.from_numpy(about.high)
    z = (low + (high - low) * torch.rand(n, len(low), generator=g)).reshape(n, *model.code_shape)
    with torch.inference_mode():
        c = None if told is None else told.nothing.expand(n, -1)
        x_hat = model.autoencoder.decode(z.to(model.device), c=c).cpu()
    own = model.form.own(x_hat, None)
    if facts.tokens:
        lengths = torch.randint(1, own.shape[1] + 1, (n, 1), generator=g)
        return own.masked_fill(torch.arange(own.shape[1]) >= lengths, -1)
    if facts.ragged:
        lengths = torch.randint(1, own.shape[1] + 1, (n, 1), generator=g)
        own = own.masked_fill((torch.arange(own.shape[1]) >= lengths)[..., None], torch.nan)
    if model.form.features:
        gone = torch.rand(own.shape, generator=g) < 0.05
        return own.masked_fill(gone, torch.nan)
    reach = float(own[~own.isnan()].std())
    noisy = own + 0.1 * reach * torch.randn(own.shape, generator=g)
    least, most = (None if bound is None else bound * facts.unit for bound in (facts.low, facts.high))
    return noisy if least is None and most is None else noisy.clamp(least, most)
