"""What is wrong with a trained model, each in one sentence with what to do. Judged on validation data."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.facts import known_weight
from aerun.core.seeding import own_draws
from aerun.dataset.splits import Split
from aerun.evaluate import codes
from aerun.evaluate.subset import subsample
from aerun.metrics.neighbours import nearest
from aerun.metrics.squared_error import of_elements
from aerun.trained import Trained, filled

_SAMPLES, _NUMBERS = 5000, 20_000_000  # of each split at most; numbers that their codes may hold together
_COPIES = 500  # validation samples that are compared with training samples
_SHIFT = 1.3  # growth of the decoder's scale from which on there is a warning
_CONSTANT, _STILL = 0.98, 0.05  # share of the training mean's error, of the data's deviation: a constant reconstruction
_FEW = 0.1  # share of units, or of directions, that is left of a collapsed code
_DEAD = 0.5  # share of units that are never on
_TINY = 1e-12
_KNOWN, _STRANGE, _GAP = 0.01, 0.5, 2.0  # unexplained variance of training and validation samples, their ratio: memorization


def decoder_scale(model: Autoencoder) -> float:
    """Return the mean norm of the decoder's columns over that of the encoder's rows (tied: 1).

    It says which of the two carries the scale of the code.
    """
    columns = model.decoder_weights()[0].detach().transpose(0, 1).flatten(1).norm(dim=1)
    rows = model.arch.encoder_weights()[-1].detach().flatten(1).norm(dim=1)
    return float(columns.mean() / rows.mean().clamp_min(1e-12))


@dataclass(frozen=True)
class _Seen:
    """What some samples gave on their way through the model.

    z: codes (n, d, *grid). kl: of each unit (d,) where there is a posterior. unexplained: squared error of a sample. spread:
    its squared distance from the training mean. motion: deviation of reconstructions over that of samples.
    """

    z: Tensor
    kl: Tensor | None
    unexplained: float
    spread: float
    motion: float


@torch.no_grad()
def examine(trained: Trained) -> dict[str, float]:
    """Return figures codes/... of the code and fit/... of the reconstruction, on validation samples.

    codes/...: see `aerun.evaluate.codes`, of at most 5,000 validation samples, fewer where codes are large; and what
    regularizers see in them (`Regularizer.figures`), as codes/NAME/....

    fit/...: of those and of as many training samples, clean: train_fvu and val_fvu, squared error over that of the training
    mean; gap, validation error over training error; motion, deviation of reconstructions over that of samples; copy, the median
    of ||x_hat - t|| / ||x - t|| of 500 validation samples x, t the nearest of these training samples: near 0 for a model that
    copies them.
    """
    model = trained.autoencoder
    most = max(100, min(_SAMPLES, _NUMBERS // model.code_elements))
    val, train = (subsample(split, most, model.facts.size) for split in (trained.data.val, trained.data.train))
    with own_draws():  # computing the KL draws from the posterior
        seen, seen_train = _through(trained, val), _through(trained, train)
    figures = {"samples": float(len(val)), **codes.statistics(seen.z), **codes.dimension(seen.z)}
    figures |= {} if seen.kl is None else codes.told_rates(seen.kl, seen.z.shape[1])
    for name, term in model.terms.items():
        figures |= {f"{name}/{k}": v for k, v in term.regularizer.figures(seen.z).items()}
    fit = {
        "train_fvu": seen_train.unexplained / seen_train.spread,
        "val_fvu": seen.unexplained / seen.spread,
        "motion": seen.motion,
    }
    fit |= {
        "gap": seen.unexplained / max(seen_train.unexplained, _TINY * seen_train.spread),
        "copy": _copy(trained, val, train),
    }
    return {f"codes/{k}": v for k, v in figures.items()} | {f"fit/{k}": v for k, v in fit.items()}


def _through(trained: Trained, split: Split) -> _Seen:
    model, mean, z, kl = trained.autoencoder, trained.mean.double(), list[Tensor](), list[Tensor]()
    error, away = 0.0, 0.0
    sums = torch.zeros(4, *mean.shape[1:], dtype=torch.float64, device=mean.device)  # of x, x^2, x_hat, x_hat^2
    for x, beside in trained.known_batches(split):
        z.append(model.encode(x, **beside))
        if model.has_bound:
            kl.append(codes.rates(model, x, **beside).double().sum(0))
        weight, own, x_hat = known_weight(beside, x), x.double(), model.decode(z[-1], **beside, like=x).double()
        error += float(of_elements(x_hat, own, weight).sum())
        away += float(of_elements(mean, own, weight).sum())
        own, x_hat = own * weight, x_hat * weight
        sums = sums + torch.stack([v.sum(0) for v in (own, own.square(), x_hat, x_hat.square())])
    n = len(split)
    moments = sums / n
    variances = [float((moments[i + 1] - moments[i].square()).clamp_min(0).sum()) for i in (0, 2)]
    rates = torch.stack(kl).sum(0) / n if kl else None
    motion = (variances[1] / max(variances[0], _TINY)) ** 0.5
    return _Seen(torch.cat(z), rates, error / n, max(away / n, _TINY), motion)


def _copy(trained: Trained, val: Split, train: Split) -> float:
    some_val = val.take(torch.arange(min(_COPIES, len(val))))
    x_hat = torch.cat(
        [
            filled(trained.autoencoder(x, **beside), beside.get("valid"), trained.mean).flatten(1)
            for x, beside in trained.known_batches(some_val)
        ]
    )
    x, t = trained.of_data(f"nearest {len(train)} {len(val)}", lambda: _with_nearest(trained, some_val, train))
    ratios = (x_hat - t).norm(dim=1) / (x - t).norm(dim=1).clamp_min(1e-12)
    return float(ratios.median())


def _with_nearest(trained: Trained, split: Split, train: Split) -> tuple[Tensor, Tensor]:
    """Return samples (n, D) and the training samples that are nearest to them."""
    x, base = trained.flat(split), trained.flat(train)
    return x, base[nearest(x, base, 1)[:, 0]]


def warnings(model: Autoencoder, figures: Mapping[str, float]) -> list[str]:
    """Return what is wrong by the figures of `examine`; of several collapses only the one that explains the others."""
    collapsed = _posterior(model, figures) or _constant(model, figures) or _narrow(model, figures)
    own = [
        t.regularizer.warning({k.split("/", 2)[2]: v for k, v in figures.items() if k.startswith(f"codes/{name}/")})
        for name, t in model.terms.items()
    ]
    return [said for said in (collapsed, _dead(model, figures), _memorized(model, figures), *own) if said]


def _posterior(model: Autoencoder, figures: Mapping[str, float]) -> str:
    """Return the warning for a posterior that equals the prior, or nothing."""
    active, units = figures["codes/active"], figures["codes/units"]
    if "codes/kl" not in figures or active >= _FEW * units:
        return ""
    mean = model.loss.per_lambda(model.facts.size)
    over = f" (model.loss.reduction=mean makes it weigh {mean:.0f} times as much: use sum)" if mean != 1 else ""
    return (
        f"PosteriorCollapse: {active:.0f} of {units:.0f} units differ between samples and the code carries "
        f"{figures['codes/kl']:.2g} nats: lower reg.lambda{over}{_slowly(model)}."
    )


def _constant(model: Autoencoder, figures: Mapping[str, float]) -> str:
    """Return the warning for a reconstruction that does not depend on the sample, or nothing."""
    if figures["fit/motion"] >= _STILL and figures["fit/val_fvu"] < _CONSTANT:
        return ""
    other = f", lower reg.lambda{_slowly(model)}" if model.terms else ""
    return (
        "Collapse: the reconstruction is no better than the training mean: the code carries nothing. Train longer, try "
        f"another optimizer.lr{other}."
    )


def _narrow(model: Autoencoder, figures: Mapping[str, float]) -> str:
    """Return the warning for a code whose units all say the same, or nothing."""
    rank, units = figures["codes/effective_rank"], figures["codes/units"]
    if units < 2 or rank >= max(1 + _FEW, _FEW * units) or figures["fit/val_fvu"] < _STRANGE:
        return ""
    other = ", lower reg.lambda or add regularizer=decorrelation" if model.terms else " or add regularizer=decorrelation"
    return (
        f"CodeCollapse: the {units:.0f} units vary in {rank:.1f} directions and {100 * figures['fit/val_fvu']:.0f} % of the "
        f"variance is lost. Train longer{other}."
    )


def _dead(model: Autoencoder, figures: Mapping[str, float]) -> str:
    dead = figures["codes/dead"]
    if dead <= _DEAD or not figures["codes/l0"]:
        return ""
    other = "add regularizer=revival" if "spare" in model.bottleneck.offers else "lower reg.lambda or optimizer.lr"
    return (
        f"DeadUnits: {100 * dead:.0f} % of the {figures['codes/units']:.0f} units were off for all of "
        f"{figures['codes/samples']:,.0f} validation samples: {other}, or take a smaller model.latent_dim."
    )


def _memorized(model: Autoencoder, figures: Mapping[str, float]) -> str:
    """Return the warning for a model that reconstructs training samples and no others, or nothing."""
    train, val = figures["fit/train_fvu"], figures["fit/val_fvu"]
    if val <= _STRANGE or (train >= _KNOWN and figures["fit/gap"] <= _GAP):
        return ""
    return (
        f"Memorization: of the variance {train:.2g} is unexplained in training samples and {val:.2g} in validation samples: "
        "the model knows its samples by heart. Use more data, noise (model/corruption=gaussian), a narrower "
        "model.arch.hidden, or stop early (trainer.patience=5)."
    )


def _slowly(model: Autoencoder) -> str:
    """Return the advice to let a term come in gently."""
    whole = model.prior is not None and model.prior.whole  # units have no nats of their own
    for name, term in model.terms.items():
        if term.regularizer.gentler and not whole:
            return f", let it rise slowly (reg.terms.{name}.warmup=0.5) or {term.regularizer.gentler}"
    return f" or let it rise slowly (reg.terms.{next(iter(model.terms))}.warmup=0.5)" if model.terms else ""


def scale_shift(model: Autoencoder, growth: float) -> list[str]:
    """Return the warning for a penalty on the code's size that a larger decoder may have met, instead of a better code."""
    fooled = [k for k, t in model.terms.items() if t.regularizer.shrinks_code and model.weight(k, None) > 0]
    if not fooled or growth <= _SHIFT:
        return []
    tied = "tied" in signature(type(model.arch)).parameters
    remedies = ["model.arch.tied=true" if tied else f"regularizer=[{','.join(model.terms)},weight_l2]"]
    remedies += [remedy for k in fooled if (remedy := model.terms[k].regularizer.not_fooled)]
    return [
        f"ScaleShift: under {', '.join(fooled)} the decoder grew {growth:.2f} times against the encoder, so the penalty may "
        f"have shrunk the code instead of shaping it. Use {' or '.join(remedies)}."
    ]
