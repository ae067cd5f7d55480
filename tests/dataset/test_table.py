"""Tables: read as they are written, split as was asked, learned from the training rows alone, refused in words."""

import csv
import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.normal import anomalies, normal_only
from aerun.evaluate.columns import rmse
from tests.conftest import built
from tests.shell import here

N = 60
NAMES = ("a", "gap", "same", "kind", "day", "y")


def lines(n=N, seed=0):
    """A number, one with gaps, a constant, words with gaps, dates, and a class of every third row."""
    g = np.random.default_rng(seed)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        {
            "a": f"{g.normal(50, 9):.4f}",
            "gap": ["", "NA", "?"][i % 3] if i % 5 == 0 else f"{g.exponential(1000):.3f}",
            "same": "7",
            "kind": "" if i % 11 == 0 else ["red", "green", "blue"][int(g.integers(3))],
            "day": (start + timedelta(days=int(g.integers(300)))).date().isoformat(),
            "y": "odd" if i % 3 == 0 else "even",
        }
        for i in range(n)
    ]


def write(path, rows, delimiter=",", names=None):
    names = names or list(rows[0])
    text = "\n".join(delimiter.join(row[k] for k in names) for row in [dict(zip(names, names, strict=True)), *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def table(path, *overrides):
    return built("dataset=table", f"dataset.path={path}", *overrides)


def text(tmp_path, content, *overrides, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return table(path, *overrides).dataset.load()


@pytest.fixture
def plan(tmp_path):
    return table(write(tmp_path / "t.csv", lines()), "dataset.label=y")


def everything(data):
    return torch.cat([data.train.x, data.val.x, data.test.x])


# -- what is read ------------------------------------------------------------------------------------------------------------


def test_stored_rows_are_the_cells_in_own_units(plan):
    dataset, data = plan.dataset, plan.dataset.load()
    features = {f.name: f for f in dataset.known.features}
    assert [f.kind for f in features.values()] == ["number", "number", "number", "category", "date"]
    assert features["kind"].words == ("blue", "green", "red")
    origin = datetime.fromtimestamp(features["day"].origin, UTC).date()
    train = [lines()[i] for i in dataset.known.rows.train.x]
    assert origin.isoformat() == min(row["day"] for row in train)
    for row, stored, y in zip(train, data.train.x.tolist(), data.train.y.tolist(), strict=True):
        assert stored[0] == pytest.approx(float(row["a"]), rel=1e-6)
        assert np.isnan(stored[1]) if row["gap"] in ("", "NA", "?") else stored[1] == pytest.approx(float(row["gap"]), rel=1e-6)
        assert np.isnan(stored[3]) if not row["kind"] else features["kind"].words[int(stored[3])] == row["kind"]
        assert stored[4] == (datetime.fromisoformat(row["day"]).date() - origin).days * 86400
        assert ("even", "odd")[y] == row["y"]


def test_facts_are_what_the_preparation_makes(plan):
    model, data = plan.autoencoder, plan.dataset.load()
    model.start_from(data.train.x)
    x = model.units(everything(data))
    assert x.shape[1:] == plan.facts.shape == (3 + 1 + 3 + 2,)  # numbers, the date, three words, marks of gap and kind
    assert plan.facts.prepared_from == (5,)
    assert x.isfinite().all()
    assert (plan.facts.kind, plan.facts.classes, plan.facts.low) == ("table", 2, None)
    bounded = built("dataset=table", f"dataset.path={plan.dataset.path}", "dataset.prepare=minmax", "dataset.drop=[y]")
    assert (bounded.facts.low, bounded.facts.high) == (0, 1)
    bounded.autoencoder.start_from(bounded.dataset.load().train.x)
    x = bounded.autoencoder.units(everything(bounded.dataset.load()))
    assert 0 <= x.min() <= x.max() <= 1


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [("t.tsv", "\t"), ("t.csv", ";"), ("t.txt", "|"), ("t.dat", " "), ("t.csv.gz", ","), ("t.tsv.gz", "\t"), ("t.csv", "\t")],
)
def test_every_delimiter_gives_the_same_table(tmp_path, name, delimiter):
    rows = [{k: v or "NA" for k, v in row.items()} for row in lines()]
    plain = table(write(tmp_path / "plain.csv", rows)).dataset.load()
    other = table(write(tmp_path / name, rows, delimiter)).dataset.load()
    assert torch.equal(everything(plain).nan_to_num(-9), everything(other).nan_to_num(-9))


def test_quotes_blank_lines_crlf_byte_order_mark_and_spaces(tmp_path):
    plain = text(tmp_path, "a,k\n" + "".join(f"{i},{'u,v' if i % 2 else 'w'}\n".replace("u,v", '"u,v"') for i in range(20)))
    odd = "\ufeffa, k\r\n\r\n" + "".join(f" {i},  {'u,v' if i % 2 else 'w'}\r\n".replace("u,v", '"u,v"') for i in range(20))
    assert torch.equal(everything(plain), everything(text(tmp_path, odd, name="odd.csv")))


def test_a_file_without_header_names_its_columns_and_header_says_otherwise(tmp_path):
    content = "".join(f"{i},{i * i + 100}\n" for i in range(20))
    assert len(everything(text(tmp_path, content))) == 20
    assert len(everything(text(tmp_path, content, "dataset.header=true"))) == 19
    assert table(tmp_path / "t.csv").dataset.known.frame.columns.keys() == {"c1", "c2"}
    with pytest.raises(AerunError, match="'a' is not a number"):
        text(tmp_path, "a,b\n" + content, "dataset.header=false")


def test_latin_1_is_read_where_it_is_said(tmp_path):
    content = ("größe,k\n" + "".join(f"{i},{'ä' if i % 2 else 'ö'}\n" for i in range(20))).encode("latin-1")
    with pytest.raises(AerunError, match=r"t\.csv, line 1: not utf-8 text.*dataset\.encoding=cp1252"):
        text(tmp_path, content)
    text(tmp_path, content, "dataset.encoding=latin-1")
    assert table(tmp_path / "t.csv", "dataset.encoding=latin-1").dataset.known.features[1].words == ("ä", "ö")


def test_numbers_become_categories_where_asked(tmp_path):
    content = "a,code\n" + "".join(f"{i},{i % 3 + 1}\n" for i in range(30))
    assert table(write_text(tmp_path, content)).facts.shape == (2,)
    plan = table(tmp_path / "t.csv", "dataset.categorical=[code]")
    assert plan.facts.shape == (4,)
    assert plan.dataset.known.features[1].words == ("1", "2", "3")


def test_words_that_python_alone_would_read_as_numbers_stay_words(tmp_path):
    path = write_text(tmp_path, "a,code\n" + "".join(f"{i},1_{i % 3}\n" for i in range(30)))
    assert table(path).dataset.known.features[1].words == ("1_0", "1_1", "1_2")


def test_codes_are_categories_or_numbers_as_is_said_and_results_tell(tmp_path):
    rows = [(f"0{i % 4}", i, f"{i:05d}") for i in range(40)]
    path = write_text(tmp_path, "zip,v,id\n" + "".join(f"{z},{v},{i}\n" for z, v, i in rows))
    (tmp_path / "test.csv").write_text("zip,v,id\n12,1,50000\n01,2,3\n")
    with pytest.raises(AerunError, match=r"column 'id' holds .* different words .*dataset.numeric=\[id\] reads numbers"):
        table(path, "dataset.test_path=null")
    plan = table(path, "dataset.numeric=[id]", f"dataset.test_path={tmp_path / 'test.csv'}")
    assert [(f.name, f.kind) for f in plan.dataset.known.features] == [("zip", "category"), ("v", "number"), ("id", "number")]
    assert plan.dataset.load().test.x.tolist() == [[-1, 1, 50000], [1, 2, 3]]
    assert any("column 'zip' is read as words" in note for note in plan.dataset.notes)
    assert "codes, such as 00" in next(d.why for d in plan.dataset.decisions() if d.name == "zip")
    stored = plan.dataset.samples(write(tmp_path / "n.csv", [{"zip": "1", "v": "2", "id": "7"}]))
    assert stored.tolist() == [[-1, 2, 7]], "1 is another code than 01"
    with pytest.raises(AerunError, match=r"dataset.numeric=idd: .*no such column"):
        table(path, "dataset.numeric=[idd]")
    with pytest.raises(AerunError, match="a column is one of the two"):
        table(path, "dataset.numeric=[id]", "dataset.categorical=[id]")


def write_text(tmp_path, content):
    (tmp_path / "t.csv").write_text(content)
    return tmp_path / "t.csv"


@pytest.mark.parametrize("name", ["t.parquet", "t.feather", "t.xlsx"])
def test_other_formats_hold_the_same_table(tmp_path, name):
    rows = lines()
    plain = table(write(tmp_path / "t.csv", rows)).dataset.load()
    numbers = {k: [None if r[k] in ("", "NA", "?") else float(r[k]) for r in rows] for k in ("a", "gap", "same")}
    words = {k: [r[k] or None for r in rows] for k in ("kind", "y")}
    days = [datetime.fromisoformat(r["day"]) for r in rows]
    columns = {**numbers, "kind": words["kind"], "day": days, "y": words["y"]}
    if name == "t.xlsx":
        book = pytest.importorskip("openpyxl").Workbook()
        for row in [list(columns), *zip(*columns.values(), strict=True)]:
            book.active.append(list(row))
        book.save(tmp_path / name)
    else:
        pa = pytest.importorskip("pyarrow")
        kept = pa.table({**columns, "kind": pa.array(words["kind"]).dictionary_encode()})
        from pyarrow import feather, parquet

        (parquet.write_table if name == "t.parquet" else feather.write_feather)(kept, tmp_path / name)
    other = table(tmp_path / name).dataset.load()
    assert torch.equal(everything(plain).nan_to_num(-9), everything(other).nan_to_num(-9))


def test_a_format_whose_reader_is_missing_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(AerunError, match=r"needs pyarrow.*pip install 'aerun\[data\]'"):
        table(tmp_path / "t.parquet")


# -- nothing is learned from validation or test rows ---------------------------------------------------------------------------


def test_no_statistic_depends_on_validation_or_test_rows(tmp_path):
    """P22's spirit for tables: change every value of every later row, and nothing that was learned moves."""
    path, rows = tmp_path / "t.csv", lines()
    for way in ("standardize", "robust", "minmax", "none"):
        states, facts = [], []
        for changed in (False, True):
            mine = [dict(row) for row in rows]
            write(path, mine)
            if changed:
                known = table(path, "dataset.drop=[y]").dataset.known.rows
                for i in torch.cat([known.val.x, known.test.x]).tolist():
                    mine[i] = {"a": "", "gap": "-1e9", "same": "99", "kind": "violet", "day": "1999-12-31", "y": "odd"}
                write(path, mine)
            plan = table(path, "dataset.drop=[y]", f"dataset.prepare={way}")
            plan.autoencoder.start_from(plan.dataset.load().train.x)
            states.append(plan.autoencoder.state_dict())
            facts.append(plan.facts)
        assert facts[0] == facts[1]
        assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_words_and_gaps_of_later_rows_have_a_defined_meaning_and_are_told(tmp_path, caplog):
    rows = lines()
    path = write(tmp_path / "t.csv", rows)
    test = table(path).dataset.known.rows.test.x.tolist()
    rows[test[0]]["kind"] = "violet"
    rows[test[1]]["a"] = ""
    write(path, rows)
    plan = table(path)
    data = plan.dataset.load()
    plan.autoencoder.start_from(data.train.x)
    x = plan.autoencoder.units(data.test.x)
    assert data.test.x[0, 3] == -1
    assert x[0, 4:7].eq(0).all()
    assert data.test.x[1, 0].isnan()
    assert x[1].isfinite().all()
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert any("no training row has" in t and "kind (1)" in t for t in told)
    assert any("filled in" in t and "a (1)" in t for t in told)
    assert sum("constant in the training rows" in t and "same" in t for t in told) == 1


# -- splits --------------------------------------------------------------------------------------------------------------------


def parts(plan):
    rows = plan.dataset.known.rows
    return [part.x.tolist() for part in (rows.train, rows.val, rows.test)]


@pytest.mark.parametrize("overrides", [(), ("dataset.group=g",), ("dataset.time=t",), ("dataset.split=s",), ("seed=5",)])
def test_every_row_is_in_one_split(tmp_path, overrides):
    g = np.random.default_rng(0)
    content = "v,g,t,s\n" + "".join(
        f"{i},{g.integers(15)},{g.integers(1000)},{['train', 'val', 'test', 'train'][i % 4]}\n" for i in range(200)
    )
    path = write_text(tmp_path, content)
    overrides = overrides if "dataset.split=s" in overrides else ("dataset.drop=[s]", *overrides)
    found = parts(table(path, *overrides))
    assert sorted(i for part in found for i in part) == list(range(200))
    assert found == parts(table(path, *overrides, "seed=9"))
    assert all(found)


def test_groups_never_straddle_and_time_runs_from_training_to_test(tmp_path):
    g = np.random.default_rng(0)
    rows = [(i, f"p{g.integers(12)}", int(g.integers(50))) for i in range(300)]
    path = write_text(tmp_path, "v,who,when\n" + "".join(f"{v},{w},{t}\n" for v, w, t in rows))
    grouped = parts(table(path, "dataset.group=who"))
    people = [{rows[i][1] for i in part} for part in grouped]
    assert not people[0] & people[1]
    assert not people[0] & people[2]
    assert not people[1] & people[2]
    assert all(0.1 * 300 <= len(part) <= 0.35 * 300 for part in grouped[1:])
    times = [[rows[i][2] for i in part] for part in parts(table(path, "dataset.time=when", "dataset.drop=[who]"))]
    assert max(times[0]) < min(times[1])
    assert max(times[1]) < min(times[2])
    assert [len(t) for t in times] == pytest.approx([210, 45, 45], abs=10)


def test_dates_order_rows_too(tmp_path):
    days = [f"2024-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(100)]
    path = write_text(tmp_path, "v,day\n" + "".join(f"{i},{d}\n" for i, d in enumerate(days)))
    train, val, test = ([days[i] for i in part] for part in parts(table(path, "dataset.time=day")))
    assert max(train) < min(val) <= max(val) < min(test)


def test_a_column_and_a_second_file_give_the_split(tmp_path):
    path = write_text(tmp_path, "v,s\n" + "".join(f"{i},{'test' if i < 30 else 'train'}\n" for i in range(100)))
    _, val, test = parts(table(path, "dataset.split=s"))
    assert test == list(range(30))
    assert len(val) == round(0.15 * 70)
    (tmp_path / "test.csv").write_text("k,v\nr,1000\nq,2000\n")
    (tmp_path / "t.csv").write_text("v,k,id\n" + "".join(f"{i},{'qr'[i % 2]},{i}\n" for i in range(100)))
    plan = table(path, f"dataset.test_path={tmp_path / 'test.csv'}", "dataset.drop=[id]")
    assert plan.dataset.load().test.x.tolist() == [[1000, 1], [2000, 0]]
    assert len(plan.dataset.load().train.x) == 85


def test_another_file_is_read_in_the_categories_of_this_one(tmp_path):
    plan = table(write(tmp_path / "t.csv", lines()), "dataset.label=y")
    new = [{"kind": "red", "a": "1", "day": "2024-05-01", "gap": "", "same": "7"}]
    new.append({**new[0], "kind": "pink", "a": "NA"})
    found = plan.dataset.samples(str(write(tmp_path / "new.csv", new)))
    assert found[:, 0].isnan().tolist() == [False, True]
    assert found[:, 3].tolist() == [2, -1]
    with pytest.raises(AerunError, match=r"new\.csv: has no column 'day', which .*t\.csv has"):
        plan.dataset.samples(str(write(tmp_path / "new.csv", new, names=["a", "gap", "same", "kind"])))
    late = [{**new[0], "day": "soon"}]
    with pytest.raises(AerunError, match="row 1: 'soon' is not a date"):
        plan.dataset.samples(str(write(tmp_path / "new.csv", late)))
    wordy = [{**new[0], "a": "many"}]
    with pytest.raises(AerunError, match="row 1: 'many' is not a number, as in training"):
        plan.dataset.samples(str(write(tmp_path / "new.csv", wordy)))


# -- the anomaly protocol ------------------------------------------------------------------------------------------------------


def test_an_anomaly_column_trains_on_normal_rows_and_tests_on_all(tmp_path):
    path = write_text(tmp_path, "v,bad\n" + "".join(f"{i},{int(i % 10 == 0)}\n" for i in range(400)))
    plain, plan = table(path, "dataset.label=bad"), table(path, "dataset.anomaly=bad")
    train, val, test = parts(plan)
    assert not any(i % 10 == 0 for i in train + val)
    assert test == parts(plain)[2]
    assert anomalies(plan.dataset.load().test, [0]).tolist() == [i % 10 == 0 for i in test]
    assert parts(table(path, "dataset.label=bad", "dataset.normal=[0]")) == [train, val, test]


def test_contamination_is_a_share_of_training_and_of_nothing_else(tmp_path):
    path = write_text(tmp_path, "v,bad\n" + "".join(f"{i},{int(i % 4 == 0)}\n" for i in range(800)))
    clean = parts(table(path, "dataset.anomaly=bad"))
    dirty = parts(table(path, "dataset.anomaly=bad", "dataset.contamination=0.1"))
    assert clean[1:] == dirty[1:]
    share = sum(i % 4 == 0 for i in dirty[0]) / len(dirty[0])
    assert share == pytest.approx(0.1, abs=0.002)
    assert set(clean[0]) < set(dirty[0])


def test_words_that_only_anomalies_have_are_unseen(tmp_path):
    words = ["weird" if i % 5 == 0 else f"ok{i % 2}" for i in range(100)]
    content = "v,k,bad\n" + "".join(f"{i},{word},{int(word == 'weird')}\n" for i, word in enumerate(words))
    plan = table(write_text(tmp_path, content), "dataset.anomaly=bad")
    assert plan.dataset.known.features[1].words == ("ok0", "ok1")


def test_any_labelled_set_can_be_held_to_it(digits):
    facts = Facts(shape=(1, 8, 8), kind="image", unit=16.0, low=0.0, high=1.0, classes=10)
    found = normal_only(digits, facts, [0, 1], 0.05, 3)
    assert set(found.val.y.tolist()) == {0, 1}
    assert (found.train.y > 1).float().mean() == pytest.approx(0.05, abs=0.005)
    assert torch.equal(found.test.x, digits.test.x)
    with pytest.raises(AerunError, match=r"no class 10; the classes are 0\.\.9"):
        normal_only(digits, facts, [10], 0, 0)


# -- own units -----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("prepare", ["standardize", "robust", "minmax", "none"])
def test_a_run_reads_back_in_own_units(tmp_path, prepare):
    path = write(tmp_path / "t.csv", lines())
    own = ("dataset.label=y", f"dataset.prepare={prepare}")
    told = here(tmp_path, "dataset=table", f"dataset.path={path}", *own, "trainer=smoke", "hydra.run.dir=run")
    assert told.code == 0, told.err
    assert json.loads((tmp_path / "run/results.json").read_text())["status"] == "completed"
    plan = table(path, *own)
    state = torch.load(tmp_path / "run/checkpoints/best.ckpt", weights_only=True)["state_dict"]
    plan.autoencoder.load_state_dict({k.removeprefix("autoencoder."): v for k, v in state.items()})
    data = plan.dataset.load()
    own = plan.autoencoder.preparation.inverse(plan.autoencoder.units(data.train.x))
    error = (own - data.train.x).abs().nan_to_num(0) / data.train.x.nan_to_num(0).abs().amax(0)
    assert error.max() < 1e-6  # of each column's largest value: what 32 bits can hold
    path.write_text(path.read_text().replace("red", "pink"))
    told = here(tmp_path, "resume", "run", "--epochs", "9")
    assert told.code == 2
    assert "the data have changed since training: now column 'kind'" in told.err


@pytest.mark.parametrize("prepare", ["standardize", "robust", "none"])
def test_errors_of_columns_are_in_own_units_and_leave_out_what_is_missing(tmp_path, prepare):
    plan = table(write(tmp_path / "t.csv", lines()), "dataset.drop=[y]", f"dataset.prepare={prepare}", "model.latent_dim=2")
    model, data = plan.autoencoder, plan.dataset.load()
    model.start_from(data.train.x)
    found = rmse(model, data, torch.device("cpu"))
    assert set(found) == {f"{who}/rmse/{name}" for who in ("test", "mean") for name in ("a", "gap", "same", "day")}
    own = model.preparation.inverse(model(model.units(data.test.x))).detach().double().numpy()
    test, train = data.test.x.double().numpy(), data.train.x.double().numpy()
    for i, name in enumerate(("a", "gap", "same")):
        assert found[f"test/rmse/{name}"] == pytest.approx(np.sqrt(np.nanmean((own[:, i] - test[:, i]) ** 2)), abs=1e-6)
        mean = np.sqrt(np.nanmean((np.nanmean(train[:, i]) - test[:, i]) ** 2))
        assert found[f"mean/rmse/{name}"] == pytest.approx(mean, abs=1e-6)
    assert np.isnan(test[:, 1]).any()


def test_other_data_have_no_columns(digits):
    assert rmse(built().autoencoder, digits, torch.device("cpu")) == {}


@pytest.mark.parametrize(("name", "columns", "classes", "rows"), [("breast_cancer", 30, 2, 569), ("wine", 13, 3, 178)])
def test_scikit_learns_tables_keep_the_names_of_their_columns(name, columns, classes, rows):
    plan = built(f"dataset={name}")
    data = plan.dataset.load()
    assert plan.facts.shape == (columns,)
    assert plan.facts.classes == classes == int(data.train.y.max()) + 1
    assert len(data.train) + len(data.val) + len(data.test) == rows
    assert {"breast_cancer": "mean radius", "wine": "alcohol"}[name] in plan.autoencoder.preparation.columns.values()
    chosen = {"breast_cancer": "benign", "wine": "class_0"}[name]
    only = built(f"dataset={name}", f"dataset.normal={chosen}").dataset.load()
    assert len(set(only.train.y.tolist())) == 1
    assert len(only.test) == len(data.test)


def test_shuttle_is_read_as_it_is():
    root = os.environ.get("AERUN_DATA")
    path = Path(root or "") / "tabular" / "shuttle.csv.gz"
    if not root or not path.exists():
        pytest.skip("AERUN_DATA does not name a folder with tabular/shuttle.csv.gz")
    plan = table(path, "dataset.anomaly=anomaly")
    data = plan.dataset.load()
    assert plan.facts.shape == (9,)
    with gzip.open(path, "rt") as f:
        rows = list(csv.reader(f))[1:]
    assert len(rows) == 49_097
    kept = plan.dataset.known.rows
    assert sum(len(part) for part in (data.train, data.val, data.test)) < len(rows)
    assert not data.train.y.any()
    assert not data.val.y.any()
    assert data.test.y.float().mean() == pytest.approx(3511 / 49097, abs=0.01)
    for i in range(0, len(data.test), 500):
        assert data.test.x[i].tolist() == [float(v) for v in rows[int(kept.test.x[i])][:9]]


# -- bad input -----------------------------------------------------------------------------------------------------------------

GOOD = "a,b,k,y\n" + "".join(f"{i},{i * i % 7},{'uvw'[i % 3]},{i % 2}\n" for i in range(30))
BAD = {
    "empty": ("", (), r"t\.csv: is empty"),
    "header only": ("a,b\n", (), r"t\.csv: has a header and no rows"),
    "wrong delimiter": (GOOD, ("dataset.delimiter=tab",), r"dataset\.delimiter=tab: not in the first line of .*Try auto"),
    "two characters": (GOOD, ("dataset.delimiter=ab",), r"dataset\.delimiter=ab: must be"),
    "ragged": (GOOD + "1,2\n", (), r"t\.csv, line 32: 2 fields, and 4 in the first line"),
    "text among numbers": (GOOD + "abc,2,u,1\n", (), r"t\.csv: column 'a', row 31: 'abc' is not a number"),
    "text late among numbers": ("a\n" + "1\n" * 66_000 + "abc\n", (), r"column 'a', row 66001: 'abc' is not a number"),
    "all missing": (GOOD.replace("a,b", "m,a,b").replace("\n", "\n,", 30), (), r"column 'm' has no value.*drop=\[m\]"),
    "infinite": (GOOD + "inf,2,u,1\n", (), r"column 'a', row 31: inf is infinite"),
    "beyond 32 bits": (GOOD + "1e300,2,u,1\n", (), r"column 'a', row 31: 1e\+300 .*beyond 32 bits"),
    "one row": ("a,b\n1,2\n", (), r"t\.csv: nothing is left for .*1 row: too few"),
    "not text": (bytes(range(128, 256)) * 4, (), r"t\.csv, line 1: not utf-8 text"),
    "utf-16 without a mark": ("\u00e4,b\n1,2\n".encode("utf-16-le"), (), r"line 1: holds NUL .* dataset\.encoding=utf-16-le"),
    "a mark that contradicts": (GOOD.encode("utf-16"), ("dataset.encoding=cp1252",), r"encoding=cp1252: .* mark of utf-16"),
    "unknown encoding": (GOOD, ("dataset.encoding=utf-99",), r"dataset\.encoding=utf-99: no such encoding"),
    "names twice": (GOOD.replace("a,b", "a,a"), (), r"two columns are named 'a'"),
    "no name": (GOOD.replace("a,b", ",b"), (), r"column 1 has no name.*dataset\.drop=\[unnamed1\]"),
    "unknown label": (GOOD, ("dataset.label=z",), r"dataset\.label=z: .* has no such column; it has a, b, k, y"),
    "label of many values": (GOOD, ("dataset.label=a",), r"dataset\.label=a: 30 different values"),
    "row without label": (GOOD + "1,2,u,\n", ("dataset.label=y",), r"column 'y', row 31: has no label"),
    "anomaly of words": (GOOD, ("dataset.anomaly=k",), r"column 'k', row 1: 'u' is neither"),
    "no anomaly": (GOOD.replace(",1\n", ",0\n"), ("dataset.anomaly=y",), r"dataset\.anomaly=y: marks no row"),
    "anomaly and label": (GOOD, ("dataset.anomaly=y", "dataset.label=k"), r"leave out dataset\.label=k"),
    "unknown class": (GOOD, ("dataset.label=y", "dataset.normal=[2]"), r"dataset\.normal=2: no such class.*0, 1"),
    "all classes": (GOOD, ("dataset.label=y", "dataset.normal=[0,1]"), r"names every class"),
    "normal without label": (GOOD, ("dataset.normal=[0]",), r"dataset\.normal needs labels"),
    "too contaminated": (GOOD, ("dataset.anomaly=y", "dataset.contamination=0.49"), r"contamination=0\.49.*At most"),
    "contamination of nothing": (GOOD, ("dataset.contamination=0.1",), r"needs dataset\.anomaly or dataset\.normal"),
    "drops what is not there": (GOOD, ("dataset.drop=[bb]",), r"dataset\.drop: .*no column 'bb' \(nearest: b\)"),
    "drops everything": (GOOD, ("dataset.drop=[a,b,k,y]",), r"no column is left"),
    "unknown categorical": (GOOD, ("dataset.categorical=[zz]",), r"dataset\.categorical=zz"),
    "identifiers": ("i,v\n" + "".join(f"x{i},{i}\n" for i in range(99)), (), r"'i' holds 69 different words.*drop=\[i\]"),
    "decimal commas or thousands": (
        "i;v\n" + "".join(f"1,{i + 100};{i}\n" for i in range(99)),
        (),
        r"column 'i': '1,100' is 1100 or 1\.100.*decimal='\.'",
    ),
    "two decimal signs": ("i;v\n" + "1,5;1.5\n" * 30, (), r"'1\.5' in column 'v' has a decimal point and '1,5' in column 'i'"),
    "day or month": ("d,v\n" + "05/06/2024,1\n04/03/2024,2\n" * 20, (), r"column 'd', row 1: '05/06/2024' has its day or"),
    "two units": ("p,v\n" + "$5,1\n€7,2\n" * 20, (), r"column 'p' mixes units: '\$5', '€7'"),
    "with and without percent": ("p,v\n" + "5%,1\n7,2\n" * 20, (), r"column 'p' mixes units"),
    "names or numbers": (
        "2001,2003,2008,2009\n" + "".join(f"{i},{-i},{i},{i % 7}\n" for i in range(20)),
        (),
        r"header\? .*header=true or",
    ),
    "words above words": ("id,1,2\n" + "".join(f"w{i},{i},{i}\n" for i in range(40)), (), r"header\?"),
    "one word in a column of dates": ("d,v\n" + "2024-01-01,1\n" * 30 + "soon,2\n", (), r"row 31: 'soon' is not a date"),
    "unknown split": ("s,v\n" + "contest,1\n" * 20, ("dataset.split=s",), r"column 's', row 1: is none of train, val, test"),
    "no test rows": ("s,v\n" + "train,1\n" * 20, ("dataset.split=s",), r"dataset\.split=s: no row of .* says test"),
    "too few groups": ("s,v\n" + "1,1\n2,2\n" * 20, ("dataset.group=s",), r"nothing is left for training"),
    "group straddles": (
        "s,g,v\n" + "".join(f"{'train' if i % 2 else 'test'},{i % 3},{i}\n" for i in range(40)),
        ("dataset.split=s", "dataset.group=g"),
        r"dataset\.group=g: rows of '\d' are in",
    ),
    "no time": ("t,v\n" + "1,1\n,2\n" * 20, ("dataset.time=t",), r"column 't', row 2: no number and no date"),
    "group and time": (GOOD, ("dataset.group=k", "dataset.time=a"), r"one of the two"),
    "no share": (GOOD, ("dataset.val=0",), r"dataset\.val=0"),
    "shares of more than all": (GOOD, ("dataset.val=0.6", "dataset.test=0.5"), r"leave some for training"),
    "open quote": ('a,b\n"1,2\n3,4\n', (), r"t\.csv, line 3"),
    "unknown preparation": (GOOD, ("dataset.prepare=standardise",), r"nearest: standardize"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_refused_in_one_line_that_names_the_place(tmp_path, case):
    content, overrides, words = BAD[case]
    with pytest.raises(AerunError, match=words) as e:
        text(tmp_path, content, *overrides)
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 400 + len(str(tmp_path)) * 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nowhere.csv", None, "no such file"),
        ("t.csv.gz", gzip.compress(GOOD.encode())[:-20], "truncated or damaged after line"),
        ("t.csv.gz", GOOD.encode(), "Not a gzipped file"),
        ("t.csv.gz", gzip.compress(b"a,b\n" + b"1" * (20 << 20)), "line 2: longer than 16 MiB"),
        ("t.npy", b"", "Use dataset=array"),
        ("t.foo", b"a", "a table's name ends in .csv"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AerunError, match=words):
        table(tmp_path / name)


def test_what_unpacks_to_more_than_memory_is_refused_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr("aerun.core.memory.memory_limit", lambda: 100_000)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 100_000))
    with pytest.raises(AerunError, match=r"t\.csv\.gz: takes .* GB or more in memory"):
        table(tmp_path / "t.csv.gz")


def test_on_the_command_line_it_is_one_line_and_exit_code_2(tmp_path):
    write_text(tmp_path, GOOD + "abc,2,u,1\n")
    told = here(tmp_path, "dataset=table", "dataset.path=t.csv")
    assert told.code == 2
    assert told.err.startswith("aerun: error: t.csv: column 'a', row 31: 'abc' is not a number")
    assert len(told.err.splitlines()) == 1
    assert here(tmp_path, "dataset=table").err.startswith("aerun: error: dataset.path is not set")
    (tmp_path / "empty").mkdir()
    assert "a folder without any file" in here(tmp_path, "dataset=table", "dataset.path=empty").err


def test_one_class_is_told_and_trained_on(tmp_path, caplog):
    text(tmp_path, GOOD.replace(",1\n", ",0\n"), "dataset.label=y")
    assert "every sample is of the class 0" in caplog.text


def test_what_may_be_meant_otherwise_is_told(tmp_path, caplog):
    """Marks of missing values, words that look like numbers, words that differ in case, rows without a group."""
    lines = [
        f"{-999 if i % 9 == 3 else i / 40},{'1,23,45' if i % 2 else '1,23,46'};{['True', 'true', 'False'][i % 3]};{i % 8}"
        for i in range(80)
    ]
    text = "a;k;f;g\n" + "\n".join(line.replace(",", ";", 1) for line in lines) + "\n1;1,23,45;True;\n"
    table(write_text(tmp_path, text), "dataset.group=g").dataset.load()
    for words in (
        "a (-999): read as a number",
        "dataset.missing_words=[auto,-999]",
        "form that is not known: k (1,23,45)",
        "in upper and lower case alone: f ('True' and 'true')",
        "dataset.group=g: 1 rows without a value are one group",
    ):
        assert words in caplog.text


def test_ages_grades_and_plain_extremes_are_not_told(tmp_path, caplog):
    text = "a,k,y\n" + "".join(f"{i * 11 % 100},{['18-25', '26-35', '65+'][i % 3]},{999 - i}\n" for i in range(80))
    table(write_text(tmp_path, text)).dataset.load()
    assert not caplog.text


def test_a_column_of_splits_is_asked_about(tmp_path):
    text = "v,set\n" + "".join(f"{i},{['train', 'TEST', 'val'][i % 3]}\n" for i in range(60))
    path = write_text(tmp_path, text)
    with pytest.raises(AerunError, match=r"column 'set' are names of splits: dataset\.split=set takes its rows so"):
        table(path).dataset.load()
    assert len(table(path, "dataset.split=set").dataset.load().test.x) == 20
    path = write_text(tmp_path, text.replace("TEST", "tset"))
    with pytest.raises(AerunError, match=r"row 2: .*usual names: 'tset'"):
        table(path, "dataset.split=set").dataset.load()
    path = write_text(tmp_path, text)
    assert table(path, "dataset.categorical=[set]").dataset.load().train.x.shape[1] == 2
