"""Arrays and series in several files: the samples of one file, or words that name the part."""

import numpy as np
import pytest

from aerun.core.errors import AerunError
from aerun.core.paths import with_absolute_paths
from tests.conftest import built
from tests.dataset.test_array import everything, same_rows
from tests.served import served
from tests.shell import here

G = np.random.default_rng(0)
X = G.normal(size=(60, 5))
Y = np.arange(60) % 3


def shards(folder, name):
    """X and Y in three files of one kind, x9, x10 and x11; return the pattern, and the settings that name the arrays."""
    for i, rows in enumerate(np.split(np.arange(60), 3), 9):
        path = folder / f"x{i}{name}"
        if name == ".npy":
            np.save(path, X[rows])
            np.save(folder / f"y{i}.npy", Y[rows])
        elif name == ".npz":
            np.savez(path, x=X[rows], y=Y[rows])
        elif name == ".h5":
            with pytest.importorskip("h5py").File(path, "w") as file:
                file["x"], file["y"] = X[rows], Y[rows]
        else:
            group = pytest.importorskip("zarr").open_group(str(path), mode="w", zarr_format=3)
            group.create_array("x", data=X[rows], chunks=(7, 5))
            group.create_array("y", data=Y[rows])
    beside = [f"dataset.labels='{folder}/y*.npy'"] if name == ".npy" else ["dataset.key=x", "dataset.labels=y"]
    return f"dataset.path='{folder}/x*{name}'", *beside


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("name", [".npy", ".npz", ".h5", ".zarr"])
def test_arrays_in_parts_are_one_array(tmp_path, monkeypatch, name, limited):
    monkeypatch.setenv("AERUN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    memory = ["dataset.memory=1e-7"] if limited else []
    data = built("dataset=array", *shards(tmp_path / "in", name), *memory).dataset.load()
    assert same_rows(everything(data), X)
    for part in (data.train, data.val, data.test):
        for row, label in zip(part.x.numpy(), part.y.tolist(), strict=True):
            assert label == Y[np.abs(X - row).sum(1).argmin()]
    assert bool(list((tmp_path / "cache").rglob("*.npy"))) == limited


def test_files_named_train_and_test_are_the_splits(tmp_path):
    for name, rows in (("train-00000-of-00002", X[:20]), ("train-00001-of-00002", X[20:40]), ("test", X[40:])):
        np.save(tmp_path / f"{name}.npy", rows)
    data = built("dataset=array", f"dataset.path={tmp_path}").dataset.load()
    assert same_rows(data.test.x, X[40:])


def test_the_part_of_an_array_that_is_wrong_is_named(tmp_path):
    pattern, *_ = shards(tmp_path, ".npy")
    np.save(tmp_path / "x10.npy", X[:20, :4])
    with pytest.raises(AerunError, match=r"x10\.npy: holds float64 of shape \(n, 4\), and the first part, .*x9\.npy, "):
        built("dataset=array", pattern)
    np.save(tmp_path / "x10.npy", X[:20].astype(np.float32))
    with pytest.raises(AerunError, match=r"x10\.npy: holds float32 .*x9\.npy, float64"):
        built("dataset=array", pattern)
    np.save(tmp_path / "x10.npy", np.where(np.arange(5) == 2, np.inf, X[:20]))
    with pytest.raises(AerunError, match=r"x10\.npy: sample 1, element \(2\) is inf"):
        built("dataset=array", pattern)
    (tmp_path / "x10.npy").write_bytes(b"no array")
    with pytest.raises(AerunError, match=r"x10\.npy: cannot be read"):
        built("dataset=array", pattern)
    with pytest.raises(AerunError, match="no file matches"):
        built("dataset=array", f"dataset.path='{tmp_path}/z*.npy'")


def steps(folder, name, rows, columns="a,b"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{columns}\n" + "".join(f"{v:.4f},{-v:.4f}\n" for v in G.normal(size=rows)))
    return path


def test_files_of_series_are_further_recordings(tmp_path):
    names = [f"r{i}.csv" for i in (*range(1, 8), 10)]
    for name in names:
        steps(tmp_path, name, 30)
    settings = ("dataset=series", "dataset.window=5")
    whole = f"dataset.path=[{','.join(f'{tmp_path}/{n}' for n in names)}]"
    named = (f"dataset.path={tmp_path}", f"dataset.path='{tmp_path}/*.csv'", whole)
    samples = [built(*settings, path).dataset.load() for path in named]
    assert [len(everything(data)) for data in samples] == [48, 48, 48]
    assert all(same_rows(everything(data), everything(samples[0])) for data in samples)
    assert same_rows(samples[1].test.x, samples[2].test.x)
    tested = built(*settings, f"dataset.path='{tmp_path}/r?.csv'", f"dataset.test_path='{tmp_path}/r10*.csv'")
    assert len(tested.dataset.load().test.x) == 6
    steps(tmp_path, "r2.csv", 30, columns="a,c")
    with pytest.raises(AerunError, match=r"has no column '[bc]', which .*r\d+\.csv has"):
        built(*settings, f"dataset.path='{tmp_path}/*.csv'")


def test_arrays_and_series_behind_urls(tmp_path, monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("AERUN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "site").mkdir()
    shards(tmp_path / "site", ".npy")
    for i in (1, 2, 3):
        steps(tmp_path / "site", f"r{i}.csv", 60)
    with served(tmp_path / "site") as host:
        data = built("dataset=array", f"dataset.path=[{host}/x9.npy,{host}/x10.npy]", f"dataset.test_path={host}/x11.npy")
        assert same_rows(data.dataset.load().test.x, X[40:])
        urls = ",".join(f"{host}/r{i}.csv" for i in (1, 2, 3))
        series = built("dataset=series", "dataset.window=5", f"dataset.path=[{urls}]", "dataset.val=0.4", "dataset.test=0.3")
        assert len(everything(series.dataset.load())) == 36


def test_names_inside_of_files_stay_names_and_files_become_absolute():
    inside = {"path": "x.h5", "labels": "y", "weights": "w"}
    assert with_absolute_paths({"dataset": inside})["dataset"]["labels"] == "y"
    beside = {"path": "x.npy", "labels": "y.npy", "weights": "w.npy"}
    kept = with_absolute_paths({"dataset": beside})["dataset"]
    assert all(kept[k].startswith("/") for k in beside)
    assert with_absolute_paths({"dataset": {"path": "x.csv", "weights": "w"}})["dataset"]["weights"] == "w"


def test_a_run_of_arrays_in_parts_is_resumed_and_scores_them(tmp_path):
    shards(tmp_path, ".npz")
    quick = ["trainer=smoke", "trainer.progress=false", "pictures=[]", "hydra.run.dir=run"]
    assert here(tmp_path, "dataset=array", "dataset.path='x*.npz'", "dataset.key=x", "dataset.labels=y", *quick).code == 0
    (tmp_path / "else").mkdir()
    assert here(tmp_path / "else", "resume", "../run", "--epochs", "2").code == 0
    assert "files      3 files, " in (shown := here(tmp_path, "show", "run").out)
    assert "bytes: x9.npz (" in shown
    told = here(tmp_path, "score", "run", "x*.npz", "-o", "s.csv")
    assert "60 samples" in told.out + told.err
