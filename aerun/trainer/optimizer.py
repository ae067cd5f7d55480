"""An optimizer as chosen, to be made once the parameters exist."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from aerun.core.checks import at_least
from aerun.core.errors import AerunError
from aerun.runs.checkpoint import LAST
from aerun.trainer.quick_step import spare_compiler


class Recipe:
    """An optimizer's class with its settings. Weight decay acts on matrices and kernels only."""

    def __init__(self, cls: type[Optimizer], node: Mapping[str, Any]) -> None:
        self.cls = cls
        # Lists become tuples: two groups of older torch's Adam would share a list, which a checkpoint may not.
        self.settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in node.items() if k != "_target_"}
        for key in ("lr", "weight_decay"):
            if isinstance(self.settings.get(key), int | float):
                at_least(f"optimizer.{key}", self.settings[key], 0)
        self.make([nn.Parameter()])

    def make(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return the optimizer over `parameters`. Raises AerunError for a setting that it refuses."""
        unique = list(dict.fromkeys(parameters))
        groups: list[dict[str, Any]] = [
            {"params": [p for p in unique if p.ndim >= 2]},
            {"params": [p for p in unique if p.ndim < 2], "weight_decay": 0.0},
        ]
        spare_compiler()
        try:
            optimizer = self.cls([g for g in groups if g["params"]], **self.settings)
        except (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError) as e:
            raise AerunError(f"optimizer ({self.cls.__name__}): {e}") from e
        return optimizer


def forgotten_state(steps: int, tensors: int) -> AerunError:
    """Return the error for a checkpoint after `steps` that lacks the optimizer's state of as many of the model's tensors."""
    return AerunError(
        f"{LAST}: damaged: after {steps} steps it has no state of the optimizer for {tensors} of the "
        "model's tensors, so the run would go on as another one. Begin anew with --fresh."
    )
