"""Whole numbers to bytes and back, quantized codes, the bottleneck that is trained for few bits, and codecs without a model."""

import math

import numpy as np
import pytest
import torch

from aerun.coding.quantizer import fitted
from aerun.coding.rans import TOTAL, Tables, decode, encode, tables_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.evaluate.codecs import Curve, picture_codecs
from aerun.model.bottleneck.quantized import Quantized
from tests.conftest import built, descend


def drawn(p, n, seed=0):
    """n symbols of each row of probabilities p (T, A), and the number of their row."""
    rng = np.random.default_rng(seed)
    symbols = np.concatenate([rng.choice(p.shape[1], n, p=row) for row in p])
    table = np.repeat(np.arange(len(p)), n)
    order = rng.permutation(len(symbols))
    return symbols[order].astype(np.int64), table[order]


def entropy(p):
    return float(-(p[p > 0] * np.log2(p[p > 0])).sum())


# -- the coder -----------------------------------------------------------------------------------------------------------

SOURCES = {
    "even": np.full((1, 4), 0.25),
    "one table, skewed": np.array([[0.97, 0.02, 0.01]]),
    "several": np.array([[0.5, 0.25, 0.25, 0.0], [0.0, 0.999, 0.0005, 0.0005], [0.1, 0.2, 0.3, 0.4]]),
    "many symbols": np.random.default_rng(1).dirichlet(np.full(700, 0.1), 3),
    "certain": np.array([[0.0, 1.0, 0.0]]),
}


@pytest.mark.parametrize("n", [0, 1, 2, 63, 1000, 60_000])
@pytest.mark.parametrize("name", SOURCES)
def test_decoding_gives_the_very_same_symbols(name, n):
    p = SOURCES[name]
    tables = tables_of(p)
    symbols, table = drawn(p, n)
    data = encode(symbols, table, tables)
    assert np.array_equal(decode(data, table, tables), symbols)


@pytest.mark.parametrize("name", SOURCES)
def test_bytes_are_within_two_percent_of_the_entropy(name):
    """P48: real bytes within 2 % + 16 of the model's bits, and these those of the source."""
    p = SOURCES[name]
    tables = tables_of(p)
    symbols, table = drawn(p, 60_000)
    ideal = tables.bits(symbols, table)
    assert len(encode(symbols, table, tables)) <= 1.02 * ideal / 8 + 16
    assert ideal == pytest.approx(60_000 * entropy(p), rel=0.02, abs=60)


def test_another_table_costs_more():
    """Coding with q what comes from p costs the divergence of the two."""
    p, q = np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]])
    symbols, table = drawn(p, 20_000)
    assert tables_of(q).bits(symbols, table) == 20_000
    assert tables_of(p).bits(symbols, table) < 0.5 * 20_000


def test_tables_are_exact_and_leave_nothing_out():
    counts = np.array([[1e9, 1.0, 0.0, 3.0], [1.0, 1.0, 1.0, 0.0]])
    frequency = tables_of(counts).frequency
    assert (frequency.sum(1) == TOTAL).all()
    assert ((frequency > 0) == (counts > 0)).all()
    assert abs(frequency[1, 0] - TOTAL / 3) <= 2


@pytest.mark.parametrize("counts", [[[0.0, 0.0]], np.ones((1, TOTAL // 2 + 1))], ids=["none", "too many"])
def test_tables_refuse_what_cannot_be_coded(counts):
    with pytest.raises(AerunError, match="symbols"):
        tables_of(np.array(counts))


def test_tables_refuse_frequencies_that_do_not_sum():
    with pytest.raises(AerunError, match="sum to"):
        Tables(np.array([[1, 2]]))


@pytest.mark.parametrize("symbol", [-1, 2, 3])
def test_symbol_that_is_not_in_its_table_is_refused(symbol):
    with pytest.raises(AerunError, match=f"symbol {symbol}"):
        encode(np.array([0, symbol]), np.array([0, 0]), tables_of(np.array([[3.0, 1.0, 0.0]])))


def test_damaged_bytes_are_refused():
    """Cut, empty, lengthened, of other tables: AerunError, never wrong symbols without a word."""
    p = np.array([[0.5, 0.3, 0.2]])
    symbols, table = drawn(p, 5000)
    tables = tables_of(p)
    data = encode(symbols, table, tables)
    other = tables_of(np.array([[0.2, 0.3, 0.5]]))
    for bad, with_tables in ((data[:-2], tables), (b"", tables), (data + b"\0\0", tables), (data[:1], tables), (data, other)):
        with pytest.raises(AerunError, match="bytes"):
            decode(bad, table, with_tables)


# -- quantized codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(400, 5), (100, 3, 4, 2)], ids=["vector", "grid"])
def test_levels_survive_the_bytes_and_stay_near_the_codes(shape):
    torch.manual_seed(0)
    z = torch.randn(shape) * 3 + 1
    steps = torch.linspace(0.1, 1, shape[1])
    quantizer = fitted(z, steps)
    levels = quantizer.levels(z)
    data = quantizer.to_bytes(levels)
    assert torch.equal(quantizer.from_bytes(data, shape), levels)
    error = (quantizer.codes(levels) - z).abs().transpose(0, 1).flatten(1).amax(1)
    assert (error <= steps / 2 + 1e-5).all()
    assert (error > steps / 3).all()
    assert len(data) <= 1.02 * quantizer.bits(levels) / 8 + 16


def test_codes_beyond_those_of_training_are_kept_within():
    z = torch.linspace(-2, 2, 101)[:, None]
    quantizer = fitted(z, torch.ones(1))
    assert quantizer.levels(torch.tensor([[-9.0], [0.2], [9.0]])).flatten().tolist() == [-2, 0, 2]


def test_level_between_those_of_training_can_be_coded():
    quantizer = fitted(torch.tensor([[0.0], [5.0]]), torch.ones(1))
    levels = torch.tensor([[3], [0], [5]])
    assert torch.equal(quantizer.from_bytes(quantizer.to_bytes(levels), (3, 1)), levels)


def test_entropy_of_a_gaussian_is_the_textbook_one():
    """P48: step 1, sigma 2: 1/2 log2(2 pi e sigma^2) = 3.047 bits."""
    torch.manual_seed(0)
    z = 2 * torch.randn(200_000, 1)
    quantizer = fitted(z, torch.ones(1))
    assert quantizer.bits(quantizer.levels(z)) / len(z) == pytest.approx(0.5 * math.log2(2 * math.pi * math.e * 4), abs=0.03)


def test_step_that_is_too_small_is_refused():
    with pytest.raises(AerunError, match="levels"):
        fitted(torch.tensor([[0.0], [1.0]]), torch.tensor([1e-6]))


# -- the bottleneck ------------------------------------------------------------------------------------------------------


def test_probabilities_of_whole_numbers_sum_to_one(double):
    """Each unit's levels, wherever noise has put them in between."""
    torch.manual_seed(0)
    b = Quantized(latent_dim=3, rate=1.0, mixture=4)
    with torch.no_grad():
        b.weight.normal_()
        b.centre.normal_()
        b.width.normal_()
    for shift in (0.0, 0.3):
        z = torch.arange(-60, 61.0)[:, None].expand(-1, 3) + shift
        assert torch.allclose(b.probability(z).sum(0), torch.ones(3), atol=1e-8)


def test_bits_with_noise_and_rounded_are_those_of_the_density():
    """P48: bits(z + U) = bits(round z) = differential entropy within 0.03 bit, sigma 2, once the distribution is learned."""
    torch.manual_seed(0)
    b = Quantized(latent_dim=1, rate=1.0, mixture=3)
    optimizer = torch.optim.Adam(b.parameters(), 0.03)
    for _ in range(600):
        optimizer.zero_grad()
        b(2 * torch.randn(1024, 1))["penalty"].mean().backward()
        optimizer.step()
    h = 2 * torch.randn(200_000, 1)
    with torch.no_grad():
        noisy, whole = float(b(h)["penalty"].mean()), float(b.bits(b.code(h)).mean())
    expected = 0.5 * math.log2(2 * math.pi * math.e * 4)
    assert noisy == pytest.approx(expected, abs=0.03)
    assert whole == pytest.approx(expected, abs=0.03)


def test_noise_fills_one_step_and_use_rounds():
    b = Quantized(latent_dim=4, rate=0.5, mixture=2)
    h = torch.randn(5000, 4, generator=torch.Generator().manual_seed(0)) * 3
    noise = b(h)["z"] - h
    assert float(noise.abs().max()) <= 0.5
    assert float(noise.var()) == pytest.approx(1 / 12, rel=0.05)
    assert torch.equal(b.code(h), h.round())
    torch.manual_seed(0)
    found = b(h)
    assert torch.allclose(found["penalty"], 0.5 * b.bits(found["z"]))


def test_bits_of_a_grid_are_the_sum_over_its_places():
    b = Quantized(latent_dim=2, rate=1.0, mixture=3)
    z = torch.randn(7, 2, 3, 5, generator=torch.Generator().manual_seed(0))
    rows = b.bits(z.permute(0, 2, 3, 1).reshape(-1, 2))
    assert torch.allclose(b.bits(z), rows.view(7, -1).sum(1), rtol=1e-5)


def test_far_levels_cost_much_and_nothing_is_infinite():
    b = Quantized(latent_dim=1, rate=1.0, mixture=1)
    z = torch.tensor([[0.0], [5.0], [1e4]], requires_grad=True)
    bits = b.bits(z)
    bits.sum().backward()
    assert bits.isfinite().all()
    assert z.grad.isfinite().all()
    assert bits[0] < bits[1] < bits[2] <= 30


@pytest.mark.slow
def test_more_rate_fewer_bits_and_more_error(digits):
    found = {}
    for rate in (0.002, 0.2):
        plan = built("model=compression", "model.latent_dim=16", f"model.bottleneck.rate={rate}")
        model = descend(plan.autoencoder, digits, lr=3e-3)
        x = model.units(digits.test.x)
        with torch.no_grad():
            error = float((model(x) - x).square().flatten(1).sum(1).mean())
            found[rate] = error, float(model.bottleneck.bits(model.encode(x)).mean())
    assert found[0.002][0] < 0.7 * found[0.2][0]
    assert found[0.002][1] > 1.5 * found[0.2][1]


@pytest.mark.parametrize(("setting", "words"), [("rate=-1", "rate=-1"), ("mixture=0", "mixture=0")])
def test_senseless_settings_are_refused(setting, words):
    with pytest.raises(AerunError, match=words):
        built("model=compression", f"model.bottleneck.{setting}")


# -- what codecs are held against ----------------------------------------------------------------------------------------


def test_curves_are_read_between_their_points_and_not_beyond():
    curve = Curve([(0.1, 20.0), (0.4, 26.0), (1.6, 32.0)])
    assert curve.psnr(0.2) == pytest.approx(23)
    assert curve.rate(23.0) == pytest.approx(0.2)
    assert curve.psnr(0.05) is curve.psnr(2.0) is curve.rate(19.0) is curve.rate(33.0) is None
    assert Curve([]).psnr(1.0) is None


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 20, 17)])
def test_pictures_come_back_from_the_mosaic_in_their_places(shape):
    """A smooth picture of its own for each: at high quality the error is small, so none went astray."""
    torch.manual_seed(0)
    x = torch.rand(10, shape[0], 1, 1).expand(-1, *shape) * torch.linspace(0.5, 1, shape[2])
    facts = Facts(shape=shape, kind="image", unit=1.0, low=0.0, high=1.0, classes=None)
    found = picture_codecs(x, facts)
    assert set(found) == {"jpeg", "webp"}
    for curve in found.values():
        rates, psnr = zip(*curve.points, strict=True)
        assert list(rates) == sorted(rates)
        assert psnr[-1] > 35
        assert psnr[0] < psnr[-1]


def test_no_picture_codec_without_a_known_range_or_for_two_channels():
    x = torch.rand(2, 2, 8, 8)
    assert picture_codecs(x, Facts((2, 8, 8), "image", 1.0, 0.0, 1.0, None)) == {}
    assert picture_codecs(x[:, :1], Facts((1, 8, 8), "image", 1.0, None, None, None)) == {}
