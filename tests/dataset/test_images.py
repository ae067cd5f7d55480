"""Folders of images: what is read is what was written, whatever the format; bad input is told in words."""

import io
import logging
import struct
import subprocess
import sys
import tracemalloc
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from aerun.core.errors import AerunError
from aerun.dataset.base import validate_data
from aerun.dataset.storage import image_store
from aerun.dataset.storage.mapped import Mapped, mapped
from aerun.formats.images import Shape, UnreadableError, header, read, strict
from tests.conftest import built
from tests.shell import here

RNG = np.random.default_rng(0)
AS_IS = Shape(1, 8, 8, resize=False, crop=True, guessed=False)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Nothing is written to the real user's folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "aerun"


def noise(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def folder(root, names, shape=(8, 8)):
    """PNG files of noise; name -> pixels."""
    found = {}
    for name in names:
        found[name] = noise(*shape)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(found[name]).save(root / name)
    return found


def dataset(root, *settings, option="images"):
    plan = built(f"dataset={option}", f"dataset.path={root}", *(f"dataset.{s}" for s in settings))
    return plan.dataset, plan.facts


def loaded(root, *settings):
    source, facts = dataset(root, *settings)
    return validate_data(source.load(), facts, "images"), facts


def rows(data):
    """Every sample of every split as bytes."""
    return sorted(x.numpy().tobytes() for part in (data.train, data.val, data.test) for x in part.x)


def test_what_is_written_is_read(tmp_path):
    written = folder(tmp_path, [f"{i}.png" for i in range(20)])
    data, facts = loaded(tmp_path)
    assert (facts.shape, facts.unit, facts.classes) == ((1, 8, 8), 255.0, None)
    assert [len(part) for part in (data.train, data.val, data.test)] == [14, 3, 3]
    assert data.train.x.dtype == torch.uint8
    assert rows(data) == sorted(x.tobytes() for x in written.values())


def test_class_folders_are_labels_and_stay_with_their_images(tmp_path):
    written = folder(tmp_path, [f"{c}/{i}.png" for c in ("cat", "dog", "eel") for i in range(9)])
    data, facts = loaded(tmp_path)
    label = {x.tobytes(): ("cat", "dog", "eel").index(name.split("/")[0]) for name, x in written.items()}
    assert facts.classes == 3
    for part in (data.train, data.val, data.test):
        assert [label[x.numpy().tobytes()] for x in part.x] == part.y.tolist()


@pytest.mark.parametrize("prefix", ["", "archive/inner/"])
def test_given_splits_are_kept(tmp_path, prefix):
    names = [f"{prefix}{part}/{c}/{i}.png" for part, n in (("train", 12), ("test", 5)) for c in "ab" for i in range(n)]
    written = folder(tmp_path, names)
    data, facts = loaded(tmp_path, "val=0.25")
    assert [len(part) for part in (data.train, data.val, data.test)] == [18, 6, 10]
    assert facts.classes == 2
    tests = {x.tobytes() for name, x in written.items() if "test/" in name}
    assert {x.numpy().tobytes() for x in data.test.x} == tests


def test_a_class_may_be_called_train(tmp_path):
    folder(tmp_path, [f"{c}/{i}.png" for c in ("train", "plane") for i in range(9)])
    assert loaded(tmp_path)[1].classes == 2


def test_one_class_and_stray_files_are_told(tmp_path, caplog):
    folder(tmp_path / "a", [f"{part}/only/{i}.png" for part in ("train", "test") for i in range(9)])
    assert loaded(tmp_path / "a")[1].classes is None
    assert "one class, only" in caplog.text
    folder(tmp_path / "b", [*(f"{c}/{i}.png" for c in "xy" for i in range(9)), "stray.png"])
    assert loaded(tmp_path / "b")[0].train.y is None
    assert "1 of 19 files lie outside of the class folders" in caplog.text


def test_normal_classes_alone_are_trained_on(tmp_path):
    folder(tmp_path, [f"{c}/{i}.png" for c in ("bad", "good") for i in range(20)])
    data, _ = loaded(tmp_path, "normal=[good]")
    assert set(data.train.y.tolist()) == set(data.val.y.tolist()) == {1}
    assert set(data.test.y.tolist()) == {0, 1}
    dirty, _ = loaded(tmp_path, "normal=[good]", "contamination=0.2")
    assert 0 < (dirty.train.y == 0).sum() < len(dirty.train) / 2


def pixel(path, shape=AS_IS):
    with strict():
        return read(path, shape)


def test_modes(tmp_path):
    """16 bits are scaled and not clipped, transparent places are white, one bit is black and white."""
    colour = Shape(3, 8, 8, resize=False, crop=True, guessed=False)
    deep = np.full((8, 8), 257 * 100, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert (pixel(tmp_path / "deep.png") == 100).all()
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4] = (255, 0, 0, 255)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    seen = pixel(tmp_path / "clear.png", colour)
    assert (seen[:, :4] == np.array([255, 0, 0])[:, None, None]).all()
    assert (seen[:, 4:] == 255).all()
    Image.fromarray(np.eye(8) > 0).save(tmp_path / "bit.png")
    assert (pixel(tmp_path / "bit.png")[0] == 255 * np.eye(8)).all()
    Image.fromarray(clear[..., :3]).quantize(4).save(tmp_path / "palette.gif")
    assert (pixel(tmp_path / "palette.gif", colour)[0, :4] == 255).all()
    Image.fromarray(np.zeros((8, 8), np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(UnreadableError, match="floating-point"):
        pixel(tmp_path / "float.tiff")


def test_orientation_is_applied(tmp_path):
    wide = noise(8, 16)
    exif = Image.Exif()
    exif[274] = 6  # turn clockwise by a quarter
    Image.fromarray(wide).save(tmp_path / "turned.png", exif=exif)
    with strict():
        assert header(tmp_path / "turned.png")[:2] == (16, 8)
    turned = pixel(tmp_path / "turned.png", Shape(1, 16, 8, resize=False, crop=True, guessed=False))
    assert (turned[0] == np.rot90(wide, -1)).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tiff", "webp", "ppm"])
def test_formats(tmp_path, suffix):
    smooth = np.linspace(0, 255, 64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(smooth).save(tmp_path / f"x.{suffix}")
    grey = Shape(1, 8, 8, resize=False, crop=False, guessed=False)
    assert np.abs(pixel(tmp_path / f"x.{suffix}", grey)[0].astype(int) - smooth).max() <= 12  # some lose a little


def test_crop_keeps_proportions_and_none_does_not(tmp_path):
    wide = np.zeros((8, 32), np.uint8)
    wide[:, 12:20] = 255  # the middle quarter
    for i in range(9):
        Image.fromarray(wide).save(tmp_path / f"{i}.png")
    cut, stretched = (loaded(tmp_path, "size=8", f"crop={crop}")[0].train.x[0, 0] for crop in ("center", "none"))
    assert (cut == 255).all()
    assert (stretched[:, 3:5] > 200).all()
    assert (stretched[:, [0, 1, 6, 7]] < 30).all()


def test_sizes_that_differ_are_brought_to_one_and_told(tmp_path, caplog):
    folder(tmp_path, [f"a{i}.png" for i in range(5)], (20, 30))
    folder(tmp_path, [f"b{i}.png" for i in range(5)], (40, 10))
    assert loaded(tmp_path)[1].shape == (1, 64, 64)
    assert "20 x 30, 40 x 10" in caplog.text
    caplog.clear()
    assert loaded(tmp_path, "size=[12,16]")[1].shape == (1, 12, 16)
    assert not caplog.text


def test_grey_among_coloured_is_read_in_colour(tmp_path):
    folder(tmp_path, [f"a{i}.png" for i in range(5)])
    folder(tmp_path, [f"b{i}.png" for i in range(5)], (8, 8, 3))
    assert loaded(tmp_path)[1].shape == (3, 8, 8)
    assert loaded(tmp_path, "channels=1")[1].shape == (1, 8, 8)
    assert loaded(tmp_path, "channels=3")[0].train.x.shape[1:] == (3, 8, 8)


def test_transparency_frames_and_mixed_colours_are_told(tmp_path, caplog):
    for i in range(12):
        Image.fromarray(noise(8, 8, 4) if i % 2 else noise(8, 8)).save(tmp_path / f"{i}.png")
        Image.fromarray(noise(8, 8)).save(tmp_path / f"g{i}.gif", save_all=True, append_images=[Image.fromarray(noise(8, 8))])
    loaded(tmp_path)
    for words in ("are read as white", "with 2, are read by their first frame alone", "grey and coloured images are mixed"):
        assert words in caplog.text


def test_pixels_below_black_are_named(tmp_path):
    for i in range(12):
        Image.fromarray(noise(8, 8).astype(np.int32) - 300).save(tmp_path / f"{i}.tif")
    with pytest.raises(AerunError, match="below black"):
        loaded(tmp_path)


def test_a_corrupt_image_among_good_ones_is_left_out_counted_and_named(tmp_path, caplog):
    written = folder(tmp_path, [f"{c}/{i}.png" for c in "ab" for i in range(60)])
    broken = (tmp_path / "a" / "7.png").read_bytes()
    (tmp_path / "a" / "7.png").write_bytes(broken[: len(broken) // 2])
    data, _ = loaded(tmp_path)
    assert "1 of 120 images cannot be read and are left out: a/7.png (" in caplog.text
    label = {x.tobytes(): int(name[0] == "b") for name, x in written.items() if name != "a/7.png"}
    assert rows(data) == sorted(label)
    for part in (data.train, data.val, data.test):
        assert [label[x.numpy().tobytes()] for x in part.x] == part.y.tolist()
    (tmp_path / "b" / "8.png").write_text("no image")
    with pytest.raises(AerunError, match=r"more than 1 % of its 120 images.*(a/7|b/8).png"):
        loaded(tmp_path)


def bomb(path, side=60_000):
    """A PNG whose header promises side x side pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    about = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", about) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [10_000, 60_000])  # Pillow warns of the one and refuses the other
def test_a_bomb_is_not_decoded(tmp_path, side):
    bomb(tmp_path / "bomb.png", side)
    with strict(), pytest.raises(UnreadableError, match="decompression bomb"):
        header(tmp_path / "bomb.png")


REFUSED = {
    "no path": ("", ["dataset.path", "dataset.path=DIR"]),
    "no such folder": ("dataset.path=nowhere", ["dataset.path=nowhere", "no such"]),
    "a file": ("dataset.path=good/0.png", ["dataset.path=good/0.png", "folder"]),
    "an empty folder": ("dataset.path=empty", ["dataset.path=empty", "no images"]),
    "no images": ("dataset.path=text", ["dataset.path=text", "no images", "2 other files"]),
    "all corrupt": ("dataset.path=corrupt", ["dataset.path=corrupt", "0.png", "not an image"]),
    "too few": ("dataset.path=few", ["dataset.path=few", "2 files", "split"]),
    "a bomb": ("dataset.path=bomb", ["0.png", "decompression bomb"]),
    "size of nothing": ("dataset.path=good dataset.size=0", ["dataset.size=0"]),
    "three sides": ("dataset.path=good dataset.size=[8,8,8]", ["dataset.size=[8, 8, 8]"]),
    "size beyond all bounds": ("dataset.path=good dataset.size=200000", ["dataset.size=200000", "4096"]),
    "crop misspelt": ("dataset.path=good dataset.crop=centre", ["dataset.crop=centre", "nearest: center"]),
    "two channels": ("dataset.path=good dataset.channels=2", ["dataset.channels=2"]),
    "no memory": ("dataset.path=good dataset.memory=0", ["dataset.memory=0"]),
    "nothing left to train on": ("dataset.path=good dataset.val=0.5 dataset.test=0.5", ["dataset.val=0.5", "dataset.test=0.5"]),
    "share above 1": ("dataset.path=good dataset.val=3", ["dataset.val=3"]),
    "normal without labels": ("dataset.path=good dataset.normal=[a]", ["dataset.normal"]),
    "contamination alone": ("dataset.path=good dataset.contamination=0.1", ["dataset.contamination=0.1", "dataset.normal"]),
}


@pytest.mark.parametrize(("line", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_in_words(tmp_path, line, words):
    folder(tmp_path / "good", [f"{i}.png" for i in range(20)])
    folder(tmp_path / "few", [f"{i}.png" for i in range(2)])
    for name in ("empty", "text", "corrupt", "bomb"):
        (tmp_path / name).mkdir()
    (tmp_path / "text" / "a.txt").write_text("a")
    (tmp_path / "text" / "b.csv").write_text("b")
    for i in range(9):
        (tmp_path / "corrupt" / f"{i}.png").write_text("nothing")
        bomb(tmp_path / "bomb" / f"{i}.png")
    told = here(tmp_path, "dataset=images", *line.split(), "trainer=smoke")
    assert (told.code, told.out) == (2, "")
    lines = [line for line in told.err.splitlines() if not line.startswith("dataset.path=")]
    assert lines[0].startswith("aerun: error: ")
    assert len(lines) == 1
    for word in words:
        assert word in told.err


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    folder(tmp_path / "x", [f"{i}.png" for i in range(20)])
    with pytest.raises(AerunError, match=r"dataset\.cache.*Not a directory|dataset\.cache.*File exists"):
        loaded(tmp_path / "x", "memory=1e-9", f"cache={tmp_path / 'x' / '0.png'}")
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(AerunError, match=r"20 images of 1 x 8 x 8.*free.*dataset\.size.*dataset\.cache=DIR"):
        loaded(tmp_path / "x", "memory=1e-9")


def late(tmp_path, shape):
    """One image that is not like the others, where it is not looked at first."""
    folder(tmp_path, [f"{i:03}.png" for i in range(100)])
    folder(tmp_path, ["001.png"], shape)
    return tmp_path


def test_a_late_image_of_another_size_or_colour_is_named(tmp_path):
    with pytest.raises(AerunError, match=r"001.png is 9 x 8, others are 8 x 8.*dataset.size"):
        loaded(late(tmp_path / "a", (9, 8)))
    with pytest.raises(AerunError, match=r"001.png is coloured.*dataset.channels=3"):
        loaded(late(tmp_path / "b", (8, 8, 3)))
    assert loaded(tmp_path / "b", "channels=1")[1].shape == (1, 8, 8)


# -- what does not fit into memory ------------------------------------------------------------


def test_what_does_not_fit_is_read_from_disk_and_is_the_same(tmp_path, cache, caplog):
    folder(tmp_path / "x", [f"{c}/{i}.png" for c in "ab" for i in range(40)])
    small, _ = loaded(tmp_path / "x")
    large, _ = loaded(tmp_path / "x", "memory=1e-6")
    assert "80 images take" in caplog.text
    assert type(small.train.x) is torch.Tensor
    for a, b in ((small.train, large.train), (small.val, large.val), (small.test, large.test)):
        index = torch.randperm(len(a), generator=torch.Generator().manual_seed(0))
        assert isinstance(b.x, Mapped)
        assert torch.equal(a.x.index_select(0, index), b.x.index_select(0, index))
        assert torch.equal(a.x[2:5], b.x[2:5])
        assert torch.equal(a.x, torch.cat(list(b.x.split(7))))
        assert [int(v) for v in a.x.aminmax()] == [int(v) for v in b.x.aminmax()]
        assert torch.equal(a.x.float().mean(0), b.x.float().mean(0))  # any other use of it
        assert torch.equal(a.y, b.y)
        assert type(b.x[:2]) is type(b.x.index_select(0, index)) is torch.Tensor
        assert b.x.to("cpu") is b.x
    with pytest.raises(IndexError):
        large.train.x.index_select(0, torch.tensor([len(large.train)]))
    assert {p.suffix for p in cache.iterdir()} == {".bytes", ".json"}


def test_decoded_once_until_a_file_changes(tmp_path, monkeypatch, caplog):
    names = [f"{i}.png" for i in range(120)]
    folder(tmp_path / "x", names)
    (tmp_path / "x" / "5.png").write_text("no image")
    first, _ = loaded(tmp_path / "x", "memory=1e-6")
    decode, calls = image_store.decode, []
    monkeypatch.setattr(image_store, "decode", lambda *a: calls.append(a) or decode(*a))
    caplog.clear()
    again, _ = loaded(tmp_path / "x", "memory=1e-6")
    assert not calls
    assert "5.png (not an image)" in caplog.text, "what is left out is told every time"
    assert rows(first) == rows(again)
    monkeypatch.setattr(image_store, "_WORTH", 100)
    assert rows(loaded(tmp_path / "x")[0]) == rows(first), "the same file serves where it fits into memory"
    assert not calls
    new = folder(tmp_path / "x", ["5.png"])
    assert new["5.png"].tobytes() in rows(loaded(tmp_path / "x", "memory=1e-6")[0])
    assert len(calls) == 1


def test_training_from_disk_is_training_from_memory(tmp_path):
    folder(tmp_path / "x", [f"{i}.png" for i in range(60)])
    found = []
    for memory in ("1", "1e-6"):
        line = (
            f"dataset=images dataset.path=x dataset.memory={memory} trainer=smoke model/arch=linear pictures=[] "
            f"hydra.run.dir=run{memory}"
        )
        told = here(tmp_path, *line.split())
        assert told.code == 0, told.err
        found.append((tmp_path / f"run{memory}" / "metrics.csv").read_text().splitlines()[-1].split(",")[:4])
    assert found[0] == found[1]


PROBE = """
import os, sys, torch
from pathlib import Path
from aerun.dataset.storage.mapped import mapped

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

path, n = Path(sys.argv[1]), 20_000
path.write_bytes(os.urandom(1_000_000) * 200)
x = mapped(path, (100, 100), (n,))[0]
x.index_select(0, torch.arange(64))
before = resident()
x.aminmax()
most = 0
for rows in torch.randperm(n).split(128):
    x.index_select(0, rows)
    most = max(most, resident())
for part in x.split(500):
    most = max(most, resident())
print(most - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reading_all_of_a_file_keeps_little_of_it_in_memory(tmp_path):
    """200 MB are read twice; a plain mapping would keep all of them resident."""
    probe = [sys.executable, "-c", PROBE, tmp_path / "bytes"]
    done = subprocess.run(probe, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50e6


def test_a_file_that_has_become_shorter_is_told(tmp_path):
    (tmp_path / "x").write_bytes(bytes(6400))
    x = mapped(tmp_path / "x", (8, 8), (100,))[0]
    with (tmp_path / "x").open("r+b") as file:
        file.truncate(640)
    with pytest.raises(OSError, match="shorter"):
        x.index_select(0, torch.tensor([50]))


# -- standard sets ------------------------------------------------------------


@pytest.mark.parametrize("option", ["kmnist", "emnist", "svhn", "celeba"])
def test_what_is_not_there_is_told(tmp_path, option):
    told = here(tmp_path, f"dataset={option}", "dataset.download=false", "dataset.root=here", "trainer=smoke")
    assert told.code == 2
    assert len(told.err.splitlines()) == 1
    for word in (f"dataset={option}", "dataset.root=here", "is not there", "dataset.download=true"):
        assert word in told.err


def idx(path, values):
    kind = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}[values.dtype.name]
    path.parent.mkdir(parents=True, exist_ok=True)
    body = values.astype(values.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *values.shape) + body)


def test_emnist_is_upright_and_its_letters_count_from_zero(tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    lying = noise(30, 28, 28)
    for part in ("train", "test"):
        idx(raw / f"emnist-letters-{part}-images-idx3-ubyte", lying)
        idx(raw / f"emnist-letters-{part}-labels-idx1-ubyte", np.arange(30, dtype=np.uint8) % 26 + 1)
    plan = built(
        "dataset=emnist", f"dataset.root={tmp_path}", "dataset.split=letters", "dataset.val=5", "dataset.download=false"
    )
    data = validate_data(plan.dataset.load(), plan.facts, "emnist")
    assert plan.facts.classes == 26
    assert torch.equal(data.test.x[:, 0], torch.from_numpy(lying).transpose(1, 2))
    assert data.test.y.tolist() == [i % 26 for i in range(30)]
    assert built("dataset=emnist", "dataset.split=digits").facts.classes == 10


def test_svhn_keeps_its_axes(monkeypatch):
    images = noise(30, 3, 32, 32)
    found = SimpleNamespace(data=images, labels=np.arange(30) % 10)
    monkeypatch.setattr("torchvision.datasets.SVHN", lambda root, split, download: found)
    data = built("dataset=svhn", "dataset.val=5").dataset.load()
    assert torch.equal(data.test.x, torch.from_numpy(images))


def test_celeba_by_its_own_partition(tmp_path, monkeypatch):
    base = tmp_path / "celeba"
    names = [f"{i:06}.jpg" for i in range(30)]
    for i, name in enumerate(names):
        (base / "img_align_celeba").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((218, 178, 3), 8 * i, np.uint8)).save(base / "img_align_celeba" / name)
    order = names[::-1]  # not that of the folder
    (base / "list_eval_partition.txt").write_text("".join(f"{n} {(i >= 20) + (i >= 25)}\n" for i, n in enumerate(order)))
    smiling = torch.tensor([int(n[:6]) % 2 for n in order])
    found = SimpleNamespace(filename=order, attr=torch.stack([1 - smiling, smiling], 1), attr_names=["Bald", "Smiling", ""])
    monkeypatch.setattr("torchvision.datasets.CelebA", lambda *a, **k: found)
    plan = built("dataset=celeba", f"dataset.root={tmp_path}", "dataset.attribute=Smiling", "dataset.size=16")
    data = validate_data(plan.dataset.load(), plan.facts, "celeba")
    assert [len(part) for part in (data.train, data.val, data.test)] == [20, 5, 5]
    for part, first in ((data.train, 29), (data.val, 9), (data.test, 4)):
        numbers = (part.x.float().mean((1, 2, 3)) / 8).round().int().tolist()
        assert numbers == [first - i for i in range(len(part))]
        assert part.y.tolist() == [n % 2 for n in numbers]
    wrong = built("dataset=celeba", f"dataset.root={tmp_path}", "dataset.attribute=Smile").dataset
    with pytest.raises(AerunError, match=r"dataset.attribute=Smile.*nearest: Smiling"):
        wrong.load()
    (base / "img_align_celeba" / names[3]).unlink()
    with pytest.raises(AerunError, match=f"1 of its images are not in .*{names[3]}"):
        plan.dataset.load()


def test_photo_patches_share_no_pixel_between_splits(monkeypatch):
    """Photographs whose colour says the column: training columns end before validation columns begin."""
    column = np.broadcast_to(np.arange(640)[None, :], (427, 640))
    photo = np.stack([column // 256, column % 256, np.zeros((427, 640), int)], 2).astype(np.uint8)
    monkeypatch.setattr("sklearn.datasets.load_sample_images", lambda: SimpleNamespace(images=[photo, photo]))
    data = built("dataset=photo_patches", "dataset.n=2000", "dataset.size=20").dataset.load()
    assert [len(part) for part in (data.train, data.val, data.test)] == [1400, 300, 300]
    seen = [(256 * part.x[:, 0].int() + part.x[:, 1]).aminmax() for part in (data.train, data.val, data.test)]
    (a, b), (c, d), (e, f) = [(int(low), int(high)) for low, high in seen]
    assert a < b < c < d < e < f


def test_photo_patches_settings():
    def patches(*settings):
        plan = built("dataset=photo_patches", "dataset.n=100", *settings)
        return validate_data(plan.dataset.load(), plan.facts, "photo_patches")

    plain = patches()
    assert torch.equal(plain.train.x, patches().train.x)
    assert not torch.equal(plain.train.x, patches("dataset.seed=1").train.x)
    assert patches("dataset.grey=true").train.x.shape[1:] == (1, 32, 32)
    assert plain.train.x.float().std() > 10
    with pytest.raises(AerunError, match=r"dataset.size=97"):
        built("dataset=photo_patches", "dataset.size=97")


# -- idx ------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
def test_idx_round_trip(tmp_path, dtype, packed):
    import gzip

    values = RNG.integers(0, 100, (40, 9, 8)).astype(dtype)
    idx(tmp_path / "x", values)
    idx(tmp_path / "y", (np.arange(40) % 4 + 3).astype(np.uint8))
    if packed:
        (tmp_path / "x").write_bytes(gzip.compress((tmp_path / "x").read_bytes()))
    source, facts = dataset(tmp_path / "x", f"labels={tmp_path / 'y'}", option="idx")
    data = validate_data(source.load(), facts, "idx")
    assert facts.shape == (1, 9, 8)
    assert (facts.unit, facts.high) == ((1.0, None) if "float" in dtype else (255.0, 1.0))
    assert facts.classes == 4
    known = {x.astype(np.float32).tobytes(): i % 4 for i, x in enumerate(values)}
    for part in (data.train, data.val, data.test):
        assert [known[x.float().numpy().tobytes()] for x in part.x] == part.y.tolist()


def test_idx_with_a_test_file(tmp_path):
    train, test = noise(40, 6), noise(10, 6)
    idx(tmp_path / "a", train)
    idx(tmp_path / "b", test)
    source, facts = dataset(tmp_path / "a", f"test={tmp_path / 'b'}", "val=0.25", option="idx")
    data = validate_data(source.load(), facts, "idx")
    assert (facts.kind, facts.shape) == ("table", (6,))
    assert [len(part) for part in (data.train, data.val, data.test)] == [30, 10, 10]
    assert torch.equal(data.test.x, torch.from_numpy(test))


def test_idx_of_mnist_is_mnist(mnist, tmp_path):
    import os

    raw = f"{os.environ['AERUN_DATA']}/MNIST/raw"
    settings = [f"labels={raw}/train-labels-idx1-ubyte", f"test={raw}/t10k-images-idx3-ubyte", f"val={5000 / 60000}"]
    source, _ = dataset(f"{raw}/train-images-idx3-ubyte", *settings, f"test_labels={raw}/t10k-labels-idx1-ubyte", option="idx")
    data = source.load()
    for own, other in ((data.train, mnist.train), (data.val, mnist.val), (data.test, mnist.test)):
        assert torch.equal(own.x, other.x)
        assert torch.equal(own.y, other.y)


def head(*shape, kind=8):
    return struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape)


BAD_IDX = {
    "no path": (None, "", ["dataset.path"]),
    "a folder": (None, "dataset.path=.", ["dataset.path=.", "folder"]),
    "empty": (b"", "", ["x", "not an idx file"]),
    "no idx": (b"hello there", "", ["x", "not an idx file"]),
    "cut in the header": (head(10, 3, 3)[:9], "", ["x", "truncated"]),
    "cut in the numbers": (head(10, 3, 3) + bytes(89), "", ["x", "fewer"]),
    "too much": (head(10, 3, 3) + bytes(91), "", ["x", "more"]),
    "huge dimensions": (head(2**31, 2**31, 2**31) + bytes(90), "", ["x", "more than the file can hold"]),
    "no samples": (head(0, 3, 3), "", ["x", "empty"]),
    "labels as samples": (head(10) + bytes(10), "", ["x", "(10,)"]),
    "one sample": (head(1, 3) + bytes(3), "", ["empty"]),
    "packed and cut": (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "", ["x"]),
    "nan": (head(10, 1, kind=13) + b"\x7f\xc0\0\0" * 10, "", ["x", "sample 1", "NaN"]),
    "too large for 32 bits": (head(10, 1, kind=14) + bytes(72) + struct.pack(">d", 1e300), "", ["x", "sample 10"]),
    "labels of another number": (head(10, 3) + bytes(30), "dataset.labels=y", ["y", "4 labels", "10 samples"]),
    "test labels alone": (head(10, 3) + bytes(30), "dataset.test_labels=y", ["dataset.test_labels=y"]),
    "test of another shape": (head(10, 3) + bytes(30), "dataset.test=z", ["z", "(5,)"]),
    "share above 1": (head(10, 3) + bytes(30), "dataset.test=1.5", ["dataset.test=1.5"]),
    "no such labels": (head(10, 3) + bytes(30), "dataset.labels=w", ["dataset.labels=w"]),
}


@pytest.mark.parametrize(("content", "line", "words"), BAD_IDX.values(), ids=BAD_IDX)
def test_bad_idx_is_refused_in_words(tmp_path, content, line, words):
    (tmp_path / "y").write_bytes(head(4) + bytes(4))
    (tmp_path / "z").write_bytes(head(10, 5) + bytes(50))
    if content is not None:
        (tmp_path / "x").write_bytes(content)
        line = f"dataset.path=x {line}"
    told = here(tmp_path, "dataset=idx", *line.split(), "trainer=smoke")
    assert (told.code, len(told.err.splitlines())) == (2, 1)
    for word in words:
        assert word in told.err


def test_a_packed_bomb_is_read_no_further_than_its_header_says(tmp_path):
    import gzip

    whole = io.BytesIO()
    with gzip.GzipFile(fileobj=whole, mode="wb") as file:
        file.write(head(10, 3) + bytes(50_000_000))
    (tmp_path / "x").write_bytes(whole.getvalue())
    tracemalloc.start()
    with pytest.raises(AerunError, match="more numbers"):
        dataset(tmp_path / "x", option="idx")[0].load()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20e6


def test_how_many_are_not_images_is_noted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder(tmp_path, [f"{i}.png" for i in range(20)])
    (tmp_path / "notes.txt").write_text("a")
    (tmp_path / ".hidden.png").write_text("b")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(loaded(tmp_path)[0].train) == 14
    assert "1 files that are no images" in caplog.text


def png16(path, values):
    """Write (H, W, C) of 16 bits: Pillow writes colours of 8 alone."""
    height, width, channels = values.shape
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_images_keep_their_depth_grey_and_colour(tmp_path, caplog, bits, channels):
    values = RNG.integers(0, 1 << bits, (9, 6, 6, channels), dtype=np.uint16)
    values[:, 0, 0] = (1 << bits) - 1
    for i, image in enumerate(values):
        png16(tmp_path / f"{i}.png", image)
    data, facts = loaded(tmp_path)
    assert facts.unit == (1 << bits) - 1
    assert rows(data) == sorted(v.transpose(2, 0, 1).astype(np.float32).tobytes() for v in values)
    assert f"taken for {bits} bits" in caplog.text


def test_deep_colours_are_composed_on_white_turned_and_made_grey(tmp_path):
    values = RNG.integers(0, 65536, (4, 6, 4), dtype=np.uint16)
    values[0, 0, 3], values[1:, :, 3] = 0, 65535
    png16(tmp_path / "a.png", values)
    pixels = read(tmp_path / "a.png", Shape(3, 4, 6, resize=False, crop=True, guessed=False, depth=16))
    assert (pixels[:, 0, 0] == 65535).all()
    np.testing.assert_array_equal(pixels[:, 1:], values[1:, :, :3].transpose(2, 0, 1))
    grey = read(tmp_path / "a.png", Shape(1, 4, 6, resize=False, crop=True, guessed=False, depth=16))
    np.testing.assert_allclose(grey[0, 1:], values[1:, :, :3] @ [0.299, 0.587, 0.114], atol=0.6)
    half = read(tmp_path / "a.png", Shape(3, 2, 3, resize=True, crop=True, guessed=False, depth=16))
    assert half.shape == (3, 2, 3)
    assert header(tmp_path / "a.png").deep


def tiff16(path, values, order="<", turned=1):
    """Write (H, W, C) of 16 bits, uncompressed."""
    (height, width, channels), data = values.shape, values.astype(f"{order}u2").tobytes()
    extra = [(338, 3, 1, 2)] if channels == 4 else []
    count = 10 + len(extra)
    behind = 8 + 2 + 12 * count + 4
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, behind), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, behind + 2 * channels), (274, 3, 1, turned), (277, 3, 1, channels), (278, 3, 1, height)]
    tags += [(279, 4, 1, len(data)), *extra]
    shape = {3: "HHIHH", 4: "HHII"}
    entries = b"".join(
        struct.pack(order + shape[k if n == 1 else 4], t, k, n, v, *[0] * (k == 3 and n == 1)) for t, k, n, v in tags
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, count)
    path.write_bytes(head + entries + bytes(4) + struct.pack(f"{order}{channels}H", *[16] * channels) + data)


def deep(path, channels=3, size=(4, 6)):
    assert header(path).deep
    return read(path, Shape(channels, *size, resize=False, crop=True, guessed=False, depth=16))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiff_files_keep_16_bits_of_colours(tmp_path, order, channels):
    values = RNG.integers(0, 65536, (4, 6, channels), dtype=np.uint16)
    if channels == 4:
        values[0, 0, 3], values[1:, :, 3] = 0, 65535
    tiff16(tmp_path / "a.tif", values, order)
    pixels = deep(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels[:, 1:], values[1:, :, :3].transpose(2, 0, 1))
    assert channels == 3 or (pixels[:, 0, 0] == 65535).all()
    tiff16(tmp_path / "turned.tif", values, order, turned=6)
    np.testing.assert_array_equal(deep(tmp_path / "turned.tif", size=(6, 4)), np.rot90(pixels, -1, (1, 2)))


def test_grey_of_16_bits_with_transparency_stays_deep(tmp_path):
    values = RNG.integers(0, 65536, (4, 6, 2), dtype=np.uint16)
    values[0, 0, 1], values[1:, :, 1] = 0, 65535
    png16(tmp_path / "a.png", values)
    for channels in (1, 3):
        pixels = deep(tmp_path / "a.png", channels)
        assert pixels.shape == (channels, 4, 6)
        assert (pixels[:, 0, 0] == 65535).all()
        np.testing.assert_array_equal(pixels[:, 1:], np.repeat(values[None, 1:, :, 0], channels, 0))


def test_images_that_lose_bits_are_counted(tmp_path):
    for i in range(9):
        png16(tmp_path / f"{i}.png", RNG.integers(0, 65536, (6, 6, 3), dtype=np.uint16))
    source, _ = dataset(tmp_path, "depth=8")
    assert source.load().train.x.dtype == torch.uint8
    assert source.counts == {"reduced_to_8_bits": 9}
