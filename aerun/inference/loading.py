"""A model from a run's folder, which may be a stranger's: nothing in it is executed, and nothing is read outside of it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.build import model_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts, facts_from
from aerun.inference.model import Model
from aerun.preparation.base import Preparation
from aerun.preparation.stored import restored
from aerun.runs.checkpoint import inside, line_of, run_folder, weights_of
from aerun.runs.folder import Folder

ROOMS = ("aerun.model", "aerun.regularizer")  # whose classes a stranger's folder may name
_ELEMENTS = 1 << 26  # numbers in one sample, at most
_SLACK = 1 << 16  # bytes


def load(run: str | Path, weights: str = "best", trust: Sequence[str] = ()) -> Model:
    """The model that a run left in its folder, or of a sweep's folder its best run; no data are read.

    weights: `best` or `last`. trust: further modules whose classes may be built, of parts that are not aerun's own.
    AerunError where the folder is not a run's, is damaged, or asks for what is not trusted.
    """
    path = run_folder(Path(run).expanduser())
    inside(path, path / "config.yaml")
    folder, cfg = Folder(path), Folder(path).config()
    checkpoint, state = path / "checkpoints" / f"{weights}.ckpt", weights_of(path, weights)
    trusted = (*ROOMS, *trust)
    try:
        facts, preparation = _known(folder)
        _refuse_foreign(cfg, trusted)
        _refuse_sizes(cfg, facts, preparation, trusted, checkpoint)
        with torch.random.fork_rng(devices=[]):  # its first weights are drawn, and replaced
            autoencoder, _ = model_of(cfg, facts, preparation, trusted)
        seed = int(cfg["seed"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as e:
        raise AerunError(f"{path}: damaged: {type(e).__name__} {line_of(e)} in its config.yaml or facts.json.") from e
    _fill(autoencoder, state, checkpoint)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Model(autoencoder.to(device).eval().requires_grad_(False), cfg, folder, device, seed)


def _known(folder: Folder) -> tuple[Facts, Preparation]:
    path = inside(folder.path, folder.path / "facts.json")
    found = folder.read("facts.json")
    if not found:
        why = "damaged: it is no JSON" if path.exists() else "missing: an older aerun left this run. Train it again to use it"
        raise AerunError(f"{path}: {why}.")
    if not found.get("preparation"):
        raise AerunError(f"{path}: its data were prepared by a class that is not aerun's own, which is not stored.")
    facts = facts_from(found["facts"])
    _refuse_facts(facts)
    return facts, restored(found["preparation"])


def _refuse_facts(facts: Facts) -> None:
    """ValueError for what no data set says of itself; AerunError for samples beyond all bounds."""
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
    if not all(isinstance(t, str) for t in facts.tokens) or (facts.tokens and facts.shape[-1] != len(facts.tokens)):
        raise ValueError("tokens")


def _refuse_foreign(cfg: Mapping[str, Any], trusted: Sequence[str]) -> None:
    """AerunError for a class that is no part of a model, before anything is imported."""
    model, terms = cfg["model"], cfg["reg"].get("terms") or {}
    nodes = {f"model.{k}": model[k] for k in ("arch", "bottleneck", "corruption", "loss")}
    nodes |= {f"reg.terms.{k}": node for k, node in terms.items()}
    for key, node in nodes.items():
        target = str(node["_target_"])
        if not any(target.startswith(f"{t}.") for t in trusted):
            root = target.partition(".")[0]
            hint = "" if root == "aerun" else f" If you trust it: --trust {root}"
            raise AerunError(f"config.yaml: {key}._target_={target} is not a part of aerun's models; it is not built.{hint}")


def _refuse_sizes(
    cfg: Mapping[str, Any], facts: Facts, preparation: Preparation, trusted: Sequence[str], checkpoint: Path
) -> None:
    """AerunError where the model would be larger than the file of its weights, before so much memory is asked for."""
    limit = checkpoint.stat().st_size + _SLACK
    for key, value in [("model.latent_dim", cfg["model"]["latent_dim"]), *_leaves("model.arch", cfg["model"]["arch"])]:
        if isinstance(value, int) and value > limit:
            raise AerunError(f"config.yaml: {key}={value} cannot be: {checkpoint.name} holds only {limit - _SLACK:,} bytes.")
    arch = dict(cfg["model"]["arch"])
    if arch.get("atoms") == "orthogonal":
        arch["atoms"] = "free"  # of the same size; torch cannot build the other one without memory
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        shapes = {**cfg, "model": {**cfg["model"], "arch": arch}}
        skeleton, _ = model_of(shapes, facts, preparation, trusted, rehearsed=False)
    parts = {id(v): v.numel() * v.element_size() for v in (*skeleton.parameters(), *skeleton.buffers())}
    if sum(parts.values()) > limit:
        raise AerunError(
            f"config.yaml asks for a model of {sum(parts.values()):,} bytes, and {checkpoint.name} holds only "
            f"{limit - _SLACK:,}: "
            "they do not belong together."
        )


def _leaves(key: str, node: Any) -> list[tuple[str, Any]]:
    if isinstance(node, Mapping):
        return [leaf for k, v in node.items() for leaf in _leaves(f"{key}.{k}", v)]
    if isinstance(node, list | tuple):
        return [leaf for i, v in enumerate(node) for leaf in _leaves(f"{key}.{i}", v)]
    return [(key, node)]


def _fill(autoencoder: Autoencoder, state: dict[str, Tensor], path: Path) -> None:
    try:
        autoencoder.load_state_dict(state)
    except AerunError:
        raise
    except Exception as e:
        raise AerunError(f"{path}: cannot be read as this run's weights: {line_of(e)}") from e
