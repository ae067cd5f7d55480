"""Which model it is: what was derived from one belongs to its weights."""

import hashlib
import json
from dataclasses import asdict

import numpy as np

from aerun.inference.runner import Runner


def fingerprint(runner: Runner) -> str:
    """Return a hash of all that codes and samples depend on: the weights, the parts that use them, facts about the data."""
    digest, own = hashlib.sha256(), runner.config["model"]
    parts = {k: own[k] for k in ("arch", "bottleneck", "loss")}
    facts = {k: v for k, v in asdict(runner.facts).items() if k != "told" or v}  # older runs do not name it
    digest.update(json.dumps([parts, facts], sort_keys=True).encode())
    for name, value in sorted(runner.autoencoder.state_dict().items()):
        array = np.ascontiguousarray(value.detach().cpu().numpy())
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
