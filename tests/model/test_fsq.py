"""Finite scalar quantization: all levels in use, numbers and codes one to one, a gradient everywhere."""

import itertools

import pytest
import torch

from aerun.core.errors import AerunError
from aerun.model.bottleneck.fsq import Fsq
from tests.conftest import built


@pytest.mark.parametrize("levels", range(2, 10))
def test_every_level_is_reached_and_used(levels):
    """P81: exactly L values, each with a share above .05 of N(0, 1); the ends of the line are the outermost ones."""
    torch.manual_seed(0)
    fsq, h = Fsq(latent_dim=1, levels=levels), torch.randn(20_000, 1)
    numbers = fsq.indices(h)
    shares = torch.bincount(numbers.flatten(), minlength=levels) / len(h)
    assert len(shares) == levels
    assert shares.min() > 0.05
    assert fsq.indices(torch.tensor([[-50.0], [50.0]])).flatten().tolist() == [0, levels - 1]
    values = fsq.lookup(torch.arange(levels)[:, None]).flatten()
    assert (values.diff() > 0).all()
    assert values.abs().max() <= 1
    order = h.flatten().argsort()
    assert (numbers.flatten()[order].diff() >= 0).all()


@pytest.mark.parametrize("levels", range(2, 10))
def test_the_gradient_is_above_0_and_is_that_of_the_bound(levels):
    fsq = Fsq(latent_dim=1, levels=levels).double()
    h = torch.linspace(-3, 3, 50, dtype=torch.float64)[:, None].requires_grad_()
    out = fsq(h)
    assert out.keys() == {"z"}
    assert torch.equal(out["z"], fsq.code(h))
    (slope,) = torch.autograd.grad(out["z"].sum(), h)
    assert (slope > 0).all()
    step = 1e-5
    smooth = (fsq._bounded(h + step) - fsq._bounded(h - step)) / (2 * step) / (levels // 2)
    torch.testing.assert_close(slope, smooth if levels > 2 else 1 - torch.tanh(h).square(), rtol=1e-4, atol=1e-8)


def test_numbers_and_codes_are_one_to_one():
    """P81: for all prod L codes, also on a grid; the nearest code of a code is itself, and of other vectors one of them."""
    fsq = Fsq(latent_dim=4, levels=[2, 3, 4, 5])
    numbers = torch.tensor(list(itertools.product(*map(range, fsq.levels))))
    z = fsq.lookup(numbers)
    assert len(z.unique(dim=0)) == 120
    h = torch.atanh((z * fsq.scale + fsq.offset) / fsq.reach * 0.9999) - fsq.shift
    assert torch.equal(fsq.indices(h), numbers)
    assert torch.equal(fsq.nearest(z), z)
    grid = z[:, :, None, None].expand(-1, -1, 2, 3)
    assert torch.equal(fsq.nearest(grid + 0.05), grid)
    far = fsq.nearest(100 * torch.randn(50, 4))
    assert (far.abs() == 1).float().mean() > 0.5
    assert torch.equal(fsq.nearest(far), far)


def test_bits_and_used_levels_are_watched():
    fsq = Fsq(latent_dim=3, levels=[2, 4, 8])
    found = fsq.watch(torch.zeros(5, 3, 2, 2))
    assert found["bits"] == 4 * (1 + 2 + 3)
    assert found["used"] == 3
    torch.manual_seed(0)
    assert fsq.watch(torch.randn(2000, 3))["used"] == 14


def test_many_levels_have_an_end():
    fsq = Fsq(latent_dim=1, levels=2001)
    assert fsq.indices(torch.tensor([[-99.0], [0.0], [99.0]])).flatten().tolist() == [0, 1000, 2000]


@pytest.mark.parametrize(
    ("over", "words"),
    [
        (["model.bottleneck.levels=1"], r"model.bottleneck.levels=1"),
        (["model.bottleneck.levels=[8,1]", "model.latent_dim=2"], r"model.bottleneck.levels=1"),
        (["model.bottleneck.levels=[8,5,5]"], r"levels=\[8, 5, 5\]: 3 numbers for model.latent_dim=16.*one for each"),
        (["model.bottleneck.levels=40000"], r"levels=40000: 32,768 are the most"),
        (["regularizer=contractive"], r"contractive needs `encode`, which model/bottleneck=fsq does not give"),
        (["regularizer=nested"], r"nested sets the last units of a code to 0.*model/bottleneck=fsq"),
    ],
)
def test_senseless_settings_are_refused(over, words):
    with pytest.raises(AerunError, match=words):
        built("model/bottleneck=fsq", "model.latent_dim=16", *over)


def test_few_bits_are_no_identity_risk():
    assert not built("model/bottleneck=fsq", "model.latent_dim=64").warnings
