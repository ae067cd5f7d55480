"""Tables in several files and arrays in containers: read as one plain file is, or refused in words that name the part."""

import bz2
import gzip
import json
import logging
import lzma
import sys
import threading

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from aerun.core.errors import AerunError
from aerun.core.paths import with_absolute_paths, with_data
from aerun.dataset.storage.mapped import Mapped
from aerun.dataset.tables.given import splits_by_name
from aerun.formats.arrays import is_mapped, read_array
from aerun.formats.limits import Limits, limits
from aerun.formats.reading import Reading, missing_words
from aerun.formats.several import read_tables
from tests.conftest import built
from tests.served import served
from tests.shell import here

pa = pytest.importorskip("pyarrow")
G = np.random.default_rng(0)
READING = Reading("auto", "auto", "utf-8")
N = 30
COLUMNS = {
    "x": [None if i % 7 == 0 else round(float(v), 4) for i, v in enumerate(G.normal(size=N))],
    "k": [None if i % 11 == 0 else ["red", "green"][i % 2] for i in range(N)],
    "ok": [bool(i % 3) for i in range(N)],
    "n": list(range(N)),
}


def lines(rows):
    return "".join(",".join("" if COLUMNS[c][i] is None else str(COLUMNS[c][i]) for c in COLUMNS) + "\n" for i in rows)


def records(rows):
    return "".join(json.dumps({c: COLUMNS[c][i] for c in COLUMNS if COLUMNS[c][i] is not None}) + "\n" for i in rows)


def written(folder, name, pack=lambda data: data):
    """The table in three parts of one kind; returns what names them."""
    for part in range(3):
        rows = range(10 * part, 10 * part + 10)
        path = folder / f"p{part + 8}{name}"  # p8, p9, p10
        if name == ".parquet":
            from pyarrow import parquet

            parquet.write_table(pa.table({c: COLUMNS[c][10 * part : 10 * part + 10] for c in COLUMNS}), path, row_group_size=4)
        else:
            text = records(rows) if "json" in name else ",".join(COLUMNS) + "\n" + lines(rows)
            path.write_bytes(pack(text.encode()))
    return str(folder / f"*{name}")


def read(value, reading=READING, memory=None, cache=None):
    return read_tables("dataset.path", value, reading, limits(memory, cache))


def told(frame):
    return {
        n: [None if v != v else c.words[int(v)] if c.kind == "text" else v for v in c.values] for n, c in frame.columns.items()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "t.csv"
    path.write_text(",".join(COLUMNS) + "\n" + lines(range(N)))
    return told(read(str(path)))


def zst(data):
    return pa.compress(data, codec="zstd", asbytes=True)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        (".csv", bytes),
        (".jsonl", bytes),
        (".parquet", bytes),
        (".csv.gz", gzip.compress),
        (".csv.bz2", bz2.compress),
        (".csv.xz", lzma.compress),
        (".ndjson.zst", zst),
    ],
)
def test_parts_of_every_kind_are_the_whole_table(tmp_path, whole, name, pack):
    pattern = written(tmp_path, name, pack)
    assert told(read(pattern)) == whole
    assert told(read(str(tmp_path))) == whole
    named = read(pattern, Reading("auto", "auto", "utf-8", text=frozenset({"file"}))).columns["file"]
    assert named.words == tuple(f"p{i}{name}" for i in (8, 9, 10))


@pytest.mark.parametrize("name", [".parquet", ".csv", ".jsonl"])
def test_a_table_larger_than_memory_is_on_disk_and_the_same(tmp_path, whole, name):
    frame = read(written(tmp_path, name), memory=1e-9, cache=str(tmp_path / "cache"))
    assert not isinstance(frame.columns["x"].values.base, np.ndarray)
    assert told(frame) == whole
    assert list((tmp_path / "cache").iterdir()) == []


LARGE = {  # a column with what a large table may hold, and what settings know of it
    "codes": [f"{i % 900:05}" for i in range(4000)],
    "codes that come late": [str(i + 10) for i in range(3000)] + ["007"] * 1000,
    "dates": [f"{1 + i % 28:02}/{1 + i % 12:02}/{2000 + i // 900}" for i in range(4000)],
    "marks": ["-999" if i % 5 == 0 else "-999.0" if i % 7 == 0 else str(i / 4) for i in range(4000)],
    "decimal comma": [f"{i},5" for i in range(4000)],
    "percent": [f"{i % 100} %" for i in range(4000)],
    "words": [["north", "", "south"][i % 3] for i in range(4000)],
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_csv_is_read_from_disk_as_in_memory(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("aerun.formats.tables._CHUNK", 512)
    monkeypatch.setattr("aerun.formats.column.MANY", 100)
    path = tmp_path / "t.csv"
    path.write_text("a;b\n" + "".join(f"{c};{i % 17}\n" for i, c in enumerate(LARGE[kind])))
    reading = Reading(";", "true", "utf-8", missing=missing_words(["auto", "-999"]))
    memory, disk = read(str(path), reading), read(str(path), reading, memory=1e-5, cache=str(tmp_path / "cache"))
    assert not memory.columns["a"].mapped
    assert disk.columns["a"].mapped
    assert told(disk) == told(memory)
    assert disk.reading == memory.reading


def test_a_training_on_a_csv_larger_than_memory_reads_its_rows_from_disk(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,k\n" + "".join(f"{i / 7:.3f},{i % 13},{'xyz'[i % 3]}\n" for i in range(300)))
    wanted = built("dataset=table", f"dataset.path={path}").dataset.load()
    dataset = built("dataset=table", f"dataset.path={path}", "dataset.memory=1e-6", f"dataset.cache={tmp_path / 'c'}").dataset
    data = dataset.load()
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(data, part).x[:], getattr(wanted, part).x)
    assert type(data.train.x) is Mapped
    assert [note for note in dataset.notes if "300 rows are more than dataset.memory allows" in note]


def test_a_part_that_is_wrong_is_named(tmp_path):
    pattern = written(tmp_path, ".csv")
    (tmp_path / "p9.csv").write_text("x,k,ok,n\n1,red,True,1\ninf,red,True,2\n")
    with pytest.raises(AerunError, match=r"p9\.csv: column 'x', row 2: inf is infinite"):
        read(pattern)
    (tmp_path / "p9.csv").write_text("x,k,ok\n1,red,True\n2,red,True\n")
    with pytest.raises(AerunError, match=r"p9\.csv: has no column 'n', which .*p8\.csv has"):
        read(pattern)
    with pytest.raises(AerunError, match="no file matches"):
        read(str(tmp_path / "q*.csv"))
    with pytest.raises(AerunError, match="twice"):
        read([str(tmp_path / "p8.csv"), str(tmp_path / "*8.csv")])
    (tmp_path / "a-00000-of-00002.csv").write_text("x\n1\n")
    with pytest.raises(AerunError, match=r"part 1 of 2 of .* is missing"):
        read(str(tmp_path))


def test_a_damaged_row_group_is_named(tmp_path):
    pattern = written(tmp_path, ".parquet")
    path = tmp_path / "p9.parquet"
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)
    with pytest.raises(AerunError, match=r"p9\.parquet, row group 1: damaged"):
        read(pattern)


def test_a_row_group_is_read_a_few_columns_at_a_time(tmp_path, whole, monkeypatch):
    """And so are two that share the work, with what the folder's name adds; the table is the same."""
    from pyarrow import parquet

    place = tmp_path / "place=here"
    place.mkdir()
    parquet.write_table(pa.table(COLUMNS), place / "t.parquet", row_group_size=16)
    seen = []
    original = parquet.ParquetFile.iter_batches

    def iter_batches(self, rows, row_groups, columns):
        seen.append((row_groups[0], tuple(columns)))
        yield from original(self, rows, row_groups=row_groups, columns=columns)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", iter_batches)
    monkeypatch.setattr("aerun.formats.arrow_files._TOGETHER", 1)
    frame = read_tables("dataset.path", str(tmp_path), READING, Limits(1.0, tmp_path / "cache"))
    assert seen == [(group, (name,)) for group in (0, 1) for name in COLUMNS]
    assert list(frame.columns) == [*COLUMNS, "place"]
    assert frame.columns["place"].words == ("here",)
    assert len(frame.columns["place"]) == N
    assert {n: values for n, values in told(frame).items() if n != "place"} == whole


def test_chunks_are_read_once(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    x = np.arange(1000, dtype=np.float32).reshape(100, 10)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(16, 10))
    seen, original = [], h5py.Dataset.__getitem__

    def getitem(self, rows):
        seen.append((rows.start, rows.stop))
        return original(self, rows)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", getitem)
    monkeypatch.setattr("aerun.formats.copied._PIECE", 40 * 40)  # bytes of 40 rows: two chunks and a half
    array = read_array("x", tmp_path / "x.h5", "x", bounds=Limits(1.0, tmp_path / "cache"))
    assert is_mapped(array)
    np.testing.assert_array_equal(array, x)
    assert seen == [(0, 32), (32, 64), (64, 96), (96, 100)]


def test_records_that_are_none_are_named(tmp_path):
    path = tmp_path / "t.jsonl"
    for text, words in (
        ('{"a": 1}\n{"a": 2', "line 2: not JSON, or cut short"),
        ('{"a": 1}\n{"a": [1]}', r"line 2: 'a' holds a list.*drop=\[a\]"),
        ("[1, 2]", "record 1: is a number"),
        ('{"a": 1, "a": 2}', "the key 'a' stands there twice"),
    ):
        path.write_text(text)
        with pytest.raises(AerunError, match=words):
            read(str(path))


def test_folders_of_hive_are_columns_and_names_are_splits(tmp_path):
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        (tmp_path / f"year={year}" / "p.csv").write_text("x,y\n1,2\n3,5\n")
    assert read(str(tmp_path)).columns["year"].values.tolist() == [2023, 2023, 2024, 2024]
    assert splits_by_name("w", ["train-00000-of-00002.parquet", "Validation-00000-of-00001.parquet"]) == ["train", "val"]
    assert splits_by_name("w", ["a/train/1.csv", "a/test/1.csv"]) == ["train", "test"]
    assert splits_by_name("w", ["a.csv", "b.csv"]) is None
    with pytest.raises(AerunError, match=r"c\.csv is of none"):
        splits_by_name("w", ["train.csv", "test.csv", "c.csv"])


def test_what_huggingface_saves_is_read_with_names_of_classes(tmp_path):
    notes = {"info": {"features": {"y": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pa.table({"x": [1.0, 2.0], "y": [1, 0]}).replace_schema_metadata({"huggingface": json.dumps(notes)})
    with pa.OSFile(str(tmp_path / "data-00000-of-00001.arrow"), "wb") as out, pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    (tmp_path / "dataset_info.json").write_text("{}")
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert told(read(str(tmp_path))) == {"x": [1, 2], "y": ["dog", "cat"]}
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [*state["_data_files"], {"filename": "b.arrow"}]}))
    with pytest.raises(AerunError, match=r"b\.arrow, which state\.json lists, is missing"):
        read(str(tmp_path))


# -- arrays --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("name", ["x.npy.gz", "x.npy.zst", "x.npz", "packed.npz", "x.safetensors", "x.h5", "x.zarr", "x3.zarr"])
def test_arrays_are_the_same_in_every_container(tmp_path, name, limited):
    bounds = Limits(8, tmp_path / "cache") if limited else None
    x, path, key = G.normal(size=(20, 3)), tmp_path / name, "a/x"
    if ".npy" in name:
        np.save(tmp_path / "x.npy", x)
        data, key = (tmp_path / "x.npy").read_bytes(), None
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else zst(data))
    elif name.endswith(".npz"):
        (np.savez if name == "x.npz" else np.savez_compressed)(path, **{key: x, "other": np.arange(4)})
    elif name == "x.safetensors":
        save_file({key: x, "other": np.arange(4)}, path)
    elif name == "x.h5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            file.create_dataset(key, data=x, chunks=(7, 3), compression="gzip")
            file["other"] = np.arange(4)
    else:
        group = pytest.importorskip("zarr").open_group(str(path), mode="w", zarr_format=3 if name == "x3.zarr" else 2)
        group.create_array(key, data=x, chunks=(7, 3))
        group.create_array("other", data=np.arange(4))
    array = read_array("dataset.path", path, key, bounds=bounds)
    np.testing.assert_array_equal(array, x)
    assert is_mapped(array) == limited
    if key is not None:
        with pytest.raises(AerunError, match="holds 2 arrays"):
            read_array("dataset.path", path, None)
    elif not limited:
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(AerunError, match="truncated or damaged"):
            read_array("dataset.path", path, None)


# -- URLs ------------------------------------------------------------------------------------------------------------------


def test_a_url_is_fetched_once_and_again_where_it_changed(tmp_path, monkeypatch, caplog):
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("AERUN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "site").mkdir()
    source = tmp_path / "site" / "t.csv"
    source.write_text("x,y\n1,2\n3,4\n")
    with served(tmp_path / "site") as host:
        url = f"{host}/t.csv"
        assert told(read(url))["x"] == [1, 3]
        assert "fetched once" in caplog.text
        caplog.clear()
        assert told(read(url))["x"] == [1, 3]
        assert not caplog.text
        source.write_text("x,y\n1,2\n3,4\n5,6\n")
        assert told(read(url))["x"] == [1, 3, 5]
        assert "has changed" in caplog.text
        with pytest.raises(AerunError, match="there is no such file"):
            read(url.replace("t.csv", "u.csv"))
    assert told(read(url))["x"] == [1, 3, 5]
    assert "the copy of before is used" in caplog.text


def test_a_download_that_is_cut_is_refused_and_not_kept(tmp_path, monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("AERUN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "t.csv").write_text("x,y\n" + "1,2\n" * 1000)
    with served(tmp_path / "site", missing=500) as host, pytest.raises(AerunError) as e:
        read(f"{host}/t.csv")
    assert str(e.value).startswith(f"dataset.path={host}/t.csv: c")
    assert "\n" not in str(e.value)
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_a_folder_opens_no_url_by_itself():
    config = with_absolute_paths({"dataset": {"path": "https://h/x.csv"}})
    assert config["dataset"]["path"] == "https://h/x.csv"
    with pytest.raises(AerunError, match="opens no URL by itself"):
        with_data(config, None)
    assert with_data(config, "https://h/x.csv") == config


def test_a_registered_file_system_is_read_and_its_patterns_too(tmp_path, monkeypatch):
    """As s3 and gs are: fsspec lists what a pattern matches, and copies are kept. Here what it keeps in memory."""
    import fsspec

    monkeypatch.setenv("AERUN_CACHE", str(tmp_path / "cache"))
    elsewhere = fsspec.filesystem("memory")
    elsewhere.store.clear()
    for part in ("p1", "p2"):
        elsewhere.pipe(f"/parts/{part}.csv", b"x,y\n1,2\n3,4\n")
    assert told(read("memory://parts/*.csv"))["x"] == [1, 3, 1, 3]
    with pytest.raises(AerunError, match="no file matches this pattern"):
        read("memory://parts/*.parquet")
    with pytest.raises(AerunError, match=r"memory://parts: is a folder there; memory://parts/\* names its files"):
        read("memory://parts")
    with pytest.raises(AerunError, match=r"nothing:// is not known|needs a library"):
        read("nothing://bucket/x.csv")
    elsewhere.store.clear()


def test_a_silent_other_side_is_left_and_missing_credentials_are_named(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    library, goes_on = logging.getLogger("gcsfs"), threading.Event()

    class Silent(fsspec.get_filesystem_class("memory")):
        def info(self, path, **kwargs):
            library.error("out of retries")
            goes_on.wait(60)

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "gs", Silent)
    monkeypatch.setattr("aerun.formats.remote._PATIENCE", 0.3)
    monkeypatch.setattr("aerun.formats.remote._ADC", tmp_path / "none.json")
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "FSSPEC_GS_TOKEN", "FSSPEC_GCS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: pytest.fail("the library's own log"))
    library.addHandler(handler)
    try:
        words = r"gs://b/t.csv: cannot be fetched: no answer for 0.3 seconds. There are no credentials: GOOGLE_APPLICATION_"
        with pytest.raises(AerunError, match=words):
            read_tables("dataset.path", "gs://b/t.csv", READING, limits(None, None))
        (tmp_path / "none.json").write_text("{}")
        with pytest.raises(AerunError, match=r"0.3 seconds.$"):
            read_tables("dataset.path", "gs://b/t.csv", READING, limits(None, None))
    finally:
        goes_on.set()
        library.removeHandler(handler)


def test_s3_is_read_kept_and_refused_in_words(tmp_path, monkeypatch):
    """Against a server of moto's, where moto[s3,server] and aerun[s3] are installed."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    s3 = pytest.importorskip("s3fs").S3FileSystem
    server.start()
    try:
        own = {"AERUN_CACHE": str(tmp_path / "cache"), "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
               "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        s3.clear_instance_cache()
        elsewhere = s3()
        elsewhere.mkdir("parts")
        for part in ("p1", "p2"):
            elsewhere.pipe(f"parts/{part}.csv", b"x,y\n1,2\n3,4\n")
        assert told(read("s3://parts/*.csv"))["x"] == [1, 3, 1, 3]
        elsewhere.pipe("parts/p2.csv", b"x,y\n5,2\n6,4\n")
        assert told(read("s3://parts/*.csv"))["x"] == [1, 3, 5, 6]
        with pytest.raises(AerunError, match="no such file, or no such bucket"):
            read("s3://none/x.csv")
    finally:
        server.stop()
        s3.clear_instance_cache()


@pytest.mark.parametrize("dense", [False, True])
def test_an_annotated_matrix_is_its_variables_and_obs_travel(tmp_path, dense):
    anndata, pd, sparse = (pytest.importorskip(n) for n in ("anndata", "pandas", "scipy.sparse"))
    obs = pd.DataFrame({"t": pd.Categorical(["a", "b", "a"]), "q": [1, 2, 3]}, index=list("xyz"))
    x = np.eye(3) if dense else sparse.csr_matrix(np.eye(3))
    whole = anndata.AnnData(X=x, obs=obs, var=pd.DataFrame(index=["g1", "g2", "g3"]))
    whole.write_h5ad(tmp_path / "x.h5ad")
    frame = read(str(tmp_path / "x.h5ad"), Reading("auto", "auto", "utf-8", text=frozenset({"t"})))
    assert told(frame) == {"g1": [1, 0, 0], "g2": [0, 1, 0], "g3": [0, 0, 1], "t": ["a", "b", "a"]}
    assert {n: w.tolist() for n, w in frame.carried.items()} == {"obs_names": ["x", "y", "z"], "q": ["1", "2", "3"]}
    if not dense:
        with pytest.importorskip("h5py").File(tmp_path / "x.h5ad", "r+") as file:
            file["X/indices"][1] = 1 << 30
        with pytest.raises(AerunError, match="damaged: the sparse matrix X: indices must be < 3"):
            read(str(tmp_path / "x.h5ad"))
        whole.write_h5ad(tmp_path / "x.h5ad")
    (tmp_path / "x.h5ad").write_bytes((tmp_path / "x.h5ad").read_bytes()[:3000])
    with pytest.raises(AerunError, match="not an h5ad file, or damaged"):
        read(str(tmp_path / "x.h5ad"))


def test_a_run_of_several_files_ends_and_goes_on(tmp_path):
    written(tmp_path, ".csv")
    quick = ["trainer=smoke", "trainer.progress=false", "pictures=[]", "hydra.run.dir=run"]
    told_ = here(tmp_path, "dataset=table", "dataset.path=[p8.csv,p9.csv]", *quick)
    assert told_.code == 0, told_
    assert "aerun score run p8.csv p9.csv --top 10\n" in told_.out
    sizes = [{"name": n, "bytes": (tmp_path / n).stat().st_size} for n in ("p8.csv", "p9.csv")]
    files = {"count": 2, "bytes": sum(s["bytes"] for s in sizes), "first": sizes}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["data"]["files"] == files
    assert here(tmp_path, "resume", "run", "--epochs", "2").code == 0
    assert json.loads((tmp_path / "run" / "results.json").read_text())["status"] == "completed"
