"""Steps of torch's optimizers without what is there for compilers and profilers, which takes longer than a small step."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Adam, AdamW, Optimizer
from torch.optim import optimizer as hooks
from torch.optim.adam import adam

_MARK = "__dynamo_disable"  # torch keeps there what it calls instead


def quick_step(optimizer: Optimizer) -> Callable[[], object]:
    """Return what does the same as `optimizer.step`; that itself for a class of others, and where hooks want to be called.

    It holds until parameters or states are replaced.
    """
    hooked = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        hooks._global_optimizer_pre_hooks,
        hooks._global_optimizer_post_hooks,
    )
    cls = type(optimizer)
    if not cls.__module__.startswith("torch.optim.") or optimizer.defaults.get("differentiable") or any(hooked):
        return optimizer.step
    bare: Callable[[Any], object] = inspect.unwrap(cls.step)
    if cls in (Adam, AdamW) and all(group["fused"] and not group["amsgrad"] for group in optimizer.param_groups):
        return _AdamStep(optimizer, bare)

    def step() -> None:
        with torch.no_grad():
            bare(optimizer)

    return step


class _AdamStep:
    """Takes the fused steps of all groups of equal settings in one call of torch, once there is a state for each parameter."""

    def __init__(self, optimizer: Optimizer, bare: Callable[[Any], object]) -> None:
        self.optimizer, self.bare = optimizer, bare
        self.parts: list[_Part] = []

    def __call__(self) -> None:
        with torch.no_grad():
            if not self.parts and self._begun():
                self.parts = self._joined()
            grads = [[p.grad for p in part.params] for part in self.parts]
            if not grads or any(g is None or g.is_sparse for own in grads for g in own):
                self.bare(self.optimizer)
                return
            for part, own in zip(self.parts, grads, strict=True):
                part.step(own)

    def _begun(self) -> bool:
        return all(self.optimizer.state.get(p) for group in self.optimizer.param_groups for p in group["params"])

    def _joined(self) -> "list[_Part]":
        alike = dict[str, list[dict[str, Any]]]()
        for group in self.optimizer.param_groups:
            alike.setdefault(repr([(k, v) for k, v in group.items() if k != "params"]), []).append(group)
        return [_Part(groups, self.optimizer.state) for groups in alike.values()]


class _Part:
    """Groups of equal settings, and what the optimizer keeps of their parameters."""

    def __init__(self, groups: list[dict[str, Any]], state: Any) -> None:
        self.groups = groups
        self.params = [p for group in groups for p in group["params"]]
        self.means, self.squares, self.steps = ([state[p][k] for p in self.params] for k in ("exp_avg", "exp_avg_sq", "step"))
        one = groups[0]
        self.settings = {
            k: one[k] for k in ("eps", "maximize", "capturable", "weight_decay", "decoupled_weight_decay", "amsgrad")
        }

    def step(self, grads: list[Any]) -> None:
        """Take a step at the present learning rate, which is the same in these groups."""
        one = self.groups[0]
        beta1, beta2 = one["betas"]
        adam(
            self.params, grads, self.means, self.squares, [], self.steps,
            lr=one["lr"], beta1=beta1, beta2=beta2, fused=True, **self.settings,
        )  # fmt: skip


def spare_compiler() -> None:
    """Let optimizers be made without torch's compiler, whose import takes two seconds.

    torch wraps these methods so that a compiler leaves them alone, and imports it for that when the first of them is called. A
    torch without that mark imports it as before.
    """
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        plain: Any = inspect.unwrap(getattr(Optimizer, name))
        if "torch._dynamo" not in sys.modules and not hasattr(plain, _MARK):
            setattr(plain, _MARK, plain)
