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


def test_the_time_of_the_whole_is_told_once_where_it_is_long(monkeypatch, capsys):
    clock = iter([5.0, 5.5, 6.0, 5.0, 5.5, 6.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    for calls in (40, 10):
        estimate = progress._Estimate("", calls)
        assert [estimate.step() for _ in range(3)] == [False, False, True]
    assert capsys.readouterr().out == "time   about 20 s of training\n"  # 40 calls at 0.5 s; 5 s are not worth a line
