"""The guide to one's own data: every command reads files of the kind that its row of the table names."""

import gzip
import json
import shlex
import zipfile

import numpy as np
import pytest

from tests.conftest import built
from tests.docs.pages import PAGES, pasted
from tests.served import served

COMMANDS = sorted(set(pasted(PAGES["docs/guides/data.md"].read_text(encoding="utf-8"))))
G = np.random.default_rng(0)
X = G.normal(size=(60, 4))
ROWS = [f"{60 + i},{x[0]:.4f},{x[1]:.4f}\n" for i, x in enumerate(X)]
TABLE = "amount,a,b\n" + "".join(ROWS)


def images(folder):
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for i in range(30):
        Image.fromarray(G.integers(0, 256, (8, 8), np.uint8)).save(folder / f"{i}.png")


def archive(work):
    images(work / "in")
    with zipfile.ZipFile(work / "x.zip", "w") as packed:
        for path in (work / "in").iterdir():
            packed.write(path, path.name)


def parts(work):
    (work / "parts").mkdir()
    for i in range(2):
        (work / "parts" / f"{i}.csv").write_text("amount,a,b\n" + "".join(ROWS[i::2]))


def in_parquet(work):
    pa, parquet = (pytest.importorskip(n) for n in ("pyarrow", "pyarrow.parquet"))
    (work / "parts").mkdir()
    parquet.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), work / "parts" / "0.parquet")


def saved(work, columns, features):
    """What HuggingFace's save_to_disk leaves: Arrow's stream format, and three files about it."""
    pa = pytest.importorskip("pyarrow")
    notes = {b"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table(columns).replace_schema_metadata(notes)
    (work / "saved").mkdir()
    with pa.OSFile(str(work / "saved" / "data.arrow"), "wb") as out, pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    (work / "saved" / "dataset_info.json").write_text("{}")
    (work / "saved" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))


def saved_images(work):
    images(work / "in")
    cells = [{"bytes": p.read_bytes(), "path": p.name} for p in (work / "in").iterdir()]
    saved(work, {"image": cells}, {"image": {"_type": "Image"}})


def matrix(work):
    anndata, pd = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    obs = pd.DataFrame({"cell_type": pd.Categorical(list("ab") * 30)}, index=[f"c{i}" for i in range(60)])
    var = pd.DataFrame(index=[f"g{i}" for i in range(4)])
    anndata.AnnData(X=X, obs=obs, var=var).write_h5ad(work / "x.h5ad")  # dense


def hierarchy(work):
    with pytest.importorskip("h5py").File(work / "x.h5", "w") as file:
        file["group/x"] = X


def sharded(work):
    for i in range(3):
        np.save(work / f"x{i}.npy", X[20 * i : 20 * i + 20])
        np.save(work / f"y{i}.npy", np.arange(20) % 2)


def sounds(work):
    soundfile = pytest.importorskip("soundfile")
    (work / "DIR").mkdir()
    for i in range(12):
        soundfile.write(work / "DIR" / f"{i}.wav", G.uniform(-0.5, 0.5, 16_000), 16_000)


def idx(work):
    (work / "FILE").write_bytes(b"\0\0\x08\x03" + np.array([60, 8, 8], ">i4").tobytes() + G.bytes(60 * 64))


def text(work):
    (work / "FILE").write_text("".join(f"line {i} of words\n" for i in range(60)))


def recordings(work):
    for i in range(12):
        (work / f"rec{i}.csv").write_text("a,b\n" + "".join(f"{x[0]:.4f},{x[1]:.4f}\n" for x in G.normal(size=(30, 2))))


def csv_at(name):
    return lambda work: (work / name).write_text(TABLE)


def steps(work):
    with (work / "FILE.csv").open("w") as file:
        file.write("a,b\n" + "".join(f"{x[0]:.4f},{x[1]:.4f}\n" for x in G.normal(size=(600, 2))))


MADE = {
    ("images", "DIR"): lambda work: images(work / "DIR"),
    ("images", "x.zip"): archive,
    ("images", "[cats,dogs]"): lambda work: [images(work / n) for n in ("cats", "dogs")],
    ("images", "saved"): saved_images,
    ("table", "x.csv"): csv_at("x.csv"),
    ("table", "FILE"): csv_at("FILE.csv"),
    ("table", "parts/*.csv"): parts,
    ("table", "[a.csv,b.csv]"): lambda work: [csv_at(n)(work) for n in ("a.csv", "b.csv")],
    ("table", "parts"): in_parquet,
    ("table", "x.jsonl"): lambda work: (work / "x.jsonl").write_text("".join(f'{{"a": {a}, "b": {b}}}\n' for a, b, *_ in X)),
    ("table", "x.csv.gz"): lambda work: (work / "x.csv.gz").write_bytes(gzip.compress(TABLE.encode())),
    ("table", "x.h5ad"): matrix,
    ("table", "saved"): lambda work: saved(work, {"a": X[:, 0], "b": X[:, 1]}, {}),
    ("table", "https://host/x.csv"): csv_at("x.csv"),
    ("array", "x.npy"): lambda work: np.save(work / "x.npy", X),
    ("array", "x.npy.gz"): lambda work: (np.save(work / "x.npy", X), (work / "x.npy.gz").write_bytes(
        gzip.compress((work / "x.npy").read_bytes()))),
    ("array", "x.h5"): hierarchy,
    ("array", "x*.npy"): sharded,
    ("idx", "FILE"): idx,
    ("series", "FILE"): steps,
    ("series", "rec*.csv"): recordings,
    ("text", "FILE"): text,
    ("audio", "DIR"): sounds,
}  # fmt: skip
HAS_ENDING = {("table", "FILE"): "FILE.csv", ("series", "FILE"): "FILE.csv"}


def test_the_guide_has_commands():
    assert len(COMMANDS) >= 22


@pytest.mark.parametrize("typed", COMMANDS)
def test_a_command_of_the_guide_reads_its_kind_of_file(typed, tmp_path, monkeypatch):
    words = [w for w in shlex.split(typed)[1:] if w.startswith("dataset")]
    option, path = (next(w.partition("=")[2] for w in words if w.startswith(key)) for key in ("dataset=", "dataset.path="))
    if path == "...":
        return
    MADE[option, path](tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AERUN_CACHE", str(tmp_path / "cache"))
    with served(tmp_path) as host:
        path = HAS_ENDING.get((option, path), path).replace("https://host", host)
        quoted = path if path.startswith("[") else repr(path)
        own = [f"dataset.path={quoted}" if w.startswith("dataset.path=") else w for w in words]
        own += ["dataset.window=20"] if option == "series" else []  # the samples of a file without breaks
        data = built(*own).dataset.load()
    assert len(data.train.x)
    assert len(data.test.x)
