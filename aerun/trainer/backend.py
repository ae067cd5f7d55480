"""The library that multiplies fp32 matrices on the CPU: chosen on purpose, checked for precision, and stated in the run.

On many CPUs oneDNN is twice as fast as MKL for large fp32 products and slower for tiny ones. The switch that routes to it also
allows bf16 arithmetic on CPUs that have it, which would cost precision: so its error is measured at start, and it is not used
where that error is above fp32's.
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from aerun.parts import weights

BACKENDS = ("auto", "mkl", "onednn")
_WORTH = 8e6  # From so many multiply-adds x 2 of the largest layer and batch oneDNN pays (measured).
_SMALL = 1e6  # Up to so many one thread is faster than two (0.5e6: 6.6 s against 9.0 s of 1,000 steps); not tried in between.
_PRECISE = 1e-6  # The largest error of a product relative to its largest entry, against float64.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1


def choose(backend: str, modules: Sequence[nn.Module], batch_size: int, device: torch.device) -> str:
    """Set the process's fp32 matmul backend and return one sentence that says which and why."""
    _route("none")
    if device.type != "cpu":
        return f"matmul on {device.type}, fp32"
    keep_freed_memory()
    work = _largest(modules, batch_size)
    if backend == "mkl" or (backend == "auto" and work < _WORTH):
        return f"torch's default fp32 matmul (largest layer: {work / 1e6:.1f} MFLOP a batch)"
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return "torch's default fp32 matmul (torch does not route it to oneDNN on this CPU)"
    _route("bf16")
    error = _error()
    if error > _PRECISE:
        _route("none")
        return f"torch's default fp32 matmul (oneDNN would lose precision on this CPU: error {error:.1e})"
    return f"oneDNN fp32 matmul (largest layer: {work / 1e6:.1f} MFLOP a batch; error against float64 {error:.1e})"


def _largest(modules: Sequence[nn.Module], batch_size: int) -> float:
    """Return the multiply-adds x 2 of the largest fully connected layer and a batch."""
    return 2.0 * batch_size * max((w.numel() for w in weights(modules) if w.ndim == 2), default=0)


@contextmanager
def few_threads(modules: Sequence[nn.Module], batch_size: int, device: torch.device) -> Iterator[str]:
    """Train a small fully connected model by one thread until the block ends; yield that in words, or nothing.

    More would wait for each other. Whoever sets OMP_NUM_THREADS is not contradicted.
    """
    before = torch.get_num_threads()
    others = any(isinstance(m, nn.RNNBase | nn.modules.conv._ConvNd) for m in modules)
    small = device.type == "cpu" and not others and _largest(modules, batch_size) <= _SMALL
    if before == 1 or not small or os.environ.get("OMP_NUM_THREADS"):
        yield ""
        return
    torch.set_num_threads(1)
    try:
        yield f"; 1 of {before} threads, which is faster for so small a model"
    finally:
        torch.set_num_threads(before)


def _route(precision: str) -> None:
    torch.backends.mkldnn.matmul.fp32_precision = precision  # type: ignore[attr-defined]


def _error() -> float:
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, 512, generator=g) for n in (128, 256))
    exact: Tensor = a.double() @ b.double().t()
    return float(((a @ b.t()).double() - exact).abs().max() / exact.abs().max())


def keep_freed_memory() -> None:
    """Ask glibc to keep freed blocks in the heap: large activations are then not mapped and cleared anew at every step."""
    _set_thresholds(1 << 30)


def return_freed_memory() -> None:
    """Ask glibc to give freed blocks from 1 MB on back at once: a heap with holes grows with the passes over a large set."""
    _set_thresholds(1 << 20)


def _set_thresholds(size: int) -> None:
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # Another C library has nothing to set.
        return
    mallopt(_M_MMAP_THRESHOLD, size)
    mallopt(_M_TRIM_THRESHOLD, size)
