"""Verbs between other programs: what comes from a pipe is what a file holds, and a reader that leaves ends them quietly."""

import csv
import io
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from tests.shell import here

X = np.round(np.random.default_rng(0).normal(size=(40, 3)), 4)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A run on a table, and the table as csv and as records."""
    folder = tmp_path_factory.mktemp("pipes")
    records = [{"id": f"n{i}", **dict(zip("abc", map(float, row), strict=True))} for i, row in enumerate(X)]
    (folder / "t.csv").write_text("id,a,b,c\n" + "".join(",".join(map(str, r.values())) + "\n" for r in records))
    (folder / "t.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "t.json").write_text(json.dumps(records))
    quick = ("trainer=smoke", "trainer.progress=false", "pictures=[]", "hydra.run.dir=run")
    assert here(folder, "dataset=table", "dataset.path=t.csv", "dataset.id=id", *quick).code == 0
    return folder


def piped(work, name, *words):
    """Return what a verb answers when it reads a file through a pipe."""
    pipe = work / f"pipe-{name}"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((work / name).read_bytes()), daemon=True)
    writer.start()
    told = here(work, words[0], "run", pipe.name, *words[1:])
    writer.join()
    pipe.unlink()
    return told


@pytest.mark.parametrize("verb", ["score", "encode"])
def test_records_and_cells_in_a_pipe_are_those_of_the_file(work, verb):
    whole = here(work, verb, "run", "t.csv", "-o", "-").out
    assert whole.startswith("id,")
    assert len(whole.splitlines()) == 41
    for name in ("t.csv", "t.jsonl", "t.json"):
        assert piped(work, name, verb, "-o", "-").out == whole


def test_records_are_written_as_they_are_read(work):
    cells = list(csv.DictReader(io.StringIO(here(work, "encode", "run", "t.csv", "-o", "-").out)))
    records = [json.loads(line) for line in here(work, "encode", "run", "t.jsonl", "-o", "jsonl:-").out.splitlines()]
    assert [{k: str(v) for k, v in r.items()} for r in records] == cells
    assert here(work, "encode", "run", "t.csv", "-o", "z.jsonl").code == 0
    assert [json.loads(line) for line in (work / "z.jsonl").read_text().splitlines()] == records
    scores = json.loads(here(work, "score", "run", "t.csv", "-o", "jsonl:-").out.splitlines()[0])
    assert scores["threshold"] == "inf"  # too few validation samples for a threshold, which JSON has no number for


def test_what_is_wrong_in_a_pipe_is_told(work):
    (work / "bad").write_text('{"a": 1, "b": 2, "c": 3}\n{"a": 1')
    assert "line 2: not JSON, or cut short" in piped(work, "bad", "score", "-o", "-").err
    late = '{"a": 1, "b": 2}\n' * 1000 + '{"a": 1, "b": 2, "c": 3}\n'
    (work / "late").write_text(late)
    assert "line 1001: 'c' comes for the first time after 1,000 records" in piped(work, "late", "score", "-o", "-").err
    (work / "none").write_text("")
    assert "is empty" in piped(work, "none", "score", "-o", "-").err


def test_a_reader_that_leaves_ends_a_verb_quietly(work):
    (work / "many.jsonl").write_text((work / "t.jsonl").read_text() * 2000)
    told = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m aerun score run - -o jsonl:- < many.jsonl | head -2"],
        cwd=work, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert [json.loads(line)["id"] for line in told.stdout.splitlines()] == ["n0", "n1"]
    assert told.returncode == 141
    assert "Traceback" not in told.stderr
    assert "error" not in told.stderr
