"""What may be wrong with one's own data, kind by kind, as it is typed: one clear line and exit code 2, or a counted warning."""

import gzip
import io
import struct
import wave
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from aerun.dataset.base import validate_data
from tests.conftest import built
from tests.shell import here

G = np.random.default_rng(0)
X = G.normal(size=(40, 4)).astype(np.float32)


def csv(x=X, names="abcd", **columns):
    """A table's text; further columns by name."""
    rows = [[*map(str, row), *(str(c[i]) for c in columns.values())] for i, row in enumerate(x.tolist())]
    return "\n".join([",".join([*names, *columns]), *(",".join(r) for r in rows)]) + "\n"


def npy(x):
    file = io.BytesIO()
    np.save(file, x, allow_pickle=True)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def bomb():
    """An npz file of 0.1 MB that would unpack to 134 MB, (16777216, 1) numbers."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("x.npy", "w", force_zip64=True) as f:
        np.lib.format.write_array_header_1_0(f, {"descr": "<f8", "fortran_order": False, "shape": (1 << 24, 1)})
        for _ in range(8):
            f.write(bytes(1 << 24))
    return file.getvalue()


def idx(x, kind=8):
    return struct.pack(f">HBB{x.ndim}I", 0, kind, x.ndim, *x.shape) + x.tobytes()


def png(size=(8, 8), mode="L"):
    file = io.BytesIO()
    depth = {"L": (), "RGB": (3,)}[mode]
    Image.fromarray(G.integers(0, 255, (*size, *depth), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def wav(seconds=0.2, rate=8000):
    file = io.BytesIO()
    with wave.open(file, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(G.integers(-9999, 9999, int(seconds * rate), dtype=np.int16).tobytes())
    return file.getvalue()


def many(make, suffix, count=40, folders=("",), **others):
    """Files by name."""
    return {f"d/{folders[i % len(folders)]}/{i:03}{suffix}": make() for i in range(count)} | {
        f"d/{k}": v for k, v in others.items()
    }


LINES = "".join(f"line {i}\n" for i in range(40))
NAN, INF = X.copy(), X.copy()
NAN[3, 1], INF[3, 1] = np.nan, np.inf
BYTES = G.integers(0, 255, (40, 4, 4), dtype=np.uint8)
TS = "@classLabel true a b\n@data\n" + "".join("1,2,3:" + "ab"[i % 2] + "\n" for i in range(40))
FILE = {"table": "t.csv", "array": "x.npy", "images": "d", "audio": "d", "idx": "x.idx", "text": "t.txt", "series": "t.csv"}
AUDIO = ("length=800", "window=256", "hop=64", "mels=20")
TEXT = ("model/arch=recurrent", "model/loss=categorical")

# kind, files by name, settings, words of the answer; a path is FILE[kind] unless settings say another
CASES = {
    **{f"missing path: {k}": (k, {}, ("path=nowhere.csv",), ["nowhere.csv"]) for k in FILE},
    **{f"no path: {k}": (k, {}, ("path=null",), ["dataset.path"]) for k in FILE if k != "text"},
    **{f"empty file: {k}": (k, {FILE[k]: b""}, (), [FILE[k]]) for k in ("table", "array", "idx", "text", "series")},
    **{f"empty folder: {k}": (k, {"d/notes.md": b"hello"}, ("path=d",), ["path=d"]) for k in ("images", "audio", "series")},
    **{f"a folder: {k}": (k, {"d/notes.md": b"hello"}, ("path=d",), ["d"]) for k in ("table", "array", "idx", "text")},
    **{f"a file: {k}": (k, {"t.csv": csv()}, ("path=t.csv",), ["t.csv"]) for k in ("images", "audio")},
    **{f"wrong delimiter: {k}": (k, {"t.csv": csv()}, ("delimiter=;",), ["dataset.delimiter=;"]) for k in ("table", "series")},
    **{f"ragged rows: {k}": (k, {"t.csv": csv() + "1,2\n"}, (), ["t.csv", "line 42", "2 fields"]) for k in ("table", "series")},
    "ragged rows: ts": ("series", {"t.ts": TS + "1,2:1:a\n"}, ("path=t.ts",), ["t.ts", "line 43"]),
    **{
        f"text among numbers: {k}": (k, {"t.csv": csv() + "x,1,2,3\n"}, (), ["t.csv", "'a'", "row 41", "'x'"])
        for k in ("table", "series")
    },
    "a column of text": ("series", {"t.csv": csv(k=["u"] * 40)}, (), ["t.csv", "'k'", "row 1", "dataset.drop"]),
    **{f"text as numbers: {k}": (k, {"x.npy": npy(X.astype(str))}, ("path=x.npy",), ["x.npy"]) for k in ("array", "series")},
    "all missing: table": ("table", {"t.csv": csv(k=[""] * 40)}, (), ["t.csv", "'k'", "no value"]),
    "all missing: array": ("array", {"x.npy": npy(np.where(np.arange(4) == 1, np.nan, X))}, (), ["x.npy", "column 2"]),
    "all missing: series": ("series", {"t.csv": csv(k=[""] * 40)}, ("window=2",), ["t.csv", "'k'", "missing"]),
    "nan: series": ("series", {"t.csv": csv(NAN)}, ("window=2",), ["t.csv", "'b'", "row 4", "dataset.missing"]),
    "nan: images in an array": ("array", {"x.npy": npy(NAN.reshape(40, 2, 2))}, (), ["x.npy", "sample 4", "nan"]),
    "nan: idx": ("idx", {"x.idx": idx(NAN.astype(">f4"), 0x0D)}, (), ["x.idx", "sample 4"]),
    **{f"infinite: {k}": (k, {"t.csv": csv(INF)}, (), ["t.csv", "'b'", "row 4", "inf"]) for k in ("table", "series")},
    "infinite: array": ("array", {"x.npy": npy(INF)}, (), ["x.npy", "sample 4", "inf"]),
    "infinite: series in an array": ("series", {"x.npy": npy(INF)}, ("path=x.npy", "window=2"), ["x.npy", "(4, 2)"]),
    "infinite: idx": ("idx", {"x.idx": idx(INF.astype(">f4"), 0x0D)}, (), ["x.idx", "sample 4"]),
    "one sample: table": ("table", {"t.csv": csv(X[:1])}, (), ["t.csv", "1 row: too few"]),
    "one sample: array": ("array", {"x.npy": npy(X[:1])}, (), ["x.npy", "1 row: too few"]),
    "one sample: images": ("images", many(png, ".png", 1), (), ["path=d", "1 files leave none"]),
    "one sample: audio": ("audio", many(wav, ".wav", 1), AUDIO, ["path=d", "1 files leave none"]),
    "one sample: idx": ("idx", {"x.idx": idx(BYTES[:1])}, (), ["split is empty"]),
    "one sample: text": ("text", {"t.txt": "one\n"}, TEXT, ["t.txt", "1 lines"]),
    "one sample: series": ("series", {"t.csv": csv(X[:1])}, ("window=2",), ["t.csv"]),
    "one series": ("series", {"t.ts": TS.partition("@data")[0] + "@data\n1,2:a\n"}, ("path=t.ts",), ["t.ts"]),
    "a series without a class": ("series", {"t.ts": TS + "1,2:\n"}, ("path=t.ts",), ["t.ts", "series 41", "class"]),
    "a label for every sample: array": (
        "array", {"x.npz": npz(x=X, y=np.arange(40))}, ("path=x.npz", "key=x", "labels=y"), ["labels=y", "40 different values"]
    ),
    "a label for every sample: idx": (
        "idx", {"x.idx": idx(BYTES), "y.idx": idx(np.arange(40, dtype=np.uint8))}, ("labels=y.idx",), ["40 different values"]
    ),
    "no test sound is long enough": (
        "audio", many(wav, ".wav", 9, ("train",)) | {"d/test/x.wav": wav(0.01)}, AUDIO, ["path=d", "the test split is empty"]
    ),
    "most images corrupt": ("images", many(lambda: b"GIF89a", ".png"), ("size=8",), ["path=d", "not an image"]),
    "most sounds corrupt": ("audio", many(lambda: b"RIFF", ".wav"), AUDIO, ["path=d", "cannot be read", "000.wav"]),
    **{
        f"truncated npz: {k}": (k, {"x.npz": npz(x=X)[:-200]}, ("path=x.npz",), ["truncated"]) for k in ("array", "series")
    },
    "truncated npy": ("array", {"x.npy": npy(X)[:-8]}, (), ["x.npy"]),
    "truncated idx": ("idx", {"x.idx": idx(BYTES)[:-8]}, (), ["x.idx", "truncated"]),
    "truncated gz": ("table", {"t.csv.gz": gzip.compress(csv().encode())[:-9]}, ("path=t.csv.gz",), ["t.csv.gz", "truncated"]),
    **{
        f"objects: {k}": (k, {"x.npy": npy(np.array([{}] * 9, object))}, ("path=x.npy",), ["x.npy", "never loaded"])
        for k in ("array", "series")
    },
    **{
        f"objects in npz: {k}": (k, {"x.npz": npz(x=np.array([{}] * 9, object))}, ("path=x.npz",), ["x.npz", "never loaded"])
        for k in ("array", "series")
    },
    "a pickle": ("array", {"x.pkl": b"cos\nsystem\n"}, ("path=x.pkl",), ["x.pkl", ".npy, .npz"]),
    "huge dimensions: npy": ("array", {"x.npy": npy(X).replace(b"(40, 4)", b"(9**9,)"[:7])}, (), ["x.npy"]),
    "huge dimensions: idx": ("idx", {"x.idx": struct.pack(">HBB3I", 0, 8, 3, 1 << 31, 999, 999)}, (), ["x.idx", "more than"]),
    "huge image": ("images", many(png, ".png"), ("size=100000",), ["dataset.size=100000"]),
    "channels mixed": ("array", {"x.npz": npz(x=BYTES, t=G.random((9, 3, 4, 4)))}, ("path=x.npz", "key=x", "test_key=t"), []),
    "not UTF-8: table": ("table", {"t.csv": csv().encode() + b"\xff,1,2,3\n"}, (), ["t.csv", "line 42", "not utf-8"]),
    "not UTF-8: series": ("series", {"t.csv": csv().encode() + b"\xff,1,2,3\n"}, (), ["t.csv", "line 42", "not utf-8"]),
    "not UTF-8: text": ("text", {"t.txt": LINES.encode() + b"\xff\n"}, TEXT, ["t.txt", "line 41", "not UTF-8"]),
    **{f"names twice: {k}": (k, {"t.csv": csv(names="abca")}, (), ["t.csv", "named 'a'"]) for k in ("table", "series")},
    **{
        f"one class is normal: {k}": (k, {"t.csv": csv(y=[7] * 40)}, ("label=y", "normal=[7]", *more), ["every class"])
        for k, more in (("table", ()), ("series", ("window=2",)))
    },
    "one class is normal: array": (
        "array", {"x.npz": npz(x=X, y=np.zeros(40, int))}, ("path=x.npz", "key=x", "labels=y", "normal=[0]"), ["every class"]
    ),
    "no folders of classes": ("images", many(png, ".png"), ("normal=[good]",), ["dataset.normal", "has none"]),
    "nothing normal in validation": (
        "table", {"t.csv": csv(y=[1] * 39 + [0])}, ("label=y", "normal=[0]"), ["normal=[0]", "none of the 28 training samples"]
    ),
    "a split of one's own without test": ("table", {"t.csv": csv(s=["train"] * 40)}, ("split=s",), ["split=s", "says test"]),
    "no window is left": ("series", {"t.csv": csv()}, ("window=30",), ["training split, 28 steps", "dataset.window=30"]),
    "no sound is long enough": ("audio", many(wav, ".wav"), ("length=16000",), ["path=d", "shorter than dataset.length"]),
}  # fmt: skip


def put(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def asked(kind, settings):
    own = [s if s.startswith("model") else f"dataset.{s}" for s in settings]
    path = [] if any(s.startswith("path=") for s in settings) else [f"dataset.path={FILE[kind]}"]
    return [f"dataset={kind}", *path, *own, "model.latent_dim=2"]


def type_in(tmp_path, kind, files, settings):
    put(tmp_path, files)
    return here(tmp_path, *asked(kind, settings), "trainer=smoke")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_refused_in_one_line(tmp_path, case):
    kind, files, settings, words = CASES[case]
    told = type_in(tmp_path, kind, files, settings)
    lines = told.err.splitlines()
    assert told.code == 2, told.err + told.out
    assert lines[-1].startswith("aerun: error: "), told.err
    assert len([line for line in lines if line.startswith("aerun: error: ")]) == 1
    assert "Traceback" not in told.err
    assert len(lines[-1]) < 500
    for word in words:
        assert word in lines[-1], told.err


FINE = {
    "missing values: table": ("table", {"t.csv": csv(NAN)}, (), ""),
    "missing values: array": ("array", {"x.npy": npy(NAN)}, (), ""),
    "missing values: series": ("series", {"t.csv": csv(NAN)}, ("window=2", "missing=linear"), "1 missing values are filled in"),
    "one class: table": ("table", {"t.csv": csv(y=[7] * 40)}, ("label=y",), "every sample is of the class 7"),
    **{
        f"one class: {k}": (k, files, settings, "every sample is of the class")
        for k, files, settings in (
            ("array", {"x.npz": npz(x=X, y=np.zeros(40, int))}, ("path=x.npz", "key=x", "labels=y")),
            ("idx", {"x.idx": idx(BYTES), "y.idx": idx(np.zeros(40, np.uint8))}, ("labels=y.idx",)),
            ("series", {"t.ts": TS.replace(":b", ":a")}, ("path=t.ts",)),
        )
    },
    "a corrupt image": ("images", many(png, ".png", 200, **{"bad.png": b"GIF89a"}), (), "1 of 201 images"),
    "a corrupt image, name not UTF-8": ("images", many(png, ".png", 200, **{"b\udcff.png": b"x"}), (), r"b\udcff.png (not an"),
    "a corrupt sound": ("audio", many(wav, ".wav", 200, **{"bad.wav": b"RIFF"}), AUDIO, "1 of 201 sound files"),
    "sizes mixed": ("images", many(png, ".png", 30, **{"big.png": png((9, 9))}), (), "sizes differ (8 x 8, 9 x 9)"),
    "colours mixed": ("images", many(png, ".png", 20, **{"red.png": png(mode="RGB")}), (), ""),
    **{
        f"fewer samples than a batch: {k}": (k, files, settings, "")
        for k, files, settings in (
            ("table", {"t.csv": csv(X[:9])}, ()),
            ("array", {"x.npy": npy(X[:9])}, ()),
            ("images", many(png, ".png", 9), ()),
            ("audio", many(wav, ".wav", 9), AUDIO),
            ("idx", {"x.idx": idx(BYTES[:9])}, ()),
            ("text", {"t.txt": LINES[: 9 * 7]}, TEXT),
            ("series", {"t.csv": csv()}, ("window=2",)),
        )
    },
}  # fmt: skip


TRAINED = ("a corrupt image", "fewer samples than a batch: images")


@pytest.mark.parametrize("case", TRAINED)
def test_gone_on_with_and_told(tmp_path, case):
    kind, files, settings, words = FINE[case]
    told = type_in(tmp_path, kind, files, settings)
    assert told.code == 0, told.err
    assert words in told.out


@pytest.mark.parametrize("case", [case for case in FINE if case not in TRAINED])
def test_loaded_as_for_a_run_and_told(tmp_path, monkeypatch, caplog, case):
    kind, files, settings, words = FINE[case]
    put(tmp_path, files)
    monkeypatch.chdir(tmp_path)
    plan = built(*asked(kind, settings))
    data = validate_data(plan.dataset.load(), plan.facts, kind)
    plan.autoencoder.start_from(data.train.x)
    assert torch.isfinite(plan.autoencoder(plan.autoencoder.units(data.test.x))).all()
    assert words in caplog.text


def test_a_packed_file_is_not_unpacked_where_it_would_not_fit(tmp_path, monkeypatch):
    """Neither in memory nor on the disk."""
    monkeypatch.setenv("AERUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("aerun.core.cache.shutil.disk_usage", lambda folder: SimpleNamespace(free=100_000_000))
    told = type_in(tmp_path, "array", {"x.npz": bomb()}, ("path=x.npz", "memory=0.01"))
    assert told.code == 2
    assert "x.npz: its values take 0.134 GB, and" in told.err
    assert not list((tmp_path / "cache").rglob("*.npy"))
