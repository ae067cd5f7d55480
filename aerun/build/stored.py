"""What the config of a run's folder says, checked before anything is built of it: it may be damaged."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aerun.build.maker import Config, Maker, hints_of
from aerun.core.checks import integer, matches_type, number, seed_of
from aerun.core.errors import AerunError
from aerun.settings.targets import PARTS, group_of, targets

_OTHERS = ("dataset", "trainer", "optimizer", "schedule")


def refuse_settings(cfg: Config, trusted: Sequence[str]) -> None:
    """Raise AerunError where a setting is of another type than its option takes, or a table is none.

    Nothing is built or imported but aerun's own options, and what is missing is not asked for.
    """
    make = Maker(trusted)
    for key in ("model", "reg", *_OTHERS):
        if cfg.get(key) is not None or key == "model":
            _refuse_no_table(key, cfg.get(key))
    if "seed" in cfg:
        seed_of(cfg)
    if "latent_dim" in cfg["model"]:
        integer("model.latent_dim", cfg["model"]["latent_dim"], 1)
    reg = cfg.get("reg") or {}
    if "lambda" in reg:
        number("reg.lambda", reg["lambda"])
    if reg.get("terms") is not None:
        _refuse_no_table("reg.terms", reg["terms"])
    for key, node in _nodes(cfg):
        _refuse_no_table(key, node)
        make.refuse_values(key, node)


def whole_settings(cfg: Config) -> Iterator[tuple[str, int]]:
    """Yield the settings of a model's parts that are whole numbers, such as sizes, by their keys in the config."""
    for key, node in _nodes(cfg):
        if group_of(key) in _OTHERS or not isinstance(node, Mapping):
            continue
        known = str(node.get("_target_")) in targets(group_of(key))
        hints = hints_of(Maker(()).named(key, node)) if known else {}
        for name, value in node.items():
            yield from _whole(f"{key}.{name}", value, hints.get(name, int))
    yield "model.latent_dim", cfg["model"]["latent_dim"]


def _whole(key: str, value: Any, hint: Any) -> Iterator[tuple[str, int]]:
    if isinstance(value, list | tuple):
        if not matches_type([0.5], hint):
            yield from ((f"{key}.{i}", v) for i, v in enumerate(value) if type(v) is int)
    elif type(value) is int and not matches_type(0.5, hint):
        yield key, value


def _nodes(cfg: Config) -> list[tuple[str, Any]]:
    """Return the nodes that name a class, by their keys."""
    parts = [(f"model.{k}", cfg["model"][k]) for k in PARTS if k in cfg["model"]]
    terms = [(f"reg.terms.{k}", v) for k, v in ((cfg.get("reg") or {}).get("terms") or {}).items()]
    return [*parts, *terms, *((k, cfg[k]) for k in _OTHERS if cfg.get(k) is not None)]


def _refuse_no_table(key: str, node: Any) -> None:
    if not isinstance(node, Mapping):
        raise AerunError(f"config.yaml: damaged: {key}={node}: must be a table of settings.")
