"""Recipes as scikit-learn estimators: its own checks, and what people do with them."""

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import aerun
from aerun.sklearn import AnomalyDetector, Autoencoder

# Few, cheap steps: the checks are about behaviour, not about how good a code is.
FEW = ("model.arch.hidden=[16]", "trainer.max_epochs=1", "trainer.steps_per_call=1")
ESTIMATORS = [Autoencoder(latent_dim=2, overrides=FEW), AnomalyDetector(latent_dim=2, overrides=FEW)]


@parametrize_with_checks(ESTIMATORS)
def test_check_estimator(estimator, check):
    """Scikit-learn's own checks, none left out."""
    check(estimator)


@pytest.fixture(scope="module")
def x():
    return load_digits(return_X_y=True)[0][:400]


def test_transform_and_back(x):
    est = Autoencoder(latent_dim=6, max_epochs=20, overrides=("pictures=[]",)).fit(x)
    z = est.transform(x)
    assert z.shape == (400, 6)
    back = est.inverse_transform(z)
    assert back.shape == x.shape
    assert np.square(back - x).sum() < 0.6 * np.square(x - x.mean(0)).sum()
    assert est.score(x) == pytest.approx(est.score_samples(x).mean())
    assert est.get_feature_names_out().tolist() == [f"autoencoder{i}" for i in range(6)]


def test_any_recipe_by_name_and_settings(x):
    est = Autoencoder("vae", latent_dim=3, overrides=("trainer=smoke", "reg.lambda=0.5")).fit(x)
    assert est.model_.name == "vae"
    assert est.model_.config["reg"]["lambda"] == 0.5
    conv = Autoencoder("conv", latent_dim=3, shape=(1, 8, 8), overrides=("trainer=smoke",)).fit(x)
    assert conv.transform(x).shape == (400, 3)
    with pytest.raises(ValueError, match="no such option"):
        Autoencoder("spars").fit(x)
    with pytest.raises(ValueError, match="does not hold the 64 features"):
        Autoencoder("conv", shape=(1, 8, 9)).fit(x)


def test_pipeline_grid_search_clone_pickle(x):
    y = load_digits(return_X_y=True)[1][:400]
    base = Autoencoder(max_epochs=3)
    pipe = make_pipeline(StandardScaler(), base, LogisticRegression(max_iter=200))
    search = GridSearchCV(pipe, {"autoencoder__latent_dim": [1, 8]}, cv=2, error_score="raise").fit(x, y)
    assert search.best_params_ == {"autoencoder__latent_dim": 8}
    alone = GridSearchCV(base, {"latent_dim": [1, 8]}, cv=2, error_score="raise").fit(x)
    assert alone.best_params_ == {"latent_dim": 8}
    copy = clone(base).fit(x)
    again = pickle.loads(pickle.dumps(copy))
    np.testing.assert_array_equal(again.transform(x), copy.transform(x))


def test_detector_finds_what_it_has_not_seen(x):
    rng = np.random.default_rng(0)
    det = AnomalyDetector(latent_dim=4, max_epochs=20, alpha=0.1).fit(x)
    strange = rng.permuted(x, axis=1)
    assert (det.predict(strange) == -1).mean() > 0.9
    assert (det.predict(x) == -1).mean() < 0.25
    np.testing.assert_allclose(det.decision_function(x), det.score_samples(x) - det.offset_)
    # the threshold is the quantile of held-out scores that the run wrote down
    assert -det.offset_ == pytest.approx(np.interp(0.9, np.linspace(0, 1, 1001), det.quantiles_))
    with pytest.raises(ValueError, match="alpha=2"):
        AnomalyDetector(alpha=2).fit(x)


def test_quiet_and_without_traces(x, tmp_path, monkeypatch, capfd):
    """No folder, no word, no change of anybody's chance; a folder where one was asked for."""
    import torch

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    Autoencoder(overrides=("trainer=smoke",)).fit(x)
    assert torch.equal(torch.get_rng_state(), before)
    assert [p.name for p in Path().iterdir()] == ["temporary"]
    assert not list(Path("temporary").iterdir())
    assert capfd.readouterr() == ("", "")
    est = Autoencoder(overrides=("trainer=smoke",), folder=tmp_path / "kept").fit(x)
    np.testing.assert_allclose(aerun.load(tmp_path / "kept").encode(x), est.transform(x), atol=1e-4)
