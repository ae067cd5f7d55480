"""Builds a model's parts from its settings, puts them together and checks them against each other."""

from collections.abc import Mapping, Sequence
from typing import Any

from aerun.autoencoder import Autoencoder
from aerun.build.maker import Config, Maker, settings_of
from aerun.compose import Composition, check, option, options
from aerun.core.checks import integer, number, reject_unknown_keys, within
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.parts import Arch, Corruption, Loss, Part, Term
from aerun.preparation.base import Preparation
from aerun.preparation.told import Conditions
from aerun.runs.identity import LATER_PARTS

_TERM = ("weight", "warmup", "cycles")


def model_of(
    cfg: Config, facts: Facts, preparation: Preparation, trusted: Sequence[str] | None = None, rehearsed: bool = True
) -> tuple[Autoencoder, list[str]]:
    """Return the checked model for data with these `facts`, and the warnings about it.

    rehearsed: also try it on two blank samples, which takes memory. Errors are those of `build`.
    """
    latent_dim = integer("model.latent_dim", cfg["model"]["latent_dim"], 1)
    make = Maker(trusted)
    make.refuse_foreign(cfg)
    composition = _compose(make, cfg, latent_dim, facts, preparation)
    warnings = check(composition, latent_dim, facts)
    autoencoder = Autoencoder(composition, facts, preparation)
    if rehearsed:
        autoencoder.dry_run()
        _refuse_weightless(autoencoder.arch)
    return autoencoder, warnings


def _refuse_weightless(arch: Arch) -> None:
    """Raise AerunError where an arch of one's own names no weights, whose scale every run looks at."""
    for method in ("encoder_weights", "decoder_weights"):
        if not getattr(arch, method)():
            raise AerunError(
                f"model/arch={option(arch)}: {method}() returns none. They are the weights of all modules unless it says "
                "otherwise: let it return the matrices of the affine maps, in order."
            )


def _compose(make: Maker, cfg: Config, latent_dim: int, facts: Facts, preparation: Preparation) -> Composition:
    told, sees_mask = preparation.told, preparation.shows_gaps
    from_data: dict[str, Any] = {k: getattr(facts, k) for k in ("shape", "kind", "low", "high", "ragged", "tokens", "columns")}
    from_data |= {"stored_unit": facts.unit, "source": facts.source}
    model = cfg["model"]
    _refuse_other_size(model)
    loss = make("model.loss", model["loss"], from_data)
    corruption = make("model.corruption", model["corruption"], from_data)
    bottleneck = make("model.bottleneck", model["bottleneck"], from_data)
    cuts = latent_dim if _tells_cuts(cfg["reg"]) else 0
    from_parts = {
        "features": bottleneck.features,
        "sees_mask": corruption.shows_mask or sees_mask,
        "activate": loss.activate,
        "heads": loss.heads,
    }
    _refuse_heads(make, model["arch"], loss)
    if facts.source:
        _refuse_pairs(make, model["arch"], corruption)
    arch = make("model.arch", _reading(model["arch"], told, cuts), {**from_data, **from_parts, **_known(told, cuts)})
    reg = cfg["reg"]
    if not isinstance(reg, Mapping):
        raise AerunError(f"reg={reg}: choose a regularizer with regularizer={reg}; reg.lambda=... sets its weight.")
    reject_unknown_keys("reg", reg, ("lambda", "terms"))
    for_terms = {**from_data, "pieces": bottleneck.pieces, "piece": bottleneck.piece}
    terms = {name: _term(make, name, node, for_terms) for name, node in (reg.get("terms") or {}).items()}
    prior = make("model.prior", model.get("prior", LATER_PARTS["prior"]), {**from_data, **_known(told)})
    if told is not None and told.encoder and not told.nullable and "posterior_of" in prior.takes():
        raise AerunError(
            f"model/prior={option(prior)} needs an encoder that is not told {told.names}, which nobody knows of the samples "
            "that it learns. Use dataset.condition_to=decoder or dataset.condition_drop=0.1."
        )
    strength = number("reg.lambda", reg["lambda"])
    for name, term in terms.items():
        _refuse_inferred(name, term, told)
    _refuse_unread(told, (loss, bottleneck, prior, *(t.regularizer for t in terms.values())))
    return Composition(arch, bottleneck, corruption, loss, terms, strength, prior, told is not None, preparation.tells_seen)


def _refuse_heads(make: Maker, node: Any, loss: Loss) -> None:
    """Raise AerunError where the loss reads several values for each element, and the decoder can give one alone."""
    if loss.heads > 1 and "heads" not in settings_of(make.named("model.arch", node)):
        raise AerunError(
            f"model/loss={option(loss)} needs {loss.heads} values for each element, and this decoder gives 1. Use "
            "model/arch=mlp or linear."
        )


def _refuse_pairs(make: Maker, node: Any, corruption: Corruption) -> None:
    """Raise AerunError for parts that cannot read one array and write another."""
    if "source" not in settings_of(named := make.named("model.arch", node)):
        words = "its decoder writes what its encoder reads. Use model/arch=linear or mlp."
        raise AerunError(f"model/arch={named.__module__.rpartition('.')[2]} with dataset.target: {words}")
    if corruption.alters:
        words = "what is judged is another array than the one that it would corrupt. Use model/corruption=none."
        raise AerunError(f"model/corruption={option(corruption)} with dataset.target: {words}")


def _refuse_unread(told: Conditions | None, parts: Sequence[Part]) -> None:
    """Raise AerunError where only terms are told something, and none of the parts reads it."""
    if told is None or told.read or any("c" in part.takes() for part in parts):
        return
    fit = [o for o, cls in options("regularizer").items() if "c" in cls.takes()]
    raise AerunError(
        f"dataset.condition_to=terms: no term reads what is told. Add regularizer={' or '.join(fit)}, or use "
        "dataset.condition_to=both."
    )


def _refuse_inferred(name: str, term: Term, told: Conditions | None) -> None:
    """Raise AerunError where a term is to teach the code what is no class, or what the model is told anyway."""
    if told is None or not term.regularizer.infers:
        return
    if told.read:
        raise AerunError(
            f"regularizer={name} teaches the code the class ({told.names}), and needs a model that is not told it: "
            "dataset.condition_to=terms."
        )
    if len(told.features) != 1 or told.features[0].kind != "category":
        raise AerunError(f"regularizer={name} teaches the code one class, and dataset.condition tells {told.names}.")
    if told.drop:
        raise AerunError(
            f"dataset.condition_drop={told.drop}: regularizer={name} counts the samples whose class is known. Use "
            "dataset.labelled for fewer of them."
        )


def _tells_cuts(reg: Any) -> bool:
    """Return whether a term asks that the decoder be told which units are cut: it is built before the terms are."""
    terms = reg.get("terms") if isinstance(reg, Mapping) else None
    return any(isinstance(node, Mapping) and bool(node.get("tell")) for node in (terms or {}).values())


def _reading(node: Any, told: Conditions | None, cuts: int) -> Any:
    """Return the settings of an arch whose decoder also reads what it is told beside the code, as further numbers of it."""
    more = cuts + (0 if told is None or not told.decoder else told.size)
    if not more or not isinstance(node, Mapping) or "latent_dim" not in node:
        return node
    return {**node, "latent_dim": node["latent_dim"] + more}


def _known(told: Conditions | None, cuts: int = 0) -> dict[str, int]:
    """Return how many numbers are read beside x and code: `known` by the encoder, `given` by decoder (`cuts` too) and prior."""
    given = 0 if told is None or not told.read else told.size
    return {"known": given if told is not None and told.encoder else 0, "given": given + cuts}


def _refuse_other_size(model: Config) -> None:
    """Raise AerunError where arch or bottleneck have another code size than the model."""
    for part in ("arch", "bottleneck", "prior"):
        node, size = model.get(part), model["latent_dim"]
        if isinstance(node, Mapping) and node.get("latent_dim", size) != size:
            words = f"follows model.latent_dim, which is {size}: set that."
            raise AerunError(f"model.{part}.latent_dim={node['latent_dim']}: {words}")


def _term(make: Maker, name: str, node: Any, from_data: Config) -> Term:
    key = f"reg.terms.{name}"
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise AerunError(f"{key} is set, but no such regularizer is chosen: add regularizer={name}.")
    own = {k: v for k, v in node.items() if k not in _TERM}
    regularizer = make(key, own, from_data)
    warmup = within(f"{key}.warmup", number(f"{key}.warmup", node.get("warmup", 0.0)), 0, 1)
    cycles = integer(f"{key}.cycles", node.get("cycles", 1), 1)
    return Term(regularizer, number(f"{key}.weight", node.get("weight", 1.0)), warmup, cycles)
