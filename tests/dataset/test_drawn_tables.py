"""Tables whose truth is known: rules that rows keep, counts of groups, cells that were hidden."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine

from aerun.core.errors import AerunError
from aerun.evaluate.applications.synthesis import own_rows
from aerun.experiment.measures import beside_samples, filled_cells, measure
from aerun.metrics.rows import independent
from tests.conftest import built
from tests.evaluate.test_applications_data import untrained

SMALL = ("dataset.n=200",)


@pytest.mark.parametrize("name", ["rules", "counts", "hidden_cells"])
def test_the_runs_seed_does_not_change_the_rows_and_that_of_the_data_does(name):
    loss = ["model/loss=nb"] if name == "counts" else []
    a, b, c = (
        built(f"dataset={name}", *loss, *more).dataset.load().train.x.nan_to_num(-1)
        for more in ([], ["seed=1"], ["dataset.seed=5"])
    )
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_rows_of_the_table_keep_its_rules_and_those_of_independent_columns_do_not():
    trained = untrained("dataset=rules", *SMALL, "model=vae", "model/loss=mixed")
    rows = own_rows(trained, trained.data.train)
    assert trained.dataset.lawful(rows).all()
    assert trained.dataset.lawful(independent(rows, 500, np.random.default_rng(0))).mean() < 0.4
    rows[:, 4:] = -1  # words that nobody knows
    assert not trained.dataset.lawful(rows).any()
    found = measure("kept_rules", trained)
    assert found["kept"] < 0.5
    assert found["nats"] > 5
    gaussian = untrained("dataset=rules", *SMALL, "model=vae", "model/loss=gaussian")
    own = gaussian.autoencoder.loss
    assert np.isfinite(measure("kept_rules", gaussian)["nats"])
    assert gaussian.autoencoder.loss is own
    with pytest.raises(AerunError, match=r"kept_rules.*dataset=rules"):
        measure("kept_rules", untrained("dataset=wine", "model=vae"))


def test_counts_have_the_spread_and_the_sizes_that_they_are_drawn_with():
    data = built("dataset=counts", "model/loss=nb", "dataset.columns=20", "dataset.groups=1", "dataset.spread=0").dataset.load()
    x = data.train.x.double()
    assert x.equal(x.round())
    assert (x.sum(1) > 0).all()
    mean, variance = x.mean(0), x.var(0)
    torch.testing.assert_close(variance, mean + mean**2 / 2, rtol=0.25, atol=0)  # theta = 2
    trained = untrained("dataset=counts", *SMALL, "model=vae", "model/loss=nb")
    found = measure("sizes_in_codes", trained)
    assert 0 <= found["correlation"] <= 1
    assert found["labels"] > 0.3  # also codes of a random net tell five groups apart somewhat
    with pytest.raises(AerunError, match=r"sizes_in_codes.*dataset=counts"):
        measure("sizes_in_codes", untrained("dataset=wine"))


def test_hidden_cells_are_those_of_the_published_protocol_and_all_ways_are_judged_on_them(monkeypatch):
    monkeypatch.setattr(filled_cells, "_CODES", 20)
    trained = untrained("dataset=hidden_cells", "dataset.of=wine", "model=iwae", "model/loss=gaussian", "model.arch.hidden=[8]")
    x, whole = trained.data.test.x, trained.dataset.clean().test.x
    gone = np.random.RandomState(1234).choice(x.numel(), x.numel() // 2, replace=False)
    assert set(np.flatnonzero(x.isnan().numpy())) == set(gone)
    torch.testing.assert_close(whole, torch.from_numpy(load_wine().data).float())
    assert torch.equal(trained.data.train.x.isnan(), x.isnan())
    found = measure("filled_cells", trained)
    assert found["gaussian"] == pytest.approx(0.726, abs=0.001)  # E58
    assert found["knn"] == pytest.approx(0.832, abs=0.01)  # rows that are equally near
    assert found["mean"] == pytest.approx(1.024, abs=0.001)
    assert found["model"] > 0.9  # it has learned nothing
    for name in ("wine", "factors"):
        with pytest.raises(AerunError, match=r"filled_cells.*dataset=hidden_cells"):
            measure("filled_cells", untrained(f"dataset={name}"))


def test_codes_are_judged_beside_the_samples(monkeypatch):
    monkeypatch.setattr(beside_samples, "_DRAWS", 2)
    found = measure("beside_samples", untrained("dataset=wine"))
    assert 0.8 < found["raw"] <= 1
    assert 0.8 < found["both"] <= 1
