"""Lightning callbacks that are typed as classes: `callbacks=[module.Class]`. Imports no torch."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore

GROUP = "callbacks"
_CLASS = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+")


def offer(words: Sequence[str], own: str | None = None) -> None:
    """Make an option of each class that these words choose, beside the options in the folder of --config-dir.

    own: that folder, whose modules can be imported then; they come last, so that they hide no others. Nothing is imported here.
    """
    values = [v for k, s, v in (word.lstrip("+").partition("=") for word in words) if s and k.partition("@")[0] == GROUP]
    for target in {target for value in values for target in _CLASS.findall(value)}:
        name = target.replace(".", "_")
        ConfigStore.instance().store(group=GROUP, name=target, node={"_target_": target}, package=f"{GROUP}.{name}")
    if own is not None and any(word.lstrip("+").startswith(GROUP) for word in words):
        where = str(Path(own).resolve())
        if where not in sys.path:
            sys.path.append(where)
