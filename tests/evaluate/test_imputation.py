"""What is filled into hidden cells, and the Gaussian that a network has to beat."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine

from aerun.evaluate.applications.imputation import NAMES, winners
from aerun.evaluate.subset import subsample
from aerun.evaluate.suite import ask
from aerun.metrics.gaussian_em import Gaussian, fit
from tests.evaluate.test_applications_data import untrained


@pytest.fixture(scope="module")
def hidden():
    """Wine, standardized before half of its cells are hidden: the protocol of the published figures (seed 1234)."""
    x = load_wine().data
    x = (x - x.mean(0)) / x.std(0)
    gone = np.random.RandomState(1234).choice(x.size, x.size // 2, replace=False)
    seen = np.ones(x.size, dtype=bool)
    seen[gone] = False
    return torch.from_numpy(x), torch.from_numpy(seen.reshape(x.shape))


def test_the_gaussian_has_the_error_that_it_is_known_for(hidden):
    """E58: 0.726 on wine, where zeros have 1.015."""
    x, seen = hidden
    found = fit(x.masked_fill(~seen, torch.nan), seen)
    mean, deviation = found.conditional(x.masked_fill(~seen, torch.nan), seen)
    assert float((mean - x)[~seen].square().mean()) == pytest.approx(0.726, abs=0.001)
    assert float(x[~seen].square().mean()) == pytest.approx(1.015, abs=0.001)
    assert torch.equal(mean[seen], x[seen])
    assert float(deviation[seen].abs().max()) < 1e-6
    assert (deviation[~seen] > 0).all()


def test_the_gaussian_is_the_conditional_of_its_moments():
    g = torch.Generator().manual_seed(0)
    a = torch.randn(4, 4, dtype=torch.float64, generator=g)
    known = Gaussian(torch.arange(4.0).double(), a @ a.t() + torch.eye(4))
    seen = torch.tensor([[True, False, True, False]])
    x = torch.randn(1, 4, dtype=torch.float64, generator=g)
    mean, deviation = known.conditional(x, seen)
    s, at, rest = known.covariance, [0, 2], [1, 3]
    gain = s[rest][:, at] @ torch.linalg.inv(s[at][:, at])
    torch.testing.assert_close(mean[0, rest], known.mean[rest] + gain @ (x[0, at] - known.mean[at]))
    torch.testing.assert_close(deviation[0, rest], (s[rest][:, rest] - gain @ s[at][:, rest]).diagonal().sqrt())


def test_rows_are_judged_on_hidden_cells_alone():
    """A model that knows the truth makes no error; the mean makes one deviation; the best is named."""
    trained = untrained("dataset=wine", "evaluate=[imputation]")
    model = trained.autoencoder
    order = []

    def perfect(x, *about, **beside):
        order.append(len(x))
        return whole[: len(x)]

    whole = model.units(subsample(trained.data.test, 500, model.facts.size).x)
    model.forward = perfect
    found = ask("imputation", trained)[0]
    assert order
    assert all(v == pytest.approx(0, abs=1e-6) for v in found.figures["model"].values())
    assert found.figures["mean"]["rmse_50"] == pytest.approx(1, abs=0.25)
    for metric in ("rmse_10", "rmse_30", "rmse_50"):
        assert found.figures["gaussian"][metric] < found.figures["mean"][metric]
    assert 0.8 < found.figures["gaussian"]["coverage_30"] <= 1
    hidden = ("10 %", "30 %", "50 %", "a whole column", "a whole block")
    assert found.note.endswith("best at " + ", ".join(f"{what}: the model" for what in hidden))
    model.forward = lambda x, *about, **beside: torch.zeros_like(x) + 3
    worse = ask("imputation", trained)[0]
    assert worse.note.count(" against ") == 5  # of other rows, which are better


def test_who_is_as_good_is_named_with_the_best():
    rows = {"model": {"rmse_30": 0.5}, "knn": {"rmse_30": 0.501}, "mean": {"rmse_30": 1.0}}
    assert winners(rows) == "best at 30 %: the model and " + NAMES["knn"]
    rows["model"] = {"rmse_30": 0.7}
    assert winners(rows) == f"best at 30 %: {NAMES['knn']} (0.501 against 0.7)"
