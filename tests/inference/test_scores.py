"""Scores that can be used: columns that travel, steps of series, reasons, events and maps."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import aerun
from aerun.evaluate.step_scores import Way
from aerun.inference.events import events_of
from aerun.inference.reasons import listed
from tests.shell import here

QUICK = ("trainer=smoke", "trainer.progress=false", "pictures=[]")


def rows(path):
    with path.open() as f:
        return list(csv.DictReader(f))


def write(path, heads, lines):
    path.write_text("\n".join([heads, *(",".join(map(str, line)) for line in lines)]) + "\n")


def hours(n):
    return [str(t) for t in np.datetime64("2024-03-01T00") + np.arange(n)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run on a table and one on series, and files for them."""
    path, g = tmp_path_factory.mktemp("scores"), np.random.default_rng(0)
    table = [(f"C{i}", round(g.normal(50, 5), 3), "ab"[i % 2], g.normal(), "no", f"t{i}") for i in range(150)]
    table += [("X", 50, "a", 0, "yes", "t")] * 6
    write(path / "t.csv", "id,amount,kind,b,anomaly,note", table)
    write(
        path / "new.csv",
        "note,b,kind,amount,id",
        [("n", 0.1, "a", 51, "007"), ("o", 0, "b", 1240, "008"), ("p", 0, "c", 49, "=1")],
    )
    settings = ("dataset=table", f"dataset.path={path / 't.csv'}", "dataset.id=id", "dataset.anomaly=anomaly")
    aerun.train(*QUICK, *settings, "dataset.drop=[note]", folder=path / "table")
    wave = [[np.sin(t / 3) + g.normal(0, 0.1), 100 * np.cos(t / 3)] for t in range(120)]
    lines = [
        (t, m, *np.round(w, 3), i) for m in ("p", "q", "r", "s") for i, (t, w) in enumerate(zip(hours(120), wave, strict=True))
    ]
    write(path / "s.csv", "when,machine,temp,flow,no", lines)
    new = [(t, "p", *np.round(w, 3), i) for i, (t, w) in enumerate(zip(hours(26), wave, strict=False))]
    new[13] = (*new[13][:3], 5000, 13)
    new += [(t, "z", 0, 0, i) for i, t in enumerate(hours(5), 26)]
    g.shuffle(new)
    write(path / "s_new.csv", "when,machine,temp,flow,no", new)
    settings = (
        "dataset=series",
        f"dataset.path={path / 's.csv'}",
        "dataset.time=when",
        "dataset.group=machine",
        "dataset.id=no",
    )
    aerun.train(*QUICK, *settings, "dataset.window=8", "dataset.stride=3", folder=path / "series")
    return path


def done(place, *args):
    told = here(place, *args)
    assert told.code == 0, told.err
    return told


def refused(place, *args):
    told = here(place, *args)
    assert (told.code, told.err.count("\n")) == (2, 1), told.err
    return told.err


@pytest.mark.parametrize("verb", [("score",), ("encode",), ("reconstruct",), ("retrieve", "--index", "t.csv", "--k", "2")])
def test_columns_that_are_no_features_travel_as_they_are_written(place, verb):
    assert [f.name for f in aerun.load(place / "table").form.features] == ["amount", "kind", "b"]
    done(place, verb[0], "table", "new.csv", *verb[1:], "--output", "out.csv", "--raw")
    assert [(r["id"], r["note"]) for r in rows(place / "out.csv")] == [("007", "n"), ("008", "o"), ("=1", "p")]
    done(place, verb[0], "table", "new.csv", *verb[1:], "--output", "out.npz")
    assert np.load(place / "out.npz")["id"].tolist() == ["007", "008", "=1"]
    if verb[0] == "retrieve":
        assert {r["near_id1"][:1] for r in rows(place / "out.csv")} | {"C"} <= {"C", "X"}
    told = done(place, "encode", "table", "new.csv", "--output", "out.npy")
    assert "out.npy: holds no words, so that id, note of the file stay behind" in told.err


def test_a_column_with_the_name_of_an_answer_is_renamed_and_told(place):
    told = done(place, "score", "table", "t.csv", "new.csv", "--output", "both.csv")
    assert "anomaly: also a column of the answer; that of the file is written as file_anomaly" in told.err
    both = rows(place / "both.csv")
    assert [r["file_anomaly"] for r in both[154:158]] == ["yes", "yes", "", ""]  # new.csv has no such column
    assert {r["anomaly"] for r in both} <= {"0", "1"}


def test_what_a_query_asks_travels_with_the_others_and_interpolation_writes_both_ends(place):
    settings = ("dataset=table", f"dataset.path={place / 't.csv'}", "dataset.id=id", "dataset.drop=[anomaly]")
    run = place / "query"
    aerun.train(*QUICK, *settings, """dataset.normal="amount < 70 and note != 't'\"""", folder=run)
    assert [f.name for f in aerun.load(run).form.features] == ["kind", "b"]
    done(place, "score", str(run), "new.csv", "--output", "asked.csv", "--raw")
    out = rows(place / "asked.csv")
    assert [(r["id"], r["amount"], r["note"]) for r in out] == [("007", "51", "n"), ("008", "1240", "o"), ("=1", "49", "p")]
    done(place, "interpolate", "table", "new.csv", "new.csv", "--steps", "2", "--output", "between.npz")
    between = np.load(place / "between.npz")
    assert between["id_first"].tolist() == between["id_last"].tolist() == ["007", "008", "=1"]
    assert between["amount"].shape == (3, 2)


def test_typed_files_travel_too(place):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(place / "new.csv", dtype={"id": str})
    frame["note"] = pandas.to_datetime(["2024-01-01", None, "2024-01-03T05:00"], format="ISO8601")
    frame.to_parquet(place / "new.parquet")
    done(place, "score", "table", "new.parquet", "--output", "out.csv", "--raw")
    assert [(r["id"], r["note"]) for r in rows(place / "out.csv")] == [
        ("007", "2024-01-01T00:00:00"), ("008", ""), ("=1", "2024-01-03T05:00:00"),
    ]  # fmt: skip


def test_the_worst_are_printed_with_reasons_and_no_output_is_needed(place):
    told = done(place, "score", "table", "new.csv", "--top", "3")
    alarms, first, why, *others = told.out.splitlines()
    assert alarms.startswith("1 of 3 samples raises an alarm: ")
    assert first.startswith("  1. id 008 (new.csv, row 2): score ")
    assert "amount 1,240 where " in why
    assert why.index("amount") < 10
    unknown = next(i for i, line in enumerate(others) if "id =1 (new.csv, row 3)" in line)
    assert "kind an unknown word where " in others[unknown + 1]
    why_from_python = aerun.load(place / "table").reasons({"amount": [1240.0], "kind": ["b"], "b": [0.0]})
    assert why_from_python[0].startswith("amount 1,240 where ")
    assert "score: --output FILE for all rows, --top N" in refused(place, "score", "table", "new.csv")
    assert "--top 0" in refused(place, "score", "table", "new.csv", "--top", "0")


def test_reasons_that_read_as_expected_say_what_is_wrong_all_the_same():
    told = listed(["sex", "age", "ward"], ["f", "24.2", "A"], ["f", "24.2", "B"], np.array([3.0, 2.0, 1.0]))
    assert told == "sex f, likely but not certain (50%); age 24.2 nearly as expected (33%); ward A where B is expected (17%)"


def test_a_missing_cell_is_no_reason_and_days_stay_days(place):
    lines = [f"{i},{'' if i % 5 == 0 else 50 + i % 7},{60 + i % 3},2024-0{1 + i % 9}-0{1 + i % 9}" for i in range(200)]
    (place / "gaps.csv").write_text("\n".join(["id,a,b,day", *lines, "200,,,2024-01-01"]) + "\n")
    settings = ("dataset=table", f"dataset.path={place / 'gaps.csv'}", "dataset.id=id", "dataset.missing=keep")
    run = place / "gaps"
    aerun.train(*QUICK, *settings, folder=run)
    done(place, "reconstruct", str(run), "gaps.csv", "--output", "again.csv")
    assert {len(r["day"]) for r in rows(place / "again.csv")} == {len("2024-01-01")}
    lines = done(place, "score", str(run), "gaps.csv", "--top", "201").out.splitlines()[1:]
    whole = [
        why for where, why in zip(lines[::2], lines[1::2], strict=True) if int(where.split("row ")[1].split(")")[0]) % 5 != 1
    ]
    assert sum(" a 5" in why for why in whole) > 100
    assert sum(" a 5" in why for why in lines) == sum(" a 5" in why for why in whole)  # a missing cell is no reason


def test_a_series_is_scored_step_by_step_in_the_order_of_its_file(place):
    told = done(place, "score", "series", "s_new.csv", "--output", "steps.csv", "--map", "--alpha", "0.2")
    out, given = rows(place / "steps.csv"), rows(place / "s_new.csv")
    assert [(r["no"], r["when"], r["machine"]) for r in out] == [(r["no"], r["when"], r["machine"]) for r in given]
    model = aerun.load(place / "series")
    series = sorted((r for r in given if r["machine"] == "p"), key=lambda r: int(r["no"]))
    x = np.array([[float(r["temp"]), float(r["flow"])] for r in series], dtype=np.float32)
    starts = range(0, 19, 3)
    errors = model.errors(np.stack([x[s : s + 8] for s in starts])).mean(2)
    wanted = [np.mean([errors[k, t - s] for k, s in enumerate(starts) if s <= t < s + 8]) for t in range(26)]
    scores = {int(r["no"]): r["score"] for r in out}
    np.testing.assert_allclose([float(scores[i]) for i in range(26)], wanted, rtol=1e-4)
    np.testing.assert_allclose(model.step_scores(x, 3), wanted, rtol=1e-4)
    assert [r["score"] for r in out if r["machine"] == "z"] == [""] * 5
    assert {r["anomaly"] for r in out if r["machine"] == "z"} == {"0"}
    assert "5 steps have no score" in told.out
    worst = next(r for r in out if r["no"] == "13")
    assert (worst["channel"], worst["anomaly"]) == ("flow", "1")
    assert float(worst["score"]) == pytest.approx((float(worst["error_temp"]) + float(worst["error_flow"])) / 2)


def test_thresholds_of_steps_come_from_steps(place):
    kept = json.loads((place / "series" / "scores.json").read_text())
    told = done(place, "score", "series", "s_new.csv", "--output", "steps.csv", "--alpha", "0.1")
    assert f"({len(kept['steps'])} validation steps)" in told.err
    rank = int(np.ceil((len(kept["steps"]) + 1) * 0.9))
    assert float(rows(place / "steps.csv")[0]["threshold"]) == kept["steps"][rank - 1]


def test_thresholds_of_stretches_hold_for_any_alarm_in_them(place):
    kept = json.loads((place / "series" / "scores.json").read_text())
    assert len(kept["blocks"]) == len(kept["steps"]) // 8
    assert set(kept["blocks"]) <= set(kept["steps"])
    told = done(place, "score", "series", "s_new.csv", "--output", "b.csv", "--threshold", "blocks", "--alpha", "0.5")
    assert "at most 0.5 of normal stretches of 8 steps raise any alarm" in told.err
    rank = int(np.ceil((len(kept["blocks"]) + 1) * 0.5))
    assert float(rows(place / "b.csv")[0]["threshold"]) == kept["blocks"][rank - 1]
    assert "--threshold blocks: of time steps" in refused(
        place, "score", "table", "new.csv", "--threshold", "blocks", "--output", "b.csv"
    )


def test_a_tail_needs_enough_scores_and_is_said_to_be_an_estimate(place):
    ask = ("score", "series", "s_new.csv", "--output", "pot.csv", "--threshold", "pot")
    assert "at least 20 of 1,000 steps, and there are" in refused(place, *ask)
    assert "--threshold many: must be a number, pot or blocks" in refused(place, *ask[:-1], "many")
    run = place / "pot"
    shutil.copytree(place / "series", run)
    table = json.loads((run / "scores.json").read_text())
    table["steps"] = sorted(np.random.default_rng(0).exponential(size=5000).tolist())
    (run / "scores.json").write_text(json.dumps(table))
    told = done(place, "score", "pot", *ask[2:])
    assert "an estimate, not a guarantee" in told.err
    assert float(rows(place / "pot.csv")[0]["threshold"]) == pytest.approx(np.log(1000), rel=0.2)
    assert "a smaller share" in refused(place, "score", "pot", *ask[2:], "--alpha", "0.05")


def test_events_are_alarms_in_a_row(place):
    anomaly = np.array([1, 1, 0, 1, 1, 1, 1, 0], dtype=bool)
    found = events_of(anomaly, np.array([1, 2, 0, 3, 5, 4, 9, 0.0]), np.array([0, 0, 0, 0, 0, 1, 1, 1]))
    assert [(e.first, e.last, e.peak) for e in found] == [(0, 1, 1), (3, 4, 4), (5, 6, 6)]
    assert events_of(np.zeros(3, dtype=bool), np.zeros(3), np.zeros(3)) == []
    merged = events_of(anomaly, np.array([1, 2, 0, 3, 5, 4, 9, 0.0]), np.array([0, 0, 0, 0, 0, 1, 1, 1]), merge=2, least=3)
    assert [(e.first, e.last, e.peak) for e in merged] == [(0, 4, 4)]
    done(place, "score", "series", "s_new.csv", "--events", "events.csv", "--threshold", "100")
    (event,) = rows(place / "events.csv")
    assert (event["machine"], event["start"], event["end"], event["channel"]) == ("p", *[hours(14)[13]] * 2, "flow")
    done(place, "score", "series", "s_new.csv", "--events", "none.csv", "--threshold", "1e9")
    assert (place / "none.csv").read_text().startswith("file,machine,start,end,steps,peak,score,channel,p,columns")
    blocks = json.loads((place / "series" / "scores.json").read_text())["blocks"]
    assert float(event["p"]) == pytest.approx(1 / (len(blocks) + 1), abs=1e-6)
    assert event["columns"] == "flow 100%"
    assert "--events e.csv: of time steps" in refused(place, "score", "table", "new.csv", "--events", "e.csv")


def test_steps_are_judged_by_their_past_and_by_means(place):
    done(place, "score", "series", "s_new.csv", "--output", "plain.csv")
    done(place, "score", "series", "s_new.csv", "--smooth", "3", "--data", "s.csv", "--output", "smooth.csv")
    told = done(place, "score", "series", "s_new.csv", "--online", "--data", "s.csv", "--output", "online.csv")
    assert "needs more of the past, or values are missing" in told.out + told.err
    plain, smooth, online = (
        np.array([float(r["score"] or "nan") for r in rows(place / f"{n}.csv")]) for n in ("plain", "smooth", "online")
    )
    assert np.nanmax(smooth) < np.nanmax(plain)
    assert np.nanmean(smooth) == pytest.approx(np.nanmean(plain), rel=0.2)
    assert np.isnan(online).sum() > np.isnan(plain).sum()  # no window ends at the first steps of a piece
    kept = np.load(place / "series" / "judge_blocks_1_online.npz")
    assert len(kept["steps"]) == len(np.unique(kept["steps"])) > 0
    assert set(kept["blocks"]) <= set(kept["steps"])
    steps = json.loads((place / "series" / "scores.json").read_text())["steps"]
    assert len(steps) - 8 < len(kept["steps"]) < len(steps)  # a window ends at each of a run but its first seven
    assert "--smooth: of time steps" in refused(place, "score", "table", "new.csv", "--smooth", "--output", "o.csv")


def test_means_of_steps_stay_within_their_piece():
    score, piece = np.array([1.0, 3, 5, np.nan, 9, 2, 4]), np.array([0, 0, 0, 0, 0, 1, 1])
    np.testing.assert_allclose(Way(3).smoothed(score, piece), [2, 3, 4, np.nan, 9, 3, 3])
    np.testing.assert_allclose(Way(2, online=True).smoothed(score, piece), [1, 2, 4, np.nan, 9, 2, 3])


def test_the_worst_steps_are_of_different_stretches(place):
    told = done(place, "score", "series", "s_new.csv", "--top", "3", "--fdr", "0.2")
    worst = [line for line in told.out.splitlines() if ". s_new.csv: " in line]
    assert hours(14)[13] in worst[0]
    moments = [np.datetime64(line.partition("when ")[2].split(":")[0]) for line in worst]
    assert min(abs((a - b).astype(int)) for a in moments for b in moments if a != b) >= 8


def test_windows_are_a_row_each_when_asked_for_or_when_a_run_knows_no_steps(place, tmp_path):
    done(place, "score", "series", "s_new.csv", "--windows", "--output", "windows.csv")
    first = rows(place / "windows.csv")[0]
    assert (first["no_first"], first["no_last"], first["machine"], first["when_last"]) == ("0", "7", "p", hours(8)[7])
    shutil.copytree(place / "series", tmp_path / "old")
    table = json.loads((tmp_path / "old" / "scores.json").read_text())
    del table["steps"]
    (tmp_path / "old" / "scores.json").write_text(json.dumps(table))
    told = done(place, "score", str(tmp_path / "old"), "s_new.csv", "--output", "older.csv")
    assert "an older aerun wrote down no scores of single steps" in told.err
    assert (place / "older.csv").read_text() == (place / "windows.csv").read_text()
    assert "--windows: of time steps" in refused(place, "score", "table", "new.csv", "--windows", "--top", "1")


def test_series_are_drawn_over_time(place):
    done(place, "score", "series", "s_new.csv", "--map", "--output", "time.png", "--threshold", "100")
    assert np.asarray(Image.open(place / "time.png")).std() > 5
    done(place, "score", "series", "s_new.csv", "--map", "--output", "time.html", "--threshold", "100")
    page = (place / "time.html").read_text()
    assert "default-src &#39;none&#39;" in page
    assert page.count("data:image/png;base64,") == 1
    assert f'<td class="word" data-value="{hours(14)[13]}">' in page
    assert "draws images, and series by steps" in refused(place, "score", "table", "new.csv", "--map", "--output", "x.html")
