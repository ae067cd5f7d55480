"""Digits that are no numbers stay as they are written, and it is told."""

import numpy as np
import pytest

from aerun.core.errors import AerunError
from aerun.formats import tables
from aerun.formats.reading import MISSING, Reading
from aerun.formats.tables import from_columns, read_table

CODES = [
    ["00123", "123", "7"],
    ["", "007", "12"],
    ["NA", "7", "08"],
    ["+49", "1", "44"],
    ["+4915123456789", "+33199001122"],
    ["12345678901234567", "12345678901234568"],
    ["0", "10", "00"],
]
NUMBERS = [
    (["0", "1", "10"], [0, 1, 10]),
    (["01.50", "2", "3"], [1.5, 2, 3]),
    (["-05", "3"], [-5, 3]),
    (["+5", "-3"], [5, -3]),
    (["1e5", "007"], [1e5, 7]),
    (["0.5", "007"], [0.5, 7]),
    (["9007199254740992", "1"], [2.0**53, 1]),
]


def column(tmp_path, cells, name="t.csv", **settings):
    path = tmp_path / name
    if name.endswith("csv"):
        path.write_text("a,b\n" + "".join(f"{c},{i}.5\n" for i, c in enumerate(cells)))
    else:
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in [("a", "b"), *((c, i + 0.5) for i, c in enumerate(cells))]:
            book.active.append(row)
        book.save(path)
    reading = Reading("auto", "true", "utf-8", **{"numeric": frozenset(), **settings})
    return read_table("dataset.path", path, reading).columns["a"]


def words(column):
    return ["" if np.isnan(v) else column.words[int(v)] for v in column.values]


@pytest.mark.parametrize("cells", CODES)
@pytest.mark.parametrize("chunk", [1, 2, 100])
@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
def test_codes_are_words_as_they_are_written_and_it_is_told(tmp_path, caplog, monkeypatch, cells, chunk, name):
    """Also where the cell that shows it comes long after others, which were read as numbers until then."""
    monkeypatch.setattr(tables, "_CHUNK", chunk)
    read = column(tmp_path, cells, name)
    assert read.kind == "text"
    assert words(read) == ["" if c == "NA" else c for c in cells]
    assert "dataset.numeric=[a]" in caplog.text
    assert caplog.text.count("column 'a'") == 1


@pytest.mark.parametrize("cells", CODES)
def test_numbers_are_made_of_them_where_that_is_said(tmp_path, caplog, cells):
    for numeric in (frozenset({"a"}), None):
        read = column(tmp_path, cells, numeric=numeric)
        assert read.kind == "number"
        np.testing.assert_array_equal(read.values, [np.nan if c in ("", "NA") else float(c) for c in cells])
    assert not caplog.text


@pytest.mark.parametrize(("cells", "values"), NUMBERS)
@pytest.mark.parametrize("chunk", [1, 100])
def test_numbers_with_zeros_or_signs_in_front_stay_numbers_where_others_show_it(
    tmp_path, caplog, monkeypatch, cells, values, chunk
):
    monkeypatch.setattr(tables, "_CHUNK", chunk)
    read = column(tmp_path, cells)
    assert read.kind == "number"
    assert read.values.tolist() == values
    assert not caplog.text


@pytest.mark.parametrize("cells", [["0x10", "0xFF"], ["1_000", "2_000"], ["0b11", "0b10"]])
def test_numbers_of_programs_are_words_and_it_is_told(tmp_path, caplog, cells):
    assert words(column(tmp_path, cells)) == cells
    assert f"'{cells[0]}' is a number in programs" in caplog.text


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1e400"])
def test_what_is_infinite_is_refused_by_its_row(tmp_path, word):
    with pytest.raises(AerunError, match=r"column 'a', row 2: -?inf is infinite"):
        column(tmp_path, ["1", word, "3"])


def test_nan_is_a_missing_word_or_a_word(tmp_path):
    assert np.isnan(column(tmp_path, ["1", "nan", "3"]).values[1])
    with pytest.raises(AerunError, match="row 2: 'nan' is not a number"):
        column(tmp_path, ["1", "nan", "3"], missing=frozenset({"", "-"}))
    assert "nan" in MISSING


@pytest.mark.parametrize("container", ["numpy", "pandas", "arrow"])
def test_whole_numbers_that_floats_would_not_keep_are_words_in_every_container(container):
    wide = [12345678901234567, 12345678901234568, 3]
    if container == "arrow":
        values = pytest.importorskip("pyarrow").chunked_array([wide])
    else:
        values = np.array(wide) if container == "numpy" else pytest.importorskip("pandas").Series(wide)
    read = from_columns({"a": values}, "here", 3, Reading("auto", "auto", "utf-8", numeric=frozenset()))
    assert words(read.columns["a"]) == [str(w) for w in wide]
