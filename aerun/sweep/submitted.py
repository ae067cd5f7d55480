"""What a job was when it was handed to a cluster: a hash of the code and one of its settings, under which alone it begins."""

import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from aerun.core.paths import config_dir, package_dir
from aerun.runs.folder import SUBMITTED
from aerun.runs.identity import essence

_PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "numpy")  # with which the same code trains another model


def mark_of(plain: Mapping[str, Any]) -> str:
    """Return what a job with these resolved settings is marked with as it is handed over: {"code": HASH, "settings": HASH}."""
    return json.dumps(
        {"code": _code(tuple(_own_modules(plain))), "settings": _hash(json.dumps(essence(plain), sort_keys=True))}
    )


def begin(mark: str) -> None:
    """Keep in this process what its job is marked with; its run.json has it too."""
    os.environ[SUBMITTED] = mark


def outdated(plain: Mapping[str, Any]) -> str:
    """Return why a job may not begin: what has changed since it was handed over; empty where nothing has, or it was not."""
    if SUBMITTED not in os.environ:
        return ""
    before, now = json.loads(os.environ[SUBMITTED]), json.loads(mark_of(plain))
    if before == now:
        return ""
    words = {"code": "the code", "settings": "the options' files or the environment, and so its settings,"}
    changed = [words[k] for k in words if before[k] != now[k]]
    return (
        f"not begun: since it was submitted, {' and '.join(changed)} changed. The same command again submits it as it is now."
    )


def _own_modules(node: Any) -> Iterator[str]:
    """Yield the modules of the user's own that settings name as `_target_`."""
    if isinstance(node, Mapping):
        target = str(node.get("_target_") or "")
        if "." in target and target.partition(".")[0] != "aerun":
            yield target.rpartition(".")[0]
        for one in node.values():
            yield from _own_modules(one)
    elif isinstance(node, list):
        for one in node:
            yield from _own_modules(one)


@lru_cache(maxsize=8)
def _code(own: tuple[str, ...]) -> str:
    """Return the hash of aerun's code and options, of the modules of the user's own, and of the versions below it."""
    trees = [package_dir(), config_dir()]
    files = [p for tree in trees for kind in ("*.py", "*.yaml") for p in sorted(tree.rglob(kind))]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return _hash("\n".join([*versions, *(_digest(p) for p in [*files, *_files_of(own)])]))


def _files_of(modules: tuple[str, ...]) -> Iterator[Path]:
    for name in sorted(set(modules)):
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError):  # the job says itself that it is not there
            continue
        if found is not None and found.origin and Path(found.origin).is_file():
            yield Path(found.origin)


def _digest(path: Path) -> str:
    return f"{path.name} {blake2b(path.read_bytes(), digest_size=16).hexdigest()}"


def _hash(words: str) -> str:
    return blake2b(words.encode(), digest_size=6).hexdigest()
