"""Many lines of a table at once are the same as line by line."""

import numpy as np
import pytest

from aerun.core.errors import AerunError
from aerun.formats import tables, text_blocks, text_lines, text_rows
from aerun.formats.reading import MISSING, Reading
from aerun.formats.tables import read_table, table_pieces

READING = Reading("auto", "auto", "utf-8", carried=frozenset({"word"}))
HEAD = "n,k,word,many,day\n"


def lines(count, end="\n"):
    r = np.random.default_rng(0)
    rows = []
    for i in range(count):
        n = "" if r.random() < 0.1 else f"{r.standard_normal():.17g}"
        word = r.choice(["red", "green", "", "NA", "blue"])
        rows.append(f"{n},{r.integers(0, 99)},{word},w{i},2020-01-{r.integers(1, 29):02d}{end}")
    return rows


def told(path, monkeypatch, plain, reading=READING):
    """Return what a table is, or the words of its refusal, in blocks where that is allowed."""
    with monkeypatch.context() as patch:
        patch.setattr(tables, "_CHUNK", 5)
        patch.setattr(text_lines, "_BLOCK", 800)
        used = []
        patch.setattr(text_rows, "is_plain", lambda *a: plain and text_blocks.is_plain(*a))
        patch.setattr(text_rows, "by_columns", lambda *a: used.append(text_blocks.by_columns(*a)) or used[-1])
        try:
            frame = read_table("x", path, reading)
        except AerunError as e:
            return str(e), used
    columns = {
        n: (c.kind, frame.written(n).tolist() if c.words else c.values.tobytes(), sorted(c.words))
        for n, c in frame.columns.items()
    }
    return (columns, {n: w.tolist() for n, w in frame.carried.items()}, len(frame), frame.reading), used


CHANGES = {
    "none": lambda rows: rows,
    "windows": lambda rows: lines(200, "\r\n"),
    "no last line end": lambda rows: [*rows[:-1], rows[-1].rstrip("\n")],
    "quotes": lambda rows: [*rows[:150], '1.5,2,"a ""b"", c",w,2020-01-01\n', *rows[150:]],
    "a cell of two lines": lambda rows: [*rows[:150], '1.5,2,"a\nb",w,2020-01-01\n', *rows[150:]],
    "spaces": lambda rows: [r.replace(",", ", ") for r in rows],
    "apostrophes": lambda rows: [*rows[:150], "1.5,2,'=a,w,2020-01-01\n", *rows[150:]],
    "blank rows": lambda rows: [*rows[:150], "\n", ",,,,\n", *rows[150:], ",,,,"],
    "marks": lambda rows: [*rows[:150], "NaN,2,red,w,2020-01-01\n", "n/a,3,red,w,2020-01-01\n", *rows[150:]],
    "codes": lambda rows: [*rows[:150], "1.5,007,red,w,2020-01-01\n", *rows[150:]],
    "a wrong number": lambda rows: [*rows[:150], "oops,2,red,w,2020-01-01\n", *rows[150:]],
    "programs' numbers": lambda rows: [*rows[:150], "1_000,2,red,w,2020-01-01\n", *rows[150:]],
    "infinite": lambda rows: [*rows[:150], "inf,2,red,w,2020-01-01\n", *rows[150:]],
    "a short row": lambda rows: [*rows[:150], "1.5,2\n", *rows[150:]],
    "units late": lambda rows: [*rows[:150], "5 %,2,red,w,2020-01-01\n", *rows[150:]],
}


@pytest.mark.parametrize("arrow", [True, False], ids=["arrow", "alone"])
@pytest.mark.parametrize("change", CHANGES)
def test_blocks_are_as_rows(tmp_path, monkeypatch, change, arrow):
    path = tmp_path / "x.csv"
    path.write_bytes((HEAD + "".join(CHANGES[change](lines(200)))).encode())
    if not arrow:
        monkeypatch.setattr(text_blocks, "_arrow", lambda: None)
    by_rows, used = told(path, monkeypatch, False)
    assert not used
    by_blocks, used = told(path, monkeypatch, True)
    assert change == "spaces" or any(block is not None for block in used)
    assert by_blocks == by_rows


def test_a_word_nan_that_is_no_missing_value_is_a_word(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text(HEAD + "".join([*lines(150), "nan,2,red,w,2020-01-01\n"]))
    reading = Reading("auto", "auto", "utf-8", missing=MISSING - {"nan"})
    assert told(path, monkeypatch, True, reading)[0] == told(path, monkeypatch, False, reading)[0]


def test_pieces_have_the_rows_that_are_asked_for(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(HEAD + "".join(lines(200)))
    stored = Reading(",", "true", "utf-8", decimal=".", formats={"n": "number", "word": "text"})
    pieces = list(table_pieces("x", path, stored, 90))
    assert [len(p) for p in pieces] == [90, 90, 20]
    whole = read_table("x", path, stored)
    np.testing.assert_array_equal(np.concatenate([p.columns["n"].values for p in pieces]), whole.columns["n"].values)
    assert [w for p in pieces for w in p.written("word")] == whole.written("word").tolist()
