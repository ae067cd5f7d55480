"""P76: likelihoods of grey values, bytes and wild cells against their closed forms; structure of images."""

import math

import pytest
import torch
from torch.distributions import ContinuousBernoulli, Normal, StudentT
from torch.nn.functional import softplus

from aerun.core.errors import AerunError
from aerun.metrics.ssim import ms_ssim, ms_ssim_levels, ssim
from aerun.model.loss.continuous_bernoulli import mean_of
from tests.conftest import built
from tests.model.test_losses import FACTS, batch, made

pytestmark = pytest.mark.usefixtures("double")

GREY = {"shape": (1, 1, 1), "kind": "image", "low": 0.0, "high": 1.0, "stored_unit": 255.0, "ragged": False, "tokens": ()}
IMAGES = {**GREY, "shape": (2, 28, 28)}


def test_log_cosh_is_the_hyperbolic_cosine_and_never_overflows():
    loss, r = made("log_cosh"), torch.tensor([-0.3, 0.0, 0.01, 2.0]).reshape(1, 4, 1)
    torch.testing.assert_close(loss.element(r, torch.zeros(1, 4, 1)), torch.log(torch.cosh(10 * r)) / 10)
    far = torch.full((1, 1, 1), -10.0)
    assert loss(far, torch.zeros(1, 1, 1)).item() == pytest.approx(10 - math.log(2) / 10, abs=1e-12)
    assert loss(1e6 * far, torch.zeros(1, 1, 1)).isfinite()
    raw, x, _ = batch()
    torch.testing.assert_close(made("log_cosh", sharpness=1e4)(raw, x), made("l1")(raw, x), rtol=1e-3, atol=0)
    torch.testing.assert_close(made("log_cosh", sharpness=2e-3)(raw, x) / 1e-3, made("mse")(raw, x), rtol=1e-5, atol=0)
    with pytest.raises(AerunError, match=r"model\.loss\.sharpness=0"):
        made("log_cosh", sharpness=0.0)


@pytest.mark.parametrize("df", [1.0, 4.0, 30.0])
def test_student_t_is_the_likelihood_and_gaussian_for_many_degrees(df):
    raw, x, _ = batch()
    loss = made("student_t", df=df, scale="fixed", sigma=0.3)
    torch.testing.assert_close(loss(raw, x), -StudentT(torch.tensor(df), raw, 0.3).log_prob(x).sum((1, 2)))
    near = made("student_t", df=1e4, scale="fixed", sigma=1.0)(raw, x)
    torch.testing.assert_close(near, -Normal(raw, 1.0).log_prob(x).sum((1, 2)), rtol=0, atol=12 * 5e-4)


@pytest.mark.parametrize(("option", "scale"), [("student_t", "shared"), ("student_t", "element"), ("logistic", "shared")])
def test_the_learned_scale_is_the_one_of_greatest_likelihood(option, scale):
    """Its fixed point, reached batch by batch; further codes of a pass are judged by it and do not move it."""
    torch.manual_seed(0)
    x = torch.rand(64, 4, 3) * 0.5 + 0.25
    raw = x + 0.2 * torch.randn(64, 4, 3) * (torch.arange(3) + 1)
    loss = made(option, scale=scale).train()
    for _ in range(300):
        loss(raw, x)
    kept = loss.sigma.clone()
    frozen = loss.of_pass()
    torch.testing.assert_close(frozen(raw, x), loss.eval()(raw, x))
    torch.testing.assert_close(loss.sigma, kept)
    assert loss.sigma.shape == (() if scale == "shared" else (4, 3))
    best = loss(raw, x).sum()
    for factor in (0.97, 1.03):
        loss.sigma.copy_(kept * factor)
        assert loss(raw, x).sum() > best
    with pytest.raises(AerunError, match=r"model\.loss\.scale=all"):
        made(option, scale="all")


def test_degrees_of_freedom_are_learned_towards_heavier_tails():
    torch.manual_seed(0)
    x = 0.2 * StudentT(1.5).sample((400, 4, 3))
    loss = made("student_t", df="learned").train()
    descent = torch.optim.Adam(loss.parameters(), 0.03)
    for _ in range(200):
        descent.zero_grad()
        loss(torch.zeros_like(x), x).mean().backward()
        descent.step()
    assert loss.watch()["df"].item() == pytest.approx(1.5, abs=0.15)
    assert loss.watch()["sigma"].item() == pytest.approx(0.2, abs=0.02)
    for wrong in (0.5, "many"):
        with pytest.raises(AerunError, match=r"model\.loss\.df="):
            made("student_t", df=wrong)


def test_heads_of_miwae_say_scale_and_degrees_of_each_element():
    """softplus + 0.001 and softplus + 3 of raw (B, 3, *S); what stands in gaps counts for nothing."""
    loss, (_, x, _) = made("student_t", df="learned", scale="element"), batch()
    raw = torch.randn(len(x), 3, *x.shape[1:], generator=torch.Generator().manual_seed(2)).requires_grad_()
    known = StudentT(3 + softplus(raw[:, 2]), raw[:, 0], 1e-3 + softplus(raw[:, 1]))
    torch.testing.assert_close(loss(raw, x), -known.log_prob(x).sum((1, 2)))
    torch.testing.assert_close(loss.activate(raw), known.mean)
    assert (loss.floor(x) < loss(raw, x)).all()
    seen = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.6
    seen[0] = False
    expected = -(known.log_prob(x) * seen).sum((1, 2))
    for what in (math.nan, 1e9):
        found = loss(raw, x.masked_fill(~seen, what), seen=seen)
        torch.testing.assert_close(found, expected)
        (gradient,) = torch.autograd.grad(found.sum(), raw, retain_graph=True)
        assert gradient.isfinite().all()
        assert float(gradient[~seen[:, None].expand_as(gradient)].abs().sum()) == 0
    start = loss.deactivate(x)
    torch.testing.assert_close(loss.activate(start), x)
    assert [v.item() for v in loss.watch(start).values()] == pytest.approx([0.25, 4])
    drawn = loss.emit(start[:1].expand(20000, *start.shape[1:])) - x[:1]
    assert drawn.abs().median().item() == pytest.approx(0.25 * 0.741, rel=0.02)  # the upper quartile of four degrees of freedom


def test_heads_of_miwae_learn_where_noise_is_larger():
    torch.manual_seed(0)
    where = (torch.arange(800) % 2)[:, None].double()
    x, net = torch.randn(800, 1) * (0.1 + where), torch.nn.Linear(1, 3)
    loss = made("student_t", {**FACTS, "shape": (1,)}, df="learned", scale="element")
    descent = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(300):
        descent.zero_grad()
        loss(net(where)[..., None], x).mean().backward()
        descent.step()
    quiet, loud = loss.told(net(torch.tensor([[0.0], [1.0]]))[..., None])[0].flatten().tolist()
    assert quiet == pytest.approx(0.1, rel=0.2)
    assert loud == pytest.approx(1.1, rel=0.2)


def test_continuous_bernoulli_is_a_density_and_its_reconstruction_the_mean():
    """The reconstruction at l = .9 is .66988, the mass 1; through 1/2 nothing jumps."""
    loss = made("continuous_bernoulli")
    assert loss.activate(torch.logit(torch.tensor(0.9))).item() == pytest.approx(0.66988, abs=1e-5)
    grid = torch.linspace(0, 1, 20001)
    for r in (-25.0, -0.11, -0.05, 0.0, 1e-4, 0.09, 0.11, 3.0):
        density = (-loss.element(torch.full_like(grid, r), grid)).exp()
        assert torch.trapezoid(density, grid).item() == pytest.approx(1, abs=1e-6)
        assert torch.trapezoid(density * grid, grid).item() == pytest.approx(mean_of(torch.tensor(r)).item(), abs=1e-6)
    raw, x, _ = batch()
    expected = -ContinuousBernoulli(logits=raw).log_prob(x).sum((1, 2))
    torch.testing.assert_close(loss(raw, x), expected, rtol=0, atol=1e-3)  # torch's own series near 1/2 is that coarse
    around = torch.linspace(-0.3, 0.3, 6001, requires_grad=True)
    slope = torch.autograd.grad(loss.element(around, torch.full_like(around, 0.3)).sum(), around)[0]
    torch.testing.assert_close(slope, mean_of(around).detach() - 0.3, rtol=0, atol=1e-9)
    x = torch.tensor([0.0, 0.004, 0.3, 0.5, 0.996, 1.0])
    torch.testing.assert_close(loss.activate(loss.deactivate(x)), x.clamp(0.01, 0.99), rtol=0, atol=1e-12)
    assert loss.activate(torch.tensor([-1e4, 1e4], dtype=torch.float32)).tolist() == pytest.approx([1e-4, 1 - 1e-4], rel=1e-3)
    with pytest.raises(AerunError, match=r"continuous_bernoulli needs data in \[0, 1\]"):
        made("continuous_bernoulli", {**FACTS, "low": None})


@pytest.mark.parametrize("unit", [255, 16])
@pytest.mark.parametrize("centre", [-0.2, 0.0, 0.3, 1.0])
def test_logistic_gives_all_levels_a_probability_of_one(unit, centre):
    loss = made("logistic", {**GREY, "stored_unit": float(unit)}, scale="fixed", sigma=0.02, activation="linear")
    levels = torch.arange(unit + 1) / unit
    total = (-loss.element(torch.full_like(levels, centre), levels)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)


def test_logistic_is_finite_far_off_and_told_in_bits():
    loss = made("logistic", GREY, scale="fixed", sigma=0.005, activation="linear").float()
    x = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float32)
    raw = torch.full_like(x, 100.0).requires_grad_()
    far = loss.element(raw, x)
    far.sum().backward()
    assert far.isfinite().all()
    assert raw.grad.isfinite().all()
    assert far[1].item() == pytest.approx((100 - 0.5) / 0.005, rel=1e-3)
    assert far[2].item() == pytest.approx(0, abs=1e-6)
    even = made("logistic", GREY, scale="fixed", sigma=1e3)  # half the levels' mass below, half above: 1 bit at the ends
    x = torch.zeros(4, 1, 1, 1)
    nats = even(torch.zeros_like(x), x)
    assert even.watch(nats, x)["bits"].item() == pytest.approx(1, abs=1e-3)
    for facts in ({**GREY, "stored_unit": 1.0}, {**GREY, "low": None, "high": None}, {**GREY, "stored_unit": 99.5}):
        with pytest.raises(AerunError, match="logistic needs data stored as whole numbers"):
            made("logistic", facts)


def test_ms_ssim_is_one_for_each_image_by_itself():
    torch.manual_seed(0)
    x = torch.rand(3, 2, 28, 28)
    assert (1 - ms_ssim(x, x, 1.0)).abs().max() < 1e-12
    y = (x + torch.tensor([0.0, 0.1, 0.4])[:, None, None, None] * torch.randn_like(x)).clamp(0, 1)
    each = ms_ssim(x, y, 1.0)
    assert each[0] > each[1] > each[2]
    torch.testing.assert_close(ms_ssim(x[1:], y[1:], 1.0), each[1:])
    assert [ms_ssim_levels((1, side, 400)) for side in (11, 21, 28, 44, 88, 176, 400)] == [1, 1, 2, 3, 4, 5, 5]
    torch.testing.assert_close(ms_ssim(x[..., :20], y[..., :20], 1.0), ssim(x[..., :20], y[..., :20], 1.0))
    loss = made("ms_ssim", IMAGES)
    torch.testing.assert_close(loss(y, x), 28 * 28 * 2 * (1 - each))
    torch.testing.assert_close(made("ms_ssim", IMAGES, reduction="mean")(y, x), 1 - each)
    assert loss(x, x).abs().max() < 1e-9


def test_the_window_of_ms_ssim_is_greatest_in_its_centre_and_gradients_are_finite():
    """An error in one pixel counts most at places whose window has it in the centre."""
    x = torch.full((1, 1, 11, 11), 0.5)
    x[..., ::2] = 0.7

    def unlike(row):
        y = x.clone()
        y[0, 0, row, row] += 0.2
        return 1 - ms_ssim(x, y, 1.0).item()

    assert unlike(5) > 5 * unlike(1) > 5 * unlike(0) > 0
    flat = torch.zeros(1, 1, 28, 28, requires_grad=True)
    ms_ssim(flat, torch.rand(1, 1, 28, 28), 1.0).sum().backward()
    assert flat.grad.isfinite().all()


def test_ms_ssim_refuses_what_has_no_window():
    with pytest.raises(AerunError, match=r"at least 11 x 11 pixels; this data set's samples are images of 8 x 8"):
        built("model/loss=ms_ssim")
    with pytest.raises(AerunError, match="of the kind sequence"):
        built("model/loss=ms_ssim", "dataset=sines")
    with pytest.raises(AerunError, match="known range"):
        made("ms_ssim", {**IMAGES, "low": None, "high": None})
