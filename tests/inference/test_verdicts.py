"""Alarms: one rule for the verb, Python, scikit-learn and exports, whatever the batch, few scores and old folders included."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import aerun
from aerun.inference.exported import Exported, example
from aerun.metrics import conformal
from aerun.sklearn import AnomalyDetector
from tests.shell import here

RUNS = Path(__file__).parents[1] / "data" / "runs"
QUICK = ("trainer=smoke", "trainer.progress=false", "pictures=[]")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a run and 40 samples, of which the last three are no digits."""
    path = tmp_path_factory.mktemp("verdicts")
    aerun.train(*QUICK, "model=ae", folder=path / "ae")
    x = aerun.load(path / "ae").generate(40, sampler="gaussian").round().clip(0, 16).astype(np.uint8)
    x[-3:] = np.random.default_rng(0).choice([0, 16], (3, 1, 8, 8))
    np.save(path / "x.npy", x)
    return path


def rows(path):
    with path.open() as f:
        return list(csv.DictReader(f))


def kept(path, name, **changes):
    """A copy of the run with another scores.json."""
    shutil.copytree(path / "ae", path / name, dirs_exist_ok=True)
    about = {"score": "mean squared error over real elements", **changes}
    (path / name / "scores.json").write_text(json.dumps(about))
    return aerun.load(path / name)


def test_the_sorted_scores_of_validation_are_kept(work, digits):
    model = aerun.load(work / "ae")
    scores = np.sort(model.score(digits.val.x.numpy()))
    np.testing.assert_allclose(model.validation_scores, scores, rtol=1e-9)
    assert not model.calibration.approximate
    for alpha in (0.5, 0.1, 0.02):
        assert model.threshold(alpha) == pytest.approx(conformal.threshold(scores, alpha), rel=1e-9)
    assert model.threshold(0) == np.inf


def test_a_verdict_does_not_depend_on_the_batch(work, digits):
    """Every validation sample at the threshold itself: alone, among others and in any order the answer is the same."""
    model, x = aerun.load(work / "ae"), digits.val.x.numpy()[:60]
    whole = model.score(x)
    alone = np.concatenate([model.score(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_allclose(alone, whole, rtol=1e-10)
    for scores in (whole, alone, model.score(x[::-1].copy())[::-1]):
        for limit in whole:
            np.testing.assert_array_equal(scores > conformal.alarm_limit(limit), whole > conformal.alarm_limit(limit))


def test_too_few_validation_scores_raise_no_alarm_and_say_so(work):
    few = kept(work, "few", samples=10, sorted=[0.001 * i for i in range(1, 11)])
    told = here(work, "score", "few", "x.npy", "--output", "few.csv")
    assert told.code == 0, told.err
    assert "no alarm is raised: a false-alarm rate of at most 0.05 needs at least 19 normal validation samples" in told.err
    assert "there are 10" in told.err
    assert {(r["threshold"], r["anomaly"]) for r in rows(work / "few.csv")} == {("inf", "0")}
    assert few.threshold(0.1) == pytest.approx(0.01)
    again = here(work, "score", "few", "x.npy", "--alpha", "0.1", "--output", "few.csv")
    assert "no alarm" not in again.err


def test_quantiles_of_older_folders_are_used_and_called_approximate(work):
    scores = np.sort(np.random.default_rng(0).gamma(2.0, 1.0, 300))
    old = kept(work, "old", samples=300, quantiles=np.quantile(scores, np.linspace(0, 1, 1001)).tolist())
    assert old.calibration.approximate
    assert old.threshold(0.05) == pytest.approx(conformal.threshold(scores, 0.05), rel=0.02)
    told = here(work, "score", "old", "x.npy", "--output", "old.csv")
    assert told.code == 0
    assert "approximate" in told.err
    assert aerun.load(RUNS / "ae").threshold(0.2) > 0


def test_false_discoveries_are_decided_over_all_samples_of_a_call(work):
    model, x = aerun.load(work / "ae"), np.load(work / "x.npy")
    told = here(work, "score", "ae", "x.npy", "--fdr", "0.2", "--output", "fdr.csv")
    assert told.code == 0, told.err
    found = rows(work / "fdr.csv")
    assert list(found[0]) == ["score", "p", "anomaly"]
    p = conformal.p_values(model.validation_scores, model.score(x))
    np.testing.assert_allclose([float(r["p"]) for r in found], p)
    np.testing.assert_allclose(model.p_values(x), p)
    expected = conformal.discoveries(p, 0.2)
    assert [r["anomaly"] for r in found] == [str(int(v)) for v in expected]
    assert expected[-3:].all()
    assert f"{expected.sum()} of 40 samples are anomalies" in told.out
    for i in range(2):
        np.save(work / f"half{i}.npy", x[20 * i : 20 * (i + 1)])
    assert here(work, "score", "ae", "half0.npy", "half1.npy", "--fdr", "0.2", "--output", "halves.csv").code == 0
    assert [r["anomaly"] for r in rows(work / "halves.csv")] == [r["anomaly"] for r in found]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fdr", "0.1", "--alpha", "0.1"), "--alpha 0.1 --fdr 0.1: a verdict has one rule"),
        (("--fdr", "0"), "--fdr 0: the share of false ones"),
        (("--alpha", "2"), "alpha=2"),
        (("--threshold", "nan"), "--threshold nan: no score is above it"),
    ],
)
def test_contradictions_are_one_line(work, words, said):
    told = here(work, "score", "ae", "x.npy", "--output", "no.csv", *words)
    assert told.code == 2
    assert said in told.err
    assert told.err.count("\n") == 1
    assert not (work / "no.csv").exists()


def test_a_rate_of_one_is_an_alarm_for_every_row(work):
    told = here(work, "score", "ae", "x.npy", "--alpha", "1", "--output", "all.csv")
    assert "40 of 40 samples raise an alarm: a score above -inf." in told.out + told.err


def test_an_export_decides_as_the_verb_does(work):
    model, x = aerun.load(work / "ae"), torch.from_numpy(np.load(work / "x.npy"))
    limit = model.threshold(0.2)
    score, anomaly = Exported(aerun.load(work / "ae"), limit)(x)[2:]
    np.testing.assert_allclose(score.detach().numpy(), model.score(x.numpy()), rtol=1e-4)
    away = np.abs(score.detach().numpy() / limit - 1) > 1e-4
    expected = model.score(x.numpy()) > conformal.alarm_limit(limit)
    np.testing.assert_array_equal(anomaly.numpy()[away], expected[away])
    assert not Exported(aerun.load(work / "ae"), np.inf)(x)[3].any()


@pytest.mark.parametrize("seed", range(2))
def test_equal_ordinary_rows_are_no_anomalies(seed):
    """293 of 300 rows are the same: at 5 % none of them may be called an anomaly, alone or together."""
    x = np.zeros((300, 6))
    x[:7] = np.random.default_rng(seed).integers(0, 2, (7, 6))
    made = AnomalyDetector(latent_dim=2, max_epochs=2, random_state=seed, overrides=["model.arch.hidden=[8]"]).fit(x)
    usual = (x == 0).all(1)
    assert (made.predict(x)[usual] == 1).all()
    assert made.predict(x[usual][:1]) == 1


def test_few_samples_for_scikit_learn(caplog):
    x = np.random.default_rng(0).normal(size=(60, 4))
    made = AnomalyDetector(latent_dim=2, max_epochs=1).fit(x)
    assert "needs at least 19 normal validation samples, and there are 9" in caplog.text
    assert (made.predict(100 * x) == 1).all()
    assert (AnomalyDetector(latent_dim=2, max_epochs=1, alpha=0.2).fit(x).predict(100 * x) == -1).any()


def test_every_recipe_scores_in_64_bits():
    """Of runs that were saved by an older aerun."""
    for path in sorted(p for p in RUNS.iterdir() if p.is_dir()):
        model = aerun.load(path)
        x = example(model, 4, 0)
        whole = model.scores_of(x)
        assert whole.dtype == torch.float64, path.name
        alone = torch.cat([model.scores_of(x[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(alone, whole, rtol=1e-9, atol=1e-12, msg=path.name)
