"""Samples as a file of their codes: exact, small, and refused where anything about it is wrong."""

import struct
import zlib

import numpy as np
import pytest
import torch

import aerun
from aerun.coding.block import pack, unpack
from aerun.core.errors import AerunError
from aerun.inference import compressed_file
from tests.shell import here

QUICK = ("trainer=smoke", "trainer.progress=false", "pictures=[]")
MODELS = {
    "whole": ["model=compression"],
    "grid": ["model=compression", "model/arch=conv", "model.latent_dim=4", "model.arch.code=spatial"],
    "codebook": ["model=vqvae"],
    "vector": ["model=ae"],
    "vae": ["model=vae"],
    "topk": ["model=topk"],
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    path = tmp_path_factory.mktemp("compress")
    np.save(path / "x.npy", np.random.default_rng(0).integers(0, 17, (300, 1, 8, 8)).astype(np.uint8))
    return path


def trained(work, name, *more, **settings):
    if not (work / name).exists():
        aerun.train(*QUICK, *MODELS.get(name, ()), *more, folder=work / name, **settings)
    return aerun.load(work / name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["whole", "grid", "codebook"])
def test_whole_numbers_come_back_as_they_are_reconstructed(work, name):
    """P: decompress(compress(x)) = reconstruct(x), bit by bit, by the command and from Python."""
    model, x = trained(work, name), np.load(work / "x.npy")
    for args in (("compress", name, "x.npy", "--output", "x.aez"), ("decompress", name, "x.aez", "--output", "back.npy")):
        told = here(work, *args)
        assert told.code == 0, told.err
    np.testing.assert_array_equal(np.load(work / "back.npy"), model.reconstruct(x))
    for samples in (x, x.astype(np.float32)):
        data = model.compress(samples)
        found, expected = model.decompress(data), model.reconstruct(samples)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    assert (work / "x.aez").read_bytes() == model.compress(x)
    with pytest.raises(AerunError, match=r"step=0\.5: this run's codes are whole numbers"):
        model.compress(x, step=0.5)


@pytest.mark.parametrize("name", ["vector", "vae", "topk"])
def test_other_codes_are_rounded_to_a_step(work, name):
    """P: what comes back is the decoding of codes that are off by half a step of 0.1 deviations at most."""
    model, x = trained(work, name), np.load(work / "x.npy").astype(np.float32)
    packer = compressed_file.Packer.of(model, None)
    z, steps = model.encode(x), packer.rounding.steps.numpy()
    rounded = packer.rounding.codes(model, packer.rounding.levels(model, torch.from_numpy(x))).numpy()
    assert (np.abs(rounded - z) <= 0.5001 * steps).all()
    np.testing.assert_array_equal(model.decompress(model.compress(x)), model.decode(torch.from_numpy(rounded)).float().numpy())
    assert len(model.compress(x, step=1.0)) < len(model.compress(x)) < len(model.compress(x, step=0.01))
    for step in (0, 11, float("nan")):
        with pytest.raises(AerunError, match="step="):
            model.compress(x, step=step)
    told = here(work, "compress", name, "x.npy", "--output", "r.aez")
    assert "codes rounded to 0.1 standard deviations of training codes" in told.out


def test_deviations_of_training_codes_are_those_of_training_codes(work, digits):
    from aerun.inference.rounding import moments

    model = trained(work, "vector")
    z = model.encode(digits.train.x.numpy())
    mean, deviation, low, high = moments(model)
    np.testing.assert_allclose(mean, z.mean(0), atol=1e-5)
    np.testing.assert_allclose(deviation, z.std(0), rtol=0.02)
    np.testing.assert_allclose([low, high], [z.min(0), z.max(0)], rtol=1e-5)


def test_tables_names_and_words_come_back(work):
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal():.5g},{'ab'[i % 2]}" for i in range(100)]
    (work / "t.csv").write_text("\n".join(["n,w", *rows]) + "\n")
    model = trained(work, "table", "dataset=table", "model=compression", f"dataset.path={work / 't.csv'}")
    columns = {"n": rng.normal(size=9), "w": ["a", "b", "a"] * 3}
    found, expected = model.decompress(model.compress(columns)), model.reconstruct(columns)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[k], expected[k]) for k in found)
    names = trained(work, "names", "dataset=text", "model=recurrent")
    words = ["SMITH", "JONES", "LI"]
    assert [len(w) for w in names.decompress(names.compress(words))] == [5, 5, 2]


def test_sequences_keep_their_lengths(work):
    model = trained(work, "vowels", "dataset=japanese_vowels", "model=recurrent", "model/bottleneck=quantized")
    series = [np.random.default_rng(n).normal(size=(n, 12)).astype(np.float32) for n in (7, 20, 29)]
    found, expected = model.decompress(model.compress(series)), model.reconstruct(series)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_larger_inputs_are_cut_into_blocks(work, monkeypatch):
    model, x = trained(work, "whole"), np.load(work / "x.npy")
    monkeypatch.setattr(type(model), "rows", 70)
    found = [n for n, _ in compressed_file.Packer.of(model, None).blocks(x)]
    assert found == [70, 70, 70, 70, 20]
    np.testing.assert_array_equal(model.decompress(model.compress(x)), model.reconstruct(x))


def test_a_few_samples_need_no_tables_of_their_own(work, digits):
    """The shared tables are known to both sides: one sample costs less than its own tables would."""
    model, x = trained(work, "whole"), digits.test.x[:1].numpy()
    packer = compressed_file.Packer.of(model, None)
    levels = packer.rounding.levels(model, torch.from_numpy(x))
    both, own = pack(levels, packer.shared), pack(levels, None)
    assert len(both) < len(own)
    for data, shared in ((both, packer.shared), (own, None)):
        assert torch.equal(unpack(data, tuple(levels.shape), shared), levels)
    many = packer.rounding.levels(model, digits.train.x)
    size, ideal = len(pack(many, packer.shared)), packer.shared.bits(many) / 8
    assert size < 1.02 * ideal  # its own tables fit better, or these


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (50, 3, 4), (7, 2, 2, 3)])
def test_any_levels_come_back(shape):
    rng = np.random.default_rng(0)
    for reach in (1, 2, 300, 16_000):
        levels = torch.from_numpy(rng.integers(-reach, reach, shape))
        assert torch.equal(unpack(pack(levels, None), shape, None), levels)
    with pytest.raises(AerunError, match="more than are coded"):
        pack(torch.tensor([[0], [1 << 40]]), None)


def test_another_model_is_refused(work):
    data = trained(work, "whole").compress(np.load(work / "x.npy"))
    other = trained(work, "other", "model=compression", "seed=1")
    with pytest.raises(AerunError, match=r"data: was compressed by another model \([0-9a-f]{12}\)"):
        other.decompress(data)


def test_every_damage_is_refused_in_a_line(work):
    """Any byte changed, anywhere, or any cut: an error, never other samples."""
    model, x = trained(work, "whole"), np.load(work / "x.npy")[:20]
    data, rng = model.compress(x), np.random.default_rng(0)
    for at in (*range(24), *rng.integers(24, len(data), 60)):
        wrong = data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :]
        with pytest.raises(AerunError, match=r"^data: (damaged|cut short|was not written|is of format)"):
            model.decompress(wrong)
    for size in (0, 3, 19, 60, len(data) - 1):
        with pytest.raises(AerunError, match=r"^data: (cut short|is empty)"):
            model.decompress(data[:size])
    with pytest.raises(AerunError, match="does not end where its 20 samples do"):
        model.decompress(data + b"\0")


def test_blocks_of_a_stranger_cannot_ask_for_memory(work):
    """P: checksums can be forged; sizes are held against bounds before anything is built."""
    model = trained(work, "whole")
    head = compressed_file.Packer.of(model, None).start(1 << 31)

    def block(n, rest):
        body = struct.pack("<IB3s", n, 0, b"|u1") + struct.pack("<I", 0) + rest
        return struct.pack("<II", len(body), zlib.crc32(body)) + body

    bomb = zlib.compress(bytes(10_000_000), 9)
    for forged in (
        block(1 << 31, b""),
        block(5, struct.pack("<BI", 0, 0) + struct.pack("<I", len(bomb)) + bomb),
        block(5, struct.pack("<BI", 1, 0) + b"\xff\xff"),
        block(5, b""),
        struct.pack("<II", 1 << 31, 0),
    ):
        with pytest.raises(AerunError, match=r"^data: damaged"):
            model.decompress(head + forged)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("compress", "whole", "x.npy", "--output", "."), "goes into one file"),
        (("compress", "whole", "x.npy", "--output", "nowhere/never"), "no folder nowhere"),
        (("compress", "whole", "x.npy", "--output", "x.npy"), "is what is read"),
        (("compress", "whole", "x.npy", "--step", "1", "--output", "never"), "whole numbers"),
        (("compress", "vector", "x.npy", "--step", "99", "--output", "never"), "step=99"),
        (("decompress", "whole", "x.npy", "--output", "never.npy"), "x.npy: was not written by aerun compress"),
        (("decompress", "whole", "missing", "--output", "never.npy"), "cannot be read"),
    ],
)
def test_mistakes_are_one_line(work, args, words):
    trained(work, "whole"), trained(work, "vector")
    told = here(work, *args)
    assert told.code == 2, told
    assert words in told.err
    assert told.err.count("\n") == 1
    assert not list(work.glob("*never*"))


@pytest.mark.slow
def test_mnist_is_smaller_than_png(mnist, tmp_path):
    import io

    from PIL import Image

    more = ("dataset=mnist", "trainer.max_epochs=2", "trainer.progress=false", "pictures=[]")
    model, x = aerun.train("model=compression", *more, folder=tmp_path / "run"), mnist.test.x[:2000].numpy()
    data = model.compress(x)
    np.testing.assert_array_equal(model.decompress(data), model.reconstruct(x))
    page = io.BytesIO()
    Image.fromarray(x.reshape(-1, 28)).save(page, "PNG", optimize=True)
    assert len(data) < page.tell() / 4
