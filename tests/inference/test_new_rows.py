"""New rows at a run of a table: read as the run read its own, whatever holds them, and what is unusual in them is told."""

import csv
import json
from datetime import datetime, timedelta

import numpy as np
import pytest
import torch

import aerun
from aerun.api import in_memory
from aerun.core.errors import AerunError
from aerun.inference.notes import rule_of
from aerun.preparation.base import Unchanged
from aerun.preparation.columns import Columns, Feature
from tests.conftest import built
from tests.shell import here

N = 90


def rows(seed, n=N):
    """Decimal commas, percent, dates with the day first, truth values, words, and gaps."""
    g = np.random.default_rng(seed)
    return {
        "Length (cm)": [round(float(v), 3) for v in g.normal(5, 1, n)],
        "share": [float(v) / 100 for v in g.integers(0, 100, n)],
        "day": [datetime(2024, 1, 1) + timedelta(days=int(d)) for d in g.integers(0, 300, n)],
        "ok": [bool(b) for b in g.integers(0, 2, n)],
        "kind": [None if i % 6 == 0 else ["yes", "1e3", "no"][int(g.integers(3))] for i in range(n)],
        "code": [float(c) for c in g.integers(1, 4, n)],
    }


def as_csv(path, table):
    lines = [";".join(table)]
    for size, share, day, ok, kind, code, *others in zip(*table.values(), strict=True):
        number = "" if size is None else str(size).replace(".", ",")
        percent = "" if share is None else f"{share * 100:.0f}%"
        lines.append(f"{number};{percent};{day:%d/%m/%Y};{ok};{kind or ''};{code:.0f}{''.join(f';{o}' for o in others)}")
    path.write_text("\n".join(lines) + "\n")
    return path


TINY = ("trainer=smoke", "trainer.progress=false", "pictures=[]", "model.latent_dim=2", "model.arch.hidden=[8]")
SETTINGS = ("dataset=table", "dataset.categorical=[code,kind]", "dataset.dates=dmy", *TINY)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    as_csv(folder / "t.csv", rows(0))
    for name, more in (
        ("run", ()),
        ("holes", ("model=denoising", "model/corruption=masking")),
        ("minmax", ("dataset.prepare=minmax",)),
        ("keep", ("dataset.missing=keep",)),
    ):
        aerun.train(*SETTINGS, f"dataset.path={folder / 't.csv'}", *more, folder=folder / name)
    return folder


@pytest.fixture(scope="module")
def model(place):
    return aerun.load(place / "run")


def records(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def files(folder, table):
    """The same rows in every container of files."""
    openpyxl, pa = pytest.importorskip("openpyxl"), pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    book = openpyxl.Workbook()
    for row in [list(table), *zip(*table.values(), strict=True)]:
        book.active.append(list(row))
    book.save(folder / "new.xlsx")
    arrow = pa.table({k: pa.array(v).dictionary_encode() if k == "kind" else pa.array(v) for k, v in table.items()})
    parquet.write_table(arrow, folder / "new.parquet")
    feather.write_feather(arrow, folder / "new.feather")
    return [as_csv(folder / "new.csv", table), *(folder / f"new.{s}" for s in ("xlsx", "parquet", "feather"))]


@pytest.mark.parametrize("verb", ["score", "encode", "reconstruct"])
def test_the_same_rows_give_the_same_answer_in_every_container(place, model, verb):
    table = rows(1, 12)
    table["share"][3] = table["Length (cm)"][5] = None
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    wanted = getattr(model, verb)(table)
    for frame in (pandas.DataFrame(table), pandas.DataFrame(table).convert_dtypes(), polars.DataFrame(table)):
        answer = getattr(model, verb)(frame)
        _same(answer, wanted)
        if verb == "reconstruct":
            assert np.asarray(answer["day"]).dtype.kind == "M"
    answers = []
    for path in files(place, table):
        told = here(place, verb, "run", path.name, "--output", "out.csv")
        assert told.code == 0, told.err
        answers.append((place / "out.csv").read_text())
    assert len(set(answers)) == 1
    assert len(records(place / "out.csv")) == 12


VERBS = {
    "denoise": ("holes", ()),
    "inpaint": ("holes", ()),
    "traverse": ("run", ("--unit", "0")),
    "interpolate": ("run", ("--steps", "3")),
    "retrieve": ("run", ("--k", "2")),
    "compress": ("run", ()),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_takes_files_takes_every_container(place, verb):
    run, flags = VERBS[verb]
    table = rows(2, 8)
    table["share"][3] = None
    answers = []
    for path in files(place, table):
        again = {"interpolate": (path.name,), "retrieve": ("--index", path.name)}.get(verb, ())
        output = "out.aez" if verb == "compress" else "out.csv"
        told = here(place, verb, run, path.name, *again, *flags, "--output", output)
        assert told.code == 0, told.err
        assert ("filled in by the model" in told.err) == (verb == "inpaint")
        answers.append((place / output).read_bytes())
    assert len(set(answers)) == 1


def known(*overrides):
    """Everything that a run knows of its data: facts, features, classes, and the rows of its splits."""
    dataset = built(*SETTINGS[:3], *overrides).dataset
    data = dataset.load()
    kinds = [(d.name, d.kind, d.missing, d.distinct) for d in dataset.decisions()]
    ranges = dataset.stored_reading()["ranges"]
    return (
        dataset.facts(),
        dataset.known.features,
        kinds,
        ranges,
        [part.x.tolist() for part in (data.train, data.val, data.test)],
    )


def test_a_table_gives_equal_facts_from_every_container(place):
    table = rows(3, 40) | {"zip": ["01", "2", "03", "40"] * 10}
    table["share"][3] = table["Length (cm)"][5] = None
    paths = [f"dataset.path={path}" for path in files(place, table)]
    wanted = known(paths[0])
    assert [kind for _, kind, *_ in wanted[2]] == ["number", "number", "date", *["category"] * 4]
    for path in paths[1:]:
        assert str(known(path)) == str(wanted)  # in which a missing cell is nan
    for made in (pytest.importorskip("pandas").DataFrame, pytest.importorskip("polars").DataFrame, dict):
        assert str(known(*in_memory(made(table), place / made.__module__))) == str(wanted)


def _same(a, b):
    """Hold an answer against that of plain columns, whose dates, truth values and codes are words; a frame's have its types."""
    if isinstance(b, dict):
        for name in b:
            np.testing.assert_array_equal(*(_plain(np.asarray(answer[name])) for answer in (a, b)))
    else:
        np.testing.assert_array_equal(a, b)


def _plain(values):
    """Dates as moments, which words give in UTC and frames without a zone as those of its columns; all else as words."""
    if values.dtype.kind == "f" or values.dtype.kind == "M":
        return values
    try:
        return np.array([datetime.fromisoformat(w).replace(tzinfo=None) for w in values], dtype="datetime64[us]")
    except (TypeError, ValueError):
        return values.astype(str)


def test_what_is_unusual_is_told_in_a_line_and_beside_each_row(place, model, caplog):
    table = {k: v[1:5] for k, v in rows(0).items()}
    table["share"][0] = None
    table["kind"] = ["yes", "maybe", "no", "no"]
    table["Length (cm)"][2] = 500.0
    as_csv(place / "odd.csv", table)
    told = here(place, "score", "run", "odd.csv", "--output", "odd_scores.csv")
    assert told.code == 0, told.err
    found = records(place / "odd_scores.csv")
    told_cells = [[int(r[k]) for k in ("missing", "unseen", "outside")] for r in found]
    assert told_cells == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    model.score(table)
    line = caplog.messages[-1]
    assert all(w in line for w in ("missing cells: 1 (share 1)", "kind 1", "outside of the training range: 1 (Length (cm) 1)"))
    caplog.clear()
    usual = {k: v[-1:] for k, v in rows(0).items()}
    model.score(usual)
    assert not caplog.messages


@torch.no_grad()
def test_a_score_is_over_the_cells_that_are_there(model):
    """Whatever stands in for a missing cell, and whether a mark says so, is in no element that counts."""
    table = rows(3, 40) | {"zip": ["01", "2", "03", "40"] * 10}
    stored, _ = model.form.to_stored({**table, "share": [None] * 40})
    x = model.autoencoder.units(stored)
    owner = [0, 1, 2, *[3] * 2, *[4] * 3, *[5] * 3, 4]  # three numbers, words of ok, kind, code, and the mark of kind
    gone = stored.isnan()
    counts, own = ~gone[:, owner], x
    for _ in range(8):
        own = torch.where(counts, x, model.autoencoder(own))
    error = (model.autoencoder(own) - x).square().double()
    wanted = (error * counts).sum(1) / counts.sum(1)
    np.testing.assert_allclose(model.score({**table, "share": [None] * 40}), wanted, rtol=1e-6)


def test_incomplete_rows_alarm_as_often_as_complete_ones(place):
    """Columns that depend on three causes; training rows are whole, and a quarter of the new ones lack a cell."""
    g = np.random.default_rng(0)
    weights = g.normal(size=(3, 6))
    x = g.normal(size=(1500, 3)) @ weights + 0.3 * g.normal(size=(1500, 6))
    np.savetxt(place / "whole.csv", x[:1000], delimiter=",", header="a,b,c,d,e,f", comments="")
    fit = ("trainer.progress=false", "pictures=[]", "model.latent_dim=3", "model.arch.hidden=[32]", "trainer.max_epochs=20")
    model = aerun.train("dataset=table", f"dataset.path={place / 'whole.csv'}", *fit, folder=place / "whole")
    new, incomplete = x[1000:].copy(), g.random(500) < 0.25
    new[incomplete, g.integers(0, 6, incomplete.sum())] = np.nan
    whole, scored = model.score(x[1000:]), model.score(new)
    np.testing.assert_array_equal(whole[~incomplete], scored[~incomplete])
    limit = np.quantile(whole, 0.95)
    assert (scored[incomplete] > limit).mean() < 0.12
    assert np.median(scored[incomplete]) > 0.4 * np.median(whole)


@torch.no_grad()
def test_a_complete_row_scores_as_ever(model):
    table = {k: [v if v is not None else "no" for v in c] for k, c in rows(4, 30).items()}
    stored, _ = model.form.to_stored(table)
    x = model.autoencoder.units(stored)
    np.testing.assert_allclose(model.score(table), (model.autoencoder(x) - x).square().double().mean(1), rtol=1e-6)


def test_no_score_clips(place):
    model, table = aerun.load(place / "minmax"), {k: v * 3 for k, v in rows(5, 1).items()}
    table["Length (cm)"] = [9.0, 900.0, 90000.0]
    assert np.diff(np.log(model.score(table))).min() > 2
    assert model.errors(table)[2, 0] > 1e3


def test_the_reading_is_stored_with_the_run(place):
    found = json.loads((place / "run" / "facts.json").read_text())["reading"]
    assert found["decimal"] == ","
    assert found["formats"] == {
        "Length (cm)": "number", "share": "number %", "day": "date dmy", "ok": "text", "kind": "text", "code": "text"
    }  # fmt: skip
    assert found["ranges"]["share"][0] >= 0


def test_an_older_run_without_a_stored_reading_reads_as_before(place, tmp_path):
    table = rows(6, 5)
    import shutil

    shutil.copytree(place / "run", tmp_path / "old")
    facts = json.loads((tmp_path / "old" / "facts.json").read_text())
    del facts["reading"]
    (tmp_path / "old" / "facts.json").write_text(json.dumps(facts))
    old = aerun.load(tmp_path / "old")
    assert old.form.line([]) == "values outside of the training range: not counted, as this older run wrote no range down."
    np.testing.assert_array_equal(old.score(table), aerun.load(place / "run").score(table))
    (tmp_path / "old" / "facts.json").write_text(json.dumps({**facts, "reading": {"ranges": {"share": 3}}}))
    with pytest.raises(AerunError, match=r"facts\.json: damaged"):
        aerun.load(tmp_path / "old").score(table)


def test_series_that_are_worked_on_as_they_are_count_what_is_out_of_range():
    stored = {"features": ["load", "wind"], "ranges": {"load": [0.0, 1.0], "wind": [-1.0, 1.0]}}
    rule = rule_of(Unchanged(), {}, stored)
    counts = rule.notes(torch.tensor([[[0.5, 0.0], [2.0, 0.0], [3.0, -4.0]], [[0.0, torch.nan]] * 3])).counts()
    assert counts == {"missing": {}, "unseen": {}, "outside": {"load": 2, "wind": 1}}
    assert rule.line(counts) == "values outside of the training range: 3 (load 2, wind 1), used as they are."
    del stored["ranges"]
    assert "not counted" in rule_of(Unchanged(), {}, stored).line({})
    assert rule_of(Unchanged(), {}, {}) is None


def test_kept_gaps_are_means_and_say_so():
    features = (Feature("a", "number"), Feature("k", "category", ("u", "v"), missing=True))
    columns = Columns(features=features, way="standardize", missing="keep")
    x = torch.tensor([[1.0, 0], [2, 1], [3, torch.nan], [torch.nan, 1]])
    columns.fit(x)
    assert columns.size == 3
    assert torch.allclose(columns(x)[3, 0], torch.tensor(0.0), atol=1e-6)
    assert torch.allclose(columns(x)[2, 1:], torch.tensor([1 / 3, 2 / 3]))
    assert columns.seen(x).tolist() == [[True] * 3, [True] * 3, [True, False, False], [False, True, True]]
    again = Columns(**columns.settings | {"features": features})
    again.load_state_dict(columns.state_dict())
    assert torch.equal(again(x), columns(x))


def test_kept_gaps_train_and_are_used(place):
    model = aerun.load(place / "keep")
    assert model.facts.size == 3 + 2 + 3 + 3
    table = rows(7, 20)
    assert np.isfinite(model.score(table)).all()
    counts = (~np.isnan(_stored(model, table))).sum(1)
    own = model.autoencoder
    stored = model.form.to_stored(table)[0]
    names = own.objective(own.units(stored), None, None, own.offered_seen(stored)).names
    assert torch.equal(names["seen"], ~torch.from_numpy(np.isnan(_stored(model, table))))
    np.testing.assert_allclose(model.errors(table).sum(1), model.score(table) * counts, rtol=1e-5)


def _stored(model, table):
    return model.form.to_stored(table)[0].numpy()[:, [0, 1, 2, *[3] * 2, *[4] * 3, *[5] * 3]]


def test_refused_gaps_are_named(place):
    with pytest.raises(AerunError, match=r"column 'kind', row 1: no value \(15 in this column\).*dataset\.missing=refuse"):
        aerun.train(*SETTINGS, f"dataset.path={place / 't.csv'}", "dataset.missing=refuse", folder=place / "never")
    plain = {k: v for k, v in rows(0).items() if k != "kind"}
    aerun_csv = place / "plain.csv"
    aerun_csv.write_text("\n".join(["a,b", *(f"{x},{c}" for x, c in zip(plain["share"], plain["code"], strict=True))]) + "\n")
    model = aerun.train("dataset=table", f"dataset.path={aerun_csv}", "dataset.missing=refuse", *TINY, folder=place / "refuse")
    with pytest.raises(AerunError, match=r"row 2: column 'b' has no value, and this run has dataset.missing=refuse"):
        model.score({"a": [1.0, 2.0], "b": [1.0, None]})


def odd(place):
    """Four rows: one that lacks a cell, one with another word, one far outside, and a usual one."""
    table = {k: v[1:5] for k, v in rows(0).items()}
    table["share"][0] = None
    table["kind"] = ["yes", "maybe", "no", "no"]
    table["Length (cm)"][2] = 500.0
    return as_csv(place / "odd.csv", table)


@pytest.mark.parametrize(("verb", "output"), [("reconstruct", "x.npz"), ("reconstruct", "x.csv"), ("encode", "z.npy")])
def test_what_has_no_place_in_the_output_stands_beside_it(place, verb, output):
    told = here(place, verb, "run", odd(place).name, "--output", output)
    assert told.code == 0, told.err
    assert f"{output}.notes.json" in told.err
    beside = json.loads((place / f"{output}.notes.json").read_text())
    assert beside["cells"] == {"missing": {"share": 1}, "unseen": {"kind": 1}, "outside": {"Length (cm)": 1}}
    assert beside["rows"] == {"sample": [1, 2, 3], "missing": [1, 0, 0], "unseen": [0, 1, 0], "outside": [0, 0, 1]}
    as_csv(place / "usual.csv", {k: v[-3:] for k, v in rows(0).items()})
    assert here(place, verb, "run", "usual.csv", "--output", output).code == 0
    assert not (place / f"{output}.notes.json").exists(), "notes of another output"


def test_what_stands_in_columns_stands_in_no_file(place):
    assert here(place, "score", "run", odd(place).name, "--output", "s.csv").code == 0
    assert not (place / "s.csv.notes.json").exists()


def test_results_count_the_cells_of_validation_and_test_rows(place):
    results = json.loads((place / "run" / "results.json").read_text())
    data = built(*SETTINGS[:3], f"dataset.path={place / 't.csv'}").dataset.load()
    for name, split in (("val", data.val), ("test", data.test)):
        assert results[f"cells/{name}/missing"] == int(split.x.isnan().sum())
        assert results[f"cells/{name}/unseen"] == 0
    assert "cells/test/outside" in results
