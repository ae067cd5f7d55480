"""A model from a run's folder, which may be a stranger's: nothing in it is executed, and nothing is read outside of it."""

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.build import model_of
from aerun.errors import AerunError
from aerun.facts import Facts, facts_from
from aerun.folder import Folder
from aerun.preparation.base import Preparation
from aerun.preparation.stored import restored
from aerun.sweep.figures import higher_is_better
from aerun.use.model import Model

ROOMS = ("aerun.model", "aerun.regularizer")  # whose classes a stranger's folder may name
_ELEMENTS = 1 << 26  # numbers in one sample, at most
_SLACK = 1 << 16  # bytes


def load(run: str | Path, weights: str = "best", trust: Sequence[str] = ()) -> Model:
    """The model that a run left in its folder, or of a sweep's folder its best run; no data are read.

    weights: `best` or `last`. trust: further modules whose classes may be built, of parts that are not aerun's own.
    AerunError where the folder is not a run's, is damaged, or asks for what is not trusted.
    """
    path = chosen(Path(run).expanduser())
    _inside(path, path / "config.yaml")
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
        raise AerunError(f"{path}: damaged: {type(e).__name__} {_line(e)} in its config.yaml or facts.json.") from e
    _fill(autoencoder, state, checkpoint)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Model(autoencoder.to(device).eval().requires_grad_(False), cfg, folder, device, seed)


def weights_of(path: Path, weights: str) -> dict[str, Tensor]:
    """The `best` or `last` weights in a run's folder, as plain tensors."""
    checkpoint = _inside(path, path / "checkpoints" / f"{weights}.ckpt")
    if not checkpoint.is_file():
        raise AerunError(f"{checkpoint}: there are no such weights: the run was stopped before it wrote any.")
    return _state(checkpoint)


def chosen(path: Path) -> Path:
    """The run's folder; of a sweep's that of the run with the best objective. AerunError where there is none."""
    if not path.is_dir():
        raise AerunError(f"{path}: {'is a file; a run is a folder' if path.exists() else 'there is no such folder'}.")
    if (path / "config.yaml").is_file():
        return path
    found = [(value, p.parent) for p in sorted(path.glob("*/results.json")) if (value := _objective(p.parent)) is not None]
    if not found:
        raise AerunError(f"{path}: not a run's folder (no config.yaml in it), nor a sweep's (no completed run in it).")
    return min(found, key=lambda f: f[0])[1]


def _objective(path: Path) -> float | None:
    """What a run of a sweep is compared by, the lower the better; None where it was not completed."""
    results = Folder(path).read()
    value = results.get("objective")
    if results.get("status") != "completed" or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    asked = Folder(path).config().get("objective")
    name = asked[0] if isinstance(asked, list) and asked else asked
    return -float(value) if higher_is_better(str(name)) else float(value)


def _inside(folder: Path, path: Path) -> Path:
    """`path` if it lies in `folder`, links followed, else AerunError."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise AerunError(f"{path}: leads outside of the run's folder; nothing is read there.")
    return path


def _state(path: Path) -> dict[str, Tensor]:
    """The weights as plain tensors. AerunError where the file is damaged, holds anything else, or unpacks to more than
    it is.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > path.stat().st_size:
                raise ValueError("it unpacks to more than its own size")
        found = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
        own = {str(k).removeprefix("autoencoder."): v for k, v in found.items()}
        if not all(isinstance(v, Tensor) for v in own.values()):
            raise ValueError("its state_dict holds more than tensors")
    except Exception as e:
        raise AerunError(
            f"{path}: not read: it must be plain weights, without Python objects that could run code ({_line(e)})."
        ) from e
    return own


def _known(folder: Folder) -> tuple[Facts, Preparation]:
    path = _inside(folder.path, folder.path / "facts.json")
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
        raise AerunError(f"{path}: cannot be read as this run's weights: {_line(e)}") from e


def _line(e: BaseException) -> str:
    return (str(e).strip() or type(e).__name__).splitlines()[0].rstrip(".")
