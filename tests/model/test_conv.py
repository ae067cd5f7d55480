"""The convolutional arch: shapes, shifts, sharing, levels, and penalties on a spatial code."""

from math import prod

import pytest
import torch
from torch import nn

from aerun.compose import options
from aerun.core.errors import AerunError
from aerun.evaluate.health import decoder_scale
from aerun.model.arch.conv import Conv
from aerun.regularizer.contractive import Contractive
from aerun.regularizer.l1 import L1
from aerun.regularizer.rate import Rate
from tests.conftest import built

GIVEN = {
    "bias": True,
    "ragged": False,
    "sees_mask": False,
    "features": 3,
    "latent_dim": 3,
    "code": "vector",
    "upsample": "transposed",
    "activation": "relu",
    "norm": "none",
    "dropout": 0.0,
    "tied": False,
}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def conv(*shape, hidden=(4, 6), kind=None, **settings):
    kind = kind or ("image" if len(shape) == 3 else "sequence")
    return Conv(shape=shape, kind=kind, hidden=list(hidden), **GIVEN | settings)


def turns(number):
    """Every combination of code, upsample and tied in turn."""
    code, upsample = ("vector", "spatial")[number % 2], ("transposed", "nearest")[number // 2 % 2]
    return {"code": code, "upsample": upsample, "tied": upsample == "transposed" and number // 4 % 2 == 1}


def restores(arch, shape, levels):
    x = torch.rand(2, *shape)
    h = arch.encode(x)
    sides = shape[1:] if len(shape) == 3 else shape[:1]
    assert arch.grid in ((), tuple(n // 2**levels for n in sides))
    assert h.shape == (2, 3, *arch.grid)
    assert arch.decode(h).shape == x.shape


@pytest.mark.parametrize("height", range(8, 66))
def test_every_image_size_is_restored(height):
    """P20: shapes invert exactly for every H x W from 8 up and any channels, with every number of levels that fits."""
    for i, width in enumerate({height, 8, 9, 21, 65}):
        levels = 1 + (height + width) % 3
        shape = (1 + (height + width) % 4, height, width)
        restores(conv(*shape, hidden=range(2, 2 + levels), **turns(height + 3 * i)), shape, levels)


@pytest.mark.parametrize("kind", ["sequence", "text"])
def test_every_length_is_restored(kind):
    """P20 along one axis: T from 8 up, any number of features."""
    for steps in range(8, 80):
        levels = 1 + steps % 3
        shape = (steps, 1 + steps % 5)
        restores(conv(*shape, kind=kind, hidden=range(2, 2 + levels), **turns(steps)), shape, levels)


REFUSED = [
    ((1, 7, 7), {"hidden": [2]}, r"cannot halve 7 x 7 images"),
    ((1, 8, 8), {"hidden": [2, 2, 2, 2]}, r"at most 3 sizes"),
    ((1, 28, 6), {"hidden": [4]}, r"cannot halve 28 x 6"),
    ((7, 3), {"hidden": [4]}, r"sequences of 7 steps.*model/arch=mlp"),
    ((16, 3), {"hidden": [4] * 5}, r"at most 4 sizes"),
    ((30,), {"kind": "table"}, r"table.*model/arch=mlp"),
    ((16, 3), {"ragged": True}, r"model/arch=conv.*one length"),
    ((1, 8, 8), {"tied": True, "sees_mask": True}, r"tied=true.*mask"),
    ((1, 8, 8), {"tied": True, "upsample": "nearest"}, r"tied=true.*upsample=transposed"),
    ((1, 8, 8), {"tied": True, "features": 6}, r"tied=true.*reads 6"),
    ((1, 8, 8), {"code": "grid"}, r"model.arch.code=grid.*vector, spatial"),
    ((1, 8, 8), {"upsample": "bilinear"}, r"model.arch.upsample=bilinear"),
    ((1, 8, 8), {"hidden": []}, r"model.arch.hidden=\[\]"),
]


@pytest.mark.parametrize(("shape", "settings", "words"), REFUSED)
def test_what_cannot_work_is_refused(shape, settings, words):
    with pytest.raises(AerunError, match=words):
        conv(*shape, **settings)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("axis", [2, 3])
def test_a_spatial_code_moves_with_the_image(double, axis, levels, norm):
    """P21: code of x shifted by 2^levels pixels = code shifted by one place, away from the borders."""
    torch.manual_seed(0)
    arch = conv(2, 64, 56, hidden=[5] * levels, code="spatial", norm=norm, activation="tanh").eval()
    x = torch.rand(1, 2, 64, 56)
    here, there = arch.encode(x), arch.encode(x.roll(2**levels, axis))
    inner = slice(2, -2)
    difference = (there - here.roll(1, axis))[:, :, inner, inner]
    assert difference.abs().max() < 1e-5
    assert (there - here)[:, :, inner, inner].abs().max() > 1e-3


def test_a_spatial_code_moves_with_the_sequence(double):
    """P21 along one axis; a layer norm, which reads all steps, ends it."""
    x = torch.rand(1, 64, 3)
    for norm, holds in (("none", True), ("layer", False)):
        torch.manual_seed(0)
        arch = conv(64, 3, code="spatial", norm=norm)
        found = (arch.encode(x.roll(4, 1)) - arch.encode(x).roll(1, 2))[:, :, 2:-2]
        assert (found.abs().max() < 1e-5) == holds


@pytest.mark.parametrize("upsample", ["transposed", "nearest"])
def test_upsampling_covers_every_pixel_evenly(upsample):
    """No checkerboard: with constant weights the interior of the output is constant."""
    arch = conv(1, 32, 32, hidden=(1,), upsample=upsample)
    nn.init.constant_(arch.decoder[-1].weight, 1.0)
    nn.init.zeros_(arch.decoder[-1].bias)
    out = arch.levels[0].up(torch.ones(1, 1, 16, 16))[0, 0, 2:-2, 2:-2]
    assert out.max() == out.min() > 0


SHAPES = [(3, 9, 12), (13, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("code", ["vector", "spatial"])
def test_the_encoder_sees_the_mask_and_nothing_behind_it(shape, code):
    arch = conv(*shape, code=code, sees_mask=True)
    arch.start_from(torch.rand(shape), torch.rand(shape))
    x, mask = torch.rand(2, *shape), torch.rand(2, *shape) < 0.5
    h = arch.encode(x, mask)
    assert torch.equal(arch.encode(x.masked_fill(mask, 9.0), mask), h)
    assert not torch.equal(arch.encode(x, ~mask), h)
    # A hidden entry is read as the mean AND told to be hidden: what the mask alone says is seen too.
    at_mean = torch.where(mask, arch.mean, x)
    assert not torch.equal(arch.encode(at_mean), h)
    assert arch.decode(torch.zeros(2, 3, *arch.grid)).shape == x.shape


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("upsample", ["transposed", "nearest"])
def test_input_is_centred_and_output_starts_per_channel(shape, upsample):
    arch = conv(*shape, upsample=upsample)
    mean, raw_mean = torch.rand(shape), torch.rand(shape)
    arch.start_from(mean, raw_mean)
    for weight in arch.decoder_weights():
        nn.init.zeros_(weight)
    over = (1, 2) if len(shape) == 3 else 0
    expected = raw_mean.mean(over, keepdim=True).expand(shape)
    torch.testing.assert_close(arch.decode(torch.rand(1, 3))[0], expected)
    torch.testing.assert_close(arch.mean.expand(shape), mean.mean(over, keepdim=True).expand(shape))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("turn", range(8))
def test_levels_are_the_encoder_and_the_decoder(shape, turn):
    """Trained layer by layer or as a whole: the same modules in the same order."""
    arch = conv(*shape, norm="layer", activation="tanh", **turns(turn))
    h = x = torch.rand(2, *shape)
    features = [h]
    for level in arch.levels:
        h = level.down(h)
        features.append(h)
    torch.testing.assert_close(h, arch.encoder(x))
    back = h
    for level, below in zip(reversed(arch.levels), reversed(features[:-1]), strict=True):
        back = level.up(back)
        assert back.shape == below.shape
        back = level.after(back)
    torch.testing.assert_close(back, arch.decoder(h))
    assert len(arch.levels) == 3
    assert not list(arch.levels[0].after.children())
    inside = {id(p) for level in arch.levels for m in (level.down, level.up, level.after) for p in m.parameters()}
    assert inside == {id(p) for p in arch.parameters()}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("code", ["vector", "spatial"])
def test_tied_layers_are_transposes_of_one_kernel(double, shape, code):
    """P08: <down x, y> = <x, up y> without biases, at every level; the storage is one."""
    arch = conv(*shape, code=code, tied=True)
    for level, down in zip(arch.levels, arch.encoder_weights(), strict=True):
        plain = [m for m in level.down if not isinstance(m, nn.ReLU)]
        biases = [m.bias for part in (plain, level.up) for m in part if hasattr(m, "bias")]
        for bias in biases:
            nn.init.zeros_(bias)
        y = torch.rand(1, *probe(arch, level))
        x = torch.rand_like(level.up(y))
        out = x
        for module in plain:
            out = module(out)
        torch.testing.assert_close((out * y).sum(), (x * level.up(y)).sum())
        assert down.data_ptr() in {w.data_ptr() for w in arch.decoder_weights()}
    count = sum(p.numel() for p in arch.parameters())
    free = sum(p.numel() for p in conv(*shape, code=code).parameters())
    assert free - count == sum(w.numel() for w in arch.decoder_weights())


def probe(arch, level):
    """Shape of what `level` gives, for one sample."""
    h = torch.zeros(1, *([13, 3] if arch.swapped else [3, 9, 12]))
    for each in arch.levels:
        h = each.down(h)
        if each is level:
            break
    return h.shape[1:]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("turn", range(8))
def test_weights_have_their_outputs_first(shape, turn):
    """The contract of encoder_weights and decoder_weights, whichever way torch stores transposed kernels."""
    arch = conv(*shape, hidden=(4, 6), features=7, latent_dim=7, **turns(turn))
    channels = shape[0] if len(shape) == 3 else shape[1]
    spatial = bool(arch.grid)
    places = prod(n // 4 for n in (shape[1:] if len(shape) == 3 else shape[:1]))
    assert [w.shape[:2] for w in arch.encoder_weights()] == [(4, channels), (6, 4), (7, 6 if spatial else 6 * places)]
    assert [w.shape[:2] for w in arch.decoder_weights()] == [(6 if spatial else 6 * places, 7), (4, 6), (channels, 4)]


# -- a spatial code with the other parts -----------------------------------------------------------------------------


SMOOTH = [o for o, cls in options("bottleneck").items() if "encode" in cls.offers and not cls.of_vectors]


def spatial(*overrides):
    return built("model/arch=conv", "model.arch.code=spatial", "model.arch.hidden=[6]", "model.latent_dim=3", *overrides)


@pytest.mark.parametrize("regularizer", ["none", "l1", "contractive"])
@pytest.mark.parametrize("bottleneck", SMOOTH)
def test_smooth_bottlenecks_work_place_by_place(bottleneck, regularizer):
    given = (f"model/bottleneck={bottleneck}", f"regularizer={regularizer}", "model.arch.activation=tanh")
    plan = spatial(*given, "model.latent_dim=12")
    model, x = plan.autoencoder, torch.rand(5, 1, 8, 8)
    value = model.objective(x, 0.5)
    value.loss.backward()
    assert value.names["z"].shape == model.encode(x).shape == (5, 12, 4, 4)
    assert all(p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in model.arch.parameters())
    torch.testing.assert_close(model.encode(x)[:1], model.encode(x[:1]))


def test_kl_and_rate_work_on_grids():
    for overrides in (["bottleneck=gaussian", "kl"], ["bottleneck=sigmoid", "rate"]):
        model = spatial(f"model/{overrides[0]}", f"regularizer={overrides[1]}").autoencoder
        value = model.objective(torch.rand(5, 1, 8, 8), 0.5)
        assert value.loss.isfinite()
        assert value.parts[2] > 0


def test_l1_sums_over_places_with_each_units_own_norm(double):
    """Omega_i = sum_j ||W_j|| sum_p |z_ijp|; on a vector code the old value."""
    z, w = torch.randn(4, 3, 2, 5), torch.randn(6, 3, 2, 2)
    expected = sum(w[:, j].square().sum().sqrt() * z[:, j].abs().sum((1, 2)) for j in range(3))
    torch.testing.assert_close(L1(norm_weighted=True)(z, [w]), expected)
    torch.testing.assert_close(L1(norm_weighted=False)(z, [w]), z.abs().sum((1, 2, 3)))


def test_rate_counts_every_place_as_a_sample(double):
    rate = torch.rand(4, 3, 2, 5)
    samples = rate.permute(0, 2, 3, 1).reshape(-1, 3)
    torch.testing.assert_close(Rate(rho=0.1)(rate), Rate(rho=0.1)(samples))


@pytest.mark.parametrize("hidden", ["[6]", "[6,4]"])
def test_contraction_of_a_spatial_code_is_the_jacobians(double, hidden):
    """P18 on a grid: exact = torch.func; projections agree; auto does not take the one-layer formula."""
    torch.manual_seed(0)
    model = spatial(f"model.arch.hidden={hidden}", "model/bottleneck=sigmoid", "model.arch.activation=tanh").autoencoder
    model, x = model.double(), torch.rand(3, 1, 8, 8)
    rows = torch.func.vmap(torch.func.jacrev(lambda one: model.encode(one[None])[0].flatten()))(x)
    truth = rows.flatten(1).square().sum(1)
    names = {"x_in": x, "z": model.encode(x), "encode": model.encode, "encoder_weights": model.arch.encoder_weights()}
    names["slope"] = model.objective_pass(x)["slope"]
    settings = {"higher_order": 0.0, "sigma": 0.1}
    torch.testing.assert_close(Contractive(method="exact", probes=1, **settings)(**names), truth)
    torch.manual_seed(0)
    assert Contractive(method="auto", probes=400, **settings)(**names).mean().item() == pytest.approx(
        truth.mean().item(), rel=0.03
    )
    with pytest.raises(AerunError, match="method=closed"):
        Contractive(method="closed", probes=1, **settings)(**names)


@pytest.mark.parametrize("code", ["vector", "spatial"])
def test_the_scale_of_a_tied_decoder_is_the_encoders(code):
    """Column norms over row norms, on kernels too."""
    model = built("model/arch=conv", f"model.arch.code={code}", "model.arch.tied=true").autoencoder
    assert decoder_scale(model) == pytest.approx(1, abs=1e-6)


def test_a_spatial_code_as_large_as_the_input_is_told():
    """4 x 4 places of 4 numbers are 64, the input's size: 3 numbers are not."""
    base = ["model/arch=conv", "model.arch.code=spatial", "model.arch.hidden=[6]"]
    assert "IdentityRisk: a code of 64" in built(*base, "model.latent_dim=4").warnings[0]
    assert not built(*base, "model.latent_dim=3").warnings
