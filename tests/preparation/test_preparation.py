"""Preparations: defined by the training samples alone, inverted into own units, and told what they have not seen."""

import io

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from aerun.core.errors import AerunError
from aerun.preparation.columns import Columns
from aerun.preparation.feature import Feature, features_of
from aerun.preparation.scale import Scale
from aerun.preparation.statistics import WAYS, centre_and_spread, quantiles

NAN = float("nan")
SCALED = [w for w in WAYS if w != "none"]


def rows(n=200, seed=0):
    """Numbers (one with gaps, one constant) and a category of three words with gaps."""
    g = np.random.default_rng(seed)
    a = g.normal(5, 3, n)
    gaps = np.where(g.random(n) < 0.2, np.nan, g.exponential(100, n))
    word = np.where(g.random(n) < 0.1, np.nan, g.integers(0, 3, n))
    return torch.tensor(np.stack([a, gaps, np.full(n, 7.0), word], 1), dtype=torch.float32)


FEATURES = (
    Feature("a", "number"),
    Feature("gaps", "number", missing=True),
    Feature("same", "number"),
    Feature("word", "category", words=("u", "v", "w"), missing=True),
)


def fitted(way="standardize", x=None):
    found = Columns(features=FEATURES, way=way)
    found.fit(rows() if x is None else x)
    return found


def test_standardize_gives_mean_0_and_deviation_1_of_what_is_there():
    x = rows()
    z = fitted()(x).double()
    assert z[:, 0].mean().abs() < 1e-6
    assert z[:, 0].std(correction=0) == pytest.approx(1, abs=1e-6)
    there = ~x[:, 1].isnan()
    assert z[there, 1].mean().abs() < 1e-6
    assert z[there, 1].std(correction=0) == pytest.approx(1, abs=1e-6)


def test_robust_is_median_and_quartiles_and_does_not_move_with_an_outlier():
    x = torch.arange(101.0)
    assert centre_and_spread(x, "robust") == (50, 50)
    wild = x.clone()
    wild[-1] = 1e9
    assert centre_and_spread(wild, "robust") == (50, 50)
    assert centre_and_spread(wild, "standardize")[0] > 1e6


def test_robust_falls_back_on_the_deviation_where_most_values_are_equal():
    x = torch.tensor([0.0] * 9 + [1.0])
    assert centre_and_spread(x, "robust") == (0, pytest.approx(0.3))


def test_minmax_is_the_training_range_and_clips_beyond_it():
    prepare = fitted("minmax")
    x = rows()
    assert prepare(x).min() == 0
    assert prepare(x).max() == 1
    assert prepare(x[:, :] + 1e6)[:, 0].eq(1).all()
    assert prepare(x[:, :] - 1e6)[:, 0].eq(0).all()


def test_none_leaves_numbers_as_they_are():
    x = rows()
    assert torch.equal(fitted("none")(x)[:, 0], x[:, 0])
    assert fitted("none")(x)[:, 2].eq(7).all()


@pytest.mark.parametrize("n", [1, 2, 3, 10, 101])
def test_quantiles_are_those_of_numpy(n):
    x = torch.randn(n, generator=torch.Generator().manual_seed(n))
    shares = (0, 0.25, 0.5, 0.9, 1)
    assert quantiles(x, *shares) == pytest.approx(np.quantile(x.double().numpy(), shares), abs=1e-12)


def test_missing_values_are_the_median_and_the_most_frequent_word_with_a_mark():
    x = rows()
    prepare = fitted()
    z = prepare(x)
    gone = x[:, 1].isnan()
    median = np.nanmedian(x[:, 1].numpy())
    assert prepare.inverse(z)[gone, 1] == pytest.approx(median, rel=1e-5)
    counts = np.bincount(x[~x[:, 3].isnan(), 3].long().numpy(), minlength=3)
    assert z[x[:, 3].isnan()][:, 3:6].eq(torch.eye(3)[int(counts.argmax())]).all()
    assert torch.equal(z[:, 6], gone.float())
    assert torch.equal(z[:, 7], x[:, 3].isnan().float())


def test_one_hot_and_all_zeros_for_a_word_that_training_has_not():
    z = fitted()(torch.tensor([[5, 1, 7, 0], [5, 1, 7, 1], [5, 1, 7, 2], [5, 1, 7, -1.0]]))
    assert torch.equal(z[:, 3:6], torch.cat([torch.eye(3), torch.zeros(1, 3)]))


def test_a_gap_where_training_has_none_is_filled_in_without_a_mark():
    z = fitted()(torch.tensor([[NAN, 1, 7, 0]]))
    assert z.isfinite().all()
    assert z.shape == (1, 8)
    assert z[0, 6:].eq(0).all()
    assert fitted().inverse(z)[0, 0] == pytest.approx(float(rows()[:, 0].median()), abs=0.1)


@pytest.mark.parametrize("way", SCALED)
def test_a_constant_is_0_and_its_inverse_the_constant_whatever_comes_later(way):
    prepare = fitted(way)
    later = torch.tensor([[5, 1, 7, 0], [5, 1, 99.0, 0]])
    assert prepare(later)[:, 2].eq(0).all()
    assert prepare.inverse(prepare(later))[:, 2].eq(7).all()
    assert prepare.inverse(torch.ones(1, 8))[0, 2] == 7


def test_the_only_word_of_a_column_is_a_constant_too():
    prepare = Columns(features=[Feature("k", "category", words=("x",)), Feature("a", "number")], way="standardize")
    prepare.fit(torch.tensor([[0, 1.0], [0, 2.0]]))
    z = prepare(torch.tensor([[0, 1.0], [-1, 2.0]]))
    assert z[:, 1].eq(0).all()
    assert prepare.inverse(z)[:, 0].eq(0).all()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_there_comes_back_in_own_units(way):
    x = rows()
    prepare = fitted(way)
    back = prepare.inverse(prepare(x))
    there = ~x.isnan()
    assert back.isfinite().all()
    assert torch.allclose(back[there], x[there], rtol=1e-4, atol=1e-3)


def test_the_inverse_names_the_largest_element_and_nothing_where_none_is_positive():
    prepare = fitted()
    z = torch.zeros(3, 8)
    z[0, 3:6] = torch.tensor([0.1, 0.7, 0.4])
    z[1, 3:6] = torch.tensor([-0.1, -0.2, -0.4])
    assert prepare.inverse(z)[:, 3].tolist() == [1, -1, -1]


@pytest.mark.parametrize("way", WAYS)
def test_gradients_of_the_inverse_are_the_spread(way):
    prepare = fitted(way)
    z = prepare(rows()).requires_grad_()
    prepare.inverse(z)[:, 0].sum().backward()
    assert torch.allclose(z.grad[:, 0], prepare.spread[0].expand(len(z)))


def test_a_checkpoint_holds_everything_as_plain_tensors_and_another_table_is_refused():
    ours, buffer = fitted("robust"), io.BytesIO()
    torch.save(ours.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    assert all(isinstance(v, torch.Tensor) for v in state.values())
    fresh = Columns(features=FEATURES, way="robust")
    fresh.load_state_dict(state)
    assert torch.equal(fresh(rows(seed=1)), ours(rows(seed=1)))
    assert features_of(state["_extra_state"]) == FEATURES
    renamed = Columns(features=[Feature("b", "number"), *FEATURES[1:]], way="robust")
    with pytest.raises(AerunError, match=r"now column 'b' \(number\), then column 'a' \(number\)"):
        renamed.load_state_dict(state)
    with pytest.raises(AerunError, match="now 3 columns, then 4"):
        Columns(features=FEATURES[1:], way="robust").load_state_dict(state)


def test_statistics_are_taken_in_64_bits():
    x = torch.tensor([1e6, 1e6 + 1, 1e6 + 2] * 1000)
    assert centre_and_spread(x, "standardize") == (pytest.approx(1e6 + 1, abs=1e-9), pytest.approx((2 / 3) ** 0.5, rel=1e-9))


@pytest.mark.parametrize("way", SCALED)
@pytest.mark.parametrize(("shape", "channels"), [((3, 4, 5), 0), ((6, 2), 1)])
def test_scale_is_one_for_each_channel_and_comes_back(way, shape, channels):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(50, *shape, generator=g) * 3 + 10
    x = x.movedim(channels + 1, -1)
    x = (x * torch.arange(1.0, x.shape[-1] + 1)).movedim(-1, channels + 1)
    prepare = Scale(shape=shape, channels=channels, way=way)
    prepare.fit(x)
    z = prepare(x)
    for k in range(shape[channels]):
        own = x.select(channels + 1, k)
        centre, spread = centre_and_spread(own.flatten(), way)
        assert torch.allclose(z.select(channels + 1, k), (own - centre) / spread, atol=1e-5)
    assert torch.allclose(prepare.inverse(z), x, rtol=1e-4)


def test_a_constant_channel_is_0_and_comes_back():
    x = torch.stack([torch.full((10, 4), 3.0), torch.arange(40.0).reshape(10, 4)], 1)[..., None]
    prepare = Scale(shape=(2, 4, 1), channels=0, way="standardize")
    prepare.fit(x)
    assert prepare(x)[:, 0].eq(0).all()
    assert torch.allclose(prepare.inverse(prepare(x)), x, atol=1e-4)


def test_rank_gauss_is_gaussian_monotone_and_goes_on_outside():
    """P118."""
    g = np.random.default_rng(0)
    x = torch.tensor(np.stack([g.exponential(3, 5000), np.round(g.exponential(2, 5000)), np.full(5000, 4.0)], 1)).float()
    prepare = Columns(features=[Feature(n, "number") for n in ("a", "few", "same")], way="rank_gauss")
    prepare.fit(x)
    z = prepare(x)
    assert kstest(z[:, 0].numpy(), "norm").statistic < 0.01
    order = x[:, 0].argsort()
    assert bool((z[order, 0].diff() >= 0).all())
    torch.testing.assert_close(prepare.inverse(z), x, rtol=1e-5, atol=1e-5)
    assert float(z[:, 1].mean().abs()) < 1e-5  # few values: standardized
    assert float(z[:, 1].std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert bool((z[:, 2] == 0).all())
    far = torch.tensor([[-1e9, 0.0, 4.0], [60.0, 1.0, 4.0], [70.0, 1.0, 4.0], [1e9, 1.0, 4.0]])
    assert prepare(far)[:, 0].tolist() == [-5, 5, 5, 5]
    exact = prepare.exact(far)[:, 0]
    assert exact.isfinite().all()
    assert exact[3] > exact[2] > exact[1] > 5  # no two outliers are alike
    tied = torch.tensor([1.0] * 30 + list(range(2, 40)))[:, None]
    one = Columns(features=[Feature("a", "number")], way="rank_gauss")
    one.fit(tied)
    assert float(one(tied)[0]) == pytest.approx(float(torch.special.ndtri(torch.tensor((15.5 - 0.5) / 68))), abs=1e-5)
