"""Recipes as scikit-learn estimators: its own checks, and what people build from estimators."""

import json
import pickle

import numpy as np
import pandas
import polars
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import aerun
from aerun.core.errors import AerunError
from aerun.sklearn import AnomalyDetector, Autoencoder, Imputer

QUICK = {"latent_dim": 2, "max_epochs": 2}
SKIPPED = {"check_array_api_input", "check_classifier_data_not_an_array"}  # SCIPY_ARRAY_API is not set; pandas is missing


# Mini-batches in another order, and another share for validation: as of all estimators that learn so, nearly equal at most.
REPEATED = {"check_sample_weight_equivalence_on_dense_data": "batches of repeated samples are other batches"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator", [Autoencoder(**QUICK), AnomalyDetector(**QUICK), Imputer(**QUICK, codes=8)], ids=lambda e: type(e).__name__
)
def test_scikit_learns_own_checks_pass(estimator):
    weighted = {} if isinstance(estimator, Imputer) else REPEATED  # it takes no weights
    found = check_estimator(estimator, on_skip=None, expected_failed_checks=weighted)  # raises where another one fails
    assert len(found) > 40
    assert {f["check_name"] for f in found if f["status"] != "passed"} <= SKIPPED | set(REPEATED)


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "sparse"},
        {"model": "vae", "prepare": "minmax"},
        {"model": "denoising", "prepare": "robust"},
        {"model": "conv", "shape": (1, 8, 8)},
        {"model": "ae", "overrides": ["regularizer=l1", "reg.lambda=1e-3"]},
    ],
    ids=lambda s: s["model"],
)
def test_any_recipe_by_name(settings):
    x = load_digits().data[:200]
    made = clone(Autoencoder(**settings, max_epochs=1, latent_dim=3)).fit(x)
    z = made.transform(x)
    assert z.shape == (200, int(np.prod(made.model_.code_shape)))
    assert made.inverse_transform(z).shape == x.shape
    assert len(made.get_feature_names_out()) == z.shape[1]
    assert made.score(x) == pytest.approx(made.score_samples(x).mean())


@pytest.mark.slow
def test_pipelines_and_searches():
    x, y = load_wine(return_X_y=True)
    line = make_pipeline(Autoencoder(max_epochs=8, latent_dim=4), LogisticRegression())
    grid = [{"autoencoder__latent_dim": [1, 4]}, {"autoencoder__model": ["linear"]}]
    search = GridSearchCV(line, grid, cv=2).fit(x, y)
    assert search.best_params_ == {"autoencoder__latent_dim": 4}
    assert search.best_score_ > 0.8


def test_an_imputer_fills_what_is_missing_and_nothing_else():
    g = np.random.default_rng(0)
    x = g.normal(size=(120, 1)) @ g.normal(size=(1, 4)) + 0.1 * g.normal(size=(120, 4))
    gaps = np.where(g.random(x.shape) < 0.2, np.nan, x)
    settings = {"latent_dim": 1, "max_epochs": 2, "codes": 20}
    settings["overrides"] = ["model/loss=gaussian", "model.arch.hidden=[16]"]
    made = Imputer(**settings).fit(gaps)
    whole = made.transform(gaps)
    seen = ~np.isnan(gaps)
    assert np.array_equal(whole[seen], gaps[seen])
    assert np.isfinite(whole).all()
    assert np.array_equal(whole, made.transform(gaps))
    drawn = made.set_params(sample_posterior=True).transform(gaps)
    assert (drawn != whole)[~seen].all()
    frame = pandas.DataFrame({"a": gaps[:, 0], "b": gaps[:, 1], "k": np.where(x[:, 0] > 0, "up", "down")}).mask(
        g.random((120, 3)) < 0.1
    )
    filled = Imputer(**settings).fit_transform(frame)
    assert not filled.isna().any().any()
    assert set(filled["k"]) == {"up", "down"}
    with pytest.raises(ValueError, match="x1"):
        Imputer(**settings).fit(np.where(np.arange(4) == 1, np.nan, x))


def test_the_same_seed_is_the_same_model_and_torchs_own_is_left_alone():
    x, before = np.random.default_rng(0).normal(size=(60, 5)), torch.get_rng_state()
    a, b, c = (Autoencoder(**QUICK, random_state=s).fit(x).transform(x) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3
    assert torch.equal(torch.get_rng_state(), before)


def test_the_detector_knows_what_is_unlike_its_training():
    """The held-out share alpha passes for anomalies; other classes stand out."""
    x, y = load_digits(return_X_y=True)
    made = AnomalyDetector(max_epochs=40, latent_dim=8, alpha=0.1).fit(x[y < 3][:400])
    usual, other = x[y < 3][400:], x[y > 5]
    score = made.score_samples(np.concatenate([usual, other]))
    assert roc_auc_score(np.repeat([1, 0], [len(usual), len(other)]), score) > 0.9
    assert (made.predict(other) == -1).mean() > 0.5
    np.testing.assert_array_equal(made.predict(other), np.where(made.score_samples(other) < made.offset_, -1, 1))


def test_a_folder_keeps_the_run(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 5))
    made = Autoencoder(**QUICK, folder=tmp_path / "run").fit(x)
    np.testing.assert_allclose(aerun.load(tmp_path / "run").encode(x), made.transform(x), atol=1e-5)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["status"] == "completed"
    assert results["val/mse"] > 0
    assert results["seconds"] > 0
    assert not any(key.startswith("test/") for key in results), "there is no test split to judge it on"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": "spars"}, "nearest: sparse"),
        ({"prepare": "scaled"}, "dataset.prepare=scaled"),
        ({"shape": (1, 3, 3)}, "does not hold the 5 features"),
        ({"latent_dim": 0}, "model.latent_dim=0"),
        ({"model": "vae", "overrides": ["model/loss=bce"]}, r"needs data in \[0, 1\]"),
    ],
)
def test_mistakes_are_value_errors(settings, words):
    with pytest.raises(ValueError, match=words):
        Autoencoder(**{**QUICK, **settings}).fit(np.random.default_rng(0).normal(size=(60, 5)))


def test_the_model_of_an_estimator_has_all_its_verbs():
    """What the run knew of its codes and scores is kept, though its folder is gone."""
    x = np.random.default_rng(0).normal(size=(60, 5))
    model = pickle.loads(pickle.dumps(Autoencoder(**QUICK).fit(x))).model_
    assert not model.folder.path.exists()
    assert model.generate(3, sampler="gaussian").shape == (3, 5)
    assert model.traverse(x, 1).shape == (60, 7, 5)
    assert model.threshold(0.5) == model.validation_scores[4]  # of 9: of rank 5
    np.testing.assert_allclose(model.decompress(model.compress(x)), model.reconstruct(x), atol=0.5)
    with pytest.raises(AerunError, match=r"dataset\.path"):
        model.generate(3, sampler="mixture")


def mixed(n=60):
    pandas = pytest.importorskip("pandas")
    g = np.random.default_rng(0)
    return pandas.DataFrame(
        {
            "size": g.normal(size=n),
            "count": pandas.array([None if i % 9 == 0 else i for i in range(n)], dtype="Int64"),
            "grade": pandas.Categorical(g.choice([1, 2, 3], n)),
            "zip": g.choice(["01", "2"], n),
        }
    )


def test_a_data_frame_keeps_names_kinds_and_gaps():
    frame = mixed()
    made = Autoencoder(**QUICK).fit(frame)
    features = made.model_.form.features
    assert [(f.name, f.kind, f.missing) for f in features] == [
        ("size", "number", False),
        ("count", "number", True),
        ("grade", "category", False),
        ("zip", "category", False),
    ]
    z = made.transform(frame)
    np.testing.assert_array_equal(made.transform(frame[["zip", "grade", "size", "count"]].iloc[:, [2, 3, 1, 0]]), z)
    assert made.inverse_transform(z)[:, 3].tolist() == made.model_.reconstruct(frame)["zip"].tolist()
    assert list(made.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        made.transform(frame[["size"]])


def test_missing_cells_of_frames_go_the_way_that_is_said_and_those_of_arrays_are_refused():
    with pytest.raises(ValueError, match="column 'count', row 1: no value"):
        Autoencoder(**QUICK, overrides=["dataset.missing=refuse"]).fit(mixed())
    kept = AnomalyDetector(**QUICK, overrides=["dataset.missing=keep"]).fit(mixed())
    assert np.isfinite(kept.score_samples(mixed())).all()
    with pytest.raises(ValueError, match="masked array contains missing values"):
        Autoencoder(**QUICK).fit(np.ma.masked_less(np.arange(20.0).reshape(10, 2), 3))


def test_a_frame_of_numbers_is_as_an_array():
    pandas = pytest.importorskip("pandas")
    x = np.random.default_rng(0).normal(size=(50, 3))
    frame, array = (Autoencoder(**QUICK).fit(d) for d in (pandas.DataFrame(x, columns=list("abc")), x))
    np.testing.assert_allclose(frame.transform(pandas.DataFrame(x, columns=list("abc"))), array.transform(x), atol=1e-6)


def test_train_takes_frames_with_the_settings_of_tables(tmp_path):
    frame = mixed().assign(y=["u", "v"] * 30)
    model = aerun.train("trainer=smoke", "pictures=[]", x=frame, dataset__label="y", folder=tmp_path / "run")
    assert [f.name for f in model.form.features] == ["size", "count", "grade", "zip"]
    assert model.config["dataset"]["path"] == str(tmp_path / "run" / "samples.parquet")
    np.testing.assert_array_equal(model.score(frame), aerun.load(tmp_path / "run").score(frame))
    with pytest.raises(AerunError, match="column 'a' is neither"):
        aerun.train(x={"a": [object()]})


def test_missing_values_of_arrays_go_the_way_that_is_said():
    x = np.random.default_rng(0).normal(size=(60, 3))
    x[::7, 1] = np.nan
    for way, size in (("fill", 4), ("keep", 3)):
        made = Autoencoder(**QUICK, overrides=[f"dataset.missing={way}"]).fit(x)
        assert made.model_.facts.shape == (size,)
        assert np.isfinite(made.transform(x)).all()
        assert np.isfinite(made.inverse_transform(made.transform(x))).all()
    with pytest.raises(ValueError, match="column 'x1', row 1: no value"):
        Autoencoder(**QUICK, overrides=["dataset.missing=refuse"]).fit(x)
    whole = Autoencoder(**QUICK).fit(np.nan_to_num(x))
    assert np.isfinite(whole.score_samples(x)).all(), "gaps that training did not have are filled in"


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.eye(2), "X: 2 samples; 3 are needed"),
        (np.eye(8).astype("m8[s]"), r"X: holds timedelta64\[s\], not numbers"),
        (np.full((9, 2), np.nan), r"X: column 'x0' has no value .* X: column 'x1' has no value"),
        (np.full((9, 2), 1e300), r"X: sample 1, element \(0\) is 1e\+300"),
        (pandas.DataFrame({"a": range(9), "t": pandas.to_timedelta(range(9), "h")}), r"X: column 't' holds duration\[ns\]"),
        (pandas.DataFrame(np.eye(9)[:, :2], columns=["a", "a"]), "X: two columns are named 'a'"),
        (pandas.DataFrame(index=range(9)), "X: has no columns"),
        (polars.LazyFrame({"a": [1.0, 2.0]}), "X: a lazy frame"),
    ],
)
def test_errors_speak_of_the_samples_and_of_no_file(x, words):
    with pytest.raises(ValueError, match=f"^{words}") as e:
        Autoencoder(**QUICK).fit(x)
    assert ".parquet" not in str(e.value)
    assert ".npy" not in str(e.value)


def test_train_too_speaks_of_the_samples(tmp_path):
    with pytest.raises(AerunError, match=r"^x: nothing is left for validation"):
        aerun.train(x=np.eye(2), folder=tmp_path / "run")
    with pytest.raises(AerunError, match=r"^x: a sparse matrix"):
        aerun.train(x=csr_array(np.eye(9)), folder=tmp_path / "run")


def test_intervals_sparse_columns_and_arrays_of_dates_are_read():
    g = np.random.default_rng(0).normal(size=40)
    frame = pandas.DataFrame({"a": g, "bin": pandas.cut(g, 3), "few": pandas.arrays.SparseArray(np.where(g > 1, g, 0.0))})
    made = Autoencoder(**QUICK).fit(frame)
    assert [f.kind for f in made.model_.autoencoder.preparation.features] == ["number", "category", "number"]
    assert np.isfinite(made.transform(frame)).all()
    days = np.arange(40).reshape(20, 2).astype("datetime64[D]")
    dated = Autoencoder(**QUICK).fit(days)
    assert [f.kind for f in dated.model_.autoencoder.preparation.features] == ["date", "date"]
    assert np.isfinite(dated.transform(days)).all()


def test_arrays_of_words_and_numbers_are_read_as_frames_are():
    frame = mixed().drop(columns="grade")
    made = Autoencoder(**QUICK).fit(frame.to_numpy())
    assert [(f.kind, f.missing) for f in made.model_.form.features] == [
        ("number", False),
        ("number", True),
        ("category", False),
    ]
    np.testing.assert_allclose(made.transform(frame.to_numpy()), Autoencoder(**QUICK).fit(frame).transform(frame), atol=1e-6)
    with pytest.raises(ValueError, match="holds words"):
        Autoencoder(**QUICK).fit(np.ones((9, 2)) * np.arange(9)[:, None]).transform(np.array([["a", "b"]], dtype=object))


def test_weights_count_and_none_is_as_if_it_were_left_out():
    g = np.random.default_rng(0)
    x = g.normal(size=(120, 4)) * np.repeat([[2, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 2]], 60, axis=0)
    settings = {"model": "linear", "latent_dim": 1, "max_epochs": 9, "prepare": "none", "overrides": ["optimizer.lr=0.1"]}
    first, second = (Autoencoder(**settings).fit(x, sample_weight=np.repeat(w, 60)) for w in ([1, 0.01], [0.01, 1]))
    assert first.score(x[:60]) > second.score(x[:60])
    assert first.score(x[60:]) < second.score(x[60:])
    kept = Autoencoder(**settings).fit(x, sample_weight=np.repeat([1, 0], 60))
    np.testing.assert_array_equal(kept.transform(x), Autoencoder(**settings).fit(x[:60]).transform(x))
    assert kept.score(x, sample_weight=np.repeat([1, 0], 60)) == pytest.approx(kept.score(x[:60]))
    images = Autoencoder(model="conv", shape=(1, 8, 8), **QUICK)
    assert images.fit(load_digits().data[:40], sample_weight=np.arange(40)).n_iter_ == 2
    with pytest.raises(ValueError, match="reads each batch as a whole"):
        Autoencoder(**QUICK, overrides=["regularizer=decorrelation"]).fit(x, sample_weight=np.ones(120))


def test_fitted_estimators_have_what_scikit_learns_have():
    frame = mixed()
    made = pickle.loads(pickle.dumps(Autoencoder(**QUICK).fit(frame)))
    assert made.n_iter_ == len(made.loss_curve_) == len(made.validation_loss_curve_) == 2
    np.testing.assert_array_equal(made.loss_curve_, made.model_.history["train/loss"])
    assert list(made.feature_names_in_) == list(frame.columns)
    assert list(made.get_feature_names_out()) == ["autoencoder0", "autoencoder1"]
    codes = made.set_output(transform="pandas").transform(frame.set_axis(range(7, 67)))
    assert list(codes.columns) == list(made.get_feature_names_out())
    back = made.inverse_transform(codes)
    assert list(back.columns) == list(frame.columns)
    assert list(back.index) == list(codes.index) == list(range(7, 67))
    html = made._repr_html_()
    assert "<polyline" in html
    assert "2 columns" in html or "4 columns" in html
    assert "latent_dim=2" in repr(made)


def test_frames_in_column_transformers_pipelines_and_searches():
    from sklearn.compose import ColumnTransformer
    from sklearn.model_selection import cross_val_score

    frame, y = mixed(), np.arange(60) % 2
    columns = ColumnTransformer([("codes", Autoencoder(**QUICK), ["size", "count", "zip"])], remainder="drop")
    line = make_pipeline(columns, LogisticRegression())
    assert cross_val_score(line, frame, y, cv=2).shape == (2,)
    search = GridSearchCV(Autoencoder(**QUICK), {"latent_dim": [1, 2]}, cv=2).fit(frame, sample_weight=np.ones(60))
    assert search.best_estimator_.n_iter_ == 2
