"""What a run was trained on, its verbs read as it did: the same samples, whatever the kind of file."""

import struct
import tarfile
import wave

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from aerun.build import build
from aerun.core.errors import AerunError
from aerun.inference.reading import Reader
from aerun.inference.samples import SampleConverter
from tests.conftest import composed

G = np.random.default_rng(0)
STEPS = G.normal(size=(120, 3)).astype(np.float32).round(3)


def reader(*overrides):
    """What verbs of such a run read with, and the samples of all its splits."""
    cfg = composed(*overrides)
    plan = build(cfg)
    data = plan.dataset.load()
    form = SampleConverter(plan.facts, plan.autoencoder.preparation, cfg["dataset"])
    rows = torch.cat([data.train.x, data.val.x, data.test.x])
    return Reader(form, cfg["dataset"], 7, reading=plan.dataset.stored_reading()), rows


def read(found, *files):
    return torch.cat([found.form.to_stored(piece.x)[0] for piece in found.pieces([str(f) for f in files])])


def same(a, b):
    """Do two sets of samples hold the same ones, in any order?"""
    x, y = (np.sort(v.flatten(1).float().nan_to_num(nan=1e9).numpy().astype(np.float64) @ W[: v[0].numel()]) for v in (a, b))
    return len(x) == len(y) and np.allclose(x, y, atol=1e-6)


W = G.normal(size=100_000)


def csv(path, columns):
    names = list(columns)
    lines = [",".join(names), *(",".join(str(columns[n][i]) for n in names) for i in range(len(columns[names[0]])))]
    path.write_text("\n".join(lines) + "\n")


def series_table(tmp_path):
    columns = {"ts": np.tile(np.arange(20), 6), "who": np.repeat(list("abcdef"), 20)}
    columns |= {n: STEPS[:, i] for i, n in enumerate("xyz")}
    csv(tmp_path / "s.csv", columns)
    return ["dataset=series", "dataset.time=ts", "dataset.group=who", "dataset.window=5"], tmp_path / "s.csv"


def series_array(tmp_path):
    np.save(tmp_path / "s.npy", STEPS.reshape(6, 20, 3))
    return ["dataset=series", "dataset.window=5"], tmp_path / "s.npy"


def series_npz(tmp_path):
    np.savez(tmp_path / "s.npz", values=STEPS, who=np.repeat(np.arange(6), 20))
    return ["dataset=series", "dataset.key=values", "dataset.group=who", "dataset.window=4"], tmp_path / "s.npz"


def sized_pictures(tmp_path):
    for i in range(20):
        where = tmp_path / "pictures" / ("Training", "Testing")[i % 4 == 0] / "ab"[i % 2]
        where.mkdir(parents=True, exist_ok=True)
        side = 9 + i % 3
        Image.fromarray(G.integers(0, 256, (side, side), dtype=np.uint8)).save(where / f"{i}.png")
    (tmp_path / "pictures" / "ground_truth").mkdir()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "pictures" / "ground_truth" / "1.png")
    (tmp_path / "pictures" / "labels.csv").write_text("a,b\n")
    return ["dataset=images"], tmp_path / "pictures"


def deep_pictures(tmp_path):
    (tmp_path / "deep").mkdir()
    for i in range(12):
        x = G.integers(0, 4096, (6, 7)).astype(np.uint16)
        Image.fromarray(x).save(tmp_path / "deep" / f"{i}.{('png', 'tiff')[i % 2]}")
    return ["dataset=images"], tmp_path / "deep"


def keyed_array(tmp_path):
    x = G.random((30, 4, 4, 4))
    np.savez(tmp_path / "x.npz", pixels=x, other=x[:3], y=np.arange(30) % 2)
    return ["dataset=array", "dataset.key=pixels", "dataset.channels=last", "dataset.labels=y"], tmp_path / "x.npz"


def masked_table(tmp_path):
    x = G.normal(size=(30, 4))
    np.savez(tmp_path / "m.npz", x=x, mask=x > 1)
    return ["dataset=array"], tmp_path / "m.npz"


def idx_file(tmp_path):
    x = G.integers(0, 4000, (20, 5, 6)).astype(">i2")
    (tmp_path / "x.idx").write_bytes(struct.pack(">HBB3I", 0, 0x0B, 3, *x.shape) + x.tobytes())
    return ["dataset=idx"], tmp_path / "x.idx"


def sounds(tmp_path):
    (tmp_path / "sounds").mkdir()
    for i in range(12):
        with wave.open(str(tmp_path / "sounds" / f"{i:02}.wav"), "wb") as w:
            w.setnchannels(1)
            w.setsampwidth(2)
            w.setframerate(8000)
            w.writeframes(G.integers(-9999, 9999, 600 if i != 3 else 20, dtype=np.int16).tobytes())
    return ["dataset=audio", "dataset.length=256", "dataset.window=64", "dataset.hop=32", "dataset.mels=8"], tmp_path / "sounds"


def other_sounds(tmp_path):
    (tmp_path / "others").mkdir()
    for i in range(12):
        soundfile.write(tmp_path / "others" / f"{i:02}.{('flac', 'ogg', 'FLAC')[i % 3]}", G.uniform(-0.3, 0.3, 600), 8000)
    return ["dataset=audio", "dataset.form=frames", "dataset.length=256"], tmp_path / "others"


def packed_sounds(tmp_path):
    overrides, folder = sounds(tmp_path)
    with tarfile.open(tmp_path / "s.tar", "w") as packed:
        packed.add(folder, "sounds")
    return overrides, tmp_path / "s.tar"


KINDS = (
    series_table,
    series_array,
    series_npz,
    sized_pictures,
    deep_pictures,
    keyed_array,
    masked_table,
    idx_file,
    sounds,
    other_sounds,
    packed_sounds,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_the_verbs_read_the_runs_own_files_as_it_did(tmp_path, kind):
    overrides, path = kind(tmp_path)
    found, rows = reader(*overrides, f"dataset.path={path}")
    assert same(read(found, path), rows)


def test_one_long_recording_in_an_array_is_cut_into_windows(tmp_path):
    np.save(tmp_path / "tf.npy", STEPS)
    found, _ = reader("dataset=series", f"dataset.path={tmp_path / 'tf.npy'}", "dataset.window=8")
    assert torch.equal(read(found, tmp_path / "tf.npy"), torch.from_numpy(STEPS[:120].reshape(15, 8, 3)))


def test_columns_of_a_series_are_known_by_their_names(tmp_path):
    overrides, path = series_table(tmp_path)
    found, rows = reader(*overrides, f"dataset.path={path}")
    by_name = {"z": STEPS[:, 2], "more": STEPS[:, 0], "y": STEPS[:, 1], "x": STEPS[:, 0], "ts": np.tile(np.arange(20), 6)}
    csv(tmp_path / "other.csv", {**by_name, "who": np.repeat(list("ghijkl"), 20)})
    assert same(read(found, tmp_path / "other.csv"), rows)
    csv(tmp_path / "wrong.csv", {"x": STEPS[:, 0], "why": STEPS[:, 1], "z": STEPS[:, 2]})
    with pytest.raises(AerunError, match="no column 'y'"):
        read(found, tmp_path / "wrong.csv")


def test_no_window_spans_a_gap_of_a_new_file(tmp_path):
    overrides, path = series_table(tmp_path)
    found, _ = reader(*overrides, f"dataset.path={path}")
    times = np.concatenate([np.arange(8), 50 + np.arange(12)])
    csv(tmp_path / "gap.csv", {"ts": times, "who": ["a"] * 20, **{n: STEPS[:20, i] for i, n in enumerate("xyz")}})
    assert torch.equal(read(found, tmp_path / "gap.csv")[1], torch.from_numpy(STEPS[8:13]))


def test_an_array_of_a_class_of_numpys_masked_ones_keeps_its_gaps(tmp_path):
    overrides, path = masked_table(tmp_path)
    found, _ = reader(*overrides, f"dataset.path={path}")
    x = np.ma.masked_greater(G.normal(size=(5, 4)), 0.5)
    assert np.array_equal(found.form.to_stored(x)[0].isnan().numpy(), np.ma.getmaskarray(x))


@pytest.mark.parametrize("name", ["my photos (1)", "a=b, c", "it's", "Données öß", "写真"])
def test_paths_may_hold_any_characters(tmp_path, name):
    folder = tmp_path / name
    for i in range(12):
        where = folder / f"{name} {i % 2}"
        where.mkdir(parents=True, exist_ok=True)
        Image.fromarray(G.integers(0, 256, (6, 6), dtype=np.uint8)).save(where / f"{name} {i}.png")
    cfg = composed("dataset=images", "dataset.path=somewhere")
    cfg["dataset"]["path"] = str(folder)
    plan = build(cfg)
    assert plan.dataset.class_names == (f"{name} 0", f"{name} 1")
    form = SampleConverter(plan.facts, plan.autoencoder.preparation, cfg["dataset"])
    data = plan.dataset.load()
    rows = torch.cat([data.train.x, data.val.x, data.test.x])
    assert same(read(Reader(form, cfg["dataset"], 7, reading=plan.dataset.stored_reading()), folder), rows)
