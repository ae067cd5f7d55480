"""The autoencoder in a run's folder, which may be a stranger's: bounded before it takes memory, and nothing is executed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from aerun.autoencoder import Autoencoder
from aerun.build.composition import model_of
from aerun.build.data import dataset_of
from aerun.build.stored import refuse_settings, whole_settings
from aerun.core.errors import AerunError
from aerun.core.facts import Facts, facts_from
from aerun.core.memory import memory_limit
from aerun.dataset.base import Dataset
from aerun.preparation.base import Preparation
from aerun.preparation.stored import restored
from aerun.preparation.told import Conditions
from aerun.runs.checkpoint import BEST, LAST, Sizes, sizes_of, weights_of
from aerun.runs.folder import Folder
from aerun.runs.plain import line_of
from aerun.settings.conditions import SETTINGS
from aerun.settings.targets import named_in, refuse_foreign

_ELEMENTS = 1 << 26  # At most so many numbers are in one sample.
_SLACK = 1 << 20  # In bytes.
_TIMES, _MORE = (
    20,
    1 << 26,
)  # A checkpoint takes at most so many times its weights (optimizers keep some), and so many bytes more.
_REGISTERED, _NONE = 8, 100_000  # Parameters are registered at most so often for a tensor that is stored; without any, in all.
# What values of wrong kinds end in.
_DAMAGE = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError)


def autoencoder_of(
    folder: Folder, cfg: Mapping[str, Any], weights: str, trusted: Sequence[str], dataset: Dataset | None = None
) -> Autoencoder:
    """Return the autoencoder in a run's folder with its `best` or `last` weights.

    dataset: asked for its facts where the folder does not hold them. Raises AerunError where the folder is damaged, asks for
    what is not trusted, or for more than its weights take.
    """
    with naming_damage(folder):
        refuse_settings(cfg, trusted)
        facts, preparation = _facts_of(folder, dataset)
        _refuse_told(cfg, preparation.told)
        size = refuse_sizes(folder, cfg, facts, preparation, trusted, weights)
        state = weights_of(folder.path, weights, 2 * size + _SLACK)
        with torch.random.fork_rng(devices=[]):  # Its first weights are drawn and then replaced.
            autoencoder, _ = model_of(cfg, facts, preparation, trusted)
    _fill(autoencoder, state, folder.path / "checkpoints" / f"{weights}.ckpt")
    return autoencoder


@contextmanager
def naming_damage(folder: Folder) -> Iterator[None]:
    """Raise AerunError that names the folder where values of wrong kinds in it end in other errors."""
    try:
        yield
    except _DAMAGE as e:
        raise AerunError(f"{folder.path}: damaged: {type(e).__name__} {line_of(e)} in its config.yaml or facts.json.") from e


def refuse_unlike(folder: Folder, cfg: Mapping[str, Any], trust: Sequence[str] = ()) -> None:
    """Raise AerunError where the model of a run that is to go on would be larger than its last checkpoint.

    The check comes before the model is built, and holds for the checkpoints too, which may be no larger than such a model's.
    Without a checkpoint the bound is what fits into memory. The facts of a run without facts.json come from its data.
    """
    with naming_damage(folder):
        refuse_settings(cfg, tuple(trust))
        refuse_foreign(named_in(cfg), tuple(trust))
        stored = bool(folder.read("facts.json").get("preparation"))
        facts, preparation = _facts_of(folder, None if stored else dataset_of(cfg, tuple(trust)))
        size = refuse_sizes(folder, cfg, facts, preparation, tuple(trust), "last" if folder.has(LAST) else None)
    for name in (n for n in (LAST, BEST) if folder.has(n)):
        _refuse_more(folder, name, sizes_of(folder.path, Path(name).stem), size)


def _refuse_more(folder: Folder, name: str, sizes: Sizes, model: int) -> None:
    """Raise AerunError for a checkpoint that is larger than one of a model of so many bytes can be."""
    if sizes.weights > 2 * model + _SLACK or sizes.whole > _TIMES * (model + _SLACK) + _MORE:
        raise AerunError(
            f"{folder.path / name}: takes {sizes.whole:,} bytes, {sizes.weights:,} of them weights, and the model of "
            f"config.yaml has {model:,}: they do not belong together."
        )


def _facts_of(folder: Folder, dataset: Dataset | None) -> tuple[Facts, Preparation]:
    path, table = folder.path / "facts.json", folder.read("facts.json")
    if table.get("preparation"):
        facts = facts_from(table["facts"])
        _refuse_facts(facts)
        return facts, restored(table["preparation"])
    if dataset is not None and (table or not folder.has("facts.json")):
        return dataset.row_facts(), dataset.row_preparation()
    if not table:
        there = folder.has("facts.json")
        why = "damaged: it is no JSON" if there else "missing: an older aerun left this run. Train it again to use it"
        raise AerunError(f"{path}: {why}.")
    raise AerunError(f"{path}: its data were prepared by a class that is not aerun's own, which is not stored.")


def _refuse_told(cfg: Mapping[str, Any], told: Conditions | None) -> None:
    """Raise AerunError where config.yaml says of what the model is told beforehand what does not hold for the trained one."""
    about = cfg.get("dataset")
    if not isinstance(about, Mapping) or about.get("condition") is None or told is None:
        return
    trained = {"condition_to": told.whom, "condition_drop": told.drop}
    for key, value in trained.items():
        if (asked := about.get(key, SETTINGS[key])) != value:
            raise AerunError(
                f"config.yaml: dataset.{key}={asked}, and the model was trained with {value}, as facts.json says. One of them "
                "was changed."
            )


def _refuse_facts(facts: Facts) -> None:
    """Raise ValueError for facts that no data set has, and AerunError for samples beyond all bounds."""
    for shape in (facts.shape, facts.prepared_from):
        whole = shape is None or (
            isinstance(shape, tuple) and all(type(n) is int and n > 0 for n in shape) and 0 < len(shape) < 5
        )
        if not whole:
            raise ValueError(f"shape {shape}")
        if shape is not None and math.prod(shape) > _ELEMENTS:
            raise AerunError(
                f"facts.json: a sample of shape {shape} is more than the {_ELEMENTS:,} numbers that are worked on."
            )
    if facts.kind not in ("image", "table", "sequence", "text") or not isinstance(facts.tokens, tuple):
        raise ValueError(f"kind {facts.kind}")
    numbers = [facts.unit, *(v for v in (facts.low, facts.high) if v is not None)]
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in numbers) or facts.unit <= 0:
        raise ValueError("unit, low or high")
    if not all(_is_run(c, facts.size) for c in facts.columns):
        raise ValueError("columns")
    if type(facts.source) is not int or not 0 <= facts.source < facts.size:
        raise ValueError("source")
    if not all(isinstance(t, str) for t in facts.tokens) or (facts.tokens and facts.shape[-1] != len(facts.tokens)):
        raise ValueError("tokens")


def _is_run(column: Any, size: int) -> bool:
    """Return whether this is a run of elements within a sample of so many."""
    if not isinstance(column, tuple) or [type(v) for v in column] != [str, str, int, int]:
        return False
    _, _, start, length = column
    return 0 <= start < start + length <= size


def refuse_sizes(
    folder: Folder, cfg: Mapping[str, Any], facts: Facts, preparation: Preparation, trusted: Sequence[str], weights: str | None
) -> int:
    """Return the bytes of the model that config.yaml asks for, without taking memory for it.

    Raises AerunError where that is more than its weights take; without any weights (None), where it is more than fits into
    memory.
    """
    name, limit, tensors = "this machine's memory", memory_limit(), _NONE
    if weights is not None:
        stored = sizes_of(folder.path, weights)
        name, limit = f"checkpoints/{weights}.ckpt", stored.weights + _SLACK
        tensors = _REGISTERED * (stored.tensors + _REGISTERED)
    for key, value in whole_settings(cfg):
        if value > limit:
            raise AerunError(f"config.yaml: {key}={value} cannot be: {name} holds only {limit - _SLACK:,} bytes.")
    size = _size(cfg, facts, preparation, trusted, (tensors, name))
    if size > limit:
        raise AerunError(
            f"config.yaml asks for a model of {size:,} bytes, and {name} holds only {limit - _SLACK:,}: they do not belong "
            "together."
        )
    return size


def _size(cfg: Mapping[str, Any], facts: Facts, preparation: Preparation, trusted: Sequence[str], most: tuple[int, str]) -> int:
    arch = dict(cfg["model"]["arch"])
    if arch.get("atoms") == "orthogonal":
        arch["atoms"] = "free"  # It has the same size; torch cannot build the other one without memory.
    with torch.device("meta"), torch.random.fork_rng(devices=[]), _at_most(*most):
        shapes = {**cfg, "model": {**cfg["model"], "arch": arch}}
        skeleton, _ = model_of(shapes, facts, preparation, trusted, rehearsed=False)
    return sum({id(v): v.numel() * v.element_size() for v in (*skeleton.parameters(), *skeleton.buffers())}.values())


@contextmanager
def _at_most(tensors: int, name: str) -> Iterator[None]:
    """Let modules be made of so many parameters in all; raise AerunError at one more, before the rest is made."""
    count = 0

    def _register(module: nn.Module, key: str, parameter: nn.Parameter) -> None:
        nonlocal count
        count += 1
        if count > tensors:
            raise AerunError(f"config.yaml asks for a model of more layers than {name} holds: they do not belong together.")

    hook = register_module_parameter_registration_hook(_register)
    try:
        yield
    finally:
        hook.remove()


def _fill(autoencoder: Autoencoder, state: dict[str, Tensor], path: Path) -> None:
    if odd := _misfit({k: v.shape for k, v in autoencoder.state_dict().items()}, {k: v.shape for k, v in state.items()}):
        raise AerunError(f"{path}: are not the weights of the model that config.yaml asks for: {odd}. One of them was changed.")
    try:
        autoencoder.load_state_dict(state)
    except AerunError:
        raise
    except Exception as e:
        raise AerunError(f"{path}: cannot be read as this run's weights: {line_of(e)}") from e


def _misfit(asked: Mapping[str, torch.Size], stored: Mapping[str, torch.Size]) -> str:
    """Return in words the first weights, by name, that one side alone has or that differ in shape; empty where all fit."""
    for name in (*asked, *stored):
        ours, theirs = asked.get(name), stored.get(name)
        if ours != theirs:
            words = [f"has shape {tuple(shape)}" if shape is not None else "is missing" for shape in (theirs, ours)]
            return f"{name} {words[0]} there, and {words[1]} in that model"
    return ""
