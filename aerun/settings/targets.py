"""Which classes a saved config may name: the options shipped under configs/, by group. Reads only text."""

import re
import sys
from collections.abc import Sequence
from functools import cache

from aerun.core.errors import AerunError
from aerun.core.paths import config_dir

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


def refuse_foreign(key: str, target: str, trusted: Sequence[str]) -> None:
    """Raise AerunError for a target that a run's folder may not name under this key; nothing is imported.

    Allowed are the options of the key's group, torch's own optimizers for `optimizer`, and classes of the modules `trusted`.
    """
    group = group_of(key)
    if target in targets(group) or (key == "optimizer" and _OPTIMIZER.fullmatch(target)):
        return
    if any(target.startswith(f"{module}.") for module in trusted):
        return
    root = target.partition(".")[0]
    hint = "" if root in ("aerun", "torch", *sys.stdlib_module_names) else f" If you trust it: --trust {root}"
    raise AerunError(f"{key}._target_={target}: is not an option of {group}; it is not built.{hint}")
