"""P115, P116: likelihoods of counts against scipy's and their limits; rows keep their size."""

import csv

import numpy as np
import pytest
import scipy.stats
import torch

from aerun import load
from aerun.core.errors import AerunError
from tests.conftest import built
from tests.model.test_losses import made
from tests.shell import here

D = 5
FACTS = {"shape": (D,), "columns": tuple((f"g{i}", "count", i, 1) for i in range(D))}


def rows(n=40, mean=3.0):
    g = torch.Generator().manual_seed(0)
    return torch.randn(n, D, generator=g).double(), torch.poisson(torch.full((n, D), mean), generator=g).double()


@pytest.mark.usefixtures("double")
def test_nb_is_that_of_scipy_and_a_poisson_where_theta_is_large():
    raw, x = rows()
    loss = made("nb", FACTS)
    loss.log_theta.data = torch.linspace(-2, 3, D)
    mu = (raw.softmax(1) * x.sum(1, keepdim=True)).numpy()
    theta = loss.log_theta.detach().exp().numpy()
    want = -scipy.stats.nbinom.logpmf(x.numpy(), theta, theta / (theta + mu)).sum(1)
    np.testing.assert_allclose(loss(raw, x).detach().numpy(), want, rtol=1e-9)
    poisson = -scipy.stats.poisson.logpmf(x.numpy(), mu).sum(1)
    np.testing.assert_allclose(made("poisson", FACTS)(raw, x).numpy(), poisson, rtol=1e-9)
    for theta in (1e4, 1e8):  # 32-bit lgamma says +35 here
        loss.log_theta.data = torch.full((D,), theta).log()
        near = loss.float()(raw.float(), x.float()).detach().numpy()
        np.testing.assert_allclose(near, poisson, rtol=2e-3 if theta < 1e5 else 1e-5)
        loss.double()


@pytest.mark.usefixtures("double")
def test_zinb_sums_to_one_is_nb_without_zeros_and_has_gradients_at_none():
    loss, one = made("zinb", FACTS, size="none"), made("nb", FACTS, size="none")
    raw = torch.full((400, 2, D), 0.7)
    x = torch.arange(400.0)[:, None].expand(400, D)
    assert float((-loss.element(raw, x)[:, 0]).detach().exp().sum()) == pytest.approx(1, abs=1e-9)
    raw[:, 1] = -800.0
    torch.testing.assert_close(loss(raw[:9], x[:9]), one(raw[:9, 0], x[:9]))
    empty = torch.tensor([[[-60.0] * D, [0.0] * D]]).requires_grad_()
    loss(empty, torch.zeros(1, D)).backward()
    assert empty.grad.isfinite().all()
    assert loss(empty, torch.zeros(1, D)) >= loss.floor(torch.zeros(1, D))


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("option", ["poisson", "nb", "zinb"])
def test_a_reconstruction_has_the_size_of_its_row(option):
    _, x = rows()
    loss = made(option, FACTS)
    raw = torch.randn(40, *([2] if loss.heads > 1 else []), D)
    total = loss.activate_like(raw, x.log1p()).expm1()
    torch.testing.assert_close(total.sum(1), x.sum(1))
    torch.testing.assert_close(loss.activate_like(raw, (10 * x).log1p()).expm1(), 10 * total)
    assert made(option, FACTS, size="none").activate_like(raw, x.log1p()).expm1().sum(1).ne(x.sum(1)).all()
    loss.prepare(lambda: iter(x.log1p().split(16)))
    drawn = loss.sample(raw).expm1()
    torch.testing.assert_close(drawn, drawn.round())
    assert loss.activate(raw).expm1().sum(1)[0] == pytest.approx(float(x.sum(1).log().mean().exp()))
    with pytest.raises(AerunError, match="row 2 of the training split holds no count"):
        loss.prepare(lambda: iter([torch.tensor([[1.0] * D, [0.0] * D])]))


def written(path, cells):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*(f"g{i}" for i in range(D)), "kind"], *cells])


def test_what_is_no_count_is_refused_by_its_row(tmp_path, caplog):
    cells = [[i % 4, 1, 2, 0, 7, "ab"[i % 2]] for i in range(40)]
    path = tmp_path / "c.csv"
    words = ("dataset=table", f"dataset.path={path}", "dataset.prepare=counts", "dataset.label=kind", "model/loss=nb")
    for value, why in ((-1, "-1, negative"), (2.5, "2.5, not whole"), ("", "no value")):
        written(path, [[*row[:2], value, *row[3:]] if i == 11 else row for i, row in enumerate(cells)])
        with pytest.raises(AerunError, match=rf"column 'g2', row 12: {why}, and dataset.prepare=counts"):
            built(*words).dataset.load()
    written(path, [[0, 0, 0, 0, 0, "a"] if i in (7, 9) else row for i, row in enumerate(cells)])
    built(*words).dataset.load()
    assert "row 8: no count above 0 in this row (2 such rows)" in caplog.text
    written(path, cells)
    with pytest.raises(AerunError, match=r"column 'kind' holds words, and dataset\.prepare=counts"):
        built(*words, "dataset.label=null")
    with pytest.raises(AerunError, match=r"needs counts in all columns: dataset=table dataset\.prepare=counts"):
        built("dataset=wine", "model/loss=zinb")
    with pytest.raises(AerunError, match="model/loss=zinb needs 2 values for each element"):
        built(*words, "model/loss=zinb", "model/arch=conv")
    with pytest.raises(AerunError, match=r"regularizer=kl: model\.loss\.reduction=mean"):
        built(*words, "model=vae", "model.loss.reduction=mean")


@pytest.mark.parametrize("option", ["poisson", "nb", "zinb"])
def test_the_use_pass_is_deterministic(option, tmp_path):
    """P38, of the losses that tests/test_parts.py has no data for."""
    written(tmp_path / "c.csv", [[i % 4, 1, 2, i % 3, 7, "ab"[i % 2]] for i in range(40)])
    words = ("dataset=table", f"dataset.path={tmp_path / 'c.csv'}", "dataset.prepare=counts", "dataset.label=kind")
    model = built(*words, f"model/loss={option}", "model=vae", "model.arch.dropout=0.5").autoencoder.eval()
    x = rows(4)[1].log1p().float()
    assert torch.equal(model(x), model(x))
    assert torch.equal(model.encode(x), model.encode(x))


def test_counts_train_score_and_come_back_whole(tmp_path):
    g = np.random.default_rng(0)
    rates = np.array([[1, 1, 8, 1, 1], [8, 1, 1, 1, 1]])
    sizes = np.exp(g.normal(3, 0.7, 150))
    cells = [[*g.poisson(s * rates[i % 2] / 12), "ab"[i % 2]] for i, s in enumerate(sizes)]
    written(tmp_path / "c.csv", cells)
    words = [
        "dataset=table",
        "dataset.path=c.csv",
        "dataset.prepare=counts",
        "dataset.label=kind",
        "model=vae",
        "model/loss=zinb",
    ]
    words += ["model.latent_dim=2", "model.arch.hidden=[8]", "trainer.max_epochs=4", "pictures=[]", "evaluate=[held_out]"]
    told = here(tmp_path, *words, "hydra.run.dir=run")
    assert told.code == 0, told.err
    model = load(tmp_path / "run")
    new = model.generate(20)
    assert all((new[k] == new[k].round()).all() and (new[k] >= 0).all() for k in new)
    x = {k: [float(row[i]) for row in cells[:9]] for i, k in enumerate(new)}
    again = model.reconstruct(x)
    np.testing.assert_allclose(sum(again.values()), np.sum([row[:5] for row in cells[:9]], 1), rtol=1e-4)
    assert "val/zinb/deviance" in (tmp_path / "run" / "metrics.csv").read_text()
    with pytest.raises(AerunError, match="sample 2, g1: -3, negative"):
        model.score({**{k: [1.0, 2.0] for k in new}, "g1": [0.0, -3.0]})
    assert here(tmp_path, "export", "run", "--output", "m.onnx", "--check").code == 0
