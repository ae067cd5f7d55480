"""Rows that are scored as they come."""

import csv

import numpy as np
import pytest

from aerun.inference import arriving, recordings
from tests.shell import here

SMALL = ["model=ae", "model.latent_dim=2", "model.arch.hidden=[8]", "trainer=smoke", "pictures=[]", "trainer.progress=false"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table with words and a series with a gap in time, and a run on each."""
    folder, r = tmp_path_factory.mktemp("follow"), np.random.default_rng(0)
    x, words = r.standard_normal((120, 2)), r.choice(["red", "green"], 120)
    rows = [f'k{i},{u:.3f},{v:.3f},"{w}"' for i, ((u, v), w) in enumerate(zip(x, words, strict=True))]
    (folder / "t.csv").write_text("\n".join(["id,p,q,colour", *rows, ""]))
    steps = [f"{t},{np.sin(t / 3):.4f},{np.cos(t / 5):.4f}" for t in range(260) if not 150 <= t < 170]
    (folder / "s.csv").write_text("\n".join(["t,a,b", *steps, ""]))
    assert here(folder, *SMALL, "dataset=table", "dataset.path=t.csv", "dataset.id=id", "hydra.run.dir=table").code == 0
    series = ["dataset=series", "dataset.path=s.csv", "dataset.time=t", "dataset.window=12", "dataset.stride=5"]
    assert here(folder, *SMALL, *series, "hydra.run.dir=series").code == 0
    return folder


def followed(folder, monkeypatch, run, content, sizes):
    """Return the rows and the words of a stream whose bytes come in parts of these sizes, over and over."""
    ends = np.cumsum(np.resize(sizes, len(content)))
    parts = [p for a, b in zip([0, *ends], ends, strict=False) if (p := content[a:b])]
    monkeypatch.setattr(arriving, "_read", lambda _: iter(parts))
    told = here(folder, "score", run, "-", "--follow", "--output", "out.csv")
    rows = list(csv.DictReader((folder / "out.csv").read_text().splitlines()))
    (folder / "out.csv").unlink()
    return rows, told


@pytest.mark.parametrize(("run", "file"), [("table", "t.csv"), ("series", "s.csv")])
@pytest.mark.parametrize("sizes", [[1, 40, 3], [700]])
def test_rows_have_the_scores_of_the_whole_file(folder, monkeypatch, run, file, sizes):
    assert here(folder, "score", run, file, "--output", "whole.csv").code == 0
    whole = list(csv.DictReader((folder / "whole.csv").read_text().splitlines()))
    rows, told = followed(folder, monkeypatch, run, (folder / file).read_bytes(), sizes)
    assert told.code == 0
    assert [list(r) for r in rows] == [list(r) for r in whole]
    for name in whole[0]:
        if name in ("score", "threshold"):
            np.testing.assert_allclose(*([float(r[name] or "nan") for r in side] for side in (rows, whole)), rtol=1e-9)
        else:
            assert [r[name] for r in rows] == [r[name] for r in whole]


@pytest.mark.parametrize(("run", "file"), [("table", "t.csv"), ("series", "s.csv")])
def test_what_cannot_be_read_has_no_score_and_the_rest_goes_on(folder, monkeypatch, run, file):
    lines = (folder / file).read_bytes().splitlines(keepends=True)
    lines[60] = b"oops,oops,1" + (b",red\n" if run == "table" else b"\n")
    lines[70] = b"oops\n"
    rows, told = followed(folder, monkeypatch, run, b"".join(lines) + b"9,0.", [333])
    assert len(rows) == len(lines) - 1
    assert [i for i, r in enumerate(rows) if not r["score"]][:1] == [59]
    assert sum(not r["score"] for r in rows) < 25
    assert "row 60: 'oops' is not a number" in told.err
    assert "row 70: 1 field" in told.err
    assert f"ends inside row {len(lines)} (9,0.), which is not scored" in told.err


def test_what_needs_all_rows_and_a_file_that_is_there_are_refused(folder):
    (folder / "there.csv").write_text("mine\n")
    for run, words in [("table", ["--fdr", "0.1"]), ("table", ["--top", "3"]), ("series", ["--smooth"])]:
        told, why = here(folder, "score", run, "-", "--follow", "--output", "o.csv", "--data", "s.csv", *words), words[0]
        assert (told.code, f"{why} waits for all rows" in told.err) == (2, True)
    told = here(folder, "score", "table", "-", "--follow", "--output", "there.csv")
    assert (told.code, "is there already" in told.err) == (2, True)
    assert (folder / "there.csv").read_text() == "mine\n"


@pytest.mark.parametrize("way", [[], ["--smooth", "5"], ["--online", "--smooth", "3"]], ids=["plain", "smooth", "online"])
@pytest.mark.parametrize("kind", ["csv", "npy"])
def test_a_large_file_is_scored_in_pieces_as_a_whole(folder, monkeypatch, kind, way):
    """Gaps cut it, one of them longer than a piece; windows and means reach from piece to piece."""
    x = np.stack([np.sin(np.arange(900) / 3), np.cos(np.arange(900) / 5)], 1).round(4)
    x[[40, 41, 333]], x[500:680] = np.nan, np.nan
    np.save(folder / "long.npy", x)
    cells = ["label,a,b", *(f"day{i // 50},{'' if np.isnan(u) else u},{v}".replace("nan", "") for i, (u, v) in enumerate(x))]
    (folder / "long.csv").write_text("\n".join([*cells, ""]))
    cut = ["dataset=series", f"dataset.path=long.{kind}", "dataset.window=12", "dataset.stride=5", "dataset.missing=cut"]
    named = ["dataset.label=label"] if kind == "csv" else []
    if not (folder / f"cut{kind}").exists():
        assert here(folder, *SMALL, *cut, *named, f"hydra.run.dir=cut{kind}").code == 0
    call = ["score", f"cut{kind}", f"long.{kind}", *way, *(["--data", f"long.{kind}"] if way else []), "--output"]
    assert here(folder, *call, "whole.csv").code == 0
    monkeypatch.setattr(recordings, "_LARGE", 0)
    monkeypatch.setattr(recordings, "_ELEMENTS", 10)
    pieces = []
    monkeypatch.setattr(
        recordings, "_step_series", lambda *a, own=recordings._step_series: pieces.append(own(*a)) or pieces[-1]
    )
    assert here(folder, *call, "parts.csv").code == 0
    assert len(pieces) > 4
    whole, parts = (list(csv.DictReader((folder / f"{name}.csv").read_text().splitlines())) for name in ("whole", "parts"))
    assert [list(r) for r in whole] == [list(r) for r in parts]
    assert len(whole) == 900
    for name in whole[0]:
        if name in ("score", "threshold"):
            np.testing.assert_allclose(*([float(r[name] or "nan") for r in side] for side in (parts, whole)), rtol=1e-9)
        else:
            assert [r[name] for r in parts] == [r[name] for r in whole]


def test_a_mean_of_more_scores_than_there_are_is_refused(folder):
    (folder / "short.csv").write_text("\n".join(["t,a,b", *(f"{t},0,0" for t in range(30)), ""]))
    told = here(folder, "score", "series", "short.csv", "--smooth", "31", "--data", "s.csv", "--output", "x.csv")
    assert told.code == 2
    assert "short.csv: has 30 steps" in told.err
    assert not (folder / "x.csv").exists()
