"""One optimizer over the stacked weights of several runs, each at its own settings."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW

from aerun.trainer.fused.members import Members, select_rows
from aerun.trainer.optimizer import Recipe

ELEMENTWISE = (Adam, AdamW, SGD)  # What these do to an entry depends on that entry alone.

State = dict[str, dict[str, Any]]  # name of a weight -> key -> (A, *shape), or a scalar that all runs share


class Descent:
    """Neighbours of equal settings share parameter groups, slices of the stacked weights. Weight decay as in `Recipe`."""

    def __init__(self, members: Members, recipes: Sequence[Recipe]) -> None:
        self.members, self.recipes = members, recipes
        self.optimizer = recipes[0].cls([torch.zeros(1)], **recipes[0].settings)
        self._factor = 1.0
        self._slots: list[tuple[list[str], slice]] = []  # For each parameter group: its weights' names, its runs' rows.
        self.place({})

    def place(self, state: State) -> None:
        """Set the optimizer to the members' present weights and to this state."""
        dims = {k: w[0].ndim for k, w in self.members.weights.items()}
        self.optimizer.param_groups.clear()
        self.optimizer.state.clear()
        self._slots.clear()
        for settings, rows in self._runs():
            self._add([k for k, n in dims.items() if n >= 2], rows, settings, state)
            self._add([k for k, n in dims.items() if n < 2], rows, {**settings, "weight_decay": 0.0}, state)

    def _runs(self) -> list[tuple[Mapping[str, Any], slice]]:
        """Return (settings, rows) of neighbours that share their settings."""
        neighbours = list[tuple[Mapping[str, Any], slice]]()
        settings = [self.recipes[n].settings for n in self.members.numbers]
        for _, rows in groupby(range(len(settings)), key=lambda i: repr(settings[i])):
            group = list(rows)
            neighbours.append((settings[group[0]], slice(group[0], group[-1] + 1)))
        return neighbours

    def _add(self, names: list[str], rows: slice, settings: Mapping[str, Any], state: State) -> None:
        if not names:
            return
        views = [self.members.weights[k].detach()[rows] for k in names]
        self.optimizer.add_param_group(
            {"params": views, **settings, "lr": settings["lr"] * self._factor, "initial_lr": settings["lr"]}
        )
        self._slots.append((names, rows))
        for name, view in zip(names, views, strict=True):
            if name in state:
                self.optimizer.state[view] = {k: deepcopy(v[rows] if stacked(v) else v) for k, v in state[name].items()}

    def state(self) -> State:
        """Return what the optimizer remembers of all present runs."""
        parts: dict[str, list[dict[str, Any]]] = {}
        for (names, _), group in zip(self._slots, self.optimizer.param_groups, strict=True):
            for name, view in zip(names, group["params"], strict=True):
                if view in self.optimizer.state:
                    parts.setdefault(name, []).append(self.optimizer.state[view])
        return {
            name: {k: torch.cat([p[k] for p in states]) if stacked(v) else v for k, v in states[0].items()}
            for name, states in parts.items()
        }

    def stateless(self) -> list[Tensor]:
        """Return the present weights of which the optimizer keeps nothing."""
        return [p for group in self.optimizer.param_groups for p in group["params"] if not self.optimizer.state.get(p)]

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these of the present runs."""
        state = {
            name: {k: select_rows(v, rows) if stacked(v) else v for k, v in values.items()}
            for name, values in self.state().items()
        }
        self.members.keep(rows)
        self.place(state)

    def hand(self, gradients: Mapping[str, Tensor], clip: float | None) -> None:
        """Hand the optimizer the gradients of the runs' losses, name of a weight -> (A, *shape)."""
        gradients = {k: g * self.members.masks[k] if k in self.members.masks else g for k, g in gradients.items()}
        if clip is not None:
            gradients = _clipped(gradients, clip)
        for (names, rows), group in zip(self._slots, self.optimizer.param_groups, strict=True):
            for name, view in zip(names, group["params"], strict=True):
                view.grad = gradients[name][rows] if name in gradients else None

    def pace(self, factor: float) -> None:
        """Set each run's learning rate to `factor` times its own setting."""
        self._factor = factor
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def lr(self, row: int) -> float:
        """Return the present learning rate of a run."""
        groups = zip(self._slots, self.optimizer.param_groups, strict=True)
        return next(float(group["lr"]) for (_, rows), group in groups if rows.start <= row < rows.stop)


def stacked(value: Any) -> bool:
    """Return whether this value of an optimizer's state is stacked, (A, *shape), and not a scalar that all runs share."""
    return isinstance(value, Tensor) and value.ndim > 0


def order(recipes: Sequence[Recipe]) -> list[int]:
    """Return the numbers of the runs, those of equal settings beside each other."""
    return sorted(range(len(recipes)), key=lambda i: repr(recipes[i].settings))


def _clipped(gradients: Mapping[str, Tensor], norm: float) -> dict[str, Tensor]:
    """Return the gradients with that of each run limited to a norm of `norm`, as `torch.nn.utils.clip_grad_norm_` does."""
    total = torch.stack([g.flatten(1).norm(dim=1) for g in gradients.values()]).norm(dim=0)
    factor = (norm / (total + 1e-6)).clamp_max(1.0)
    return {k: g * factor.reshape(-1, *[1] * (g.ndim - 1)) for k, g in gradients.items()}
