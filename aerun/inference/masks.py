"""Which elements are hidden, and what stands in their places until they are filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.facts import Facts, real_steps
from aerun.inference.samples import SampleConverter


@dataclass(frozen=True)
class Hidden:
    """Samples and what is hidden of them.

    x: samples that can be read. mask (n, *stored), True where hidden.
    """

    x: Any
    mask: Tensor


def mask_of(x: Any, mask: Any, form: SampleConverter, verb: str = "inpaint") -> Hidden:
    """Return what is hidden, from what the caller gave: by a mask, or what is missing.

    Raises AerunError where masks are not of the samples' shape.
    """
    if isinstance(x, Mapping) or hasattr(x, "columns"):
        array = form.rows_of(x).numpy()
    elif isinstance(x, list):
        raise AerunError(f"{verb}: give an array or a tensor of samples.")
    else:
        array = form.shaped(x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x))
    gone = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, dtype=bool)
    own_gaps = gone & _steps(array, form.facts)  # what stands behind the end of a sequence is no gap
    hidden = own_gaps if mask is None else _spread(mask, array.shape) | own_gaps
    low = form.facts.low
    readable = array if not own_gaps.any() else np.where(own_gaps, 0.0 if low is None else low * form.facts.unit, array)
    readable = readable.astype(array.dtype)
    back: Any = torch.from_numpy(readable).to(x.device) if isinstance(x, Tensor) else readable
    return Hidden(back, torch.from_numpy(np.ascontiguousarray(hidden)))


def _steps(array: np.ndarray[Any, np.dtype[Any]], facts: Facts) -> Any:
    """Return where samples (n, *stored) may have gaps, as what can be broadcast to them."""
    if facts.ragged and facts.gaps and array.dtype.kind == "f":
        return real_steps(torch.from_numpy(array)).numpy()[..., None]
    return np.asarray(not facts.ragged)


def _spread(mask: Any, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    hidden = mask.detach().cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
    hidden = hidden.astype(bool)
    if hidden.shape == (shape[0], *shape[2:]) and len(shape) == 4:
        hidden = hidden[:, None]
    try:
        return np.array(np.broadcast_to(hidden, shape))
    except ValueError as e:
        raise AerunError(f"mask of shape {hidden.shape}: does not fit samples of shape {shape}.") from e
