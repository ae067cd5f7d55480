"""Weights of samples: they are kept to in the objective, equal ones change nothing, and what cannot keep to them says so."""

import numpy as np
import pytest
import torch

import aerun
from aerun.core.errors import AerunError
from tests.conftest import built

QUIET = ["trainer.progress=false", "pictures=[]", "model.latent_dim=1", "dataset.prepare=none"]


def two_planes(n=60):
    """Samples of two kinds, whose best lines have nothing in common; half are of the first kind, half of the second."""
    g = np.random.default_rng(0)
    x = g.normal(size=(2 * n, 4)) * np.repeat([[2, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 2]], n, axis=0)
    return {f"c{i}": x[:, i] for i in range(4)}


def trained(folder, weights=None, *overrides):
    x = two_planes()
    if weights is not None:
        x, overrides = {**x, "w": weights}, ("dataset.weights=w", *overrides)
    model = aerun.train(*QUIET, *overrides, x=x, model="linear", folder=folder, trainer__max_epochs=12, optimizer__lr=0.1)
    return model, model.score(two_planes())


def test_heavy_samples_are_rebuilt_better(tmp_path):
    _, first = trained(tmp_path / "a", np.repeat([1.0, 0.01], 60))
    _, second = trained(tmp_path / "b", np.repeat([0.01, 1.0], 60))
    assert first[:60].mean() < second[:60].mean() / 2
    assert second[60:].mean() < first[60:].mean() / 2


def test_equal_weights_change_nothing_bit_for_bit(tmp_path):
    plain, weighted = trained(tmp_path / "a"), trained(tmp_path / "b", np.full(120, 7.0))
    np.testing.assert_array_equal(plain[1], weighted[1])
    for name in ("train/loss", "val/loss", "val/mse"):
        np.testing.assert_array_equal(plain[0].history[name], weighted[0].history[name])
    assert [f.name for f in weighted[0].form.features] == ["c0", "c1", "c2", "c3"], "weights are no feature"


@pytest.mark.parametrize("recipe", ["model=vae", "model=sparse", "model=ae regularizer=[l1,orthogonal]"])
def test_the_weighted_objective_is_that_of_repeated_samples(recipe, double):
    model = built(*recipe.split()).autoencoder.double().eval()
    x, times = torch.rand(6, *model.facts.shape), torch.tensor([3, 0, 1, 2, 0, 6])

    if "posterior" in model.bottleneck.offers:
        drawn = model.bottleneck.forward
        model.bottleneck.forward = lambda h: {**drawn(h), "z": model.bottleneck.code(h)}  # no draw: the same for all copies
    weighted = model.objective(x, None, weight=times / times.double().mean())
    repeated = model.objective(x.repeat_interleave(times, 0), None)
    torch.testing.assert_close(torch.stack(weighted.parts), torch.stack(repeated.parts))
    torch.testing.assert_close(weighted.loss, repeated.loss)


@pytest.mark.parametrize(
    ("weights", "overrides", "words"),
    [
        (np.ones(120), ["regularizer=mmd", "model=vae", "model/loss=l2"], "regularizer=mmd reads each batch as a whole"),
        (np.ones(120), ["regularizer=decorrelation"], "regularizer=decorrelation reads each batch as a whole"),
        (np.repeat([1, -1.0], 60), [], "weight -1"),
        (np.repeat([1, np.nan], 60), [], "weight nan"),
        (np.zeros(120), [], "weight of every sample is 0"),
        (np.array(["many"] * 120), [], "holds no numbers"),
    ],
    ids=["mmd", "decorrelation", "negative", "missing", "zero", "words"],
)
def test_what_cannot_be_is_refused_in_words(weights, overrides, words, tmp_path):
    with pytest.raises(AerunError, match=words):
        trained(tmp_path / "run", weights, *overrides)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_weights_of_an_array_stand_in_its_file_or_in_one_of_their_own(tmp_path):
    x, w = np.stack(list(two_planes().values()), 1), np.repeat([1.0, 0.01], 60)
    np.savez(tmp_path / "both.npz", x=x, w=w)
    np.save(tmp_path / "w.npy", w)
    np.save(tmp_path / "x.npy", x)
    ways = [
        ["dataset.path=both.npz", "dataset.key=x", "dataset.weights=w"],
        ["dataset.path=x.npy", f"dataset.weights={tmp_path / 'w.npy'}"],
    ]
    data = [built("dataset=array", *(o.replace("path=", f"path={tmp_path}/", 1) for o in way)).dataset.load() for way in ways]
    for one in data:
        heavy = one.train.x[:, 0].abs() > one.train.x[:, 3].abs()
        assert ((one.train.w > 0.5) == heavy).float().mean() > 0.85
    torch.testing.assert_close(data[0].val.w, data[1].val.w)
    np.save(tmp_path / "w.npy", w[:5])
    few = ["dataset=array", f"dataset.path={tmp_path / 'x.npy'}", f"dataset.weights={tmp_path / 'w.npy'}"]
    with pytest.raises(AerunError, match="weights of shape"):
        built(*few)
