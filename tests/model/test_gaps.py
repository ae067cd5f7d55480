"""Cells that were never recorded: nothing that stands in their places counts, for any loss, code or bound."""

import copy
import math

import numpy as np
import pytest
import torch

from aerun.core.errors import AerunError
from aerun.core.seeding import own_draws
from aerun.regularizer.iwae import Iwae
from aerun.vocabulary import call
from tests.conftest import built
from tests.model.test_losses import VARIANTS, batch, made
from tests.regularizer.test_prior_matching import linear_gaussian  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("double")

STANDS_THERE = (math.nan, 1e9, 0.0)
WORKS = [v for v in VARIANTS if v[0] != "categorical"]  # which is of text, and text has no gaps


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("option", "settings"), WORKS)
def test_a_loss_is_that_of_the_seen_cells(option, settings, reduction):
    """P121: loss, gradient, scale and floor are the same whatever stands in a gap; a sample without any cell adds 0."""
    raw, x, mask = batch()
    seen = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.6
    seen[0] = False
    found = []
    for what in STANDS_THERE:
        loss, out = made(option, reduction=reduction, **settings).train(), raw.clone().requires_grad_()
        names = {
            "raw": out,
            "x": x.masked_fill(~seen, what),
            "seen": seen,
            **({"mask": mask} if "mask" in loss.needs() else {}),
        }
        value = loss(**names)
        value.sum().backward()
        found.append((value.detach(), out.grad, *loss.buffers()))
        assert float(out.grad[~seen].abs().sum()) == 0
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert torch.equal(one, other)
    assert torch.isfinite(found[0][1]).all()
    assert found[0][0][0].abs() <= 1e-4  # l2: its root at 0


def test_a_mean_is_over_the_seen_cells():
    raw, x, _ = batch()
    seen = torch.rand(x.shape) < 0.5
    for reduction, share in (("sum", torch.ones(len(x))), ("mean", seen.flatten(1).sum(1))):
        found = made("mse", reduction=reduction)(raw, x, seen=seen)
        torch.testing.assert_close(found, (raw - x).square().mul(seen).flatten(1).sum(1) / share)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("gaps") / "t.csv"
    g = np.random.default_rng(0)
    x = g.normal(size=(60, 4)) @ g.normal(size=(4, 4))
    holes = g.random(x.shape) < 0.3
    cells = [["" if h else f"{v:.3f}" for v, h in zip(*row, strict=True)] for row in zip(x, holes, strict=True)]
    words = ["" if h else "uvw"[int(k)] for k, h in zip(g.integers(0, 3, 60), g.random(60) < 0.3, strict=True)]
    path.write_text("\n".join(["a,b,c,d,k", *(",".join([*row, k]) for row, k in zip(cells, words, strict=True))]))
    return path


def kept(table, *more):
    plan = built("dataset=table", f"dataset.path={table}", "dataset.missing=keep", "model.latent_dim=2", *more)
    stored = plan.dataset.load().train.x
    plan.autoencoder.start_from(stored)
    return plan.autoencoder, stored


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("model.arch.norm=batch", "dataset.show_missing=false"),
        ("model=denoising", "model/corruption=masking"),
        ("model=denoising", "model/corruption=gaussian"),
        ("model=vae", "model/loss=gaussian"),
        ("model=iwae", "model/loss=student_t", "dataset.show_missing=false"),
        ("model=iwae", "model/loss=student_t", "model.loss.df=learned", "model.loss.scale=element"),
        ("model=topk", "model.bottleneck.k=1", "regularizer=revival"),
    ],
)
def test_an_objective_does_not_depend_on_what_stands_in_gaps(table, more):
    """P121: parts of the objective, gradients and codes."""
    model, stored = kept(table, *more)
    x, seen = model.units(stored).double(), model.seen(stored)
    assert not seen.all()
    found = []
    for what in STANDS_THERE:
        own = copy.deepcopy(model).double()  # scales and norms follow the batches of training
        with own_draws():
            torch.manual_seed(0)
            value = own.objective(x.masked_fill(~seen, what), 0.5, seen=seen)
        gradients = torch.autograd.grad(value.loss, list(own.own_parameters()), allow_unused=True)
        found.append([torch.stack(value.parts), *(g for g in gradients if g is not None)])
        mask = value.names.get("mask")
        assert mask is None or (mask.any() and not (mask & ~seen).any())
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_the_encoder_reads_what_is_missing(table):
    model, stored = kept(table)
    x, seen = model.units(stored), model.seen(stored)
    read = model.arch.centred(x, ~seen)
    assert read.shape[1] == 2 * x.shape[1]
    assert torch.equal(read[:, x.shape[1] :].bool(), ~seen)
    assert float(read[:, : x.shape[1]][~seen].abs().max()) == 0
    torch.testing.assert_close(model.arch.mean, (x * seen).sum(0) / seen.sum(0))
    blind, _ = kept(table, "dataset.show_missing=false")
    assert blind.arch.encoder_weights()[0].shape[1] == x.shape[1]
    assert not torch.equal(model.encode(x, **model.beside(stored)), model.encode(x))
    assert torch.equal(blind.encode(x, **blind.beside(stored)), blind.encode(x))


def test_iwae_with_all_seen_is_that_without_gaps(linear_gaussian):  # noqa: F811
    """P122: the bound with nothing missing is today's; of one code the ELBO; it rises with the number of codes."""
    model, x, _ = linear_gaussian
    seen = torch.ones_like(x, dtype=torch.bool)
    seen[:, 0] = False

    def bound(samples, seen=None):
        torch.manual_seed(0)
        names = model.objective_pass(x, seen=seen)
        term = call(Iwae(samples=samples, groups=1, elbo=0.0, encoder="same"), names)
        return -(term + names["reconstruction"]), names

    with torch.no_grad():
        assert torch.equal(bound(4)[0], bound(4, torch.ones_like(seen))[0])
        one, names = bound(1, seen)
        ratio = names["prior"].log_prob(names["z"]) - names["posterior"].log_prob(names["z"])
        torch.testing.assert_close(one, ratio.reshape(len(x), -1).sum(1) - names["reconstruction"])
        means = [float(bound(k, seen)[0].mean()) for k in (1, 8, 64)]
    assert means == sorted(means)


def test_what_cannot_see_gaps_is_refused(table):
    with pytest.raises(AerunError, match=r"whiten=true.*dataset\.missing=keep"):
        kept(table, "model/arch=linear", "model.arch.whiten=true", "dataset.show_missing=false")
    with pytest.raises(AerunError, match=r"tied=true.*dataset\.show_missing=false"):
        kept(table, "model.arch.tied=true")
    kept(table, "model.arch.tied=true", "dataset.show_missing=false")
    with pytest.raises(AerunError, match=r"regularizer=perceptual.*missing=keep.*`seen`"):
        kept(table, "regularizer=perceptual")
