"""P137, P138: the archs tcn and patch, and hidden patches."""

import pytest
import torch

from aerun.core.errors import AerunError
from aerun.model.arch.attention import Patches as Cut
from aerun.model.arch.attention import Unpatched
from aerun.model.arch.patch import Patch
from aerun.model.arch.tcn import Tcn
from aerun.model.corruption.patches import Patches
from tests.conftest import built

GIVEN = {"kind": "sequence", "ragged": False, "sees_mask": False, "features": 3, "latent_dim": 3}
TCN = {
    "hidden": 5,
    "levels": None,
    "kernel": 3,
    "causal": True,
    "code": "last",
    "stride": None,
    "activation": "gelu",
    "dropout": 0.0,
}
PATCH = {"patch": 4, "width": 8, "attention_heads": 2, "layers": 2, "code": "mean", "dropout": 0.0}


@pytest.fixture(autouse=True)
def _seeded(double):
    torch.manual_seed(0)


def tcn(steps=40, **settings):
    return Tcn(shape=(steps, 2), **GIVEN | TCN | settings)


def reads(arch, steps, t):
    """Which steps of the input the state of step t depends on."""
    x = torch.randn(1, steps, 2, requires_grad=True)
    (g,) = torch.autograd.grad(arch.states(x)[0, :, t].sum(), x)
    return g[0].abs().sum(1).nonzero().flatten().tolist()


@pytest.mark.parametrize(("levels", "kernel", "field"), [(1, 3, 5), (3, 3, 29), (2, 5, 25), (4, 3, 61)])
def test_a_causal_step_sees_its_past_as_far_as_the_receptive_field(levels, kernel, field):
    """P137."""
    arch = tcn(70, levels=levels, kernel=kernel)
    assert arch.field == field
    assert reads(arch, 70, 65) == list(range(65 - field + 1, 66))
    assert reads(arch, 70, 3) == [0, 1, 2, 3]
    both = tcn(70, levels=levels, kernel=kernel, causal=False)
    half = field // 2
    assert reads(both, 70, 35) == list(range(35 - half, 35 + half + 1))


@pytest.mark.parametrize(("causal", "code"), [(True, "last"), (False, "last"), (True, "strided"), (False, "strided")])
@pytest.mark.parametrize("steps", [9, 40, 47])
def test_levels_are_enough_for_the_window_and_shapes_come_back(steps, causal, code):
    arch = tcn(steps, causal=causal, code=code)
    assert arch.caution == ""
    x = torch.randn(2, steps, 2)
    h = arch.encode(x)
    assert h.shape == (2, 3, *arch.grid)
    assert arch.grid == (() if code == "last" else (-(-steps // 8),))
    assert arch.decode(h).shape == x.shape
    if code == "last":
        x = x.requires_grad_()
        (g,) = torch.autograd.grad(arch.encode(x).sum(), x)
        assert bool((g.abs().sum(2) > 0).all())  # the code sees every step


def test_a_code_that_does_not_see_the_window_is_told_and_misfits_are_refused():
    plan = built("dataset=sines", "model/arch=tcn", "model.arch.levels=2")
    assert any("a step sees 13 steps, and a sample has 40" in line for line in plan.warnings)
    assert not built("dataset=sines", "model/arch=tcn").warnings
    for settings, said in (
        (["model/arch=tcn"], "needs sequences"),
        (["model/arch=patch"], "needs sequences"),
        (["dataset=sines", "model/arch=tcn", "model.arch.stride=4"], "of model.arch.code=strided"),
        (["dataset=sines", "model/arch=tcn", "model.arch.causal=false", "model.arch.kernel=4"], "has no middle"),
        (["dataset=japanese_vowels", "model/arch=tcn", "model.arch.code=strided"], "samples of one length"),
        (["dataset=japanese_vowels", "model/arch=patch"], "samples of one length"),
        (["dataset=sines", "model/arch=patch", "model.arch.patch=41"], "a sample has 40 steps"),
        (["dataset=sines", "model/arch=patch", "model.arch.attention_heads=5"], "must be a multiple"),
        (["dataset=sines", "model/corruption=patches", "model.corruption.size=40"], "a single patch"),
        (["dataset=digits", "model/corruption=patches", "model.corruption.span=2"], "runs are of steps"),
        (["dataset=wine", "model/corruption=patches"], "needs data of kind image or sequence"),
    ):
        with pytest.raises(AerunError, match=said):
            built(*settings)


def test_the_last_real_step_is_read_and_nothing_behind_it():
    arch = tcn(20, ragged=True)
    x, valid = torch.randn(3, 20, 2), torch.arange(20) < torch.tensor([[20], [7], [12]])
    other = torch.where(valid[..., None], x, torch.randn_like(x))
    torch.testing.assert_close(arch.encode(x, valid=valid), arch.encode(other, valid=valid))
    torch.testing.assert_close(arch.encode(x, valid=valid)[1], arch.encode(x[1:2, :7])[0])
    assert bool((arch.decode(torch.randn(3, 3), valid)[1, 7:] == 0).all())


@pytest.mark.parametrize("steps", [7, 8, 9, 40])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_patches_come_back_as_they_were(steps, size):
    """P138."""
    x = torch.randn(2, steps, 3)
    cut = Cut(size, steps)(x)
    assert cut.shape == (2, -(-steps // size), 3 * size)
    assert torch.equal(Unpatched(size, steps)(cut), x)


@pytest.mark.parametrize("code", ["mean", "tokens"])
def test_steps_that_fill_up_the_last_patch_are_not_judged(code):
    """P138: their output reaches no loss, and the bias that writes them no gradient but that of real steps."""
    arch = Patch(shape=(9, 2), **GIVEN | PATCH | {"code": code})
    x = torch.randn(4, 9, 2)
    arch.start_from(x.mean(0), x.mean(0))
    h = arch.encode(x)
    assert h.shape == (4, 3, *arch.grid)
    raw = arch.decode(h)
    assert raw.shape == x.shape
    bias = arch.decoder[-2].bias
    (g,) = torch.autograd.grad(raw.sum(), bias)
    assert g.reshape(4, 2)[:, 0].tolist() == [4 * 3, 4 * 2, 4 * 2, 4 * 2]  # the third patch has a single step


@pytest.mark.parametrize(("shape", "kind", "number"), [((41, 3), "sequence", 4), ((2, 17, 9), "image", 6)])
def test_as_many_patches_as_asked_are_hidden_whole(shape, kind, number):
    corruption = Patches(shape=shape, kind=kind, size=4, share=0.4, span=1, show_mask=False)
    x = torch.ones(200, *shape)
    mask = corruption(x)["mask"]
    assert bool((mask.amax((1, 2)) if kind == "sequence" else mask).any())
    one = mask[:, :, 0] if kind == "sequence" else mask[:, 0]
    patches = one[:, ::4] if kind == "sequence" else one[:, ::4, ::4]
    assert set(patches.flatten(1).sum(1).tolist()) == {number}
    whole = patches.repeat_interleave(4, 1)[:, : one.shape[1]]
    whole = whole if kind == "sequence" else whole.repeat_interleave(4, 2)[:, :, : one.shape[2]]
    assert torch.equal(whole, one)
    share = patches.double().mean(0)
    assert bool(((share - number / patches[0].numel()).abs() < 0.2).all())


def test_runs_of_patches_are_hidden_together():
    corruption = Patches(shape=(60, 1), kind="sequence", size=3, share=0.5, span=5, show_mask=False)
    hidden = corruption(torch.ones(300, 60, 1))["mask"][:, ::3, 0]
    assert set(hidden.sum(1).tolist()) == {10}
    runs = (hidden.int().diff(dim=1, prepend=torch.zeros(300, 1, dtype=torch.int32)) == 1).sum(1)
    assert runs.double().mean() < 3.2  # 10 patches in runs of up to 5
