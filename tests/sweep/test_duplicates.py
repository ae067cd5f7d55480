"""A search draws no point twice."""

import pytest

from aerun.sweep.duplicates import nearest_new, points_in, values_of, without_repetition
from tests.shell import here

optuna = pytest.importorskip("optuna")
from optuna.distributions import CategoricalDistribution as Choice  # noqa: E402
from optuna.distributions import FloatDistribution as Float  # noqa: E402
from optuna.distributions import IntDistribution as Int  # noqa: E402


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (Int(1, 4), [1, 2, 3, 4]),
        (Int(2, 8, step=3), [2, 5, 8]),
        (Int(1, 5, log=True), [1, 2, 3, 4, 5]),
        (Float(0, 1, step=0.25), [0, 0.25, 0.5, 0.75, 1]),
        (Choice(["a", "b"]), ["a", "b"]),
        (Float(0, 1), None),
    ],
)
def test_finite_spaces_are_known_by_their_values(distribution, values):
    found = values_of(distribution)
    assert (None if found is None else list(found)) == values
    assert points_in({"x": distribution, "y": Int(1, 3)}) == (None if values is None else 3 * len(values))


def test_the_nearest_point_that_is_new_takes_the_place():
    space = {"size": Int(1, 64, log=True)}
    drawn = [{"size": n} for n in (8, 9)]
    assert nearest_new(space, {"size": 8}, drawn) == {"size": 7}
    assert nearest_new(space, {"size": 9}, drawn) == {"size": 10}  # nearer than 7 by logarithms
    assert nearest_new({"size": Int(8, 9)}, {"size": 8}, drawn) is None


def test_a_study_asks_every_point_once():
    space = {"size": Int(1, 4), "kind": Choice(["a", "b"])}
    study, gone = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0)), []
    points = []
    for _ in range(8):
        trial = without_repetition(study.ask(), space, gone.append)
        points.append(tuple(trial.params.values()))
        study.tell(trial, trial.params["size"])
    assert len(set(points)) == 8
    assert len(study.trials) == 8 + len(gone)


def test_a_small_space_takes_no_more_trials_than_it_has_points(tmp_path):
    words = ["-m", "sweep=s", "search=bottleneck", "model.latent_dim=interval(2,4)", "search.trials=9"]
    quick = ["trainer=smoke", "trainer.progress=false", "pictures=[]", "model.arch.hidden=[4]"]
    told = here(tmp_path, *words, *quick)
    assert told.code == 0, told.err
    assert "search.trials=9: there are 3 points to draw, and each is tried once" in told.err
    assert "3 of 3 trials completed" in told.out
    assert "complete already" not in told.out
    assert len(list((tmp_path / "outputs" / "sweeps" / "s").glob("*/results.json"))) == 3


def test_a_point_of_a_large_space_is_replaced_by_one_beside_it(capsys):
    space = {"size": Int(1, 10**6), "rate": Float(0, 1, step=0.001), "kind": Choice(["a", "b"])}
    drawn = [{"size": 5, "rate": 0.5, "kind": kind} for kind in "ab"]
    near = nearest_new(space, drawn[0], drawn)
    assert near not in drawn
    assert abs(near["size"] - 5) + abs(near["rate"] - 0.5) / 0.001 == pytest.approx(1)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    for _ in range(2):
        study.enqueue_trial(drawn[0])
        study.tell(without_repetition(study.ask(), space, lambda n: None), 0.0)
    assert "drawn before: size=5 rate=0.5 kind=a; in its place " in capsys.readouterr().out
