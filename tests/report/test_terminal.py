"""A sweep's end: what failed is told by cause."""

from pathlib import Path

import numpy as np

from aerun.report import terminal
from tests.command.test_compare import N, made


def test_failures_are_grouped_by_cause(capsys):
    unstable = [
        ([f"optimizer.lr={lr}", "model=ae"], f"loss is not finite in epoch {lr}: lower optimizer.lr") for lr in range(7)
    ]
    other = [(["optimizer.lr=9", "model=ae"], "the disk is full")]
    done = [(["optimizer.lr=8", "model=ae"], {"objective": 1.0, "test/se": 1.0, "pca/se": 2.0, "mean/se": 3.0})]
    terminal.sweep(done, [*unstable, *other], Path("outputs/sweeps/s"), "val/mse")
    told = capsys.readouterr().out
    assert "1 of 9 jobs completed" in told
    named = "; ".join(f"optimizer.lr={lr}" for lr in range(5))
    assert f"not complete: 7 jobs ({named}; ...): loss is not finite in epoch 0: lower optimizer.lr\n" in told
    assert "not complete: optimizer.lr=9: the disk is full\n" in told


def test_a_sweep_over_sizes_says_which_to_take(tmp_path, capsys):
    for size, error in ((2, 3.0), (8, 1.0), (32, 1.4)):
        made(tmp_path / "s", str(size), error=np.full(N, error), size=size)
    finished = [
        ([f"model.latent_dim={n}"], {"objective": 1.0, "test/se": 1.0, "pca/se": 2.0, "mean/se": 3.0}) for n in (2, 8, 32)
    ]
    terminal.sweep(finished, [], tmp_path / "s", "val/mse")
    assert "Which size: 8 numbers, of the least test error" in capsys.readouterr().out
