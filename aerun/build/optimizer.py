"""The optimizer of a run: an option of the group, or one of torch's by its name."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from aerun.build.maker import Config, Maker
from aerun.core.errors import AerunError, nearest
from aerun.trainer.optimizer import Recipe

_ASKS_MORE = {
    "LBFGS": "asks for the loss several times a step",
    "SparseAdam": "needs sparse gradients",
    "Muon": "takes matrices alone, and models have biases too",
}


def recipe_of(make: Maker, node: Any) -> Recipe:
    """Return the optimizer that a node of the config names, with its settings checked against its signature.

    Raises AerunError for a name that torch does not have, for a class that is no optimizer, and for settings that it refuses.
    """
    if isinstance(node, Mapping) and "name" in node:
        node = _without_name(node)
    cls = make.checked("optimizer", node, {"params": None})
    if not issubclass(cls, torch.optim.Optimizer):
        raise AerunError(f"optimizer._target_={node['_target_']}: is no optimizer of torch's kind.")
    return Recipe(cls, node)


def torch_names() -> list[str]:
    """Return the names of torch's optimizers that can train a model here."""
    classes = {k: v for k, v in vars(torch.optim).items() if inspect.isclass(v) and issubclass(v, torch.optim.Optimizer)}
    return sorted(name for name in classes if name != "Optimizer" and name not in _ASKS_MORE)


def _without_name(node: Config) -> Config:
    """Return a node of optimizer=torch as one that names the class alone."""
    name, names = str(node["name"]), torch_names()
    choices = f"; one of {', '.join(names)}."
    if name in _ASKS_MORE:
        raise AerunError(f"optimizer.name={name}: {_ASKS_MORE[name]}{choices}")
    if name not in names:
        if node["name"] is None:
            raise AerunError(f"optimizer=torch needs optimizer.name=NAME{choices}")
        alike = {k.lower(): k for k in names}.get(name.lower())
        near = f" (nearest: {alike})" if alike else nearest(name, names)
        raise AerunError(f"optimizer.name={name}: torch has no such optimizer{near}{choices}")
    if node.get("_target_") != f"torch.optim.{name}":
        raise AerunError(f"optimizer.name={name}: is a setting of optimizer=torch, and {node.get('_target_')} is chosen.")
    return {k: v for k, v in node.items() if k != "name"}
