"""Time series of one's own: every layout is read as it is written, and no window lies where it must not."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import aerun
from aerun.build import dataset_of
from aerun.core.errors import AerunError
from aerun.dataset.base import validate_data
from aerun.evaluate.scores import score
from tests.conftest import built, composed
from tests.shell import here

G = np.random.default_rng(0)


def series(path, *settings):
    return dataset_of(composed("dataset=series", f"dataset.path={path}", *(f"dataset.{s}" for s in settings)))


def loaded(path, *settings):
    return series(path, *settings).load()


def write(path, rows, names):
    """A csv file; the rows are tuples in the order of the names."""
    path.write_text("\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n")
    return path


def counted(tmp_path, steps=400, name="t.csv", gap=None):
    """One series whose feature is the number of its row, its rows in disorder."""
    rows = [(i + (1000 if gap is not None and i >= gap else 0), i, 0) for i in range(steps)]
    return write(tmp_path / name, [rows[i] for i in G.permutation(steps)], ("t", "a", "zero"))


def grouped(tmp_path, groups=20, steps=30):
    """Series g0, g1, ... mixed row by row; feature a is 1000 * group + step."""
    rows = [(f"g{g}", i, 1000 * g + i, "xyz"[g % 3]) for i in range(steps) for g in range(groups)]
    return write(tmp_path / "g.csv", rows, ("id", "t", "a", "y"))


def parts(data):
    return data.train, data.val, data.test


def whole(data):
    return torch.cat([part.x for part in parts(data)])


# -- layouts -----------------------------------------------------------------------------------------------------------------


def layouts(tmp_path):
    """The same 40 series of 12 steps and one feature, with classes, in every layout."""
    x, y = G.normal(size=(40, 12)).astype(np.float32), np.arange(40) % 2
    names = [f"s{i}" for i in range(12)]
    write(tmp_path / "wide.csv", [(*r, c) for r, c in zip(x.tolist(), y, strict=True)], (*names, "y"))
    rows = [(k, i, v, y[k]) for k, r in enumerate(x.tolist()) for i, v in enumerate(r)]
    write(tmp_path / "long.csv", rows, ("id", "t", "a", "y"))
    np.savez(tmp_path / "a.npz", x=x[..., None], y=y)
    np.savez(tmp_path / "flat.npz", x=x, y=y)
    lines = [",".join(map(str, r)) + f":{c}" for r, c in zip(x.tolist(), y, strict=True)]
    head = "# a comment\n@problemName Some\n@univariate true\n@classLabel true 0 1\n@data\n"
    (tmp_path / "s.ts").write_text(head + "\n".join(lines))
    (tmp_path / "ucr.tsv").write_text("\n".join("\t".join(map(str, (c, *r))) for r, c in zip(x.tolist(), y, strict=True)))
    for k, (r, c) in enumerate(zip(x.tolist(), y, strict=True)):
        (tmp_path / "dir" / str(c)).mkdir(parents=True, exist_ok=True)
        write(tmp_path / "dir" / str(c) / f"{k:02}.csv", [(v,) for v in r], ("a",))
    return x, y


LAYOUTS = {
    "wide.csv": ("layout=wide", "label=y"),
    "long.csv": ("group=id", "time=t", "label=y"),
    "a.npz": ("label=y",),
    "flat.npz": ("layout=wide", "label=y"),
    "s.ts": (),
    "ucr.tsv": ("layout=wide", "label=c1"),
    "dir": (),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_holds_the_same_series(tmp_path, name):
    x, y = layouts(tmp_path)
    dataset = series(tmp_path / name, *LAYOUTS[name])
    data = dataset.load()
    assert dataset.class_names == ("0", "1")
    assert [len(p) for p in parts(data)] == [28, 6, 6]
    known = {tuple(r): c for r, c in zip(x.tolist(), y.tolist(), strict=True)}
    found = [(tuple(s[:, 0].tolist()), int(c)) for p in parts(data) for s, c in zip(p.x, p.y, strict=True)]
    assert len(set(found)) == 40
    assert all(known[s] == c for s, c in found)


def test_parquet_holds_the_same_series(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    path = grouped(tmp_path)
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    ids, t, a, y = zip(*rows, strict=True)
    table = pa.table({"id": ids, "t": list(map(int, t)), "a": list(map(float, a)), "y": y})
    pq.write_table(table, tmp_path / "g.parquet")
    settings = ("group=id", "time=t", "label=y", "window=10")
    assert torch.equal(whole(loaded(path, *settings)), whole(loaded(tmp_path / "g.parquet", *settings)))


def test_whole_series_of_any_length_are_padded_behind(tmp_path):
    rows = [(g, i, 100 * g + i) for g in range(20) for i in range(3 + g)]
    dataset = series(write(tmp_path / "t.csv", rows, ("id", "t", "a")), "group=id", "time=t")
    assert dataset.facts().ragged
    assert dataset.facts().shape == (22, 1)
    for sample in whole(dataset.load())[..., 0]:
        g = int(sample[0]) // 100
        assert sample[: 3 + g].tolist() == [100 * g + i for i in range(3 + g)]
        assert sample[3 + g :].isnan().all()


def test_folders_are_splits(tmp_path):
    for part, first in (("train", 0), ("val", 100), ("test", 200)):
        for k in range(3):
            (tmp_path / "d" / part).mkdir(parents=True, exist_ok=True)
            write(tmp_path / "d" / part / f"{k}.csv", [(first + 10 * k + i,) for i in range(6)], ("a",))
    for part, first in zip(parts(loaded(tmp_path / "d", "window=3")), (0, 100, 200), strict=True):
        assert len(part) == 6
        assert ((part.x >= first) & (part.x < first + 30)).all()


def test_a_test_file_is_the_test_split_and_its_series_are_others(tmp_path):
    path = grouped(tmp_path)
    second = write(tmp_path / "second.csv", [("g0", i, 5e5 + i, "x") for i in range(40)], ("id", "t", "a", "y"))
    data = loaded(path, f"test_path={second}", "group=id", "time=t", "label=y", "window=10")
    assert data.test.x.min() == 5e5
    assert len(data.test) == 4
    assert data.train.x.max() < 5e5
    assert not set(data.train.y.tolist()) - {0, 1, 2}


# -- windows and splits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "stride"), [(10, 10), (10, 3), (7, 1), (10, 25)])
def test_windows_follow_each_other_and_stay_in_their_part_of_the_time(tmp_path, window, stride):
    data = loaded(counted(tmp_path), "time=t", "drop=[zero]", f"window={window}", f"stride={stride}")
    for part, (low, high) in zip(parts(data), ((0, 280), (280, 340), (340, 400)), strict=True):
        starts = [s * stride + low for s in range((high - low - window) // stride + 1)]
        assert part.x[..., 0].tolist() == [[i + k for k in range(window)] for i in starts]


def test_windows_of_one_series_never_straddle_splits(tmp_path):
    data = loaded(grouped(tmp_path), "group=id", "time=t", "label=y", "window=5", "stride=1")
    groups = [set((part.x // 1000).unique().tolist()) for part in parts(data)]
    assert sum(map(len, groups)) == 20
    assert len(set.union(*groups)) == 20
    assert [len(g) for g in groups] == [14, 3, 3]
    x = whole(data)[..., 0]
    assert (x.diff(dim=1) == 1).all()
    assert len(x) == 20 * 26


def test_by_time_cuts_every_series_at_the_same_moment(tmp_path):
    data = loaded(grouped(tmp_path, steps=100), "group=id", "time=t", "label=y", "window=5", "by=time")
    for part, (low, high) in zip(parts(data), ((0, 70), (70, 85), (85, 100)), strict=True):
        step = part.x % 1000
        assert low <= step.min() <= step.max() < high
        assert len((part.x // 1000).unique()) == 20


def test_by_time_without_times_cuts_every_series_at_the_same_share(tmp_path):
    rows = [(g, 1000 * g + i) for g in range(3) for i in range(100 * (g + 1))]
    data = loaded(write(tmp_path / "t.csv", rows, ("id", "a")), "group=id", "window=5", "by=time")
    for g, steps in enumerate((100, 200, 300)):
        for part, (low, high) in zip(parts(data), ((0, 0.7), (0.7, 0.85), (0.85, 1)), strict=True):
            own = part.x[(part.x // 1000 == g)] % 1000
            assert low * steps <= own.min() <= own.max() < high * steps


def test_a_column_says_the_split_and_windows_keep_to_it(tmp_path):
    tags = ["train"] * 200 + ["test"] * 50 + ["train"] * 100 + ["val"] * 50
    path = write(tmp_path / "t.csv", [(i, tag) for i, tag in enumerate(tags)], ("a", "part"))
    data = loaded(path, "split=part", "window=20", "stride=7")
    for part, name in zip(parts(data), ("train", "val", "test"), strict=True):
        assert {tags[int(i)] for i in part.x.flatten()} == {name}
        assert (part.x.diff(dim=1) == 1).all()


def test_no_sample_spans_a_gap_unless_asked_and_gaps_are_told_once(tmp_path, caplog):
    path = counted(tmp_path, gap=133)
    settings = ("time=t", "drop=[zero]", "window=10", "stride=1")
    assert not any(((w < 133).any() and (w >= 133).any()) for w in loaded(path, *settings).train.x)
    assert caplog.text.count("comes after a gap of more than 1.5 usual steps (1), the longest 1001 at") == 1
    row = 2 + [line.split(",")[1] for line in path.read_text().splitlines()[1:]].index("133") - 1
    assert f"t.csv: column 't', row {row}" in caplog.text
    kept = loaded(path, *settings, "gaps=keep").train.x
    assert any(((w < 133).any() and (w >= 133).any()) for w in kept)


def test_short_pieces_are_left_out_and_counted(tmp_path, caplog):
    rows = [(g, i) for g in range(20) for i in range(4 if g == 7 else 12)]
    data = loaded(write(tmp_path / "t.csv", rows, ("id", "a")), "group=id", "window=6")
    assert len(whole(data)) == 38
    assert "1 of 20 pieces without a break have less than dataset.window=6 steps and are left out" in caplog.text


# -- labels and anomalies ----------------------------------------------------------------------------------------------------


def test_a_window_is_of_its_most_frequent_class_and_an_anomaly_by_one_step(tmp_path):
    rows = [(i, "ab"[i // 50 % 2], int(i % 100 == 99)) for i in range(1000)]
    path = write(tmp_path / "t.csv", rows, ("a", "y", "bad"))
    for part in parts(loaded(path, "label=y", "drop=[bad]", "window=8", "stride=3")):
        share = ((part.x[..., 0] // 50) % 2).mean(1)
        assert torch.equal(part.y[share != 0.5], (share[share != 0.5] > 0.5).long())
    dataset = series(path, "anomaly=bad", "drop=[y]", "window=8", "stride=3")
    data = dataset.load()
    assert dataset.normal_classes == (0,)
    assert dataset.class_names == ("normal", "anomaly")
    assert torch.equal(data.test.y, (data.test.x[..., 0] % 100 == 99).any(1).long())
    for part in (data.train, data.val):
        assert not part.y.any()
        assert not (part.x[..., 0] % 100 == 99).any()
    assert data.test.y.any()


def test_normal_names_classes_of_windows(tmp_path):
    dataset = series(grouped(tmp_path, 60), "group=id", "time=t", "label=y", "window=10", "normal=[x,z]", "contamination=0.1")
    data = dataset.load()
    assert dataset.normal_classes == (0, 2)
    assert set(data.val.y.tolist()) <= {0, 2}
    assert float((data.train.y == 1).float().mean()) == pytest.approx(0.1, abs=0.03)


# -- missing values and preparation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["refuse", "cut", "previous", "linear"])
def test_missing_values(tmp_path, caplog, way):
    rows = [(i, "" if i in (0, 50, 51) else 2 * i) for i in range(200)]
    path = write(tmp_path / "t.csv", rows, ("a", "b"))
    if way == "refuse":
        with pytest.raises(AerunError, match=r"t\.csv: column 'b', row 1: is missing \(3 in all\)\. dataset\.missing=previous"):
            loaded(path, "window=10")
        return
    data = loaded(path, "window=10", "stride=1", f"missing={way}")
    a, b = whole(data).flatten(0, 1).unbind(1)
    there = ~torch.isin(a, torch.tensor([0.0, 50, 51]))
    assert torch.equal(b[there], 2 * a[there])
    if way == "cut":
        assert there.all()
    else:
        filled = {int(i): float(v) for i, v in zip(a[~there], b[~there], strict=True)}
        assert filled == {0: 2, 50: 98, 51: 98} if way == "previous" else {0: 2, 50: 100, 51: 102}
        assert f"3 missing values are filled in (dataset.missing={way})" in caplog.text


def test_nothing_is_filled_in_across_the_border_of_a_split(tmp_path):
    rows = [(1, "" if i == 139 else i) for i in range(200)]  # the last training step
    data = loaded(write(tmp_path / "t.csv", rows, ("one", "a")), "drop=[one]", "window=10", "missing=linear")
    assert data.train.x.max() == 138


@pytest.mark.parametrize("way", ["standardize", "robust", "minmax"])
@pytest.mark.parametrize("ragged", [False, True])
def test_features_are_scaled_by_the_training_steps_alone_and_padding_stays_padding(tmp_path, way, ragged):
    rows = [(g, i, G.normal(50, 5), G.normal(-3, 100)) for g in range(40) for i in range(10 + (g % 5 if ragged else 0))]
    plan = built("dataset=series", f"dataset.path={write(tmp_path / 't.csv', rows, ('id', 't', 'a', 'b'))}", "dataset.time=t",
                 "dataset.group=id", f"dataset.prepare={way}", *(["model/arch=recurrent"] if ragged else []))  # fmt: skip
    data, model = plan.dataset.load(), plan.autoencoder
    model.start_from(data.train.x)
    real = data.train.x[~data.train.x.isnan().any(2)].double()
    centre = {"standardize": real.mean(0), "robust": real.quantile(0.5, 0), "minmax": real.amin(0)}[way]
    torch.testing.assert_close(model.preparation.centre.flatten().double(), centre, rtol=1e-5, atol=1e-4)
    x, valid = model.units(data.test.x), plan.facts.valid(data.test.x)
    assert plan.facts.ragged == ragged
    assert x.isfinite().all()
    if ragged:
        assert (x[~valid] == 0).all()
    there = slice(None) if valid is None else valid
    if way != "minmax":
        torch.testing.assert_close(model.preparation.inverse(x)[there], data.test.x[there], rtol=1e-4, atol=1e-3)


def test_no_statistic_depends_on_validation_or_test_steps(tmp_path):
    rows = [(g, i, G.normal(50, 5)) for g in range(40) for i in range(10 + g % 5)]
    found = []
    for change in (False, True):
        path = write(tmp_path / "t.csv", rows, ("id", "t", "a"))
        plan = built("dataset=series", f"dataset.path={path}", "dataset.group=id", "dataset.time=t", "model/arch=recurrent")
        data = plan.dataset.load()
        plan.autoencoder.start_from(data.train.x)
        found.append(plan.autoencoder.preparation.state_dict())
        trained = {round(float(v), 3) for v in data.train.x.flatten() if v == v}
        if not change:
            rows = [(g, i, v if round(v, 3) in trained else 1e4) for g, i, v in rows]
            assert sum(v == 1e4 for _, _, v in rows) > 100
    before, after = found
    assert all(torch.equal(before[k], after[k]) for k in ("centre", "spread", "rate"))


def test_longer_padding_changes_nothing(tmp_path):
    """P22: behind a preparation too, what stands behind the last step changes neither code, loss nor error (exactly 0)."""
    rows = [(g, i, G.normal(50, 5), G.normal(-3, 100)) for g in range(40) for i in range(6 + g % 5)]
    path = write(tmp_path / "t.csv", rows, ("id", "t", "a", "b"))
    plan = built("dataset=series", f"dataset.path={path}", "dataset.group=id", "dataset.time=t", "model/arch=recurrent")
    model, stored = plan.autoencoder.eval(), plan.dataset.load().train.x
    model.start_from(stored)
    valid = plan.facts.valid(stored)
    x = model.units(stored)
    noise = torch.where(valid[..., None], x, torch.randn(x.shape, generator=torch.Generator().manual_seed(0)))
    assert not torch.equal(x, noise)
    with torch.no_grad():
        assert torch.equal(model.encode(x, valid=valid), model.encode(noise, valid=valid))
        assert torch.equal(model.objective(x, None, valid).loss, model.objective(noise, None, valid).loss)


def test_what_the_training_rows_say_is_told(tmp_path, caplog):
    loaded(counted(tmp_path), "time=t", "window=10")
    assert "dataset=series: constant in the training rows, so 0 to the model: zero." in caplog.text


# -- a run, and what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["long.csv", "s.ts", "dir"])
def test_a_run_on_series_of_ones_own(tmp_path, name):
    layouts(tmp_path)
    settings = [f"dataset.{s}" for s in LAYOUTS[name]]
    told = here(tmp_path, "dataset=series", f"dataset.path={name}", *settings, "trainer=smoke", "model/arch=recurrent")
    assert told.code == 0, told.err
    assert "28 training, 6 validation, 6 test samples" in told.out


TS = "@classLabel true a b\n@data\n"
PAIRS = "id,a\n" + "".join(f"{i // 10},{i}\n" for i in range(100))
BAD = {
    "two steps of one moment": ("t.csv", "t,a\n0,1\n1,2\n1,3\n2,4\n", ("time=t",), r"column 't', row 3: another step.*group"),
    "words": ("t.csv", "a,k\n1,u\n2,v\n", (), r"t\.csv: column 'k', row 1: 'u' is not a number.*dataset\.drop=\[k\]"),
    "no group": ("t.csv", "id,a\nu,1\n,2\n", ("group=id",), r"column 'id', row 2: is empty"),
    "unknown group": ("t.csv", PAIRS, ("group=ib",), r"dataset\.group=ib: .*no such column \(nearest: id\)"),
    "unknown time": ("t.csv", PAIRS, ("time=t", "group=id"), r"dataset\.time=t: .*no such column"),
    "nothing left": ("t.csv", PAIRS, ("group=id", "drop=[a]"), "no column is left to train on"),
    "two series": ("t.csv", "id,a\n" + "1,1\n2,2\n" * 9, ("group=id", "window=2"), r"only 2 series.*by=time"),
    "window too long": ("t.csv", PAIRS, ("window=50",), r"the validation split, 15 steps, holds no sample of .*window=50"),
    "window of one": ("t.csv", PAIRS, ("window=1",), r"dataset\.window=1: must be an integer of at least 2"),
    "stride alone": ("t.csv", PAIRS, ("stride=2",), r"dataset\.stride=2 needs dataset\.window"),
    "one column twice": ("t.csv", PAIRS, ("group=id", "label=id"), r"dataset\.group=id dataset\.label=id: a column is one"),
    "time in the layout wide": ("t.csv", PAIRS, ("layout=wide", "time=id"), r"dataset\.time=id: in the layout wide"),
    "an empty series": ("t.csv", "a,b,y\n1,2,u\n,,v\n", ("layout=wide", "label=y"), r"t\.csv: series 2 has no value"),
    "no data": ("t.ts", "@problemName x\n", (), r"t\.ts: not a \.ts file: it has no line @data"),
    "no series": ("t.ts", TS, (), r"t\.ts: has no series behind @data"),
    "no class": ("t.ts", TS + "1,2,3\n", (), r"t\.ts, line 3: no ':' and no class"),
    "lengths": ("t.ts", TS + "1,2,3:1,2:a\n", (), r"t\.ts, line 3: its features have 2 to 3 steps"),
    "features": ("t.ts", TS + "1,2:1,2:a\n1,2:a\n", (), r"t\.ts, line 4: 1 features, and 2 in the first"),
    "a word": ("t.ts", TS + "1,x,3:a\n", (), r"t\.ts, line 3: feature 1: 'x' is not a number"),
    "infinite": ("t.ts", TS + "1,inf,3:a\n", (), r"t\.ts, line 3: feature 1: inf is infinite or beyond"),
    "time stamps": ("t.ts", "@timestamps true\n@data\n", (), r"line 1: time stamps in \.ts files are not read"),
    "columns of .ts": ("t.ts", TS + "1,2:a\n", ("label=y",), r"dataset\.label=y: a \.ts file has no columns"),
    "binary": ("t.ts", b"@data\n\xff\xfe", (), r"t\.ts, line 2: not utf-8 text"),
    "drops what is not there": ("t.ts", TS + "1,2:a\n", ("drop=[f9]",), r"dataset\.drop=f9: .*no such column"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_series_are_refused_in_one_line_that_names_the_place(tmp_path, case):
    name, content, settings, words = BAD[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(AerunError, match=words) as e:
        loaded(tmp_path / name, *settings)
    assert "\n" not in str(e.value)


def test_windows_that_do_not_fit_into_memory_are_refused_before_they_are_cut(tmp_path, monkeypatch):
    path = counted(tmp_path, 2000)
    monkeypatch.setattr("aerun.core.memory.memory_limit", lambda: 1_000_000)
    with pytest.raises(AerunError, match=r"t\.csv \(longer dataset\.stride: fewer windows\): takes"):
        loaded(path, "time=t", "window=500", "stride=1")


def test_a_ts_file_of_the_archive_is_the_set_that_ships():
    root = Path(os.environ.get("AERUN_DATA", "")) / "sequences"
    if not (root / "JapaneseVowels_TRAIN.ts").is_file():
        pytest.skip("AERUN_DATA does not name a folder with the time-series archive's files")
    data = loaded(root / "JapaneseVowels_TRAIN.ts", f"test_path={root / 'JapaneseVowels_TEST.ts'}", "prepare=none")
    ours = dataset_of(composed("dataset=japanese_vowels")).load()
    torch.testing.assert_close(data.test.x, ours.test.x, equal_nan=True, rtol=0, atol=1e-6)
    assert torch.equal(data.test.y, ours.test.y)


def test_features_that_are_missing_in_one_series_of_a_file_are_named(tmp_path):
    (tmp_path / "s.ts").write_text(TS + "1,2,3:4,5,6:a\n1,2,3:4,?,6:b\n" * 5)
    with pytest.raises(AerunError, match=r"s\.ts: series 2, step 2 of 'f2': is missing \(5 in all\)"):
        loaded(tmp_path / "s.ts")


def hourly(tmp_path, zone, *spans):
    """Every hour of local time between moments, as a clock on the wall shows them."""
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    lines = ["when,load"]
    for first, last in spans:
        at, end = (datetime.fromisoformat(w).replace(tzinfo=ZoneInfo(zone)).timestamp() for w in (first, last))
        while at < end:
            lines.append(f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d %H:%M:%S},{len(lines)}")
            at += timedelta(hours=1).total_seconds()
    (tmp_path / "load.csv").write_text("\n".join(lines) + "\n")
    return ["dataset=series", f"dataset.path={tmp_path / 'load.csv'}", "dataset.time=when", "dataset.window=24"]


def test_rows_that_stand_there_twice_are_named_as_such(tmp_path):
    rows = [f"2024-10-{1 + i // 24:02} {i % 24:02}:00,{i}" for i in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["ts,v", *rows, *rows[50:52]]) + "\n")
    with pytest.raises(AerunError, match="and the same values: 2 rows stand there twice"):
        loaded(tmp_path / "t.csv", "time=ts", "window=5")


def test_a_clock_that_was_set_back_is_named_and_its_zone_goes_on(tmp_path, caplog):
    autumn = hourly(tmp_path, "Europe/Berlin", ("2024-10-10", "2024-11-10"))
    with pytest.raises(AerunError, match=r"row 4\d\d.*end of summer time.*dataset.zone="):
        built(*autumn)
    whole = built(*autumn, "dataset.zone=Europe/Berlin").dataset.load()
    values = torch.cat([p.x for p in (whole.train, whole.val, whole.test)]).flatten()
    assert (values.diff()[values.diff() != 1] > 0).all(), "in the order of the file, as time went on"
    assert "gap" not in caplog.text
    with pytest.raises(AerunError, match=r"row 4\d\d.*where the clock of Europe/London is not set back. Is it another zone's"):
        built(*autumn, "dataset.zone=Europe/London")


def test_a_time_that_the_clock_of_a_zone_skips_is_of_another_zone(tmp_path):
    utc = hourly(tmp_path, "UTC", ("2024-03-20", "2024-04-10"))
    with pytest.raises(AerunError, match=r"row 2\d\d.*clock of Europe/Berlin is set forward over this time \(1 in all\)"):
        built(*utc, "dataset.zone=Europe/Berlin")


def test_a_clock_that_was_set_forward_leaves_no_gap_in_its_zone(tmp_path, caplog):
    spring = hourly(tmp_path, "America/New_York", ("2024-03-01", "2024-03-31"))
    built(*spring, "dataset.zone=America/New_York").dataset.load()
    assert "gap" not in caplog.text
    built(*spring).dataset.load()
    assert "1 of 719 steps comes after a gap" in caplog.text


def test_moments_that_come_twice_all_over_are_two_series(tmp_path):
    (tmp_path / "t.csv").write_text(
        "when,x\n" + "".join(f"2024-01-{d:02} 00:00:00,{i}\n" for d in range(1, 29) for i in (0, 1))
    )
    with pytest.raises(AerunError, match=r"dataset\.group=NAME"):
        built("dataset=series", f"dataset.path={tmp_path / 't.csv'}", "dataset.time=when", "dataset.window=2")


def test_offsets_in_the_file_need_no_zone(tmp_path):
    words = ["2024-10-27T01:00+02:00", "2024-10-27T02:00+02:00", "2024-10-27T02:00+01:00", "2024-10-27T03:00+01:00"]
    (tmp_path / "t.csv").write_text("when,x\n" + "".join(f"{w},{i}\n" for i, w in enumerate(words * 1)))
    settings = [
        "dataset=series",
        f"dataset.path={tmp_path / 't.csv'}",
        "dataset.time=when",
        "model=recurrent",
        "dataset.val=0.25",
        "dataset.test=0.25",
    ]
    assert len(built(*settings).dataset.load().train) == 1
    with pytest.raises(AerunError, match=r"dataset.zone=Nowhere: no such time zone"):
        built(*settings, "dataset.zone=Nowhere")


@pytest.mark.parametrize("way", ["fill", "keep"])
@pytest.mark.parametrize("prepare", ["standardize", "none"])
def test_missing_values_go_the_way_of_tables(tmp_path, caplog, way, prepare):
    rows = [(i, "" if i % 7 == 3 else 2 * i) for i in range(200)]
    path = write(tmp_path / "t.csv", rows, ("a", "b"))
    settings = (
        f"dataset.path={path}",
        "dataset.window=10",
        f"dataset.missing={way}",
        f"dataset.prepare={prepare}",
        "dataset.carry=false",
    )
    plan = built("dataset=series", *settings)
    data = validate_data(plan.dataset.load(), plan.facts, "series")
    assert len(whole(data)) == 20, "no window is lost"
    train = data.train.x
    gone = train.isnan()
    assert gone[..., 1].any()
    assert not gone[..., 0].any()
    model = plan.autoencoder
    model.start_from(train)
    b = train[..., 1][~gone[..., 1]]
    middle = b.median() if way == "fill" else b.mean()
    own = model.preparation.inverse(model.units(train))
    assert own[..., 1][gone[..., 1]].unique().numpy() == pytest.approx(float(middle), abs=1.1)
    torch.testing.assert_close(own[~gone], train[~gone], rtol=1e-5, atol=1e-3)
    assert torch.equal(model.seen(train), ~gone)
    assert (model.offered_seen(train) is not None) == (way == "keep")
    assert f"values are missing, read as the {'median' if way == 'fill' else 'mean'} of training" in caplog.text


def uneven(path, seed=0, holes=0.1):
    """Nine series of 12 to 20 steps of two features with missing cells, one whole step and the last step of a series too."""
    g = np.random.default_rng(seed)
    rows, series = [], {}
    for k, length in enumerate(range(12, 21)):
        x = np.stack([np.sin(np.arange(length) / 3 + k), np.cos(np.arange(length) / 3)], 1)
        x[g.random(x.shape) < holes] = np.nan
        x[-1], x[0] = 0.5, 0.25
        if holes and k in (2, 5, 8):
            x[4], x[6, 0] = np.nan, np.nan
        series[f"s{k}"] = x
        rows += [(f"s{k}", *("" if np.isnan(v) else v for v in step)) for step in x]
        rows += [(f"s{k}", "", "")] * 2 * (k == 3 and holes > 0)
    return write(path, rows, ("s", "a", "b")), series


@pytest.mark.parametrize("way", ["fill", "keep"])
@pytest.mark.parametrize("prepare", ["standardize", "none"])
def test_gaps_in_series_of_different_lengths_are_no_ends(tmp_path, caplog, way, prepare):
    path, series = uneven(tmp_path / "t.csv")
    settings = (
        f"dataset.path={path}",
        "dataset.group=s",
        f"dataset.missing={way}",
        f"dataset.prepare={prepare}",
        "dataset.carry=false",
    )
    plan = built("dataset=series", *settings)
    data = validate_data(plan.dataset.load(), plan.facts, "series")
    assert plan.facts.ragged
    assert plan.facts.stored == (20, 2)
    assert "2 steps without any value at the ends of series are left out." in caplog.text
    wanted = {len(x): x.astype(np.float32) for x in series.values()}
    for stored in whole(data):
        real = plan.facts.valid(stored[None])[0]
        np.testing.assert_array_equal(stored[real], wanted[int(real.sum())])
        assert stored[~real].isnan().all()
    train, model = data.train.x, plan.autoencoder
    model.start_from(train)
    valid = plan.facts.valid(train)
    gone = train.isnan() & valid[..., None]
    assert torch.equal(model.seen(train), ~gone)
    x = model.units(train)
    assert not x[~valid].any(), "behind the end x is 0"
    known = [train[..., i][valid & ~gone[..., i]] for i in range(2)]
    middle = torch.stack([v.quantile(0.5) if way == "fill" else v.mean() for v in known])
    own = model.preparation.inverse(x)
    torch.testing.assert_close(own[gone], middle.expand_as(own)[gone], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own[valid[..., None] & ~gone], train[valid[..., None] & ~gone], rtol=1e-4, atol=1e-5)
    assert (model.offered_seen(train) is not None) == (way == "keep")


def test_a_run_on_uneven_series_with_gaps_is_used_on_new_ones(tmp_path, caplog):
    path, _ = uneven(tmp_path / "t.csv")
    settings = ("dataset=series", f"dataset.path={path}", "dataset.group=s", "dataset.missing=keep", "trainer=smoke")
    model = aerun.train(*settings, "model=ae", "model.latent_dim=2", folder=tmp_path / "run")
    assert model.results["cells/test/missing"] > 0
    new, series = uneven(tmp_path / "new.csv", seed=1)
    told = here(tmp_path, "score", "run", str(new), "--output", "s.npz")
    assert told.code == 0, told.err
    missing = [int(np.isnan(x[:, i]).sum()) for x in series.values() for i in range(2)]
    line = f"missing cells: {sum(missing)} (a {sum(missing[::2])}, b {sum(missing[1::2])}), read as the last value before"
    assert line in told.err
    samples = [x.astype(np.float32) for x in series.values()]
    scores = model.score(samples)
    np.testing.assert_array_equal(scores, np.load(tmp_path / "s.npz")["score"])
    for x, own, errors in zip(samples, scores, model.errors(samples), strict=True):
        seen = ~np.isnan(x)
        assert own == pytest.approx(errors[: len(x)][seen].mean(), rel=1e-5)
        assert not errors[: len(x)][~seen].any()
        assert not errors[len(x) :].any()
        np.testing.assert_allclose(model.score([x]), own, rtol=1e-5)
    assert [len(x) for x in model.reconstruct(samples)] == [len(x) for x in samples]
    assert all(np.isfinite(x).all() for x in model.reconstruct(samples))
    for verb in ("encode", "reconstruct"):
        told = here(tmp_path, verb, "run", str(new), "--output", "out.npz")
        assert told.code == 0, told.err
    with pytest.raises(AerunError, match=r"sequence 1 ends in steps without any value"):
        model.score([np.array([[1, 2], [np.nan, np.nan]])])
    with pytest.raises(AerunError, match=r"sequence 2 has no value"):
        model.score(np.stack([np.ones((20, 2)), np.full((20, 2), np.nan)]))


@pytest.mark.parametrize("way", ["fill", "keep"])
def test_uneven_series_without_gaps_score_as_with_any_way_of_gaps(tmp_path, way):
    path, _ = uneven(tmp_path / "t.csv", holes=0)
    settings = ("dataset=series", f"dataset.path={path}", "dataset.group=s")
    scores = []
    for missing in ("refuse", way):
        plan = built(*settings, f"dataset.missing={missing}", "dataset.show_missing=false")
        data = plan.dataset.load()
        plan.autoencoder.start_from(data.train.x)
        plan.autoencoder.eval()
        torch.manual_seed(0)
        for p in plan.autoencoder.parameters():
            torch.nn.init.normal_(p, std=0.3)
        with torch.no_grad():
            scores.append(score(plan.autoencoder, data.test.x))
    assert torch.equal(*scores)


def test_a_run_with_gaps_is_used_with_gaps(tmp_path):
    rows = [(np.sin(i / 5), "" if i % 7 == 3 else np.cos(i / 5)) for i in range(400)]
    path = write(tmp_path / "t.csv", rows, ("a", "b"))
    settings = (
        "dataset=series",
        f"dataset.path={path}",
        "dataset.window=10",
        "dataset.missing=keep",
        "model=ae",
        "trainer=smoke",
    )
    model = aerun.train(*settings, "model.latent_dim=2", folder=tmp_path / "run")
    told = here(tmp_path, "score", "run", "t.csv", "--output", "s.npz")
    assert told.code == 0, told.err
    assert "missing cells: 57 (b 57), read as the last value before; no part of scores" in told.err
    beside = json.loads((tmp_path / "s.npz.notes.json").read_text())
    assert beside["cells"] == {"missing": {"b": 57}, "outside": {"a": 1}}  # a peak that no training step reaches
    assert sum(beside["rows"]["missing"]) == 57
    assert model.results["cells/test/missing"] > 0


def test_values_of_series_out_of_the_training_range_are_counted(tmp_path):
    path = write(tmp_path / "t.csv", [(i % 7, np.cos(i / 5)) for i in range(400)], ("a", "b"))
    model = aerun.train(
        "dataset=series",
        f"dataset.path={path}",
        "dataset.window=10",
        "model=ae",
        "model.latent_dim=2",
        "trainer=smoke",
        folder=tmp_path / "run",
    )
    new = write(tmp_path / "new.csv", [(9 if i in (3, 4) else i % 7, 0) for i in range(20)], ("a", "b"))
    told = here(tmp_path, "encode", "run", str(new), "--output", "z.npz")
    assert told.code == 0, told.err
    assert "values outside of the training range: 2 (a 2), used as they are" in told.err
    assert model.results["cells/test/missing"] == 0


def test_series_that_do_not_fit_are_refused_with_the_file_at_which(tmp_path, monkeypatch):
    for name in ("r1", "r2", "r3"):
        counted(tmp_path, name=f"{name}.csv")
    monkeypatch.setattr("aerun.core.memory.memory_limit", lambda: 25_000)
    with pytest.raises(
        AerunError, match=r"the first 3 of 3 files \(series are held in memory\): takes .* GB or more in memory"
    ):
        loaded(tmp_path / "r*.csv", "window=5")
