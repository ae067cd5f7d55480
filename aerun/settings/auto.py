"""Options that the data choose: `model/loss=auto` and `model/arch=auto`, and what becomes of the settings typed for them.

Such a node has the settings of a common option and the mark `auto: true`. Once the data are known another option's node may
take its place; that one is saved, without the mark.
"""

from collections.abc import Mapping
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.settings.borrowed import as_borrowed
from aerun.settings.catalog import content, takes

AUTO = "auto"  # the option of these groups, and the mark in its node
OUTCOMES = {"loss": ("mse", "bce", "gaussian", "categorical", "mixed"), "arch": ("mlp", "recurrent")}  # the common one first


def is_marked(node: Any) -> bool:
    """Return whether this node has the mark, which no option's class takes."""
    return isinstance(node, Mapping) and AUTO in node


def is_open(part: str, node: Any) -> bool:
    """Return whether the data are still to choose the option of this node: its class is the common one, not one typed."""
    common = _settings(part, OUTCOMES[part][0])
    return is_marked(node) and node[AUTO] is True and node.get("_target_") == common["_target_"]


def without_mark(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node that was not left open after all as it is built and saved."""
    return {k: v for k, v in node.items() if k != AUTO}


def chosen(part: str, node: Mapping[str, Any], option: str) -> dict[str, Any]:
    """Return the node of `option` in place of an open one, with the settings that were given carried over.

    Raises AerunError for a given setting that the option does not have, or has with another form of value.
    """
    common, own = (_settings(part, name) for name in (OUTCOMES[part][0], option))
    given = {k: v for k, v in node.items() if k not in (AUTO, "_target_") and (k not in common or v != common[k])}
    for key, value in given.items():
        if key in common and not takes(own, key, value):
            raise AerunError(
                f"model.{part}.{key}={_written(value)}: is for model/{part}={OUTCOMES[part][0]}, and these data take {option}. "
                f"Leave it out, or choose with model/{part}=NAME."
            )
    return {**own, **given}


def as_saved(config: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a composed config with what it leaves open as a saved config has it, where that is one of the possible outcomes.

    So a command is recognized as the one that a run was started with, without a look at the data. It is the same with
    the length of training, which older runs saved in epochs, and never ended before, and with layers of other runs.
    """
    config = as_borrowed(config, saved)
    model, before = config.get("model"), saved.get("model")
    if not isinstance(model, Mapping) or not isinstance(before, Mapping):
        return dict(config)
    nodes = {part: _as_saved(part, model[part], before.get(part)) for part in OUTCOMES if is_marked(model.get(part))}
    lengths = {"trainer": _length(config, saved["trainer"])} if isinstance(saved.get("trainer"), Mapping) else {}
    return {**config, "model": {**model, **nodes}, **lengths}


def _as_saved(part: str, node: Any, saved: Any) -> Any:
    if not is_open(part, node):
        return without_mark(node)
    for option in OUTCOMES[part]:
        try:
            if (outcome := chosen(part, node, option)) == saved:
                return outcome
        except AerunError:
            continue  # The given settings rule this option out.
    return node


def _length(config: Mapping[str, Any], saved: Mapping[str, Any]) -> Any:
    """Return the trainer's settings, the length as an older run has it where its epochs are those of the data set, or all."""
    trainer, dataset = config.get("trainer"), config.get("dataset")
    if not isinstance(trainer, Mapping) or "max_steps" in saved or trainer.get("max_steps") is not None:
        return trainer
    older = {k: v for k, v in trainer.items() if k != "max_steps"}
    older |= {"patience": None} if older.get("patience") == AUTO and saved.get("patience", 0) is None else {}
    measured = dataset.get("epochs") if isinstance(dataset, Mapping) else None
    return {**older, "max_epochs": measured} if older.get("max_epochs") is None and measured is not None else older


def _settings(part: str, option: str) -> dict[str, Any]:
    return dict(content(config_dir() / "model" / part / f"{option}.yaml"))


def _written(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
