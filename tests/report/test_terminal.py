"""A sweep's end: what failed is told by cause."""

from pathlib import Path

from aerun.report import terminal


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
