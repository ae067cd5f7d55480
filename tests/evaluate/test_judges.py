"""Judges of samples by their codes and by their likelihood, and runs that judge together."""

import csv
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

import aerun
from aerun.evaluate.judges import JUDGES
from aerun.inference.judged import Ensemble
from aerun.runs.reference import Calibration
from tests.shell import here

SMALL = [
    "model.latent_dim=3",
    "model.arch.hidden=[16]",
    "trainer.max_epochs=3",
    "pictures=[]",
    "evaluate=[]",
    "trainer.progress=false",
]
NORMAL = "dataset.normal=[0,1,2,3,4,5,6,8,9]"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of the same data, a VAE and an autoencoder, and digits that both score."""
    folder = tmp_path_factory.mktemp("judges")
    for name in ("vae", "ae"):
        assert here(folder, f"model={name}", *SMALL, NORMAL, f"hydra.run.dir={name}").code == 0
    model = aerun.load(folder / "vae")
    x = np.random.default_rng(0).integers(0, 17, (40, 1, 8, 8)).astype(np.uint8)
    np.save(folder / "x.npy", x)
    return folder, model, x


def test_the_fifth_nearest_code_is_found_under_the_training_covariance(runs):
    _, model, x = runs
    judged = model.by("code_knn")
    base, away = judged.judge.base, judged.judge.away
    torch.testing.assert_close(torch.cov(base.t()), torch.eye(3, dtype=torch.float64), atol=0.05, rtol=0)
    own = away.whitened(torch.as_tensor(model.encode(x)).double()).numpy()
    expected = NearestNeighbors(n_neighbors=5).fit(base.numpy()).kneighbors(own)[0][:, -1]
    np.testing.assert_allclose(judged.score(x), expected, rtol=1e-3)


def test_a_score_in_nats_lies_below_its_bound_and_depends_on_no_other_sample(runs):
    _, model, x = runs
    probability, expected = model.by("probability"), model.by("expected")
    assert (np.asarray(probability.score(x)) <= np.asarray(expected.score(x)) + 1e-9).all()
    np.testing.assert_allclose(probability.score(x)[7], probability.score(x[7:8])[0], rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in JUDGES if name != "novelty"])  # which no part of a VAE says
def test_thresholds_hold_for_every_judge_and_what_it_learned_is_kept(runs, name, monkeypatch):
    folder, model, x = runs
    judged = model.by(name)
    assert (folder / "vae" / f"judge_{name}.npz").exists()
    monkeypatch.setattr(JUDGES[name], "fitted", None)  # it is not fitted again
    again = aerun.load(folder / "vae").by(name)
    np.testing.assert_allclose(judged.score(x), again.score(x), rtol=1e-6)
    held = again.validation_scores
    assert (held > again.threshold(0.05)).mean() <= 0.05
    assert np.mean(np.asarray(again.p_values(x)) <= 0.05) > 0.1  # noise is no digit


def test_what_a_judge_needs_and_a_damaged_file_are_told_in_words(runs):
    folder, *_ = runs
    told = here(folder, "score", "ae", "x.npy", "--by", "probability", "-o", "o.csv")
    assert told.code == 2
    assert "needs codes with a posterior" in told.err
    np.savez(folder / "ae" / "judge_code_knn.npz", model=np.frombuffer(b"\0", np.uint8))
    assert (
        here(folder, "score", "ae", "x.npy", "--by", "code_knn", "-o", "o.csv").code == 0
    )  # of other weights: fitted to these
    kept = dict(np.load(folder / "ae" / "judge_code_knn.npz"))
    np.savez(folder / "ae" / "judge_code_knn.npz", **{**kept, "base": np.zeros((0, 3))})
    told = here(folder, "score", "ae", "x.npy", "--by", "code_knn", "-o", "o.csv")
    np.savez(folder / "ae" / "judge_code_knn.npz", **kept)
    assert told.code == 2
    assert "judge_code_knn.npz: damaged: it is of another code" in told.err


def test_runs_that_judge_together_give_twice_the_mean_of_their_p_values(runs):
    folder, vae, x = runs
    ae = aerun.load(folder / "ae")
    both = vae.together(ae)
    mean = (np.asarray(vae.p_values(x)) + np.asarray(ae.p_values(x))) / 2
    np.testing.assert_allclose(both.score(x), 1 - mean)
    n = len(both.validation_scores)
    p = np.asarray(both.p_values(x))
    assert (p >= np.minimum(1, 2 * mean) - 1e-9).all()
    assert (p <= np.minimum(1, 2 * mean + 1 / (n + 1)) + 1e-9).all()
    assert here(folder, "score", "vae", "x.npy", "--with", "ae", "-o", "both.csv").code == 0
    rows = list(csv.DictReader((folder / "both.csv").read_text().splitlines()))
    assert [r["anomaly"] == "1" for r in rows] == [q <= 0.05 for q in p]


def test_runs_of_other_data_do_not_judge_together(runs):
    folder, *_ = runs
    assert here(folder, "model=ae", *SMALL, "hydra.run.dir=all").code == 0
    told = here(folder, "score", "vae", "x.npy", "--with", "all", "-o", "o.csv")
    assert told.code == 2
    assert "all: runs that score together were trained on the same data" in told.err
    shutil.rmtree(folder / "all")


def test_counts_are_judged_by_their_own_likelihood(tmp_path):
    counts = np.random.default_rng(0).poisson(3.0, (80, 3)) + 1
    (tmp_path / "c.csv").write_text("\n".join(["a,b,c", *(",".join(map(str, row)) for row in counts), ""]))
    words = ["dataset=table", "dataset.path=c.csv", "dataset.prepare=counts", "model/loss=nb", "hydra.run.dir=run"]
    assert here(tmp_path, "model=vae", *SMALL, *words).code == 0
    told = here(tmp_path, "score", "run", "c.csv", "--by", "probability", "--data", "c.csv", "-o", "o.csv")
    assert told.code == 0, told.err


def test_runs_together_do_not_mind_a_monotone_map_of_one_s_scores():
    """P132: only the place of a score among its own run's validation scores counts; raw means would be the larger score's."""
    drawn = np.random.default_rng(0)
    held, new = drawn.gamma(1.0, size=(2, 50)), drawn.gamma(2.0, size=(2, 30))

    def of(scores, maps):
        mapped = [(m(h), torch.from_numpy(m(x))) for m, h, x in zip(maps, held, scores, strict=True)]
        runners = [
            SimpleNamespace(validation_scores=h, calibration=Calibration(np.sort(h)), scores_of=lambda _, x=x: x)
            for h, x in mapped
        ]
        return Ensemble(runners)(None, torch.zeros(30)).numpy()

    plain = of(new, (np.array, np.array))
    np.testing.assert_allclose(of(new, (np.exp, lambda v: 1e6 * v**3)), plain)
    assert len(np.unique(plain)) > 20


def test_no_sample_that_thresholds_come_from_is_its_own_neighbour(runs):
    """P132: the codes that a judge is calibrated with are not among those that it searches."""
    _, model, _ = runs
    judged = model.by("code_knn")
    assert len(judged.judge.base) == model.results["samples/train"]
    assert judged.validation_scores.min() > 0
