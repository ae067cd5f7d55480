"""Arrays: read as they are, bytes as bytes, objects never, and refused in words."""

import gc
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from aerun.core.errors import AerunError
from aerun.dataset.storage import array_store
from aerun.dataset.storage.mapped import Mapped
from aerun.evaluate.columns import rmse
from aerun.formats.arrays import FILL, plain
from tests.conftest import built
from tests.shell import here

G = np.random.default_rng(0)
TABLE = G.normal(5, 2, (40, 5))
BYTES = G.integers(0, 256, (40, 8, 8)).astype(np.uint8)
CLASSES = np.arange(40) % 3


def array(path, *overrides):
    return built("dataset=array", f"dataset.path={path}", *overrides)


def saved(tmp_path, x, name="x.npy", **more):
    path = tmp_path / name
    if name.endswith(".npz"):
        np.savez(path, x=x, **more)
    else:
        np.save(path, x)
    return path


def everything(data):
    return torch.cat([data.train.x, data.val.x, data.test.x])


def same_rows(found, x):
    """Do two sets of samples hold the same ones, in any order?"""
    a, b = (sorted(map(tuple, np.asarray(v, dtype=np.float32).reshape(len(v), -1).tolist())) for v in (found, x))
    return a == b


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_table_is_standardized_and_comes_back_in_own_units(tmp_path, name):
    plan = array(saved(tmp_path, TABLE, name))
    data, model = plan.dataset.load(), plan.autoencoder
    assert (plan.facts.kind, plan.facts.shape, plan.facts.stored, plan.facts.low) == ("table", (5,), (5,), None)
    assert same_rows(everything(data), TABLE)
    model.start_from(data.train.x)
    x = model.units(data.train.x)
    assert x.mean(0).abs().max() < 1e-5
    assert torch.allclose(x.std(0, correction=0), torch.ones(5), atol=1e-5)
    assert torch.allclose(model.preparation.inverse(x), data.train.x, atol=1e-5)
    assert set(rmse(model, data, torch.device("cpu"))) == {f"{who}/rmse/f{i}" for who in ("test", "mean") for i in range(1, 6)}


def test_images_of_bytes_stay_bytes(tmp_path):
    plan = array(saved(tmp_path, BYTES))
    data = plan.dataset.load()
    assert data.train.x.dtype == torch.uint8
    assert (plan.facts.kind, plan.facts.shape, plan.facts.unit) == ("image", (1, 8, 8), 255)
    assert (plan.facts.low, plan.facts.high) == (0, 1)
    assert same_rows(everything(data), BYTES)


@pytest.mark.parametrize(
    ("shape", "overrides"), [((40, 8, 8, 3), ()), ((40, 3, 8, 8), ()), ((40, 3, 8, 4), ("dataset.channels=last",))]
)
def test_channels_are_where_they_are_said_to_be(tmp_path, shape, overrides):
    x = G.random(shape)
    plan = array(saved(tmp_path, x), *overrides)
    last = shape[-1] == 3 or overrides
    assert plan.facts.shape == ((shape[3], *shape[1:3]) if last else shape[1:])
    assert same_rows(everything(plan.dataset.load()), np.moveaxis(x, 3, 1) if last else x)
    assert (plan.facts.low, plan.facts.high) == (0, 1)


def test_images_of_whole_numbers_are_scaled_by_their_depth_and_unit_says_otherwise(tmp_path, caplog):
    deep = G.integers(0, 1000, (40, 8, 8)).astype(">u2")
    facts = array(saved(tmp_path, deep)).facts
    assert (facts.unit, facts.low, facts.high) == (1023, 0, 1)
    assert "dataset.unit=" in caplog.text
    plan = array(tmp_path / "x.npy", "dataset.unit=1000")
    assert (plan.facts.unit, plan.facts.low, plan.facts.high) == (1000, 0, 1)
    data = plan.dataset.load()
    assert data.train.x.dtype == torch.float32
    assert same_rows(everything(data), deep)
    truth = array(saved(tmp_path, deep > 500)).facts
    assert (truth.unit, truth.low, truth.high) == (1, 0, 1)


@pytest.mark.parametrize(
    ("dtype", "highest", "unit"), [("i8", 255, 255), ("u2", 4095, 4095), ("u2", 65535, 65535), ("i4", 1, 1)]
)
def test_bits_of_a_pixel_are_the_fewest_that_hold_all(tmp_path, dtype, highest, unit):
    x = (G.random((40, 8, 8)) * highest).astype(dtype)
    x[0, 0, 0] = highest
    plan = array(saved(tmp_path, x))
    assert (plan.facts.unit, plan.facts.high) == (unit, 1)
    assert bool(plan.dataset.notes) == (unit != 255 or dtype != "u1")


@pytest.mark.parametrize(("scale", "said"), [(255.0, "dataset.unit=255"), (-3.0, "dataset.prepare=standardize")])
def test_fractions_beyond_0_to_1_are_told_and_refused_where_the_loss_needs_0_to_1(tmp_path, caplog, scale, said):
    path = saved(tmp_path, G.random((40, 8, 8)) * scale)
    assert said in array(path).dataset.notes[0]
    with pytest.raises(AerunError, match="bce needs data in"):
        array(path, "model/loss=bce")
    assert said in caplog.text


@pytest.mark.parametrize(
    ("shape", "name", "event"),
    [
        ((40, 16, 16, 13), "x", (13, 16, 16)),
        ((40, 13, 16, 16), "x", (13, 16, 16)),
        ((40, 64, 7, 7), "x", (64, 7, 7)),
        ((40, 6, 9, 2), "x", (2, 6, 9)),
        ((40, 3, 5, 4), "x", (3, 5, 4)),
        ((40, 8, 8, 8), "x_nhwc", (8, 8, 8)),
        ((40, 8, 8, 8), "x", None),
        ((40, 7, 9, 8), "x", None),
        ((40, 9, 5, 9), "x", None),
        ((40, 20, 3), "x", None),
        ((40, 20, 12), "x", (1, 20, 12)),
        ((40, 2, 2), "x", (1, 2, 2)),
    ],
)
def test_axes_are_told_apart_by_lengths_and_names_or_asked_for(tmp_path, shape, name, event):
    path = saved(tmp_path, G.integers(0, 256, shape, dtype=np.uint8), f"{name}.npy")
    if event is None:
        with pytest.raises(AerunError, match="dataset.channels=last" if len(shape) == 4 else "dataset.kind=sequence"):
            array(path)
    else:
        assert array(path).facts.shape == event


@pytest.mark.parametrize("how", ["masked", "mask in the file", "fill value", "bfloat16"])
def test_what_a_container_says_beside_its_numbers_is_kept(tmp_path, how):
    x = G.normal(size=(40, 3)).astype(np.float32)
    gone = np.zeros((40, 3), dtype=bool)
    gone[::7, 1] = True
    path = tmp_path / "x.npz"
    if how == "masked":
        array_ = plain(np.ma.masked_array(x, gone))
        np.savez(path, x=array_)
    elif how == "mask in the file":
        np.savez(path, x=x, mask=gone)
    elif how == "fill value":
        np.savez(path, x=np.where(gone, np.float32(FILL), x))
    else:
        path = tmp_path / "x.safetensors"
        save_file({"x": torch.from_numpy(x).bfloat16()}, path)
        x, gone = torch.from_numpy(x).bfloat16().float().numpy(), np.zeros_like(gone)
    found = everything(array(path).dataset.load()).numpy()
    expected = np.where(gone, np.nan, x)
    found, expected = (rows[np.lexsort(rows.T[::-1])] for rows in (found, expected))  # bfloat16 has equal numbers in a column
    assert np.array_equal(found, expected, equal_nan=True)


def test_sequences_and_their_missing_steps(tmp_path):
    x = G.normal(size=(40, 7, 2))
    assert array(saved(tmp_path, x), "dataset.kind=sequence").facts.shape == (7, 2)
    x[::2, 5:] = np.nan
    plan = array(saved(tmp_path, x), "dataset.kind=sequence", "model=recurrent")
    assert plan.facts.ragged
    plan.autoencoder.start_from(plan.dataset.load().train.x)
    scaled = array(tmp_path / "x.npy", "dataset.kind=sequence", "model=recurrent", "dataset.prepare=robust")
    data = scaled.dataset.load()
    scaled.autoencoder.start_from(data.train.x)
    units, valid = scaled.autoencoder.units(data.train.x), scaled.facts.valid(data.train.x)
    assert units[valid].quantile(0.5, 0).abs().max() < 1e-5
    assert (units[~valid] == 0).all()


@pytest.mark.parametrize(("kind", "shape", "axis"), [("image", (40, 3, 8, 8), 1), ("sequence", (40, 7, 2), 2)])
def test_images_and_sequences_are_prepared_channel_by_channel(tmp_path, kind, shape, axis):
    x = G.normal(3, 2, shape)
    plan = array(saved(tmp_path, x), f"dataset.kind={kind}", "dataset.prepare=standardize")
    plan.autoencoder.start_from(plan.dataset.load().train.x)
    z = plan.autoencoder.units(plan.dataset.load().train.x)
    others = [a for a in range(len(shape)) if a != axis]
    assert z.mean(others).abs().max() < 1e-5
    assert torch.allclose(z.std(others, correction=0), torch.ones(shape[axis]), atol=1e-5)
    assert plan.facts.prepared_from == plan.facts.shape == shape[1:]


def test_no_statistic_depends_on_validation_or_test_samples(tmp_path):
    """P22's spirit for arrays: change every later sample, and nothing that was learned moves."""
    order = np.arange(40.0)[:, None] + np.zeros((40, 3))
    rows = array(saved(tmp_path, order)).dataset.load()
    later = torch.cat([rows.val.x, rows.test.x])[:, 0].long().numpy()
    x = G.normal(size=(40, 3))
    x[rows.train.x[:3, 0].long().numpy(), 0] = np.nan
    spoilt_later = x.copy()
    spoilt_later[later] = [1e6, np.nan, -1e6]
    states = []
    for content in (x, spoilt_later):
        plan = array(saved(tmp_path, content))
        plan.autoencoder.start_from(plan.dataset.load().train.x)
        states.append(plan.autoencoder.state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert plan.facts.shape == (4,)


def test_labels_name_classes_in_the_same_file_or_another(tmp_path):
    path = saved(tmp_path, TABLE, "x.npz", y=CLASSES, words=np.array(list("abcd") * 10))
    data = array(path, "dataset.key=x", "dataset.labels=y").dataset.load()
    for part in (data.train, data.val, data.test):
        for x, y in zip(part.x, part.y, strict=True):
            assert y == CLASSES[np.abs(TABLE - x.numpy()).sum(1).argmin()]
    np.save(tmp_path / "y.npy", CLASSES + 7.0)
    other = array(path, "dataset.key=x", f"dataset.labels={tmp_path / 'y.npy'}")
    assert torch.equal(other.dataset.load().train.y, data.train.y)
    assert other.facts.classes == 3
    only = array(path, "dataset.key=x", "dataset.labels=words", "dataset.normal=[a,c]").dataset.load()
    assert set(only.train.y.tolist()) == {0, 2}
    assert set(only.test.y.tolist()) == {0, 1, 2, 3}


def test_a_test_split_of_its_own(tmp_path):
    path = saved(tmp_path, TABLE, "x.npz", test=TABLE[:9] + 100, y=CLASSES, t=CLASSES[:9])
    data = array(path, "dataset.key=x", "dataset.test_key=test", "dataset.labels=y", "dataset.test_labels=t").dataset.load()
    assert np.allclose(data.test.x, TABLE[:9] + 100)
    assert data.test.y.tolist() == CLASSES[:9].tolist()
    assert len(data.train) + len(data.val) == 40
    np.save(tmp_path / "t.npy", TABLE[:9] - 100)
    other = array(
        path,
        "dataset.key=x",
        f"dataset.test_path={tmp_path / 't.npy'}",
    )
    assert np.allclose(other.dataset.load().test.x, TABLE[:9] - 100)


def test_safetensors_where_it_is_installed(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file({"x": TABLE.astype(np.float32)}, tmp_path / "x.safetensors")
    assert same_rows(everything(array(tmp_path / "x.safetensors").dataset.load()), TABLE)
    numpy.save_file({"x": TABLE.astype(np.float32), "y": np.arange(len(TABLE)) % 2}, tmp_path / "y.safetensors")
    labelled = array(tmp_path / "y.safetensors", "dataset.key=x", "dataset.labels=y").dataset
    assert labelled.class_names == ("0", "1")
    (tmp_path / "x.safetensors").write_bytes(b"123" * 50)
    with pytest.raises(AerunError, match="truncated or damaged"):
        array(tmp_path / "x.safetensors")


def test_a_run_on_an_array_of_ones_own(tmp_path):
    saved(tmp_path, BYTES, "x.npz", y=CLASSES)
    own = ("dataset=array", "dataset.path=x.npz", "dataset.key=x", "dataset.labels=y")
    told = here(tmp_path, *own, "model/loss=bce", "trainer=smoke")
    assert told.code == 0, told.err


# -- bad input -----------------------------------------------------------------------------------------------------------------


def spoilt(value, shape=(40, 8, 8)):
    x = G.random(shape)
    x[(5, 2, 3)[: x.ndim]] = value
    return x


BAD = {
    "objects": (np.array([{}, 1], dtype=object), (), "Python objects, which are never loaded"),
    "words": (np.array(["a", "b"]), (), "holds <U1, not numbers"),
    "complex": (TABLE + 1j, (), "holds complex128"),
    "one axis": (np.zeros(5), (), r"shape \(5,\); samples are"),
    "no axis": (np.array(3.0), (), r"shape \(\)"),
    "five axes": (np.zeros((2,) * 5), (), "samples are"),
    "no samples": (np.zeros((0, 5)), (), "empty"),
    "no features": (np.zeros((5, 0)), (), "empty"),
    "one sample": (np.zeros((1, 5)), (), "1 row: too few"),
    "infinite": (spoilt(np.inf), (), r"sample 6, element \(0, 2, 3\) is inf"),
    "NaN in an image": (spoilt(np.nan), (), r"sample 6, element \(0, 2, 3\) is nan"),
    "all missing": (np.where(np.arange(5) == 2, np.nan, TABLE), (), "column 3 has no value"),
    "an image is a table": (TABLE, ("dataset.kind=image",), r"dataset\.kind=image: needs .*\(40, 5\)"),
    "misspelt kind": (TABLE, ("dataset.kind=tabel",), "nearest: table"),
    "no unit": (TABLE, ("dataset.unit=0",), r"dataset\.unit=0"),
    "key of npy": (TABLE, ("dataset.key=x",), "leave out x"),
    "labels of nothing": (TABLE, ("dataset.labels=nowhere.npy",), r"dataset\.labels=nowhere\.npy: no such file"),
    "test labels without test": (TABLE, ("dataset.test_labels=y",), "needs dataset.test_path"),
    "normal without labels": (TABLE, ("dataset.normal=[0]",), "needs labels"),
    "contamination of nothing": (TABLE, ("dataset.contamination=0.1",), "needs dataset.normal"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_refused_in_one_line(tmp_path, case):
    x, overrides, words = BAD[case]
    with pytest.raises(AerunError, match=words) as e:
        array(saved(tmp_path, x), *overrides)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("more", "overrides", "words"),
    [
        ({"y": CLASSES}, (), r"holds 2 arrays \(x, y\): choose one with dataset\.key"),
        ({"y": CLASSES}, ("dataset.key=z",), "has no array 'z'; it holds x, y"),
        ({"y": CLASSES[:9]}, ("dataset.key=x", "dataset.labels=y"), r"labels of shape \(9,\) for 40 samples"),
        ({"y": TABLE[:, 0]}, ("dataset.key=x", "dataset.labels=y"), "whole numbers or words"),
        ({"y": CLASSES, "t": TABLE[:5]}, ("dataset.key=x", "dataset.labels=y", "dataset.test_key=t"), "or neither"),
        ({"t": TABLE[:5, :3]}, ("dataset.key=x", "dataset.test_key=t"), r"shape \(5,\), .*shape \(3,\)"),
        ({"y": np.array([{}] * 40)}, ("dataset.key=y",), "Python objects, which are never loaded"),
    ],
)
def test_bad_archives_are_refused(tmp_path, more, overrides, words):
    with pytest.raises(AerunError, match=words):
        array(saved(tmp_path, TABLE, "x.npz", **more), *overrides)


def test_a_pickle_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    for name in ("x.npy", "x.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(AerunError, match="truncated or damaged"):
            array(tmp_path / name)
    np.save(tmp_path / "x.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(AerunError, match="never loaded"):
        array(tmp_path / "x.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_truncated_and_damaged_files_are_refused(tmp_path, name):
    whole = saved(tmp_path, TABLE, name).read_bytes()
    for content in (b"", whole[: len(whole) // 2], whole[:200] + b"\xff" * 20 + whole[220:] if name == "x.npz" else whole[:-1]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AerunError, match=rf"{name}: cannot be read"):
            array(tmp_path / name)


def test_huge_promises_are_refused_before_memory_is_asked_for(tmp_path, monkeypatch):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 100)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as packed:
        packed.writestr("x.npy", header.getvalue() + b"\0" * 1000)
    with pytest.raises(AerunError, match="more than the file holds"):
        array(tmp_path / "x.npz")
    (tmp_path / "x.npy").write_bytes(header.getvalue() + b"\0" * 1000)
    with pytest.raises(AerunError, match="truncated"):
        array(tmp_path / "x.npy")
    monkeypatch.setattr("aerun.core.memory.memory_limit", lambda: 100_000)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((100, 1000)))
    for path in (tmp_path / "bomb.npz",):
        with pytest.raises(AerunError, match="GB or more in memory"):
            array(path)


def test_a_range_that_only_the_training_samples_keep_is_refused_with_what_would_work(tmp_path):
    x = np.full((40, 3), 0.5) + 0.01 * np.arange(40)[:, None]
    inside = array(saved(tmp_path, x), "dataset.prepare=none").dataset.load()
    last = int(((inside.test.x[0, 0] - 0.5) / 0.01).round())
    x[last] = 3
    with pytest.raises(AerunError, match=r"prepare=minmax clips"):
        array(saved(tmp_path, x), "dataset.prepare=none").dataset.load()
    clipped = array(tmp_path / "x.npy", "dataset.prepare=minmax")
    clipped.autoencoder.start_from(clipped.dataset.load().train.x)
    assert clipped.autoencoder.units(clipped.dataset.load().test.x).max() == 1


# -- larger than memory ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "overrides"),
    [
        (G.normal(5, 2, (400, 6)), ()),
        (G.integers(0, 255, (400, 3, 5, 4), dtype=np.uint8), ()),
        (np.moveaxis(G.random((400, 3, 5, 4)), 1, 3), ("dataset.channels=last",)),
        (G.normal(size=(400, 9, 2)), ("dataset.kind=sequence",)),
    ],
)
def test_what_does_not_fit_is_read_from_disk_and_is_the_same(tmp_path, caplog, x, overrides):
    np.save(tmp_path / "y.npy", np.arange(400) % 3)
    more = (f"dataset.labels={tmp_path / 'y.npy'}", f"dataset.cache={tmp_path / 'cache'}", *overrides)
    fits = array(saved(tmp_path, x), *more, "dataset.normal=[0,2]")
    large = array(tmp_path / "x.npy", *more, "dataset.normal=[0,2]", "dataset.memory=1e-6")
    assert "they are read from" in caplog.text
    assert large.facts == fits.facts
    here_, there = fits.dataset.load(), large.dataset.load()
    for name in ("train", "val", "test"):
        a, b = getattr(here_, name), getattr(there, name)
        assert torch.equal(a.x, b.x[:])
        assert torch.equal(a.y, b.y)
        rows = torch.randperm(len(a), generator=torch.Generator().manual_seed(0))
        assert torch.equal(a.x[rows], b.x.index_select(0, rows))
        assert all(torch.equal(p, q) for p, q in zip(a.x.aminmax(), b.x.aminmax(), strict=True))
    for plan, data in ((fits, here_), (large, there)):
        plan.autoencoder.start_from(data.train.x)
    same = large.autoencoder.state_dict()
    assert all(torch.equal(v, same[k]) for k, v in fits.autoencoder.state_dict().items() if "preparation" in k)


FEW = ("regularizer=label", "model/bottleneck=softmax", "dataset.labelled=30", "dataset.condition_to=terms")


@pytest.mark.parametrize(
    ("x", "overrides"),
    [
        (G.normal(size=(400, 6)).astype(np.float32), ()),
        (G.integers(0, 255, (400, 1, 5, 4), dtype=np.uint8), ("dataset.condition_drop=0.1",)),
        (G.integers(0, 255, (400, 1, 5, 4), dtype=np.uint8), (*FEW, "model.bottleneck.classes=3")),
    ],
)
def test_what_is_told_of_samples_on_disk_lies_behind_them(tmp_path, caplog, x, overrides):
    np.save(tmp_path / "y.npy", np.arange(400) % 3)
    cache = tmp_path / "cache"
    more = [f"dataset.labels={tmp_path / 'y.npy'}", f"dataset.cache={cache}", "dataset.condition=label", *overrides]
    fits, large = array(saved(tmp_path, x), *more), array(tmp_path / "x.npy", *more, "dataset.memory=1e-6")
    here_, there = fits.dataset.load(), large.dataset.load()
    assert "what is told of samples on disk is kept behind each" in caplog.text
    for name in ("train", "val", "test"):
        a, b = getattr(here_, name), getattr(there, name)
        assert isinstance(b.x, Mapped)
        assert a.x.dtype == b.x.dtype
        torch.testing.assert_close(a.x, b.x[:], rtol=0, atol=0, equal_nan=True)
    for plan, data in ((fits, here_), (large, there)):
        plan.autoencoder.start_from(data.train.x)
    own = [plan.dataset.own_samples(data).test.x[:] for plan, data in ((fits, here_), (large, there))]
    assert torch.equal(*own)
    files = {p.name: p.stat().st_mtime_ns for p in cache.iterdir()}
    large.dataset.load()
    assert files == {p.name: p.stat().st_mtime_ns for p in cache.iterdir()}


def test_a_changed_file_is_copied_again_and_a_full_disk_told(tmp_path, monkeypatch):
    more = (f"dataset.cache={tmp_path / 'cache'}", "dataset.memory=1e-7")
    first = array(saved(tmp_path, TABLE), *more).dataset.load().train.x[:]
    second = array(saved(tmp_path, TABLE + 1), *more).dataset.load().train.x[:]
    torch.testing.assert_close(second, first + 1)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(AerunError, match=r"dataset\.cache=DIR, or raise dataset\.memory"):
        array(saved(tmp_path, TABLE + 2), *more)


def test_what_needs_all_samples_at_once_is_refused_where_they_do_not_fit(tmp_path):
    with pytest.raises(AerunError, match=r"dataset\.prepare=minmax: needs all samples in memory"):
        array(saved(tmp_path, TABLE), f"dataset.cache={tmp_path}", "dataset.memory=1e-7", "dataset.prepare=minmax")


@pytest.mark.slow
def test_a_run_from_disk_is_a_run_from_memory(tmp_path):
    saved(tmp_path, TABLE)
    for name, more in (("a", ()), ("b", ("dataset.memory=1e-7", "dataset.cache=cache"))):
        told = here(tmp_path, "dataset=array", "dataset.path=x.npy", *more, "model.latent_dim=2", "trainer.max_epochs=2",
                    f"hydra.run.dir={name}")  # fmt: skip
        assert told.code == 0, told.err
    a, b = (json.loads((tmp_path / name / "results.json").read_text()) for name in "ab")
    assert a["test/se"] == b["test/se"]


def test_rows_of_two_files_are_copied_to_their_places(tmp_path, monkeypatch):
    monkeypatch.setattr(array_store, "_CHUNK", 100)
    first, second = np.arange(60.0).reshape(20, 3), np.arange(60.0, 90.0).reshape(10, 3)
    rows = torch.randperm(30, generator=torch.Generator().manual_seed(0))[:25]
    with (tmp_path / "x").open("wb") as file:
        array_store._scatter(file.fileno(), array_store._pieces([first, second], 12), 30, [rows], 12)
    found = np.fromfile(tmp_path / "x", np.float32).reshape(25, 3)
    assert (found == np.concatenate([first, second])[rows.numpy()]).all()


def test_batches_are_freed_as_training_goes_on(tmp_path, monkeypatch):
    from aerun.trainer.base import Job
    from aerun.trainer.lightning import Training

    plan = array(saved(tmp_path, G.normal(size=(4000, 7)).astype(np.float32)), "trainer.batch_size=33", "trainer.max_epochs=1")
    data = plan.dataset.load()
    plan.autoencoder.start_from(data.train.x)
    alive, was = [], Training.on_validation_epoch_start

    def ended(self):
        alive.append(sum(type(o) is torch.Tensor and o.shape[:1] == (33,) for o in gc.get_objects()))
        was(self)

    monkeypatch.setattr(Training, "on_validation_epoch_start", ended)
    gc.collect()
    gc.disable()  # what only a search for rings would free stays
    try:
        plan.trainer.fit(Job(plan.autoencoder, data, plan.optimizer, plan.schedule, 0, tmp_path / "run", {}), False)
    finally:
        gc.enable()
    assert alive[0] < 20  # of 84 steps


def test_values_out_of_range_of_a_standardized_table_are_counted(tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", rows)
    words = (f"dataset.path={tmp_path / 'x.npy'}", "trainer=smoke", "pictures=[]", "evaluate=[]", "hydra.run.dir=run")
    told = here(tmp_path, "dataset=array", *words)
    assert told.code == 0, told.err
    far = rows[:2].copy()
    far[1, 1] = 99
    np.save(tmp_path / "far.npy", far)
    told = here(tmp_path, "score", "run", "far.npy", "--output", "s.csv")
    assert told.code == 0, told.err
    assert "values outside of the training range: 1 (f2 1), used as they are" in told.out + told.err
