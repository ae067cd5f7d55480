"""Models in Python: in one line, as a card, drawn, equal once loaded; frames in and frames out."""

import builtins
import re
import subprocess
import sys
from xml.dom import minidom

import numpy as np
import pytest

import aerun
from aerun.core.errors import AerunError
from aerun.inference.card import page, svg

pandas = pytest.importorskip("pandas")


def mixed(n=60):
    g = np.random.default_rng(0)
    frame = {
        "size": g.normal(size=n),
        "count": pandas.array([None if i % 9 == 0 else i for i in range(n)], dtype="Int64"),
        "grade": pandas.Categorical(g.choice([1, 2, 3], n)),
        "when": pandas.date_range("2024-01-01", periods=n, tz="Europe/Berlin"),
        "ok": g.random(n) < 0.5,
    }
    return pandas.DataFrame(frame).set_axis([f"<r{i}>" for i in range(n)])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A model of a frame, trained with holes."""
    place = tmp_path_factory.mktemp("looks") / "<run>"
    short = ["trainer.max_epochs=3", "trainer.progress=false", "pictures=[]", "model.latent_dim=2"]
    return aerun.train(*short, x=mixed(), model="inpainting", model__arch="mlp", model__corruption="masking", folder=place)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Models of images and of series, and samples of each."""
    g, place = np.random.default_rng(0), tmp_path_factory.mktemp("others")
    short = ["trainer.max_epochs=2", "trainer.progress=false", "pictures=[]"]
    lines = ["a red fox", "a dog", "the cat", "one red ox"[:9]] * 12
    (place / "lines.txt").write_text("\n".join(lines))
    words = ["dataset=text", f"dataset.path={place / 'lines.txt'}", "model.latent_dim=2"]
    images = (g.random((40, 8, 8)) * 255).astype(np.uint8)
    waves = np.sin(np.arange(1200)).reshape(40, 30, 1)
    return {
        "image": (aerun.train(*short, "regularizer=nested", x=images, folder=place / "a", model__latent_dim=4), images),
        "text": (aerun.train(*short, *words, folder=place / "c"), lines),
        "series": (aerun.train(*short, x=waves, folder=place / "b", dataset__kind="sequence", model__latent_dim=1), waves),
    }


def test_one_line_says_recipe_data_code_and_main_figure(table, others):
    assert re.match(r"<aerun\.Model inpainting: X \(60 x 5\) in memory -> code of 2, \S+ [\d.e+-]+", repr(table))
    assert "X (40 x 8 x 8) in memory, images of 1 x 8 x 8 -> code of 4, test/se " in repr(others["image"][0])
    assert "text lines.txt, text of 9 at most -> code of 2" in repr(others["text"][0])
    assert "X (60 x 5) in memory" in table._repr_html_()
    shown = [table, table.folder, table.history, table.calibration, table.training_codes]
    assert not any(" object at 0x" in repr(o) or "\n" in repr(o) for o in shown)


def test_cards_are_escaped_small_and_whole(table):
    for html in (table._repr_html_(), table.history._repr_html_(), page("<b>", [("&", "<i>")], said="<script>")):
        assert len(html) < 8000
        assert not re.search(r"<(script|run|i)>", html)
        minidom.parseString(html.replace("&#9644;", "-"))
    assert table.results["verdict"].split()[0] in table._repr_html_()
    assert "<polyline" in table._repr_html_()


def test_a_curve_of_nothing_is_nothing_and_gaps_are_left_out():
    assert svg({}) == svg({"a": np.array([np.nan])}) == ""
    assert "log scale" in svg({"a": np.array([100.0, np.inf, 1.0])})
    assert svg({"a": np.array([1.0])}).count("<circle") == 1
    assert len(svg({"a": np.linspace(1, 2, 10**5)})) < 5000


def test_what_is_loaded_is_equal(table, others):
    again = aerun.load(table.folder)
    assert again == table
    assert hash(again) == hash(table)
    assert table != others["image"][0]
    assert table != "a model"
    pandas.testing.assert_frame_equal(again.generate(3), table.generate(3))


def test_the_history_is_that_of_metrics_csv(table):
    history = pandas.DataFrame(table.history)
    pandas.testing.assert_frame_equal(history, pandas.read_csv(table.folder.path / "metrics.csv"), check_dtype=False)
    assert table.history.best == table.results["best_epoch"]
    with pytest.raises(AerunError, match=r"no figure val/los; did you mean|no figure val/los"):
        table.history.plot("val/los")


def test_plots_are_figures(table, others):
    from matplotlib.figure import Figure

    frame, (image, images), (series, waves) = mixed(), others["image"], others["series"]
    axes = Figure().subplots()
    drawn = [
        table.plot(),
        table.plot("codes", frame, labels=frame["grade"]),
        table.plot("reconstructions", frame),
        image.plot("codes", images, labels=np.arange(40) / 7),
        image.plot("reconstructions", images, samples=3),
        series.plot("codes", waves, labels=["a", "b"] * 20),
        series.plot("reconstructions", waves),
        table.history.plot("val/mse", ax=axes),
    ]
    assert all(isinstance(figure, Figure) for figure in drawn)
    assert drawn[-1] is axes.figure
    assert drawn[0]._repr_png_().startswith(b"\x89PNG")
    assert "PCA of 4-number codes" in drawn[3].axes[0].get_title()
    rows = [ax.get_ylabel() for ax in drawn[4].axes if ax.get_ylabel()]
    assert rows == ["input", "first 1", "first 2", "all", "error"]
    assert len(drawn[4].axes) == 3 * len(rows)
    assert {t.get_text() for t in drawn[2].axes[0].get_yticklabels()} == set(frame)
    widths = sorted(bar.get_width() for bar in drawn[2].axes[0].patches)
    np.testing.assert_allclose(widths, sorted(table.errors(frame).to_numpy(np.float64).mean(0)), rtol=1e-3)


def test_text_is_drawn_with_what_differs(others):
    model, lines = others["text"]
    figure = model.plot("reconstructions", lines, samples=4)
    again = model.reconstruct(lines[:4])
    wrong = sum(a != b for one, two in zip(lines[:4], again, strict=True) for a, b in zip(one, two, strict=True))
    letters = sum(map(len, lines[:4]))
    assert figure._suptitle.get_text() == f"{wrong} of {letters} letters of these reconstructions differ (orange)"
    drawn = [t for t in figure.axes[0].texts if t.get_text() not in ("input", "reconstruction")]
    assert "".join(t.get_text() for t in drawn if t.get_position()[1] % 3 == 0) == "".join(lines[:4])
    assert sum(t.get_color() not in ("black", ".15") for t in drawn) == wrong > 0
    assert model.plot("codes", lines).axes[0].get_xlabel() == "z1"


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ({"what": "code"}, "codes"),
        ({"what": mixed(3)}, r"first what is drawn, then the samples: plot\('reconstructions', x\)"),
        ({"what": "codes"}, r"plot\('codes', x\)"),
        ({"what": "codes", "x": 7, "labels": [1]}, "1 labels for 7 samples"),
        ({"what": "reconstructions", "x": 7, "samples": 0}, "samples=0"),
    ],
)
def test_what_cannot_be_drawn_is_said(table, ask, words):
    with pytest.raises(AerunError, match=words):
        table.plot(**{**ask, **({"x": mixed(ask["x"])} if "x" in ask else {})})


def test_without_matplotlib_one_line_says_what_to_install(table, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError("no matplotlib", name="matplotlib")
        return real(name, *rest)

    for name in [n for n in sys.modules if n == "aerun.inference.drawing"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("aerun.inference.drawing", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AerunError, match="pip install matplotlib"):
        table.plot()


def test_importing_aerun_imports_none_of_what_only_some_need():
    heavy = "{'matplotlib', 'pandas', 'sklearn', 'torch'}"
    code = f"import sys, aerun; assert not {heavy} & set(sys.modules), sorted({heavy} & set(sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_frames_come_back_as_frames(table):
    frame = mixed()
    again = table.reconstruct(frame)
    assert list(again.columns) == list(frame.columns)
    for answer in (again, table.encode(frame), table.score(frame), table.errors(frame), table.p_values(frame)):
        assert answer.index.equals(frame.index)
    assert str(again["when"].dtype.tz) == "Europe/Berlin"
    assert again["ok"].dtype == bool
    assert again["grade"].cat.categories.dtype == np.int64
    assert list(table.encode(frame)) == ["z1", "z2"]
    assert table.score(frame).name == "score"
    assert table.decode(table.encode(frame)).index.equals(frame.index)
    columns = {name: frame[name].to_numpy() for name in frame}
    assert isinstance(table.score(columns), np.ndarray), "columns that are no frame are answered by arrays"
    np.testing.assert_array_equal(table.score(columns), table.score(frame))


def test_what_was_there_stays_as_it_was_when_gaps_are_filled(table):
    frame = mixed().convert_dtypes(convert_string=False).astype({"size": float})
    frame["size"] = np.pi * frame["size"]
    filled = table.inpaint(frame)
    present = frame["count"].notna()
    assert filled.index.equals(frame.index)
    assert filled["count"].notna().all()
    np.testing.assert_array_equal(filled["size"], frame["size"], "all digits are kept")
    np.testing.assert_array_equal(filled.loc[present, "count"], frame.loc[present, "count"].astype(float))
    assert (filled["when"] == frame["when"]).all()


def test_frames_of_other_libraries_too(table):
    polars, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    frame = mixed().reset_index(drop=True)
    whole = table.reconstruct(frame)
    for other in (polars.from_pandas(frame), pa.Table.from_pandas(frame)):
        answer = table.reconstruct(other)
        assert type(answer) is type(other)
        np.testing.assert_array_equal(np.asarray(answer["size"]), whole["size"])
        np.testing.assert_array_equal(np.asarray(table.score(other)), table.score(frame))
        assert np.asarray(answer["ok"]).tolist() == whole["ok"].tolist()


def test_columns_named_by_numbers_keep_their_names(tmp_path):
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(40, 3)))
    model = aerun.train("trainer=smoke", "pictures=[]", x=frame, folder=tmp_path / "run")
    assert list(model.reconstruct(frame).columns) == [0, 1, 2]
    assert list(model.generate(2).columns) == [0, 1, 2]
    assert model.encode(frame).shape == (40, model.code_shape[0])


def test_a_keyword_of_another_name_is_told_as_a_keyword():
    with pytest.raises(AerunError, match=r"aerun calls it model\.latent_dim.* In Python: model__latent_dim="):
        aerun.train(latent_dim=2)
