"""Which classes a saved config may name: the options shipped under configs/, by group. Reads only text."""

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.paths import config_dir

PARTS = ("arch", "bottleneck", "corruption", "loss", "prior")  # of a model, by their keys there
_MOST = 8  # modules that an error names
_TARGET = re.compile(r"^_target_:\s*([\w.]+)(?![\w.$])", re.MULTILINE)  # not the one that optimizer.name completes
_OPTIMIZER = re.compile(r"torch\.optim(\.[a-z]\w*)*\.[A-Z]\w*")  # whether it is an optimizer is checked after the import


def group_of(key: str) -> str:
    """Return the group of a key of the config: model.arch is chosen in model/arch, reg.terms.kl in regularizer.

    logger.csv is chosen in logger.
    """
    if key.startswith(("logger.", "callbacks.")):
        return key.partition(".")[0]
    return "regularizer" if key.startswith("reg.terms.") else key.replace(".", "/")


@cache
def targets(group: str) -> frozenset[str]:
    """Return the classes of a group's options."""
    texts = (path.read_text(encoding="utf-8") for path in (config_dir() / group).glob("*.yaml"))
    return frozenset(target for text in texts for target in _TARGET.findall(text))


def named_in(cfg: Mapping[str, Any], keys: Sequence[str] = ("dataset", "trainer", "optimizer", "schedule")) -> dict[str, str]:
    """Return the targets of a config's model, loggers and callbacks, and of `keys`, by their keys; what is no node has none."""
    nodes = {key: cfg.get(key) for key in keys}
    nodes |= {f"model.{k}": _within(cfg, "model").get(k) for k in PARTS}
    nodes |= {f"reg.terms.{k}": node for k, node in _within(_within(cfg, "reg"), "terms").items()}
    nodes |= {f"{room}.{k}": node for room in ("logger", "callbacks") for k, node in _within(cfg, room).items()}
    return {key: str(node["_target_"]) for key, node in nodes.items() if isinstance(node, Mapping) and "_target_" in node}


def _within(cfg: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = cfg.get(key)
    return found if isinstance(found, Mapping) else {}


def own_modules(cfg: Mapping[str, Any]) -> list[str]:
    """Return the modules of one's own that a config names classes of: those that --trust is to name."""
    return _roots([target for key, target in named_in(cfg).items() if not _allowed(key, target, ())])


def refuse_foreign(named: Mapping[str, str], trusted: Sequence[str]) -> None:
    """Raise AerunError where a run's folder may not name one of these targets under its key; nothing is imported.

    Allowed are the options of the key's group, torch's own optimizers for `optimizer`, and classes of the modules `trusted`.
    """
    foreign = {key: target for key, target in named.items() if not _allowed(key, target, trusted)}
    if not foreign:
        return
    (key, target), roots = next(iter(foreign.items())), _roots(list(foreign.values()))
    words = f"{'them' if roots[1:] else 'it'}: {' '.join(f'--trust {root}' for root in [*trusted, *roots][:_MOST])}"
    hint = f" If you trust {words}" if roots else ""
    raise AerunError(f"{key}._target_={target}: is not an option of {group_of(key)}; it is not built.{hint}")


def _allowed(key: str, target: str, trusted: Sequence[str]) -> bool:
    if target in targets(group_of(key)) or (key == "optimizer" and _OPTIMIZER.fullmatch(target)):
        return True
    return any(target.startswith(f"{module}.") for module in trusted)


def _roots(foreign: Sequence[str]) -> list[str]:
    """Return the modules of targets, in order, less those that nobody is to trust."""
    roots = dict.fromkeys(target.partition(".")[0] for target in foreign)
    return [root for root in roots if root not in ("aerun", "torch", *sys.stdlib_module_names)]
