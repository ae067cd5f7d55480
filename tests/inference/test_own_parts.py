"""A part of a stranger's own gets every verb, application and export that its answers allow."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import aerun
from aerun import AerunError
from aerun.evaluate import applications
from aerun.evaluate.samplers import samplers
from aerun.evaluate.suite import ask
from aerun.inference import codes
from aerun.inference.export import export
from aerun.inference.support import unsupported_reason
from aerun.trained import Trained
from tests.conftest import built

QUICK = ("trainer.progress=false", "pictures=[]", "model.arch.hidden=[16]", "model.latent_dim=3")
FEW = ("trainer.max_epochs=8", "optimizer.lr=0.02")
LEVELS = (5, 3, 4)
GRID = (
    "model.bottleneck._target_=own_parts.Grid",
    f"+model.bottleneck.levels={list(LEVELS)}",
    "model.corruption._target_=own_parts.Laplace",
    "+model.corruption.scale=0.1",
)
LEFT = (
    "model.corruption._target_=own_parts.Left",
    "+model.corruption.show_mask=true",
    "model.bottleneck._target_=own_parts.Halves",
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The stranger's module, on the path of imports."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(Path(__file__).parent / "own_parts.py", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def grid(mine):
    """A run with a discrete code, a noise and a loss of the stranger's own."""
    plain = ("~model.loss.activation", "~model.loss.reduction")
    loss = ("model.loss._target_=own_parts.Charbonnier", *plain, "+model.loss.eps=0.01")
    aerun.train(*QUICK, *FEW, *GRID, *loss, folder=mine / "grid")
    return aerun.load(mine / "grid", trust=["own_parts"])


@pytest.fixture(scope="module")
def left(mine):
    """A run with holes and a real code of the stranger's own."""
    aerun.train(*QUICK, *FEW, *LEFT, folder=mine / "left")
    return aerun.load(mine / "left", trust=["own_parts"])


@pytest.fixture(scope="module")
def x(digits):
    return digits.test.x[:64].numpy()


def test_what_is_not_trusted_is_not_built(grid, mine):
    with pytest.raises(AerunError, match="trust own_parts"):
        aerun.load(mine / "grid")


def test_discrete_codes_are_compressed_without_loss(grid, x):
    data = grid.compress(x)
    assert np.array_equal(grid.decompress(data), grid.reconstruct(x))
    assert {float(v) for v in np.unique(grid.encode(x)[:, 1])} == {-1.0, 0.0, 1.0}
    with pytest.raises(AerunError, match="whole numbers"):
        grid.compress(x, step=0.1)
    longer = len(grid.compress(np.concatenate([x] * 8))) - len(data)
    assert 0.5 < 8 * longer / (7 * 64 * grid.autoencoder.bottleneck.bits(1)) < 1.02


def test_numbers_that_no_code_has_are_refused(grid):
    from aerun.inference.rounding import rounding

    wrong = torch.tensor([[4, 2, 4]])
    with pytest.raises(AerunError, match="no code of this model"):
        rounding(grid, None).codes(grid, wrong)
    assert rounding(grid, None).codes(grid, wrong - torch.tensor([0, 0, 1])).tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize("sampler", ["auto", "prior", "gaussian", "mixture"])
def test_drawn_codes_are_codes(grid, sampler):
    drawn = codes.draw(grid, 200, 0, sampler)
    bottleneck = grid.autoencoder.bottleneck
    assert torch.equal(bottleneck.nearest(drawn), drawn)
    assert torch.equal(codes.draw(grid, 200, 0, sampler), drawn)
    assert grid.generate(3, sampler=sampler).shape == (3, 1, 8, 8)
    if sampler == "prior":
        assert [len(column.unique()) for column in drawn.t()] == list(LEVELS)


def test_every_level_is_drawn_as_often(mine):
    model = built(*QUICK, *GRID).autoencoder
    n = 30_000
    drawn = model.prior_codes(torch.zeros(n, 3, 2))
    for unit, levels in enumerate(LEVELS):
        counts = drawn[:, unit].unique(return_counts=True)[1].double()
        assert (counts - 2 * n / levels).abs().max() < 5 * math.sqrt(2 * n / levels)


def test_discrete_codes_are_judged_as_bytes_and_as_samples(grid, digits):
    trained = Trained(grid.autoencoder, built().dataset, CPU, 0, digits)
    found = ask("compression", trained)[0].figures["model"]
    assert set(found) == {"fine_bpp", "fine_psnr", "excess"}
    assert 0 < 64 * found["fine_bpp"] < grid.autoencoder.bottleneck.bits(1) + 1
    assert list(samplers(trained)) == [
        "prior",
        "gaussian",
        "mixture",
        "flow",
        "second_stage",
        "aggregate",
        "counts",
        "transformer",
    ]


@pytest.mark.parametrize("kind", ["safetensors", pytest.param("onnx", marks=pytest.mark.slow)])
def test_own_parts_are_exported_and_checked(grid, tmp_path, kind):
    lines = export(grid, tmp_path / f"model.{kind}", None, check=True)
    assert "largest relative difference" in lines[1]


def test_a_discrete_code_that_leaves_out_an_answer_is_told_so(mine):
    plan = built(*QUICK, *GRID, "model.bottleneck._target_=own_parts.Silent")
    with pytest.raises(AerunError, match=r"own_parts does not say which of its codes is nearest"):
        plan.autoencoder.bottleneck.nearest(torch.full((1, 3), 8.0))
    with pytest.raises(AerunError, match="says its `levels`"):
        built(*QUICK, *GRID, "model.bottleneck._target_=own_parts.Shy")


def test_own_noise_is_removed_and_judged(grid, digits, x):
    assert np.array_equal(grid.denoise(x), grid.reconstruct(x))
    assert "holes" in unsupported_reason("inpaint", grid.autoencoder)
    with pytest.raises(AerunError, match=r"inpaint: .*holes"):
        grid.inpaint(x)
    trained = Trained(grid.autoencoder, built().dataset, CPU, 0, digits)
    outcome, _ = ask("denoising", trained)
    assert list(outcome.figures) == ["model", "identity", "median", "gaussian", "wiener"]
    assert 0.5 * 64 * 2 * 0.1**2 < outcome.figures["identity"]["se"] < 64 * 2 * 0.1**2  # clamped to the data's range
    assert "one draw of model/corruption=own_parts" in outcome.note
    assert applications.unsupported_reason("inpainting", grid.autoencoder, trained.dataset)


def test_own_holes_are_filled_and_judged(left, digits, x):
    half = np.broadcast_to(np.arange(8) < 4, x.shape)
    filled = left.inpaint(x, half)
    assert np.array_equal(filled[~half], x[~half])
    assert np.array_equal(left.inpaint(np.where(half, 7, x).astype(x.dtype), half), filled)
    trained = Trained(left.autoencoder, built().dataset, CPU, 0, digits)
    figures = ask("inpainting", trained)[0].figures
    assert {"model", "mean", "copy", "lmmse"} <= set(figures)
    assert applications.unsupported_reason("denoising", left.autoencoder, trained.dataset)


def test_own_real_codes_are_rounded(left, x):
    assert left.encode(x).shape == (64, 3)
    near = left.decompress(left.compress(x.astype(np.float32), step=0.01))
    assert np.abs(near - left.reconstruct(x.astype(np.float32))).max() < 1
    with pytest.raises(AerunError, match="have no prior"):
        left.generate(2, sampler="prior")


def test_own_loss_is_descended_and_scored(grid, x):
    assert grid.results["status"] == "completed"
    raw, real = torch.full((2, 1, 8, 8), 0.5), torch.zeros(2, 1, 8, 8)
    expected = 64 * (math.sqrt(0.25 + 1e-4) - 0.01)
    assert grid.autoencoder.loss(raw, real).tolist() == pytest.approx([expected] * 2)
    assert grid.results["test/reconstruction"] > 0
    again = grid.reconstruct(x.astype(np.float32))
    assert grid.score(x) == pytest.approx(((again - x) / 16).reshape(64, -1).__pow__(2).mean(1), rel=0.2)
    assert np.isfinite(grid.threshold())
