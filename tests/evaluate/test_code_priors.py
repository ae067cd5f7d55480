"""How probable the numbers of discrete codes are: honest bits, the same to the writer and the reader of a compressed file."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import aerun
from aerun.build import dataset_of
from aerun.core.errors import AerunError
from aerun.evaluate.samplers import CODE_PRIORS, numbers_of, samplers, training, transformer
from aerun.evaluate.samplers.code_prior import from_raster, in_raster
from aerun.evaluate.samplers.counts import Counts
from aerun.evaluate.samplers.transformer import Transformer
from aerun.inference.predicted import pack_predicted, unpack_predicted
from aerun.trained import Trained
from tests.shell import here

LEVELS = (5, 3, 5, 3, 5, 3)
RUN = Path(__file__).parents[1] / "data" / "runs" / "vqvae"


def chained(n):
    """Rows whose numbers follow from the ones before, but for one in four."""
    rows = torch.stack([torch.randint(k, (n,)) for k in LEVELS], 1)
    for t in range(1, len(LEVELS)):
        rows[:, t] = torch.where(torch.rand(n) < 0.75, (2 * rows[:, t - 1] + t) % LEVELS[t], rows[:, t])
    return rows


@pytest.fixture(scope="module")
def priors():
    torch.manual_seed(0)
    rows = chained(600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_STEPS", 75)
        patch.setattr(transformer, "_ROWS", 64)
        return {name: cls.fitted(rows, LEVELS, 0) for name, cls in CODE_PRIORS.items()}


@pytest.fixture(scope="module")
def held():
    torch.manual_seed(1)
    return chained(1000)


class Drawing:
    """What `pack_predicted` asks of a sampler."""

    def __init__(self, fit):
        self.fit = fit


def bits(prior, rows):
    return float(-prior.log_density(rows).mean()) / math.log(2)


def test_counts_are_krichevsky_and_trofimov():
    fit = Counts.fitted(torch.tensor([[0, 2], [0, 1], [1, 1]]), (2, 3), 0)
    torch.testing.assert_close(fit.p, torch.tensor([[2.5 / 4, 1.5 / 4, 0], [0.5 / 4.5, 2.5 / 4.5, 1.5 / 4.5]]).double())


@pytest.mark.parametrize("k", [2, 8, 64])
def test_held_out_bits_are_above_the_entropy_of_training_counts_and_of_uniform_codes_log2_k(k):
    """P85: the entropy of the training counts is below the size of other codes, by about (K - 1) / (2 N ln 2) a number."""
    torch.manual_seed(k)
    train, test = torch.randint(k, (20_000, 4)), torch.randint(k, (5000, 4))
    fit = Counts.fitted(train, (k,) * 4, 0)
    assert bits(fit, test) == pytest.approx(4 * math.log2(k), rel=0.01)
    assert bits(fit, test) >= fit.entropy
    few = Counts.fitted(train[:200], (k,) * 4, 0)
    assert bits(few, test) > few.entropy + 4 * 0.5 * (k - 1) / (2 * 200 * math.log(2))


def test_a_transformer_sees_what_counts_cannot(priors, held):
    truth = sum(map(math.log2, LEVELS[:1]))
    for k in LEVELS[1:]:
        likely = 0.75 + 0.25 / k
        truth -= likely * math.log2(likely) + (1 - likely) * math.log2(0.25 / k)
    assert bits(priors["counts"], held) > truth + 3
    assert truth - 0.1 < bits(priors["transformer"], held) < truth + 1


def test_a_transformer_stays_as_it_begins_where_codes_support_nothing_better(monkeypatch):
    monkeypatch.setattr(training, "_STEPS", 25)
    monkeypatch.setattr(training, "_LR", 3.0)
    torch.manual_seed(0)
    rows = torch.randint(4, (200, 3))
    fit = Transformer.fitted(rows, (4,) * 3, 0)
    assert bits(fit, torch.randint(4, (500, 3))) == pytest.approx(6, rel=0.03)


@pytest.mark.parametrize("name", CODE_PRIORS)
def test_step_by_step_it_is_what_it_is_at_once_and_draws_follow(priors, held, name):
    fit, rows = priors[name], held[:50]
    after, last, log_p = fit.steps(len(rows)), None, []
    for t, k in enumerate(LEVELS):
        p = after(last)
        assert p.dtype == torch.float64
        torch.testing.assert_close(p.sum(1), torch.ones(len(rows)).double())
        assert (p[:, :k] > 0).all()
        assert not p[:, k:].any()
        last = rows[:, t]
        log_p.append(p.gather(1, last[:, None])[:, 0].log())
    torch.testing.assert_close(torch.stack(log_p, 1), fit.log_p(rows).double(), rtol=1e-9, atol=1e-9)
    drawn = fit.draw(500)
    assert (drawn < torch.tensor(LEVELS)).all()
    torch.testing.assert_close(drawn.double().mean(0), held.double().mean(0), rtol=0, atol=0.25)
    again = CODE_PRIORS[name].restored(fit.arrays(), LEVELS)
    assert torch.equal(again.log_density(rows), fit.log_density(rows))


@pytest.mark.parametrize("name", CODE_PRIORS)
def test_bytes_are_the_cross_entropy_and_come_back(priors, held, name):
    """P85: within 2 %; parts, grids and numbers of different levels come back as they were."""
    sampler = Drawing(priors[name])
    levels = from_raster(held, 2, (3, 1))
    assert torch.equal(in_raster(levels), held)
    data = pack_predicted(levels, sampler)
    assert torch.equal(unpack_predicted(data, tuple(levels.shape), sampler), levels)
    assert 1 <= 8 * len(data) / (len(held) * bits(priors[name], held)) < 1.02
    with pytest.raises(AerunError, match="coding: these bytes"):
        unpack_predicted(data[:-8] + bytes(8), tuple(levels.shape), sampler)


@pytest.mark.parametrize("name", CODE_PRIORS)
def test_many_codes_are_coded_part_by_part(priors, held, name, monkeypatch):
    monkeypatch.setattr(type(priors[name]), "rows_at_once", 70)
    sampler = Drawing(priors[name])
    levels = from_raster(held[:300], 6, ())
    assert torch.equal(unpack_predicted(pack_predicted(levels, sampler), (300, 6), sampler), levels)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code_priors")
    shutil.copytree(RUN, folder / "run")
    np.save(folder / "x.npy", np.random.default_rng(0).integers(0, 17, (40, 1, 8, 8)).astype(np.uint8))
    return folder


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(training, "_STEPS", 25)
    monkeypatch.setattr(transformer, "_ROWS", 32)


def test_bits_are_those_of_test_codes(run, quick):
    model = aerun.load(run / "run")
    trained = Trained(model.autoencoder, dataset_of(model.config, ()), model.device, model.seed)
    sources, numbers = samplers(trained), numbers_of(trained, trained.data.test)
    bits_of = {name: float(sources[name].bits(numbers).mean()) for name in ("prior", *CODE_PRIORS)}
    rows = in_raster(numbers_of(trained, trained.data.train))
    assert bits_of["prior"] == 9 * rows.shape[1]
    assert bits_of["counts"] > Counts.fitted(rows, (512,) * rows.shape[1], 0).entropy
    assert all(3 < value < 40 for value in bits_of.values())


@pytest.mark.slow
def test_rows_of_generation_have_bits(run, quick):
    told = here(run, "evaluate", "run", "--ask", "generation")
    assert told.code == 0, told
    figures = json.loads((run / "run" / "evaluation.json").read_text())
    assert {key.split("/")[1] for key in figures if key.endswith("/bits")} == {"prior", *CODE_PRIORS}


@pytest.mark.parametrize("name", CODE_PRIORS)
def test_a_file_coded_by_a_prior_comes_back_and_needs_it(run, quick, name):
    model, x = aerun.load(run / "run"), np.load(run / "x.npy")
    for args in (("compress", "run", "x.npy", "-o", "x.aez", "--prior", name), ("decompress", "run", "x.aez", "-o", "b.npy")):
        told = here(run, *args)
        assert told.code == 0, told
        assert args[0] == "decompress" or f"coded by {name}, whose own " in told.out
    np.testing.assert_array_equal(np.load(run / "b.npy"), model.reconstruct(x))
    assert (run / "x.aez").read_bytes() == model.compress(x, prior=name)
    assert model.decompress(model.compress(x)).shape == x.shape  # a file without
    assert here(run, "generate", "run", "--sampler", name, "--count", "3", "-o", "g.npz").code == 0
    kept = run / "run" / f"sampler_{name}.npz"
    arrays = kept.read_bytes()
    kept.unlink()
    told = here(run, "decompress", "run", "x.aez", "-o", "b.npy")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert f"sampler_{name}.npz, and its folder lacks that file" in told.err
    kept.write_bytes(arrays)
    own = dict(np.load(kept))
    key = "counts" if name == "counts" else "start"
    np.savez(kept, **{**own, key: own[key] + 1})
    assert "holds another fit of that file" in here(run, "decompress", "run", "x.aez", "-o", "b.npy").err
    np.savez(kept, **{**own, key: own[key][:1]})
    told = here(run, "decompress", "run", "x.aez", "-o", "b.npy")
    assert f"sampler_{name}.npz: damaged: " in told.err
    kept.write_bytes(arrays)


@pytest.mark.parametrize("name", CODE_PRIORS)
def test_codes_without_levels_are_refused_before_data_are_read(tmp_path, name):
    shutil.copytree(RUN.with_name("vae"), tmp_path / "run")
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 8, 8), np.uint8))
    for args, words in (
        (("generate", "run", "--sampler", name, "-o", "g.npz"), f"sampler={name}: draws the numbers of discrete codes"),
        (("compress", "run", "x.npy", "--prior", name, "-o", "x.aez"), f"prior={name}: "),
    ):
        told = here(tmp_path, *args)
        assert (told.code, told.err.count("\n")) == (2, 1), told
        assert words in told.err
