"""A sweep's end: what failed is told by cause."""

import math
from pathlib import Path

import numpy as np

from aerun.report import swept, terminal
from aerun.runs.groups import Group, Run
from tests.command.test_compare import N, made


def test_failures_are_grouped_by_cause(capsys):
    unstable = [
        ([f"optimizer.lr={lr}", "model=ae"], f"loss is not finite in epoch {lr}: lower optimizer.lr") for lr in range(7)
    ]
    other = [(["optimizer.lr=9", "model=ae"], "the disk is full")]
    done = [(["optimizer.lr=8", "model=ae"], {"objective": 1.0, "test/se": 1.0, "pca/se": 2.0, "mean/se": 3.0})]
    swept.sweep(done, [*unstable, *other], Path("outputs/sweeps/s"), "val/mse")
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
    swept.sweep(finished, [], tmp_path / "s", "val/mse")
    assert "Which size: 8 numbers, of the least test error" in capsys.readouterr().out


def test_what_comes_next_is_of_the_users_own_data(capsys):
    figures = dict.fromkeys(
        (f"{who}/{what}" for who in ("test", "pca", "mean") for what in ("se", "mse", "psnr", "se_clamped")), 1.0
    )
    figures |= dict.fromkeys(("code_elements", "features", "parameters", "epochs", "samples/train", "samples/val"), 9)
    figures |= {"samples/test": 9, "best_epoch": 3, "seconds": 1.0, "seconds/fit": 1.0, "seed": 0, "task": "anomaly"}
    few, many = ["a.csv", "my b.csv"], list("abcd")
    for source, shown in (("my parts", "'my parts'"), (None, "FILE"), (few, "a.csv 'my b.csv'"), (many, "FILE")):
        terminal.results(figures, "ae", Path("run"), source)
        assert f"aerun score run {shown} --top 10\n" in capsys.readouterr().out
    for task, kind, shown in (
        ("inpainting", "table", "aerun inpaint run a.csv --output full.csv\n"),
        ("inpainting", "image", "aerun inpaint run a.csv --mask mask.npy --output whole.npz\n"),
        ("held_out", "table", "aerun generate run --count 64 --output new.csv\n"),
    ):
        terminal.results(figures | {"task": task, "kind": kind}, "ae", Path("run"), "a.csv")
        assert shown in capsys.readouterr().out
    terminal.results(figures | {"best_epoch": 8}, "ae", Path("my run"))
    assert "best of 9 epochs: 9, the last, so longer may be better (aerun resume 'my run' --epochs 18);" in " ".join(
        capsys.readouterr().out.split()
    )
    swept.sweep([([], figures | {"objective": 1.0})], [], Path("outputs/sweeps/my s"), "objective")
    assert "next  aerun compare 'outputs/sweeps/my s'\n" in capsys.readouterr().out


def test_a_figure_without_bounds_has_no_deviation():
    runs = tuple(Run(Path(), "", {}, {}, {"a": value, "b": 1.0 + value}) for value in (1.0, 2.0))
    endless = Run(Path(), "", {}, {}, {"a": math.inf, "b": 1.0})
    assert Group((), runs).deviation("b") > 0
    assert math.isnan(Group((), (*runs, endless)).deviation("a"))
