"""P139: series whose steps come unevenly, and gaps for which the last value stands."""

import numpy as np
import pytest
import torch

import aerun
from aerun.core.errors import AerunError
from aerun.evaluate.scores import errors, score
from aerun.preparation.carry import carried
from tests.conftest import built
from tests.shell import here


def write(path, times, gone=0.0):
    g = np.random.default_rng(0)
    x = np.sin(np.asarray(times)[:, None] * [0.3, 0.5]) + g.normal(0, 0.05, (len(times), 2))
    cells = np.where(g.random(x.shape) < gone, "", np.char.mod("%.4f", x))
    path.write_text("\n".join(["t,a,b", *(f"{t:.4f},{','.join(row)}" for t, row in zip(times, cells, strict=True))]) + "\n")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path, g = tmp_path_factory.mktemp("irregular"), np.random.default_rng(1)
    times = np.cumsum(g.exponential(1, 400))
    write(path / "s.csv", times)
    write(path / "twice.csv", 2 * times)
    write(path / "gaps.csv", times, gone=0.2)
    return path


def model(path, *settings):
    plan = built(
        "dataset=series", f"dataset.path={path}", "dataset.time=t", "dataset.window=10", "dataset.irregular=true", *settings
    )
    data = plan.dataset.load()
    plan.autoencoder.start_from(data.train.x)
    return plan.autoencoder.eval(), data


def test_twice_the_time_changes_the_channel_of_time_alone(place):
    one, data = model(place / "s.csv", "model.arch.hidden=[16]")
    stored = data.test.x
    assert stored.shape[1:] == (10, 3)
    later = stored * torch.tensor([1.0, 1, 2])
    a, b = one.units(stored), one.units(later)
    assert torch.equal(a[..., :2], b[..., :2])
    assert not torch.allclose(a[..., 2], b[..., 2])
    again = built(
        "dataset=series", f"dataset.path={place / 'twice.csv'}", "dataset.time=t", "dataset.window=10", "dataset.irregular=true"
    )
    torch.testing.assert_close(again.dataset.load().test.x[..., 2], later[..., 2], rtol=1e-3, atol=1e-3)


def test_time_is_read_and_never_decoded(place):
    one, data = model(place / "s.csv", "model.arch.hidden=[16]")
    stored = data.test.x
    x, beside = one.units(stored).requires_grad_(), one.beside(stored)
    (g,) = torch.autograd.grad(one.encode(x, **beside).sum(), x)
    assert bool((g[..., 2] != 0).any())
    raw = one.raw(one.encode(x, **beside)).detach().requires_grad_()
    names = {**one.objective_pass(x, None, None, **beside), "raw": raw}
    from aerun.vocabulary import call

    (g,) = torch.autograd.grad(call(one.loss, names).sum(), raw)
    assert bool((g[..., 2] == 0).all())
    assert bool((g[..., :2] != 0).all())
    assert bool((errors(one, stored)[..., 2] == 0).all())
    own = one.preparation.inverse(x)
    assert bool(own[..., 2].isnan().all())
    assert not bool(own[..., :2].isnan().any())


@pytest.mark.parametrize("shown", ["true", "false"])
def test_unseen_values_are_irrelevant_and_the_last_one_seen_stands_for_them(place, shown):
    one, data = model(place / "gaps.csv", "dataset.missing=keep", f"dataset.show_missing={shown}", "model.arch.hidden=[16]")
    stored = data.test.x
    x, beside = one.units(stored), one.beside(stored)
    seen = beside["seen"]
    lost = ~seen & torch.tensor([True, True, False])
    assert bool(lost.any())
    b, t, f = (v[x.shape[1] > 1] for v in [(lost[:, 1:] & seen[:, :-1]).nonzero(as_tuple=True)][0])
    assert torch.equal(x[b, t + 1, f], x[b, t, f])
    other = torch.where(lost, torch.randn_like(x), x)
    torch.manual_seed(0)
    first = one.objective(x, None, **beside).loss
    torch.manual_seed(0)
    torch.testing.assert_close(one.objective(other, None, **beside).loss, first)
    assert bool(score(one, stored).isfinite().all())


def test_carried_values_are_the_last_seen():
    x = torch.arange(12.0).reshape(1, 6, 2)
    seen = torch.tensor([[0, 1], [1, 0], [0, 0], [0, 1], [1, 0], [0, 0]], dtype=torch.bool)[None]
    found = carried(x, seen, torch.tensor([-1.0, -2.0]))
    assert found[0].T.tolist() == [[-1, 2, 2, 2, 8, 8], [1, 1, 1, 7, 7, 7]]


def test_convolutions_of_uneven_steps_are_refused_unless_told_the_time(place):
    settings = ("dataset=series", f"dataset.path={place / 's.csv'}", "dataset.time=t", "dataset.window=10", "dataset.gaps=keep")
    for arch in ("conv", "tcn"):
        with pytest.raises(AerunError, match=f"model/arch={arch} takes steps for evenly spaced, and .* dataset.irregular=true"):
            built(*settings, f"model/arch={arch}", "model.arch.hidden=" + ("[8,8]" if arch == "conv" else "8"))
        built(
            *settings,
            f"model/arch={arch}",
            "dataset.irregular=true",
            "model.arch.hidden=" + ("[8,8]" if arch == "conv" else "8"),
        )
    built(*settings, "model/arch=recurrent")
    with pytest.raises(AerunError, match="needs dataset"):
        built(*settings[:2], "dataset.window=10", "dataset.irregular=true")


def test_a_run_on_irregular_series_is_used_on_new_ones(place):
    settings = (f"dataset.path={place / 'gaps.csv'}", "dataset.time=t", "dataset.window=10", "dataset.irregular=true")
    quick = (
        "dataset=series",
        "trainer=smoke",
        "trainer.progress=false",
        "dataset.missing=keep",
        "model/arch=tcn",
        "model.arch.hidden=8",
    )
    aerun.train(*quick, *settings, folder=place / "run")
    told = here(place, "score", "run", "gaps.csv", "--output", "scores.csv", "--events", "events.csv")
    assert told.code == 0, told.err
    assert "400 steps" in told.out
    assert here(place, "score", "run", "gaps.csv", "--map", "--output", "time.png").code == 0
    assert here(place, "reconstruct", "run", "gaps.csv", "--output", "again.npz").code == 0
    again = np.load(place / "again.npz")["x"]
    assert np.isnan(again[..., 2]).all()
    assert not np.isnan(again[..., :2]).any()
    told = here(place, "score", "run", "gaps.csv", "--follow", "--output", "-")
    assert (told.code, "--follow: a run with dataset.irregular" in told.err) == (2, True)
