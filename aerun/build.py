"""From a config to objects: the only place that instantiates. Everything a user may have got wrong is found here, in words."""

import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from aerun.autoencoder import Autoencoder
from aerun.compose import Composition, check
from aerun.core.checks import format_type, integer, matches_type, number, reject_unknown_keys, table, within
from aerun.core.errors import AerunError, nearest
from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.older import completed
from aerun.evaluate.reconstruction import FIGURES
from aerun.parts import Term
from aerun.preparation.base import Preparation
from aerun.schedule.base import Schedule
from aerun.trainer.base import Trainer
from aerun.trainer.optimizer import Recipe

_TOP = ("dataset", "model", "reg", "trainer", "optimizer", "schedule", "seed", "objective", "evaluate", "pictures")
_MODEL = ("name", "latent_dim", "arch", "bottleneck", "corruption", "loss", "init_from", "init_part", "freeze")
_ANY_DATASET = ("epochs", "normal", "contamination")  # settings that are not the class's own
_TERM = ("weight", "warmup", "cycles")

Config = Mapping[str, Any]


@dataclass(frozen=True)
class RunPlan:
    """Everything a run needs, built and checked, before any data is read."""

    dataset: Dataset
    facts: Facts
    autoencoder: Autoencoder
    trainer: Trainer
    optimizer: Recipe
    schedule: Schedule
    seed: int
    objectives: list[str]
    evaluate: list[str]
    pictures: list[str]
    warnings: list[str]


def build(cfg: Config, trusted: Sequence[str] | None = None) -> RunPlan:
    """Objects of a resolved config. `trusted`: the only modules whose classes may be built (None: any).

    Raises AerunError for unknown keys, values of a wrong type or range, and illegal compositions.
    """
    reject_unknown_keys("", cfg, (*_TOP, "sweep", "search"))
    reject_unknown_keys("model", cfg["model"], _MODEL)
    make = _Maker(trusted)
    seed = integer("seed", cfg["seed"], 0)
    dataset = dataset_of(cfg, trusted)
    facts = dataset.facts()
    torch.manual_seed(seed)
    autoencoder, warnings = model_of(cfg, facts, dataset.preparation(), trusted)
    trainer = make("trainer", cfg["trainer"], {})
    trainer.refuse(autoencoder)
    warnings += _begun(autoencoder, cfg["model"], trusted)
    evaluate = _applications(cfg.get("evaluate", []), autoencoder, dataset)
    objectives = _objectives(cfg["objective"], autoencoder, evaluate)
    return RunPlan(
        dataset=dataset,
        facts=facts,
        autoencoder=autoencoder,
        trainer=trainer,
        optimizer=Recipe(make.checked("optimizer", cfg["optimizer"], {"params": None}), cfg["optimizer"]),
        schedule=make("schedule", cfg["schedule"], {}),
        seed=seed,
        objectives=objectives,
        evaluate=evaluate,
        pictures=_pictures(cfg.get("pictures", "default"), autoencoder, dataset),
        warnings=warnings,
    )


def dataset_of(cfg: Config, trusted: Sequence[str] | None = None) -> Dataset:
    """The data set alone, its settings checked."""
    node = completed(table("dataset", cfg))
    found: Dataset = _Maker(trusted)("dataset", {k: v for k, v in node.items() if k not in _ANY_DATASET}, {})
    found.set_normal_classes(node.get("normal"), node.get("contamination", 0.0))
    return found


def model_of(
    cfg: Config, facts: Facts, preparation: Preparation, trusted: Sequence[str] | None = None, rehearsed: bool = True
) -> tuple[Autoencoder, list[str]]:
    """The model for data of which `facts` are known, checked, and what to warn of. Errors as for `build`.

    rehearsed: try it on two blank samples, which takes memory.
    """
    latent_dim = integer("model.latent_dim", cfg["model"]["latent_dim"], 1)
    composition = _compose(_Maker(trusted), cfg, facts)
    warnings = check(composition, latent_dim, facts)
    autoencoder = Autoencoder(composition, facts, preparation)
    if rehearsed:
        autoencoder.dry_run()
    return autoencoder, warnings


def _begun(autoencoder: Autoencoder, settings: Config, trusted: Sequence[str] | None) -> list[str]:
    """Weights of another run, and what is frozen. `trusted` is given where a run's folder is read, to go on with it."""
    if all(settings.get(k) in (None, "all") for k in ("init_from", "init_part", "freeze")):
        return []
    from aerun.runs.warm_start import load_initial_weights

    return load_initial_weights(autoencoder, settings, again=trusted is not None)


def _applications(asked: Any, autoencoder: Autoencoder, dataset: Dataset) -> list[str]:
    if asked == []:
        return []
    from aerun.evaluate import applications

    asked = [asked] if isinstance(asked, str) else asked
    if not matches_type(asked, list[str]):
        raise AerunError(f"evaluate={asked}: must be a list of applications, such as evaluate=[probe,anomaly], or all.")
    return applications.select_applications(asked, autoencoder, dataset)


def _pictures(asked: Any, autoencoder: Autoencoder, dataset: Dataset) -> list[str]:
    if asked == []:
        return []
    from aerun import pictures

    asked = [asked] if isinstance(asked, str) else asked
    if not matches_type(asked, list[str]):
        raise AerunError(f"pictures={asked}: must be default, all, or a list of pictures, such as pictures=[traversals,atoms].")
    return pictures.select_pictures(asked, autoencoder, dataset)


def _objectives(asked: Any, autoencoder: Autoencoder, evaluate: list[str]) -> list[str]:
    """The figures that a run returns to a sweeper, the first of which ranks it. AerunError for one that it will not have."""
    names = [asked] if isinstance(asked, str) else asked
    if not matches_type(names, list[str]) or not names or len(set(names)) < len(names):
        raise AerunError(f"objective={asked}: a figure, or a list of different ones, such as [val/mse,latent_dim].")
    figures = [f"{s}/{k}" for s in ("train", "val") for k in autoencoder.keys(s == "train")] + ["val/mse", *FIGURES]
    figures += [f"val/{k}" for k in autoencoder.watch_keys()]
    if evaluate:
        from aerun.evaluate import applications

        figures += applications.figures(evaluate)
    figures += ["latent_dim", "code_elements", "parameters", "seconds"]
    for name in names:
        if name not in figures:
            raise AerunError(f"objective={name}: no such figure{nearest(name, figures)}; one of {', '.join(figures)}.")
    return list(names)


def _compose(make: "_Maker", cfg: Config, facts: Facts) -> Composition:
    given: dict[str, Any] = {k: getattr(facts, k) for k in ("shape", "kind", "low", "high", "ragged", "tokens")}
    model = cfg["model"]
    loss = make("model.loss", model["loss"], given)
    corruption = make("model.corruption", model["corruption"], given)
    bottleneck = make("model.bottleneck", model["bottleneck"], given)
    told = {"features": bottleneck.features, "sees_mask": corruption.shows_mask, "activate": loss.activate}
    arch = make("model.arch", model["arch"], {**given, **told})
    reg = cfg["reg"]
    if not isinstance(reg, Mapping):
        raise AerunError(f"reg={reg}: choose a regularizer with regularizer={reg}; reg.lambda=... sets its weight.")
    reject_unknown_keys("reg", reg, ("lambda", "terms"))
    terms = {name: _term(make, name, node, given) for name, node in (reg.get("terms") or {}).items()}
    return Composition(arch, bottleneck, corruption, loss, terms, number("reg.lambda", reg["lambda"]))


def _term(make: "_Maker", name: str, node: Any, given: Config) -> Term:
    key = f"reg.terms.{name}"
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise AerunError(f"{key} is set, but no such regularizer is chosen: add regularizer={name}.")
    own = {k: v for k, v in node.items() if k not in _TERM}
    regularizer = make(key, own, given)
    warmup = within(f"{key}.warmup", number(f"{key}.warmup", node.get("warmup", 0.0)), 0, 1)
    cycles = integer(f"{key}.cycles", node.get("cycles", 1), 1)
    return Term(regularizer, number(f"{key}.weight", node.get("weight", 1.0)), warmup, cycles)


def settings_of(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """What a constructor takes by name; behind **common, what its parent takes too."""
    found = {k: p for k, p in inspect.signature(cls.__init__).parameters.items() if k != "self"}
    named = {k: p for k, p in found.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return {**settings_of(cls.__mro__[1]), **named} if "common" in found else named


def _hints(cls: type[Any]) -> dict[str, Any]:
    """Type hints of those settings."""
    constructors = [vars(c)["__init__"] for c in reversed(cls.__mro__[:-1]) if inspect.isfunction(vars(c).get("__init__"))]
    return {k: v for f in constructors for k, v in typing.get_type_hints(f).items()}


class _Maker:
    """Instantiates a node after holding it against its constructor's signature."""

    def __init__(self, trusted: Sequence[str] | None) -> None:
        self.trusted = trusted

    def __call__(self, key: str, node: Config, given: Config) -> Any:
        cls = self.checked(key, node, given)
        wanted = settings_of(cls)
        settings = {k: v for k, v in node.items() if k != "_target_"}
        try:
            return cls(**settings, **{k: v for k, v in given.items() if k in wanted})
        except (MemoryError, RuntimeError) as e:
            if "memory" not in str(e).lower():
                raise
            raise AerunError(f"{key}: its weights do not fit into memory. Lower model.latent_dim or {key}'s sizes.") from e

    def checked(self, key: str, node: Config, given: Config) -> type[Any]:
        """The class of a node whose keys and types fit its constructor, else AerunError."""
        cls = self._class(key, node)
        parameters = settings_of(cls)
        settings = [k for k in parameters if k not in given]
        reject_unknown_keys(key, node, ("_target_", *settings), shown=settings)
        hints = _hints(cls)
        for name in settings:
            if name not in node:
                if parameters[name].default is inspect.Parameter.empty:
                    raise AerunError(f"{key}.{name} is missing: {key} ({cls.__name__}) needs it.")
            elif not matches_type(node[name], hints.get(name, Any)):
                raise AerunError(f"{key}.{name}={node[name]}: must be {format_type(hints[name])}.")
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
