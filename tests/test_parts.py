"""Archs, bottlenecks and corruptions: shapes, sharing, determinism."""

import io

import pytest
import torch
from torch import nn

from aerun.build import build
from aerun.core.errors import AerunError
from aerun.model.corruption.gaussian import Gaussian
from aerun.model.corruption.masking import Masking
from aerun.settings.catalog import catalog
from tests import quick_parts
from tests.conftest import built

ROOMS = ("model/arch", "model/bottleneck", "model/corruption", "model/loss")  # priors: tests/model/test_priors.py
LEFT = ("auto", "poisson", "nb", "zinb")  # one of the others; of tables of counts: tests/model/test_counts.py
PARTS = [(room, option) for room in ROOMS for option in catalog()[room] if option not in LEFT]
CODES = [(room, option) for room, option in PARTS if room in ROOMS[:2]]
# Where an option may find what it needs: data, and choices in other rooms.
PLACES = [
    ("digits",),
    ("digits", "model/corruption=masking"),
    ("sines", "model/arch=recurrent"),
    ("text", "model/arch=recurrent"),
    ("sprites",),  # larger images
    ("wine",),  # columns
]


def settings(room, option, **arch):
    """The first composition that this option fits, `arch` where the arch has such a setting."""
    for dataset, *others in PLACES:
        cfg = quick_parts.settings({"dataset": dataset, **dict(o.split("=") for o in others), room: option})
        cfg["model"]["arch"].update({k: v for k, v in arch.items() if k in cfg["model"]["arch"]})
        try:
            build(cfg)
        except AerunError:
            continue
        return cfg
    raise AssertionError(f"no place for {room}={option}")


def batch(plan, n, dtype=torch.float32):
    """Samples, and their real steps where these may differ."""
    x = torch.rand(n, *plan.facts.shape, dtype=dtype, generator=torch.Generator().manual_seed(2))
    return x, torch.ones(x.shape[:2], dtype=torch.bool) if plan.facts.ragged else None


@pytest.mark.parametrize("arch", ["linear", "mlp", "conv"])
def test_tied_weights_are_one_parameter(arch):
    """P08: same storage after an optimizer step; the parameter count falls by exactly the decoder's matrices."""
    free, tied = (built(f"model/arch={arch}", f"model.arch.tied={t}").autoencoder for t in ("false", "true"))
    count = [sum(p.numel() for p in m.parameters()) for m in (free, tied)]
    assert count[0] - count[1] == sum(w.numel() for w in free.arch.decoder_weights())
    optimizer = torch.optim.Adam(tied.parameters())
    tied.objective(torch.rand(4, 1, 8, 8), None).loss.backward()
    optimizer.step()
    for down, up in zip(tied.arch.encoder_weights(), reversed(tied.arch.decoder_weights()), strict=True):
        assert down.data_ptr() == up.data_ptr()
    assert [w.shape for w in tied.arch.decoder_weights()] == [w.shape for w in free.arch.decoder_weights()]


@pytest.mark.parametrize("arch", ["linear", "mlp"])
def test_decoder_mirrors_the_encoder(arch):
    """P08: the widths, reversed."""
    model = built(f"model/arch={arch}").autoencoder
    down = [tuple(w.shape) for w in model.arch.encoder_weights()]
    assert [tuple(reversed(w.shape)) for w in reversed(model.arch.decoder_weights())] == down


@pytest.mark.parametrize(("room", "option"), CODES, ids=str)
def test_codes_do_not_depend_on_batch_mates_and_survive_saving(room, option):
    """P44, P43: one row alone, the same row among others; a batch of 1 works; save and load change nothing."""
    cfg = settings(room, option, norm="batch")
    plan = build(cfg)
    model = plan.autoencoder.double()
    x, valid = batch(plan, 16, torch.float64)
    model.train()
    for _ in range(3):
        model.objective(x, 1.0, valid)  # batch norm gathers its statistics
    model.eval()
    whole = model.encode(x, valid=valid)
    alone = [model.encode(x[i : i + 1], valid=None if valid is None else valid[:1]) for i in range(len(x))]
    torch.testing.assert_close(torch.cat(alone), whole, rtol=1e-10, atol=1e-12)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    other = build({**cfg, "seed": 1}).autoencoder.double()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(other.eval().encode(x, valid=valid), whole)


@pytest.mark.parametrize(("room", "option"), PARTS, ids=str)
def test_the_use_pass_is_deterministic(room, option):
    """P38: dropout, noise and sampling are off in encode, decode and forward."""
    plan = build(settings(room, option, dropout=0.5))
    model, (x, valid) = plan.autoencoder.eval(), batch(plan, 4)
    assert torch.equal(model(x, valid=valid), model(x, valid=valid))
    assert torch.equal(model.encode(x, valid=valid), model.encode(x, valid=valid))


@pytest.mark.parametrize("option", catalog()["model/bottleneck"])
def test_a_bottleneck_is_found_again_by_its_numbers(option):
    """What compress, samplers and generate ask of it."""
    plan = build(settings("model/bottleneck", option))
    model, (x, _) = plan.autoencoder.eval(), batch(plan, 6)
    bottleneck, h = model.bottleneck, model.arch.encode(x)
    z, numbers = bottleneck.code(h), bottleneck.indices(h)
    assert torch.equal(bottleneck.lookup(numbers), z)
    assert torch.equal(bottleneck.nearest(z), z)
    assert torch.equal(bottleneck.nearest(bottleneck.nearest(h[:, : z.shape[1]])), bottleneck.nearest(h[:, : z.shape[1]]))
    if bottleneck.whole:
        assert torch.equal(numbers, numbers.round())
        assert not bottleneck.levels or numbers.shape[1] == len(bottleneck.levels)
        p = bottleneck.probability(numbers.float())
        assert bottleneck.levels or ((p > 0) & (p <= 1)).all()
    if model.has_prior:
        drawn = model.prior_codes(z, 2)
        assert drawn.shape == (2 * len(z), *z.shape[1:])
        assert torch.equal(bottleneck.nearest(drawn), drawn)
    else:
        with pytest.raises(AerunError, match=f"model/bottleneck={option}: its codes have no prior"):
            model.prior_codes(z)


def test_dropout_is_on_in_the_objective_while_training_only():
    """P38."""
    model = built("model.arch.dropout=0.5").autoencoder
    x = torch.rand(4, 1, 8, 8)
    assert model.train().objective(x, 1.0).loss != model.objective(x, 1.0).loss
    assert model.eval().objective(x, 1.0).loss == model.objective(x, 1.0).loss


def test_the_target_of_denoising_is_the_clean_input():
    """P14: an identity network's loss is the noise's squared norm, not 0."""
    plan = built("model/arch=linear", "model.latent_dim=64", "model/corruption=gaussian", "model.corruption.sigma=0.3")
    model = plan.autoencoder.double()
    for weight in (*model.arch.encoder_weights(), *model.arch.decoder_weights()):
        nn.init.eye_(weight)
    for bias in (model.arch.encoder[-1].bias, model.arch.decoder[0].bias):
        nn.init.zeros_(bias)
    x = torch.rand(512, 1, 8, 8, dtype=torch.float64)
    torch.manual_seed(0)
    loss = model.objective(x, None).loss
    torch.manual_seed(0)
    noise = 0.3 * torch.randn_like(x)
    assert loss.item() == pytest.approx(noise.flatten(1).square().sum(1).mean().item())
    assert loss.item() == pytest.approx(64 * 0.3**2, rel=0.02)


def test_masking_hides_the_asked_share_and_does_not_rescale():
    """P17, P16: frequency within 4 standard deviations; what stays is as it was; fresh at every call, same under one seed."""
    x = torch.rand(200, 1, 8, 8) + 1
    torch.manual_seed(1)
    first = Masking(p=0.3, show_mask=False)(x)
    second = Masking(p=0.3, show_mask=False)(x)
    torch.manual_seed(1)
    again = Masking(p=0.3, show_mask=False)(x)
    n = x.numel()
    assert abs(first["mask"].sum().item() - 0.3 * n) < 4 * (n * 0.3 * 0.7) ** 0.5
    assert torch.equal(first["x_in"][~first["mask"]], x[~first["mask"]])
    assert (first["x_in"][first["mask"]] == 0).all()
    assert not torch.equal(first["mask"], second["mask"])
    assert torch.equal(first["mask"], again["mask"])


def test_gaussian_noise_has_the_asked_deviation():
    """P17."""
    x = torch.zeros(2000, 1, 8, 8)
    torch.manual_seed(2)
    noise = Gaussian(sigma=0.25)(x)["x_in"]
    assert noise.std().item() == pytest.approx(0.25, rel=0.01)
    assert noise.mean().abs() < 0.005


@pytest.mark.parametrize("arch", ["linear", "mlp", "conv"])
def test_the_first_reconstruction_is_about_the_training_mean(arch, digits):
    """The encoder is centred on the mean and the output starts there: an untrained model is no worse than the mean by much."""
    model = built(f"model/arch={arch}").autoencoder
    model.start_from(digits.train.x)
    x = model.units(digits.train.x)
    mean = x.mean(0) if arch != "conv" else x.mean((0, 2, 3), keepdim=True)[0]
    assert (model(x) - x).square().mean() < 1.5 * (mean - x).square().mean()
    torch.testing.assert_close(model.arch.mean.expand_as(x[0]), mean.expand_as(x[0]), rtol=1e-5, atol=1e-6)
