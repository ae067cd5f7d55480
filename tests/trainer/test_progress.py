"""Where there is no terminal, training says how far it is at most every ten seconds."""

from aerun.trainer import progress


def test_a_line_every_ten_seconds_with_the_time_left(monkeypatch, capsys):
    clock = iter([0.0, 4.0, 11.0, 15.0, 22.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    lines = progress._Lines("job 1: ", epochs=10, calls=2, done=1)
    lines.step()
    lines.step()
    lines.mse = 0.25
    lines.step()
    lines.step()
    assert capsys.readouterr().out.splitlines() == [
        "job 1: epoch 2 of 10, about 88 s left",  # 16 of 18 calls are left, at 5.5 s each
        "job 1: epoch 3 of 10, val/mse 0.25000, about 77 s left",
    ]
