"""From a config to objects: the only place that instantiates. Everything a user may have got wrong is found here, in words."""

import inspect
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from aerun.autoencoder import Autoencoder
from aerun.checks import at_least, within
from aerun.compose import Composition, check
from aerun.dataset.base import Dataset
from aerun.errors import AerunError, nearest
from aerun.evaluate.reconstruction import FIGURES
from aerun.parts import Facts, Term
from aerun.schedule.base import Schedule
from aerun.trainer.joint import Joint
from aerun.trainer.optimizer import Recipe

_TOP = ("dataset", "model", "reg", "trainer", "optimizer", "schedule", "seed", "objective")
_MODEL = ("name", "latent_dim", "arch", "bottleneck", "corruption", "loss")
_TERM = ("weight", "warmup")

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """Everything a run needs, built and checked, before any data is read."""

    dataset: Dataset
    facts: Facts
    autoencoder: Autoencoder
    trainer: Joint
    optimizer: Recipe
    schedule: Schedule
    seed: int
    objective: str
    warnings: list[str]


def build(cfg: Config, trusted: Sequence[str] | None = None) -> Plan:
    """Objects of a resolved config. `trusted`: the only modules whose classes may be built (None: any).

    Raises AerunError for unknown keys, values of a wrong type or range, and illegal compositions.
    """
    _known("", cfg, _TOP)
    _known("model", cfg["model"], _MODEL)
    make = _Maker(trusted)
    seed = _integer("seed", cfg["seed"], 0)
    latent_dim = _integer("model.latent_dim", cfg["model"]["latent_dim"], 1)
    dataset = make("dataset", {k: v for k, v in _table("dataset", cfg).items() if k != "epochs"}, {})
    facts = dataset.facts()
    torch.manual_seed(seed)
    composition = _compose(make, cfg, facts)
    warnings = check(composition, latent_dim, facts)
    autoencoder = Autoencoder(composition, facts)
    autoencoder.rehearse()
    trainer = make("trainer", cfg["trainer"], {})
    trainer.refuse(autoencoder)
    _refuse_objective(str(cfg["objective"]), autoencoder)
    return Plan(
        dataset=dataset,
        facts=facts,
        autoencoder=autoencoder,
        trainer=trainer,
        optimizer=Recipe(make.checked("optimizer", cfg["optimizer"], {"params": None}), cfg["optimizer"]),
        schedule=make("schedule", cfg["schedule"], {}),
        seed=seed,
        objective=str(cfg["objective"]),
        warnings=warnings,
    )


def _refuse_objective(name: str, autoencoder: Autoencoder) -> None:
    known = [f"{s}/{k}" for s in ("train", "val") for k in autoencoder.keys(s == "train")] + ["val/mse", *FIGURES]
    if name not in known:
        raise AerunError(f"objective={name}: no such figure{nearest(name, known)}; one of {', '.join(known)}.")


def _compose(make: "_Maker", cfg: Config, facts: Facts) -> Composition:
    given: dict[str, Any] = {"shape": facts.shape, "kind": facts.kind, "low": facts.low, "high": facts.high}
    model = cfg["model"]
    loss = make("model.loss", model["loss"], given)
    corruption = make("model.corruption", model["corruption"], given)
    bottleneck = make("model.bottleneck", model["bottleneck"], given)
    arch = make("model.arch", model["arch"], {**given, "features": bottleneck.features})
    reg = cfg["reg"]
    if not isinstance(reg, Mapping):
        raise AerunError(f"reg={reg}: choose a regularizer with regularizer={reg}; reg.lambda=... sets its weight.")
    _known("reg", reg, ("lambda", "terms"))
    terms = {name: _term(make, name, node, given) for name, node in (reg.get("terms") or {}).items()}
    return Composition(arch, bottleneck, corruption, loss, terms, _number("reg.lambda", reg["lambda"]))


def _term(make: "_Maker", name: str, node: Any, given: Config) -> Term:
    key = f"reg.terms.{name}"
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise AerunError(f"{key} is set, but no such regularizer is chosen: add regularizer={name}.")
    own = {k: v for k, v in node.items() if k not in _TERM}
    regularizer = make(key, own, given)
    warmup = within(f"{key}.warmup", _number(f"{key}.warmup", node.get("warmup", 0.0)), 0, 1)
    return Term(regularizer, _number(f"{key}.weight", node.get("weight", 1.0)), warmup)


class _Maker:
    """Instantiates a node after holding it against its constructor's signature."""

    def __init__(self, trusted: Sequence[str] | None) -> None:
        self.trusted = trusted

    def __call__(self, key: str, node: Config, given: Config) -> Any:
        cls = self.checked(key, node, given)
        wanted = inspect.signature(cls.__init__).parameters
        settings = {k: v for k, v in node.items() if k != "_target_"}
        return cls(**settings, **{k: v for k, v in given.items() if k in wanted})

    def checked(self, key: str, node: Config, given: Config) -> type[Any]:
        """The class of a node whose keys and types fit its constructor, else AerunError."""
        cls = self._class(key, node)
        parameters = inspect.signature(cls.__init__).parameters
        settings = [
            k for k, p in parameters.items() if k not in ("self", *given) and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        _known(key, node, ("_target_", *settings), shown=settings)
        hints = typing.get_type_hints(cls.__init__)
        for name in settings:
            if name not in node:
                if parameters[name].default is inspect.Parameter.empty:
                    raise AerunError(f"{key}.{name} is missing: {key} ({cls.__name__}) needs it.")
            elif not _fits(node[name], hints.get(name, Any)):
                raise AerunError(f"{key}.{name}={node[name]}: must be {_spoken(hints[name])}.")
        return cls

    def _trusts(self, module: str) -> bool:
        return self.trusted is None or any(module.startswith(f"{t}.") for t in self.trusted)

    def _class(self, key: str, node: Any) -> type[Any]:
        if not isinstance(node, Mapping) or "_target_" not in node:
            raise AerunError(
                f"{key}={node}: an option of the group {key.replace('.', '/')} is chosen with {key.replace('.', '/')}=NAME."
            )
        target = str(node["_target_"])
        if not self._trusts(target):
            root = target.partition(".")[0]
            raise AerunError(f"{key} asks for {target}, which is not part of aerun. If you trust it: --trust {root}")
        module, _, name = target.rpartition(".")
        try:
            cls = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as e:
            raise AerunError(f"{key}._target_={target}: cannot be imported: {e}") from e
        if not isinstance(cls, type) or not self._trusts(f"{cls.__module__}."):  # not what a trusted module itself imports
            raise AerunError(f"{key}._target_={target}: is not a class of that module.")
        return cls


def _known(key: str, node: Any, allowed: Sequence[str], shown: Sequence[str] | None = None) -> None:
    for name in node:
        if name not in allowed:
            path = f"{key}.{name}" if key else str(name)
            names = ", ".join(allowed if shown is None else shown) or "none"
            raise AerunError(f"{path} is not a setting here{nearest(str(name), allowed)} (settings: {names}).")


def _integer(key: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise AerunError(f"{key}={value}: must be an integer of at least {least}.")
    return value


def _table(key: str, cfg: Config) -> Config:
    if not isinstance(cfg[key], Mapping):
        raise AerunError(f"{key}={cfg[key]}: not a table of settings; an option is chosen with {key}=NAME.")
    table: Config = cfg[key]
    return table


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AerunError(f"{key}={value}: must be a number.")
    return float(at_least(key, value, 0))


def _fits(value: Any, hint: Any) -> bool:
    """Does a plain value fit a type hint? True where the hint says nothing we can check."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, h) for h in typing.get_args(hint))
    if hint in (None, type(None)):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (bool, str):
        return isinstance(value, hint)
    if origin in (list, tuple, Sequence) or (isinstance(origin, type) and issubclass(origin, Sequence)):
        inner = typing.get_args(hint)[:1] or (Any,)
        return isinstance(value, list | tuple) and all(_fits(v, inner[0]) for v in value)
    return not (isinstance(hint, type) and issubclass(hint, torch.Tensor))


def _spoken(hint: Any) -> str:
    words = {int: "an integer", float: "a number", bool: "true or false", str: "a word", type(None): "null"}
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_spoken(h) for h in typing.get_args(hint) if h is not torch.Tensor)
    if typing.get_args(hint):
        return "a list of " + _spoken(typing.get_args(hint)[0]).partition(" ")[2] + "s"
    return words.get(hint, str(hint))
