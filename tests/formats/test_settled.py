"""Columns of more different words than are kept: what they mean is kept, and no answer is another one for that."""

import numpy as np
import pytest

from aerun.core.errors import AerunError
from aerun.formats import column, tables
from aerun.formats.reading import Reading
from aerun.formats.tables import read_table


def read(path, cells, **settings):
    path.write_text("\n".join(["when;n", *(f"{cell};{i % 7}" for i, cell in enumerate(cells))]) + "\n")
    try:
        frame = read_table("path", path, Reading(**{"delimiter": ";", "header": "true", "encoding": "utf-8", **settings}))
    except AerunError as e:
        return str(e)
    kept = frame.columns["when"]
    assert frame.reading is not None
    return kept.kind, np.nan_to_num(kept.values, nan=-1).tolist(), kept.words, frame.reading.formats["when"]


def days(form, n=60):
    return [np.datetime64("2024-01-01") + i for i in range(n)] if form is None else [form(*_day(i)) for i in range(n)]


def _day(i):
    return str(np.datetime64("2024-01-01") + i).split("-")


FILES = {
    "iso": days(None),
    "missing": [*days(None), "", "NA", *days(None)],
    "dmy": days(lambda y, m, d: f"{d}/{m}/{y}"),
    "mdy": days(lambda y, m, d: f"{m}/{d}/{y}"),
    "unclear": [f"{d:02}/{m:02}/2024" for m in range(1, 13) for d in range(1, 13)],
    "iso, then dmy": [*days(None), *days(lambda y, m, d: f"{d}/{m}/{y}")],
    "both orders": [*days(lambda y, m, d: f"{d}/{m}/{y}"), "02/13/2024"],
    "one is none": [*days(None), "later", *days(None)],
    "a number": [*days(None), "17"],
    "percent": [f"{i / 10} %" for i in range(60)],
    "two units": [*(f"{i / 10} %" for i in range(60)), "3 EUR"],
    "percent and bare": [*(f"{i / 10} %" for i in range(60)), "3"],
    "comma after point": [*(f"{i / 10} EUR" for i in range(60)), "1,5 EUR"],
    "whole, then comma": [*(f"{i} EUR" for i in range(60)), "1,5 EUR", "2,25 EUR"],
    "thousands": [f"{i},{i + 100}.5" for i in range(1, 60)],
    "codes": [f"{i:05}" for i in range(60)],
    "words": [f"w{i}" for i in range(60)],
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("settings", [{}, {"dates": "dmy", "decimal": "."}, {"text": frozenset({"when"})}])
def test_a_column_says_the_same_whether_its_words_are_kept_or_not(tmp_path, monkeypatch, name, settings):
    monkeypatch.setattr(tables, "_CHUNK", 7)
    known = read(tmp_path / "t.csv", FILES[name], **settings)
    monkeypatch.setattr(column, "MANY", 20)
    assert read(tmp_path / "t.csv", FILES[name], **settings) == known


def test_words_of_settled_columns_are_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(column, "MANY", 5)
    cells = column.Cells("f", "n", "", "auto", frozenset({""}))
    for first in range(0, 50, 10):
        cells.add([f"2024-01-01T00:{i:02}" for i in range(first, first + 10)])
    assert (cells.words, cells.count_settled(), cells.nbytes <= 8 * 50) == ({}, 50, True)


def test_words_that_cannot_be_classes_are_not_kept_unless_they_are_said_to_be_text(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_CHUNK", 7)
    monkeypatch.setattr(column, "MANY", 10)
    monkeypatch.setattr(column, "MOST", 30)
    refused = read(tmp_path / "t.csv", FILES["words"])
    assert "column 'when' holds more than" in refused
    assert "'w0': not classes. dataset.drop=[when]" in refused
    assert len(read(tmp_path / "t.csv", FILES["words"], text=frozenset({"when"}))[2]) == 60
