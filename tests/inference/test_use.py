"""A run's folder in, an answer out: the verbs and `aerun.load` say the same, in the data's own units."""

import csv
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import aerun
from aerun.core.errors import AerunError
from tests.shell import here

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "use.md").read_text(encoding="utf-8")
QUICK = ("trainer=smoke", "trainer.progress=false", "pictures=[]")


def read(path):
    with path.open() as f:
        return list(csv.reader(f))


def records(path):
    with path.open() as f:
        return list(csv.DictReader(f))


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with runs and files; `work.run(NAME, OVERRIDES)` trains once."""
    return Work(tmp_path_factory.mktemp("use"))


class Work:
    def __init__(self, path):
        self.path = path
        rng = np.random.default_rng(0)
        np.save(path / "x.npy", rng.integers(0, 17, (40, 1, 8, 8)).astype(np.uint8))
        words = ["low", "high", "", "middle"]
        lines = [f"{rng.normal():.6g},{words[i % 4]},2024-01-{i % 28 + 1:02d},{i}" for i in range(120)]
        (path / "t.csv").write_text("\n".join(["a,level,day,b", *lines]) + "\n")

    @property
    def x(self):
        return np.load(self.path / "x.npy")

    def run(self, name, *overrides, **settings):
        if not (self.path / name).exists():
            aerun.train(*QUICK, *overrides, folder=self.path / name, **settings)
        return aerun.load(self.path / name)

    def __call__(self, *args):
        return here(self.path, *args)

    def done(self, *args):
        told = self(*args)
        assert told.code == 0, told.err
        return told


@pytest.fixture(scope="module")
def vae(work):
    return work.run("vae", model="vae")


# -- one answer, whoever asks ----------------------------------------------------------------------------------------


def test_verb_and_python_say_the_same(work, vae):
    work.done("encode", "vae", "x.npy", "--output", "z.npz")
    work.done("encode", "vae", "x.npy", "--output", "z.csv")
    z = vae.encode(work.x)
    np.testing.assert_array_equal(np.load(work.path / "z.npz")["z"], z)
    rows = read(work.path / "z.csv")
    assert rows[0] == [f"z{i + 1}" for i in range(8)]
    np.testing.assert_array_equal(np.array(rows[1:], dtype=np.float32), z)
    for codes in ("z.npz", "z.csv"):
        work.done("decode", "vae", codes, "--output", "back.npy")
        np.testing.assert_allclose(np.load(work.path / "back.npy"), vae.decode(z), atol=1e-5)


def test_score_is_the_squared_error_of_evaluation(work, vae):
    """The mean over elements, in the units the model works in; the threshold is that of validation scores."""
    x = torch.from_numpy(work.x).float() / 16
    expected = (vae.autoencoder(x) - x).double().square().flatten(1).mean(1)
    np.testing.assert_allclose(vae.score(work.x), expected, rtol=1e-5)
    np.testing.assert_allclose(vae.errors(work.x).reshape(40, -1).mean(1), expected, rtol=1e-5)
    work.done("score", "vae", "x.npy", "--alpha", "0.2", "--output", "s.csv")
    rows = records(work.path / "s.csv")
    np.testing.assert_allclose([float(r["score"]) for r in rows], vae.score(work.x), rtol=1e-7)
    limit = vae.threshold(0.2)
    assert float(rows[0]["threshold"]) == pytest.approx(limit)
    assert [r["anomaly"] for r in rows] == [str(int(s > limit)) for s in vae.score(work.x)]


def test_a_share_of_alarms_is_between_0_and_1(vae):
    with pytest.raises(AerunError, match="alpha=2"):
        vae.threshold(2)


def test_answers_come_as_samples_did(vae, work):
    x = work.x
    assert vae.reconstruct(x).dtype == np.uint8
    assert vae.reconstruct(x.astype(np.float32)).dtype == np.float32
    found = vae.reconstruct(torch.from_numpy(x))
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found, vae.reconstruct(x))
    np.testing.assert_array_equal(vae.encode(x[:, 0]), vae.encode(x))  # grey images without their channel
    assert vae.reconstruct(x).max() <= 16


def test_arrays_that_cannot_be_written_are_read(vae, work):
    x = work.x
    x.flags.writeable = False  # as those of idx files are
    np.testing.assert_array_equal(vae.encode(x), vae.encode(work.x))


def test_pieces_do_not_matter(work, vae, monkeypatch):
    """P: larger inputs are worked on in pieces; the answer is that of the whole."""
    whole = vae.score(work.x), vae.encode(work.x)
    monkeypatch.setattr(type(vae), "rows", 7)
    np.testing.assert_allclose(vae.score(work.x), whole[0], rtol=1e-6)
    np.testing.assert_allclose(vae.encode(work.x), whole[1], atol=1e-6)
    work.done("score", "vae", "x.npy", "--output", "pieces.npz", "--map")
    found = np.load(work.path / "pieces.npz")
    np.testing.assert_allclose(found["score"], whole[0], rtol=1e-6)
    assert found["errors"].shape == (40, 1, 8, 8)
    work.done("encode", "vae", "x.npy", "--output", "pieces.npy")
    np.testing.assert_allclose(np.load(work.path / "pieces.npy"), whole[1], atol=1e-6)


# -- codes -----------------------------------------------------------------------------------------------------------


def test_generate_follows_its_seed(vae):
    a, b = vae.generate(5, seed=3), vae.generate(5, seed=3)
    np.testing.assert_array_equal(a, b)
    assert a.shape == (5, 1, 8, 8)
    assert (vae.generate(5, seed=4) != a).any()
    before = torch.get_rng_state()
    vae.generate(2, sampler="gaussian")
    assert torch.equal(torch.get_rng_state(), before)  # whoever asks keeps a chance of their own


def test_gaussian_sampler_has_the_moments_of_codes_drawn_from_posteriors(vae, digits):
    """What the decoder saw in training: barely trained, units vary as the prior does, and their means do not."""
    from aerun.inference import codes

    z = codes.draw(vae, 4000, 0, "gaussian").numpy()
    with torch.no_grad():
        h = vae.autoencoder.arch.encode(vae.autoencoder.units(digits.train.x))
        train = vae.autoencoder.bottleneck(h)["posterior"].sample().numpy()
    scale = train.std(0)
    assert scale.min() > 0.8
    np.testing.assert_allclose(z.mean(0), train.mean(0), atol=0.15 * scale.max())
    np.testing.assert_allclose(z.std(0), scale, rtol=0.15)
    drawn = vae.training_codes.drawn
    assert (z >= drawn.low - 1e-6).all()
    assert (z <= drawn.high + 1e-6).all()


def test_interpolation_ends_in_reconstructions(work, vae):
    x = work.x.astype(np.float32)
    for way in ("linear", "spherical"):
        line = vae.interpolate(x[:3], x[3:6], steps=5, way=way)
        assert line.shape == (3, 5, 1, 8, 8)
        np.testing.assert_allclose(line[:, 0], vae.reconstruct(x[:3]), atol=1e-4)
        np.testing.assert_allclose(line[:, -1], vae.reconstruct(x[3:6]), atol=1e-4)


def test_traversal_moves_one_unit(work, vae):
    x = work.x.astype(np.float32)
    z = vae.encode(x[:2])
    moved = vae.traverse(x[:2], 3, [float(z[0, 3]), 9.0])
    np.testing.assert_allclose(moved[0, 0], vae.reconstruct(x[:1])[0], atol=1e-4)
    z[:, 3] = 9.0
    np.testing.assert_allclose(moved[:, 1], vae.decode(z).astype(np.float32), atol=1e-4)
    assert vae.traverse(x[:2], 0).shape == (2, 7, 1, 8, 8)
    with pytest.raises(AerunError, match="units 0 to 7"):
        vae.traverse(x[:2], 8)


def test_retrieval_finds_a_sample_itself(work, vae):
    places, far = vae.retrieve(work.x, work.x[5:9], k=3)
    assert places[:, 0].tolist() == [5, 6, 7, 8]
    assert far[:, 0].max() == 0
    z = vae.encode(work.x).astype(np.float64)
    np.testing.assert_allclose(far, np.sort(np.linalg.norm(z[5:9, None] - z[None], axis=2), axis=1)[:, :3], rtol=1e-6)
    work.done("retrieve", "vae", "x.npy", "--index", "x.npy", "--k", "3", "--output", "near.npz")
    np.testing.assert_array_equal(np.load(work.path / "near.npz")["place"][5:9], places)
    with pytest.raises(AerunError, match="k=41: the index holds 40"):
        vae.retrieve(work.x, work.x, k=41)


@pytest.mark.parametrize("more", [["model=ica"], ["model=conv"], ["model=recurrent", "dataset=text"]], ids=lambda m: m[0])
def test_every_layer_of_every_arch_has_features(work, more):
    model = work.run(f"layers_{more[0]}", *more)
    x = model.generate(5)
    assert all(len(model.features(x, layer)) == 5 for layer in model.layers)
    np.testing.assert_allclose(model.features(x, model.layers[-1]), model.encode(x), atol=1e-6)


def test_features_of_a_layer(work, vae):
    last = vae.features(work.x, vae.layers[-1])
    assert last.shape[0] == 40
    with pytest.raises(AerunError, match=r"layer=nope: one of encoder\.0"):
        vae.features(work.x, "nope")


# -- kinds of data ---------------------------------------------------------------------------------------------------


def test_inpainting_changes_the_hole_alone(work):
    model = work.run("holes", model="inpainting", **{"model__arch": "mlp"})
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:5, 3:6] = True
    filled = model.inpaint(work.x, mask)
    np.testing.assert_array_equal(filled[:, 0, ~mask], work.x[:, 0, ~mask])
    hidden = work.x.copy()
    hidden[:, 0, mask] = 0
    np.testing.assert_array_equal(model.inpaint(hidden, mask), np.where(mask, filled, hidden))  # what is hidden is not read
    np.save(work.path / "mask.npy", mask)
    work.done("inpaint", "holes", "x.npy", "--mask", "mask.npy", "--output", "whole.npz")
    np.testing.assert_array_equal(np.load(work.path / "whole.npz")["x"], filled)
    with pytest.raises(AerunError, match="nothing is hidden"):
        model.inpaint(work.x)


def elements(rows, model):
    """Of each row, how many elements of the model stem from cells that are there: a and day where the level is missing."""
    return np.array([model.facts.size if r["level"] else 2 for r in rows])


def test_tables_by_their_columns(work):
    model = work.run("table", f"dataset.path={work.path / 't.csv'}", dataset="table", dataset__drop=["b"])
    work.done("reconstruct", "table", "t.csv", "--output", "again.csv")
    rows = records(work.path / "again.csv")
    assert list(rows[0]) == ["b", "a", "level", "day"]  # what is dropped travels
    assert {r["level"] for r in rows} <= {"low", "high", "middle", ""}
    assert rows[0]["day"].startswith("20")
    table = records(work.path / "t.csv")
    columns = {k: [r[k] for r in table] for k in ("level", "day")} | {"a": [float(r["a"]) for r in table]}
    work.done("encode", "table", "t.csv", "--output", "tz.npy")
    np.testing.assert_allclose(np.load(work.path / "tz.npy"), model.encode(columns), atol=1e-6)
    assert model.errors(columns).shape == (120, 3)
    np.testing.assert_allclose(model.errors(columns).sum(1) / elements(table, model), model.score(columns), rtol=1e-5)
    again = model.reconstruct(columns)
    np.testing.assert_allclose(again["a"], [float(r["a"]) for r in rows], rtol=1e-6)
    with pytest.raises(AerunError, match="has no column 'level'"):
        model.encode({"a": [1.0], "day": ["2024-01-01"]})


def test_what_a_table_gives_has_the_names_of_its_columns(work):
    model = work.run("table", f"dataset.path={work.path / 't.csv'}", dataset="table", dataset__drop=["b"])
    work.done("encode", "table", "t.csv", "--output", "tz.csv")
    work.done("decode", "table", "tz.csv", "--output", "decoded.csv")
    work.done("reconstruct", "table", "t.csv", "--output", "again.csv")
    assert [r["level"] for r in records(work.path / "decoded.csv")] == [r["level"] for r in records(work.path / "again.csv")]
    work.done("generate", "table", "--count", "3", "--output", "new.csv")
    assert [*records(work.path / "new.csv")[0]] == ["a", "level", "day"]
    work.done("interpolate", "table", "t.csv", "t.csv", "--steps", "3", "--output", "between.npz")
    assert np.load(work.path / "between.npz")["level"].shape == (120, 3)
    work.done("score", "table", "t.csv", "--map", "--output", "scores.csv")
    rows = records(work.path / "scores.csv")
    sums = [sum(float(r[f"error_{k}"]) for k in ("a", "level", "day")) for r in rows]
    counts = elements(records(work.path / "t.csv"), model)
    np.testing.assert_allclose(np.array(sums) / counts, [float(r["score"]) for r in rows], rtol=1e-4)
    assert [int(r["missing"]) for r in rows] == [int(not r["level"]) for r in records(work.path / "t.csv")]


def test_heat_maps_show_where_the_error_is(work, vae):
    """P: images in grey under red, whose opacity is the root of the error over the largest of the sheet; 12 pixels for one."""
    work.done("score", "vae", "x.npy", "--map", "--output", "heat.png")
    page, errors = np.asarray(Image.open(work.path / "heat.png")).astype(float), vae.errors(work.x)[:, 0]
    highest = np.argsort(-vae.score(work.x), kind="stable")
    line, cell = 16, 96
    head = len(page) - 6 * (line + cell + 4)  # 40 images, 7 across
    assert head >= 2 * line  # what the colours mean
    for at, i in ((0, highest[0]), (8, highest[8])):
        down, left = head + at // 7 * (line + cell + 4) + line, 4 + at % 7 * (cell + 4)
        opacity = np.sqrt(errors[i] / errors.max())[..., None]
        wanted = work.x[i, 0][..., None] / 16 * 255 * (1 - opacity) + np.array([230, 30, 20]) * opacity
        np.testing.assert_allclose(page[down : down + cell : 12, left : left + cell : 12], wanted, atol=1.01)
    work.done("score", "vae", "x.npy", "--map", "--output", "maps.html")
    assert (work.path / "maps.html").read_text().count("<img") == 40


def test_csv_is_read_in_pieces(work, monkeypatch):
    from aerun.inference.model import Model

    work.run("table", f"dataset.path={work.path / 't.csv'}", dataset="table", dataset__drop=["b"])
    work.done("score", "table", "t.csv", "--output", "one.npz")
    monkeypatch.setattr(Model, "rows", 50)
    work.done("score", "table", "t.csv", "--output", "three.npz")
    one, three = np.load(work.path / "one.npz")["score"], np.load(work.path / "three.npz")["score"]
    np.testing.assert_allclose(three, one, rtol=1e-6)
    text = (work.path / "t.csv").read_text().splitlines()
    text[101] = "word,low,2024-01-01,3"
    (work.path / "bad.csv").write_text("\n".join(text) + "\n")
    told = work("score", "table", "bad.csv", "--output", "bad.npz")
    assert told.code == 2
    assert "from row 101 on" in told.err
    assert not list(work.path.glob("*bad.npz*"))  # nothing half-written, nothing left beside it


def test_text_is_lines(work):
    model = work.run("names", model="recurrent", dataset="text")
    found = model.reconstruct(["SMITH", "JONES"])
    assert [len(w) for w in found] == [5, 5]
    (work.path / "names.txt").write_text("SMITH\n\nJONES\n")
    work.done("reconstruct", "names", "names.txt", "--output", "again.txt")
    assert (work.path / "again.txt").read_text().splitlines() == found
    assert model.score(["SMITH"]).shape == (1,)
    with pytest.raises(AerunError, match="list of strings"):
        model.encode("SMITH")


def test_sequences_of_their_own_lengths(work):
    model = work.run("vowels", model="recurrent", dataset="japanese_vowels")
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(n, 12)).astype(np.float32) for n in (7, 20, 29)]
    found = model.reconstruct(series)
    assert [s.shape for s in found] == [(7, 12), (20, 12), (29, 12)]
    padded = np.full((3, 29, 12), np.nan, np.float32)
    for row, s in zip(padded, series, strict=True):
        row[: len(s)] = s
    np.testing.assert_allclose(model.encode(padded), model.encode(series), atol=1e-6)
    assert np.isnan(model.reconstruct(padded)[0, 7:]).all()
    expected = [np.square(a - b).mean() for a, b in zip(found, series, strict=True)]
    np.testing.assert_allclose(model.score(series), expected, rtol=1e-4)
    with pytest.raises(AerunError, match=r"sequence 1 is of shape \(30, 12\)"):
        model.encode([np.zeros((30, 12))])
    gap = series[1].copy()
    gap[3] = np.nan
    with pytest.raises(AerunError, match="sequence 1 has no steps, or missing values"):
        model.encode([gap])


def test_folders_of_pictures(work):
    folder = work.path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(20):
        Image.fromarray(rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)).save(folder / f"{i:02d}.png")
    model = work.run("images", f"dataset.path={folder}", dataset="images")
    x = np.stack([np.asarray(Image.open(f)) for f in sorted(folder.iterdir())])
    work.done("encode", "images", "pictures", "--output", "zi.csv")
    rows = records(work.path / "zi.csv")
    assert rows[3]["file"].endswith("03.png")
    np.testing.assert_allclose([float(r["z1"]) for r in rows], model.encode(x)[:, 0], atol=1e-6)  # colours last
    work.done("reconstruct", "images", "pictures", "--output", "made/")
    np.testing.assert_array_equal(
        np.asarray(Image.open(work.path / "made" / "000007.png")).transpose(2, 0, 1), model.reconstruct(x)[7]
    )
    work.done("reconstruct", "images", "pictures", "--output", "made.png")
    with Image.open(work.path / "made.png") as made:
        assert made.size == (5 * 13 - 1, 4 * 13 - 1)
    Image.new("RGB", (9, 9)).save(work.path / "small.png")
    told = work("encode", "images", "small.png", "--output", "q.npy")
    assert told.code == 2
    assert "--resize" in told.err
    work.done("encode", "images", "small.png", "--resize", "--output", "q.npy")


def test_a_sweep_is_its_best_run(work, vae):
    import json
    import shutil

    sweep = work.path / "sweep"
    for name, objective in (("a", 0.3), ("b", 0.1), ("c", 0.2)):
        shutil.copytree(work.path / "vae", sweep / name)
        results = json.loads((sweep / name / "results.json").read_text())
        (sweep / name / "results.json").write_text(json.dumps({**results, "objective": objective}))
    assert aerun.load(sweep).folder.path == sweep / "b"
    told = work("show", "sweep")
    assert told.code == 0, told.err
    assert "b" in told.out


# -- what is refused -------------------------------------------------------------------------------------------------

WRONG = {
    "shape": (np.zeros((3, 1, 9, 9), np.uint8), r"samples of shape \(3, 1, 9, 9\): this run was trained on \(n, 1, 8, 8\)"),
    "empty": (np.zeros((0, 1, 8, 8), np.uint8), "empty"),
    "range": (np.full((3, 1, 8, 8), 17, np.uint8), r"values span \[17, 17\]; this run was trained on \[0, 16\]"),
    "scaled": (np.random.default_rng(0).random((3, 1, 8, 8)), r"in units of its files"),
    "nan": (np.full((3, 1, 8, 8), np.nan), "sample 1 holds NaN"),
    "words": (np.array([["a"]]), "not numbers|numbers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_samples_are_refused_in_a_line(work, vae, name):
    x, words = WRONG[name]
    with pytest.raises(AerunError, match=words):
        vae.encode(x)
    np.save(work.path / "wrong.npy", x)
    for verb in ("encode", "reconstruct", "score"):
        told = work(verb, "vae", "wrong.npy", "--output", "never.npz")
        assert told.code == 2, told
        assert told.err.startswith("aerun: error: wrong.npy")
        assert told.err.count("\n") == 1
        assert not list(work.path.glob("*never*"))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("encode", "vae", "missing.npy", "--output", "never.npz"), "no such file"),
        (("encode", "missing", "x.npy", "--output", "never.npz"), "no such folder"),
        (("encode", "x.npy", "x.npy", "--output", "never.npz"), "a run is a folder"),
        (("encode", "vae", "x.npy", "--output", "never.foo"), "ends in .npz"),
        (("encode", "vae", "x.npy", "--output", "x.npy"), "is what is read"),
        (("encode", "vae", "x.npy", "--output", "nowhere/never.npz"), "no folder nowhere"),
        (("encode", "vae", "x.npy", "--output", "never.png"), "png holds images"),
        (("encode", "vae", "x.npy", "--output", "never.txt"), "txt holds text"),
        (("encode", "vae", "t.csv", "--output", "never.npz"), "reads images"),
        (("denoise", "vae", "x.npy", "--output", "never.npz"), "model/corruption=none"),
        (("inpaint", "vae", "x.npy", "--output", "never.npz"), "not trained to fill holes"),
        (("decode", "vae", "x.npy", "--output", "never.npz"), r"codes of shape"),
        (("generate", "vae", "--count", "0", "--output", "never.npz"), "--count 0: how many samples, from 1"),
        (("generate", "vae", "--count", "9999999999999", "--output", "never.png"), "generate: n=9,999,999,999,999: takes"),
        (("retrieve", "vae", "x.npy", "--index", "x.npy", "--k", "99", "--output", "never.npz"), "holds 40"),
    ],
)
def test_mistakes_are_one_line(work, vae, args, words):
    told = work(*args)
    assert told.code == 2, told
    assert words in told.err
    assert told.err.count("\n") == 1
    assert not list(work.path.glob("*never*"))


def test_a_verb_that_is_to_end_leaves_no_half_written_file(work, vae, monkeypatch):
    monkeypatch.setattr("aerun.inference.model.Model.generate", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    told = work("generate", "vae", "--output", "never.npz")
    assert (told.code, told.err) == (143, "aerun: terminated.\n")
    assert not list(work.path.glob("*never*"))
    assert not list(work.path.glob(".*never*"))


def test_weights_of_another_model_are_told_by_name(work, vae):
    shutil.copytree(vae.folder.path, work.path / "changed")
    config = work.path / "changed" / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("posterior: diagonal", "posterior: full"), encoding="utf-8")
    told = work("encode", "changed", "x.npy", "--output", "never.npz")
    assert told.code == 2
    assert "best.ckpt: are not the weights of the model that config.yaml asks for: arch.encoder." in told.err
    assert "weight has shape (16, " in told.err
    assert told.err.count("\n") == 1


def test_a_score_of_several_runs_is_explained_once_it_is_there(work, vae):
    work.run("other", model="vae", seed=1)
    told = work("score", "vae", "t.csv", "--with", "other", "--output", "never.csv")
    assert told.code == 2
    assert "p-values" not in told.err
    assert (
        "score: 1 less the mean of the p-values of 2 runs"
        in work.done("score", "vae", "x.npy", "--with", "other", "--output", "s.csv").err
    )


def test_positive_codes_are_said_to_be_so(work, caplog):
    model = work.run("positive", "model.bottleneck.posterior=gamma", model="vae")
    z = np.array([[-1.0] + 7 * [2.0], 8 * [2.0]])
    x = model.decode(z)
    assert "1 of 2 codes are moved to the nearest that this run can have: its codes are positive." in caplog.text
    np.testing.assert_array_equal(x, model.decode(np.where(z < 0, 1e-6, z)))


def test_every_verb_has_help_with_an_example(work):
    from aerun.inference.verbs import VERBS

    for word in (*VERBS, "show", "export"):
        told = work(word, "--help")
        assert told.code == 0
        assert f"example: aerun {word} outputs/runs/" in told.out


def test_in_memory_samples_and_settings(work):
    model = aerun.train(
        *QUICK,
        x=np.random.default_rng(0).normal(size=(60, 5)),
        folder=work.path / "memory",
        model="sparse",
        model__latent_dim=3,
    )
    assert model.code_shape == (3,)
    assert model.config["seed"] == 0
    assert model.results["status"] == "completed"
    with pytest.raises(AerunError, match="nearest: sparse"):
        aerun.train(model="spars", folder=work.path / "never")
    with pytest.raises(AerunError, match="not numbers"):
        aerun.train(x=np.array(["a"]), folder=work.path / "never")
    with pytest.raises(AerunError, match="one or the other"):
        aerun.train(x=np.zeros((9, 2)), dataset="wine", folder=work.path / "never")
    assert not (work.path / "never").exists()


def test_the_function_survives_its_module():
    import aerun.train

    assert callable(aerun.train)
    from aerun.train import train

    assert train is not aerun.train


# -- examples --------------------------------------------------------------------------------------------------------


def examples():
    """The lines of the guide's section, without their comments."""
    block = GUIDE.partition("<!-- use:begin -->")[2].partition("<!-- use:end -->")[0]
    return [line for line in block.splitlines() if line.startswith(("aerun ", "python "))]


def test_the_guide_shows_every_verb():
    from aerun.inference.verbs import VERBS

    shown = {shlex.split(line)[1] for line in examples() if line.startswith("aerun ")}
    assert shown >= {*VERBS, "show", "export"}


LONG = ("export", "cleaner", "filler", "keeper", "wider", "held")  # words of lines that train again, or take long


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_guides_lines_work_as_written(tmp_path, whole):
    """In their order, in one folder; only training is cut short."""
    for line in (line for line in examples() if whole or not any(word in line for word in LONG)):
        words = shlex.split(line, comments=True)
        if words[0] == "python":
            subprocess.run([sys.executable, *words[1:]], cwd=tmp_path, check=True)
            continue
        told = here(tmp_path, *words[1:], *(QUICK if "=" in words[1] else ()))
        assert told.code == 0, f"{line}\n{told.err}"
        if "--output" in words:
            assert (tmp_path / words[words.index("--output") + 1]).stat().st_size > 0, line
    small = aerun.load(tmp_path / "small")
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), small.reconstruct(np.load(tmp_path / "x.npy")))


def test_the_example_of_every_help_works(work, vae):
    """With RUN's name and files of those names."""
    from aerun.inference.verbs import VERBS

    folder = work.path / "examples"
    folder.mkdir()
    for name in ("samples", "noisy", "broken", "a", "b", "queries"):
        np.save(folder / f"{name}.npy", work.x)
    np.save(folder / "mask.npy", np.eye(8, dtype=bool))
    work.run("cleaner", "model=denoising"), work.run("holes", model="inpainting", **{"model__arch": "mlp"})
    runs = {"denoise": "cleaner", "inpaint": "holes"}
    for word, verb in VERBS.items():
        told = here(folder, word, str(work.path / runs.get(word, "vae")), *shlex.split(verb.example))
        assert told.code == 0, f"{word}: {told.err}"


def test_a_layer_from_the_command_line(work, vae):
    work.done("encode", "vae", "x.npy", "--layer", "encoder.2", "--output", "layer.npy")
    np.testing.assert_array_equal(np.load(work.path / "layer.npy"), vae.features(work.x, "encoder.2"))
    told = work("encode", "vae", "x.npy", "--layer", "encoder.99", "--output", "never.npy")
    assert told.code == 2
    assert "layer=encoder.99: one of encoder.0, encoder.1," in told.err
    assert told.err.count("\n") == 1
