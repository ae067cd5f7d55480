"""Words in tables that no spreadsheet runs, and that come back as they were."""

import csv

import numpy as np
import openpyxl
import pytest

from aerun.core.errors import AerunError
from aerun.formats.cells import guarded, unguarded
from aerun.formats.text_rows import rows_of
from aerun.formats.writing.output import written

RUN = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", "=", "'=1", "''@x", "-", "\t7"]
KEPT = ["a", "", "-1", "+3.5", "-1e-3", "-inf", "'quoted'", "a=b", "it's", "'", "model=ae"]


@pytest.mark.parametrize("word", RUN)
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(word):
    assert guarded(word) == f"'{word}"
    assert unguarded([guarded(word)]) == [word]


@pytest.mark.parametrize("word", KEPT)
def test_other_words_and_numbers_stay_as_they_are(word):
    assert guarded(word) == word
    assert unguarded([word]) == [word]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
@pytest.mark.parametrize("raw", [False, True])
def test_a_table_comes_back_as_it_was(tmp_path, name, raw):
    """raw: every cell as it is."""
    words = np.array([w for w in RUN + KEPT if w.strip() == w])
    with written(str(tmp_path / name), {"raw": raw}) as writer:
        writer.add({"=head": words, "n": np.linspace(-1, 1, len(words))})
    with (tmp_path / name).open(newline="") as f:
        (head, *rows) = csv.reader(f, delimiter="\t" if name.endswith("tsv") else ",")
    assert head == ["=head" if raw else "'=head", "n"]
    assert [r[0] for r in rows] == [w if raw else guarded(w) for w in words]
    assert rows[0][1] == "-1.0"
    if not raw:
        assert [row[0] for _, row in rows_of(tmp_path / name, "utf-8", "auto")] == ["=head", *words]


def test_a_sheet_comes_back_as_it_was(tmp_path):
    """Numbers are numbers, of 16 digits, and no word is a formula."""
    words = np.array([w for w in RUN + KEPT if w.strip() == w])
    numbers = np.linspace(-1, 1, len(words)).astype(np.float32)
    numbers[1] = np.nan
    path = tmp_path / "t.xlsx"
    with written(str(path), {}) as writer:
        for rows in (slice(0, 3), slice(3, None)):
            writer.add(
                {"=head": words[rows], "n": numbers[rows], "yes": words[rows] == "a", "z": np.ones((len(words[rows]), 2))}
            )
    sheet = openpyxl.load_workbook(path).active
    head, *found = ([cell.value for cell in row] for row in sheet.iter_rows())
    assert head == ["=head", "n", "yes", "z1", "z2"]
    assert not any(cell.data_type == "f" for row in sheet.iter_rows() for cell in row)
    assert [row[0] or "" for row in found] == list(words)
    with pytest.raises(AerunError, match="xlsx holds no control characters"), written(str(tmp_path / "c.xlsx"), {}) as writer:
        writer.add({"x": np.array(["a\x01b"])})
    assert [row[1] for row in found] == [None if n != n else float(str(n)) for n in numbers]
    assert [row[2] for row in found] == [int(w == "a") for w in words]
    with pytest.raises(AerunError, match="holds 1,048,576 rows"), written(str(path), {}) as writer:
        writer.add({"x": np.zeros(1_048_576)})
    assert openpyxl.load_workbook(path).active.max_row == len(words) + 1


def _stopped(output, about, x):
    with written(output, about) as writer:
        writer.add({"x": x})
        raise AerunError("stopped")


@pytest.mark.parametrize("name", ["x.csv", "x.npy", "x.npz", "x.parquet", "x.xlsx", "x.txt", "x.png", "x.wav", "x/"])
def test_a_file_is_there_whole_or_as_it_was(tmp_path, name):
    """Where something goes wrong in between, nothing is left behind, and what was there before stays."""
    place = tmp_path / name
    if not name.endswith("/"):
        place.write_text("before")
    about = {"kind": "image", "low": 0.0, "high": 1.0, "rate": 8000}
    x = {"x.wav": np.zeros((2, 9, 1)), "x.txt": np.array(["a", "b"])}.get(name, np.zeros((2, 1, 4, 4)))
    output = f"{tmp_path}/{name}"
    with pytest.raises(AerunError, match="stopped"):
        _stopped(output, about, x)
    assert [p.name for p in tmp_path.iterdir()] == ([] if name.endswith("/") else [name])
    assert name.endswith("/") or place.read_text() == "before"
    with written(output, about) as writer:
        writer.add({"x": x})
        writer.add({"x": x})
    assert [p.name for p in tmp_path.iterdir()] == [name.rstrip("/")]
    assert len([*place.iterdir()]) == 4 if name.endswith("/") else place.stat().st_size > 6
