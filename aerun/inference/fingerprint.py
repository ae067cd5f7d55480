"""Which model it is: what was derived from one belongs to its weights."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from torch import Tensor

from aerun.inference.runner import Runner


def fingerprint(runner: Runner) -> str:
    """Return a hash of all that codes and samples depend on: the weights, the parts that use them, facts about the data."""
    digest, own = hashlib.sha256(), runner.config["model"]
    parts = {k: own[k] for k in ("arch", "bottleneck", "loss")}
    facts = {k: v for k, v in asdict(runner.facts).items() if k != "told" or v}  # older runs do not name it
    digest.update(json.dumps([parts, facts], sort_keys=True).encode())
    add_arrays(digest, runner.autoencoder.state_dict())
    return digest.hexdigest()


def add_arrays(digest: Any, arrays: Mapping[str, Tensor]) -> None:
    """Add tensors by their names, types, shapes and bytes to a hash of `hashlib`."""
    for name, value in sorted(arrays.items()):
        array = np.ascontiguousarray(value.detach().cpu().numpy())
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
