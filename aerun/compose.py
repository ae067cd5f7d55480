"""Checks whether a composition is legal: needs must be a subset of offers. Runs before any data are read.

There are two ways to be illegal: a constructor refuses a value (bce on data outside [0, 1]), or this check refuses a
name (kl on a plain vector code). The message says what is needed, who does not offer it, who would, and what would work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import torch
from omegaconf import DictConfig, OmegaConf

from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.paths import config_dir
from aerun.parts import Arch, Bottleneck, Corruption, Discrete, Loss, Part, Prior, Regularizer, Term, option
from aerun.vocabulary import ALWAYS, parameters_of

__all__ = ["ROOMS", "Composition", "check", "option", "options"]

ROOMS = {
    "arch": "model/arch",
    "bottleneck": "model/bottleneck",
    "corruption": "model/corruption",
    "loss": "model/loss",
    "prior": "model/prior",
    "regularizer": "regularizer",
}
_BEFORE_CODES = frozenset({"x", "x_in", "h", "c", "progress"})  # names that a pass always has when the bottleneck is called


@dataclass(frozen=True)
class Composition:
    """The parts of one autoencoder, as chosen.

    told: they are told something of each sample beforehand. gaps: and which of its cells are missing.
    """

    arch: Arch
    bottleneck: Bottleneck
    corruption: Corruption
    loss: Loss
    terms: Mapping[str, Term]
    lambda_: float
    prior: Prior | None = None
    told: bool = False
    gaps: bool = False

    def parts(self) -> dict[str, Part]:
        """Return the four single parts by the name of their group."""
        return {"arch": self.arch, "bottleneck": self.bottleneck, "corruption": self.corruption, "loss": self.loss}

    @property
    def has_prior(self) -> bool:
        """Return whether the prior is one of the bottleneck's codes, and the bottleneck brings none of its own."""
        own = "prior" in self.bottleneck.offers
        return self.prior is not None and not own and self.prior.space == self.bottleneck.space

    @property
    def offers(self) -> frozenset[str]:
        """Return all names that a pass through this composition fills."""
        names = ALWAYS.union(*(p.offers for p in self.parts().values()), *(t.regularizer.offers for t in self.terms.values()))
        names |= {"prior"} if self.has_prior else set()
        names |= {"posterior_of"} if "posterior" in names and "encode" in self.arch.offers else set()
        names |= {"c"} if self.told else set()
        names |= {"seen"} if self.gaps else set()
        both = "encode" in self.arch.offers and "encode" in self.bottleneck.offers
        return names if both else names - {"encode"}


def check(c: Composition, latent_dim: int, facts: Facts) -> list[str]:
    """Return warnings about a composition that is legal but pointless; raise AerunError for an illegal one."""
    if isinstance(c.bottleneck, Discrete) and not all(n > 0 for n in c.bottleneck.levels or (0,)):
        raise AerunError(
            f"model/bottleneck={option(c.bottleneck)}: a discrete code says its `levels`, how many there are of each number; "
            f"this one says {c.bottleneck.levels}."
        )
    if unknown := sorted(c.bottleneck.needs() - (_BEFORE_CODES if c.told else _BEFORE_CODES - {"c"})):
        raise AerunError(
            f"model/bottleneck={option(c.bottleneck)}: its `forward` needs `{unknown[0]}`, which no pass has before the "
            f"code. It can take {', '.join(sorted(_BEFORE_CODES))}."
        )
    for name, term in c.terms.items():
        _satisfied(f"regularizer={name}", term.regularizer, c)
        _cut(name, term.regularizer, c.bottleneck)
        _differentiated(name, term.regularizer, c)
        _moved(name, term.regularizer, c.bottleneck)
        _pulled(name, term.regularizer, c)
        if term.regularizer.judges_whole and "mask" in c.loss.needs():
            raise AerunError(
                f"regularizer={name} needs a loss that judges whole samples, and model/loss={option(c.loss)} can leave out "
                "what was not hidden. Use model/loss=mse."
            )
    _satisfied(f"model/loss={option(c.loss)}", c.loss, c)
    _refuse_blind(c)
    if facts.uneven and c.arch.even:
        raise AerunError(
            f"model/arch={option(c.arch)} takes steps for evenly spaced, and {facts.uneven:.0%} of these are not: "
            "dataset.irregular=true lets it read the time between them; or model/arch=recurrent or mlp."
        )
    for name, term in c.terms.items():
        if c.loss.beside_divergences and "posterior" in term.regularizer.takes():
            raise AerunError(f"regularizer={name}: {c.loss.beside_divergences}")
    _refuse_prior(c)
    _refuse_shape(c)
    judges = [f"model/{k}={option(p)}" for k, p in c.parts().items() if "novelty" in p.offers]
    judges += [f"regularizer={k}" for k, t in c.terms.items() if "novelty" in t.regularizer.offers]
    if len(judges) > 1:
        raise AerunError(f"{' and '.join(judges)}: each says what is unusual (`novelty`), and a model needs one that does.")
    # A code of few bits pays for copies, and one of few levels cannot hold them.
    free = (not c.terms or c.lambda_ == 0) and "penalty" not in c.bottleneck.offers and not c.bottleneck.levels
    elements = latent_dim * int(torch.Size(c.arch.grid).numel())
    warnings = [c.arch.caution] if c.arch.caution else []
    if elements >= facts.size and free and not c.corruption.alters:
        return [
            *warnings,
            f"IdentityRisk: a code of {elements} is as large as the input ({facts.size}) and nothing constrains it, so the "
            "network can learn to copy. Add a regularizer or a corruption, or lower model.latent_dim.",
        ]
    return warnings


def _satisfied(asker: str, part: Part, c: Composition) -> None:
    for name in sorted(part.needs() - c.offers):
        if name == "c":
            raise AerunError(
                f"{asker} needs to be told something of each sample: dataset.condition=label, or columns, as [site]."
            )
        name = "encode" if name == "posterior_of" and "posterior" in c.offers else name  # it takes an encoder of each sample
        room, guilty = _who_withholds(name, c)
        givers = [o for o, cls in options(room).items() if name in cls.offers or (name == "prior" and _fits(cls, c.prior))]
        words = f"{asker} needs `{name}`, which {ROOMS[room]}={option(guilty)} does not give"
        if name in guilty.lacking:
            key, value, instead = guilty.lacking[name]
            raise AerunError(f"{words} with {key}={value}. Use {key}={instead}.")
        if name == "encode" and room == "arch":
            raise AerunError(f"{words} with norm=batch: it couples samples. Use model.arch.norm=layer or none.")
        several = " or ".join(filter(None, (", ".join(givers[:-1]), *givers[-1:])))
        words += f". It is given by {ROOMS[room]}={several}." if givers else "."
        if isinstance(part, Regularizer):
            fit = [o for o, cls in options("regularizer").items() if cls.needs() <= c.offers and _may_move(cls, c)]
            words += f"\nRegularizers that work with {option(guilty)}: {', '.join(fit)}."
        raise AerunError(words)


def _refuse_blind(c: Composition) -> None:
    """Raise AerunError where gaps are kept and a part would judge what stands in them."""
    if not c.gaps:
        return
    blind: list[tuple[str, Part]] = [(f"model/loss={option(c.loss)}", c.loss)] if "seen" not in c.loss.takes() else []
    for name, term in c.terms.items():
        reads = parameters_of(type(term.regularizer).forward).keys() & {"x", "x_hat", "seen"}
        blind += [(f"regularizer={name}", term.regularizer)] if reads == {"x", "x_hat"} else []
    for asker, part in blind:
        fit = [o for o, cls in options("loss").items() if "seen" in cls.takes()] if isinstance(part, Loss) else []
        instead = f"Use model/loss={' or '.join(fit[:3])}, or" if fit else "Leave it out, or use"
        raise AerunError(
            f"{asker} compares all of x with its reconstruction, also what is not to be judged (dataset.missing=keep, "
            f"dataset.irregular): it does not take `seen`. {instead} dataset.missing=fill without dataset.irregular."
        )
    if c.arch.whitens:
        raise AerunError(
            "model.arch.whiten=true learns the covariance of whole samples, and dataset.missing=keep keeps cells missing. "
            "Use model.arch.whiten=false, or dataset.missing=fill."
        )


def _refuse_prior(c: Composition) -> None:
    """Raise AerunError where a prior is chosen that is none of these codes, or that nothing would hold them against."""
    prior = c.prior
    if prior is None or prior.usual:
        return
    name = f"model/prior={option(prior)}"
    if not c.has_prior:
        fit = [o for o, cls in options("bottleneck").items() if _fits(cls, prior)]
        own = "brings a prior of its own" if "prior" in c.bottleneck.offers else "has others"
        words = f"{name} needs codes of the kind `{prior.space}`, and {c.bottleneck.setting} {own}."
        if c.bottleneck.chosen:
            raise AerunError(f"{words} Use {c.bottleneck.chosen[0]}={c.bottleneck.chosen[2]}.")
        raise AerunError(f"{words} It works with {', '.join(fit)}.")
    _satisfied(name, prior, c)
    if prior.whole and c.arch.grid:
        raise AerunError(f"{name} needs codes that are vectors: choose a model/arch without a grid, or model/prior=standard.")
    terms = {k: t.regularizer for k, t in c.terms.items() if c.lambda_ * t.weight != 0}
    judges = [k for k, r in terms.items() if {"posterior", "prior"} <= r.takes()]
    if prior.learned and not judges:
        raise AerunError(f"{name} needs a term by which it is learned: regularizer=kl or iwae, which evaluate it.")
    if prior.bounded and judges:
        raise AerunError(f"{name} needs terms that compare draws, such as mmd: regularizer={judges[0]} would be infinite.")
    if prior.whole:
        _refuse_units(terms, name)


def _refuse_shape(c: Composition) -> None:
    """Raise AerunError where grids, units or lengths are asked for something that such codes do not have."""
    terms = {k: t.regularizer for k, t in c.terms.items()}
    name = c.bottleneck.setting
    if c.bottleneck.of_vectors and c.arch.grid:
        raise AerunError(f"{name} needs codes that are vectors: choose a model/arch without a grid.")
    if c.bottleneck.entangled:
        _refuse_units(terms, name)
    for term, regularizer in terms.items() if c.bottleneck.curved else ():
        if regularizer.of_length:
            raise AerunError(f"regularizer={term} means nothing here: all codes of {name} {c.bottleneck.curved}.")
        if regularizer.shuffles:
            raise AerunError(
                f"regularizer={term} means nothing here: it holds codes against such whose units were shuffled, and codes of "
                f"{name} {c.bottleneck.curved}, as those do not. regularizer=adversarial holds them against the prior."
            )


def _refuse_units(terms: Mapping[str, Regularizer], name: str) -> None:
    """Raise AerunError for a term that looks at the divergence of each unit, which `name` does not have."""
    for key, regularizer in terms.items():
        if regularizer.cuts or regularizer.by_unit:
            what = f"reg.terms.{key}.{regularizer.by_unit}" if regularizer.by_unit else f"regularizer={key}"
            raise AerunError(f"{what} needs a divergence of each unit, and {name} has one of whole codes alone.")


def _fits(bottleneck: type[Part], prior: Prior | None) -> bool:
    """Return whether a prior is one of this bottleneck's codes."""
    fits = prior is not None and issubclass(bottleneck, Bottleneck) and bottleneck.space == prior.space
    return fits and "prior" not in bottleneck.offers


def _cut(name: str, regularizer: Regularizer, bottleneck: Bottleneck) -> None:
    """Raise AerunError where codes are to be cut whose units have no order."""
    if regularizer.cuts and not bottleneck.can_be_cut:
        fit = [o for o, cls in options("bottleneck").items() if cls.can_be_cut]  # type: ignore[attr-defined]
        own = f", and with {option(bottleneck)} where {bottleneck.cut_by}" if bottleneck.cut_by else ""
        raise AerunError(
            f"regularizer={name} sets the last units of a code to 0, and such a code does not exist for "
            f"model/bottleneck={option(bottleneck)}. It works with {', '.join(fit)}{own}."
        )


def _differentiated(name: str, regularizer: Regularizer, c: Composition) -> None:
    """Raise AerunError where the decoder's gradient by a code is to be penalized and is none, or is not to be had."""
    if not regularizer.differentiates_decoder:
        return
    if c.bottleneck.whole:
        fit = [o for o, cls in options("bottleneck").items() if not cls.whole]  # type: ignore[attr-defined]
        raise AerunError(
            f"regularizer={name} needs codes that can move a little, and those of model/bottleneck={option(c.bottleneck)} are "
            f"some of finitely many. It works with {', '.join(fit)}."
        )
    if c.arch.is_taught:
        raise AerunError(
            f"regularizer={name} needs a decoder that writes a sample at once: in training that of model/arch={option(c.arch)} "
            "is fed the truth, and on a GPU its gradient cannot be differentiated. Use regularizer=l2, or another model/arch."
        )
    if "encode" not in c.arch.offers:
        raise AerunError(
            f"regularizer={name} needs a decoder without norm=batch: it couples samples. Use model.arch.norm=layer or none."
        )


def _may_move(cls: type[Part], c: Composition) -> bool:
    """Return whether codes can be moved as regularizers of this class move them: freely, a little, to a point, cut, or not.

    False also for one that reads lengths or shuffles units where such codes allow neither.
    """
    assert issubclass(cls, Regularizer)
    bottleneck = c.bottleneck
    pulled = cls.pulls and (bottleneck.space != "real" or c.arch.shares_weights or bool(c.arch.constant_by))
    freely = cls.moves_codes and bottleneck.space != "real"
    cut = bool(cls.cuts) and not bottleneck.can_be_cut
    meaningless = bool(bottleneck.curved) and (cls.of_length or cls.shuffles)
    stiff = cls.differentiates_decoder and bottleneck.whole
    return not (freely or cut or pulled or meaningless or stiff)


def _moved(name: str, regularizer: Regularizer, bottleneck: Bottleneck) -> None:
    """Raise AerunError where codes are to be moved freely that are no free vectors."""
    if regularizer.moves_codes and bottleneck.space != "real":
        real = [o for o, cls in options("bottleneck").items() if getattr(cls, "space", "") == "real"]
        raise AerunError(
            f"regularizer={name} moves codes and needs such as can be any real vector, which those of {bottleneck.setting} "
            f"cannot. It works with {', '.join(o for o in real if 'posterior' in options('bottleneck')[o].offers)}."
        )


def _pulled(name: str, regularizer: Regularizer, c: Composition) -> None:
    """Raise AerunError where all codes are to be pulled to one point, and something puts them there whatever the sample."""
    if not regularizer.pulls:
        return
    why = f"regularizer={name} pulls all codes to one point, and needs"
    if c.bottleneck.space != "real":
        real = [o for o, cls in options("bottleneck").items() if getattr(cls, "space", "") == "real"]
        raise AerunError(f"{why} such as can be any real vector. It works with model/bottleneck={', '.join(real)}.")
    if c.arch.shares_weights:
        raise AerunError(f"{why} a decoder whose matrices are not the encoder's, which it shrinks. Use model.arch.tied=false.")
    if what := c.arch.constant_by:
        others = {"bias": "biases and learned shifts", "c": "what is known beforehand (use dataset.condition_to=decoder)"}
        instead = "model.arch.bias=false, of model/arch=mlp, linear or conv" if what == "bias" else ""
        instead = instead or ("" if what == "c" else "model.arch.activation=relu, leaky_relu, gelu or silu")
        words = f"{why} an encoder without {others.get(what, what)}, which can write the same code for every sample."
        raise AerunError(f"{words} Use {instead}." if instead else words)


def _who_withholds(name: str, c: Composition) -> tuple[str, Part]:
    parts = c.parts()
    for room, part in parts.items():
        if name not in part.offers and any(name in cls.offers for cls in options(room).values()):
            return room, part
    return "bottleneck", parts["bottleneck"]


@cache
def options(room: str) -> dict[str, type[Part]]:
    """Return the class of every shipped option of a group, by the option's name."""
    classes = {}
    for path in sorted((config_dir() / ROOMS[room]).glob("*.yaml")):
        node = OmegaConf.load(path)
        if isinstance(node, DictConfig) and "_target_" in node:
            module, _, name = str(node["_target_"]).rpartition(".")
            classes[path.stem] = getattr(import_module(module), name)
    return classes
