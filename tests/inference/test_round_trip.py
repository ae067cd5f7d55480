"""Every kind of own data: written, trained on, and read back from the run's folder in the units in which it was written."""

import struct
import wave

import numpy as np
import pytest
import torch
from PIL import Image

from aerun.inference.loading import trained as load
from tests.shell import here

G = np.random.default_rng(0)
N = 40
X = G.normal(50, 9, (N, 6)).astype(np.float32)
BYTES = G.integers(0, 256, (N, 6, 6), dtype=np.uint8)
WORDS = ["".join("abcdef"[k] for k in row) for row in G.integers(0, 6, (N, 5))]
SOUND = G.integers(-30_000, 30_000, (N, 100), dtype=np.int16)


def table(path):
    path.write_text("\n".join([",".join("abcdef"), *(",".join(map(repr, row)) for row in X.tolist())]))


def parquet(path):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({k: X[:, i] for i, k in enumerate("abcdef")}), path)


def feather(path):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.feather").write_feather(pa.table({k: X[:, i] for i, k in enumerate("abcdef")}), str(path))


def xlsx(path):
    book = pytest.importorskip("openpyxl").Workbook()
    for row in [list("abcdef"), *X.tolist()]:
        book.active.append(row)
    book.save(path)


def safetensors(path):
    pytest.importorskip("safetensors.numpy").save_file({"x": X}, str(path))


def images(path):
    path.mkdir()
    for i, pixels in enumerate(BYTES):
        Image.fromarray(pixels).save(path / f"{i:02}.png")


def sounds(path):
    path.mkdir()
    for i, samples in enumerate(SOUND):
        with wave.open(str(path / f"{i:02}.wav"), "wb") as w:
            w.setnchannels(1)
            w.setsampwidth(2)
            w.setframerate(8000)
            w.writeframes(samples.tobytes())


def idx(path):
    path.write_bytes(struct.pack(">HBB3I", 0, 8, 3, *BYTES.shape) + BYTES.tobytes())


def lines(path):
    path.write_text("\n".join(WORDS) + "\n")


def series(path):
    rows = [f"{g},{i},{X[g, i]!r}" for g in range(N) for i in range(6 - g % 3)]
    path.write_text("\n".join(["id,t,a", *(r.replace("np.float32(", "").rstrip(")") for r in rows)]))


RAGGED = np.where(np.arange(6) < 6 - np.arange(N)[:, None] % 3, X, np.nan)[..., None]
TEXT = ("model/arch=recurrent", "model/loss=categorical")
KINDS = {
    "t.csv": ("table", table, X, ()),
    "t.parquet": ("table", parquet, X, ()),
    "t.feather": ("table", feather, X, ()),
    "t.xlsx": ("table", xlsx, X, ("dataset.prepare=robust",)),
    "x.npy": ("array", lambda path: np.save(path, X), X, ()),
    "x.npz": ("array", lambda path: np.savez(path, x=X), X, ("dataset.prepare=robust",)),
    "x.safetensors": ("array", safetensors, X, ()),
    "pixels.npy": ("array", lambda path: np.save(path, BYTES), BYTES[:, None], ("model/loss=bce",)),
    "pictures": ("images", images, BYTES[:, None], ("model/loss=bce",)),
    "sounds": ("audio", sounds, SOUND[..., None] / 2**15, ("dataset.form=frames", "dataset.length=100")),
    "x.idx": ("idx", idx, BYTES[:, None], ()),
    "t.txt": ("text", lines, WORDS, TEXT),
    "s.csv": ("series", series, RAGGED, ("dataset.group=id", "dataset.time=t", "model/arch=recurrent")),
    "s.npy": ("series", lambda path: np.save(path, RAGGED), RAGGED, ("dataset.prepare=minmax", "model/arch=recurrent")),
}


def rows(x):
    """Samples in an order of their own."""
    flat = np.nan_to_num(np.asarray(x, dtype=np.float64), nan=-1).reshape(len(x), -1)
    return flat[np.lexsort(flat.T.round(3))]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_what_is_written_is_trained_on_and_comes_back(tmp_path, name):
    kind, write, written, settings = KINDS[name]
    write(tmp_path / name)
    told = here(tmp_path, f"dataset={kind}", f"dataset.path={name}", *settings, "model.latent_dim=2", "trainer=smoke",
                "hydra.run.dir=run")  # fmt: skip
    assert told.code == 0, told.err
    trained, _ = load(tmp_path / "run")
    data, model, facts = trained.data, trained.autoencoder, trained.autoencoder.facts
    assert [len(part) for part in (data.train, data.val, data.test)] == [28, 6, 6]
    stored = torch.cat([part.x for part in (data.train, data.val, data.test)])
    x = model.units(stored)
    if kind == "text":
        assert sorted("".join(facts.tokens[i] for i in row if i >= 0) for row in stored.tolist()) == sorted(WORDS)
        assert torch.equal(x.argmax(2), stored.long())
        return
    own = model.preparation.inverse(x) * facts.unit
    own = own if facts.valid(stored) is None else own.masked_fill(~facts.valid(stored)[..., None], torch.nan)
    clipped = "minmax" in "".join(settings)  # what lies outside of the training range comes back as its border
    first = 28 if clipped else N
    there = stored.float() if clipped else torch.from_numpy(np.asarray(written, dtype=np.float64))
    np.testing.assert_allclose(rows(stored), rows(written), rtol=1e-6)
    np.testing.assert_allclose(rows(own[:first].detach()), rows(there[:first]), rtol=1e-5, atol=1e-4)
    assert model(x[:2], valid=None if facts.valid(stored) is None else facts.valid(stored)[:2]).shape == (2, *facts.shape)
