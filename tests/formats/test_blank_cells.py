"""Rows and columns without content, units under a header, and other lines that are no rows."""

import pytest

from aerun.core.errors import AerunError
from aerun.formats.problems import UnclearError
from tests.formats.test_tables import frame

ROWS = "".join(f"{i}.5,{i % 7},{'xyz'[i % 3]}\n" for i in range(20))


def test_delimiters_at_the_ends_of_lines_make_no_column(tmp_path, caplog):
    found = frame(tmp_path, "a,b,w,\n" + ROWS.replace("\n", ",\n"))
    assert list(found.columns) == ["a", "b", "w"]
    assert "1 columns without a name and without a cell are left out" in caplog.text


def test_a_late_cell_in_a_column_without_a_name_is_refused(tmp_path):
    text = "a,b,\n" + "1,2,\n" * 100 + "3,4,late\n"
    with pytest.raises(AerunError, match=r"line 102: 'late' stands in column 3, which has no name"):
        frame(tmp_path, text)


def test_blank_rows_are_no_samples_and_are_counted(tmp_path, caplog):
    found = frame(tmp_path, "a,b,w\n" + ROWS + ",,\n" + ROWS + ",,\n,,\n")
    assert len(found) == 40
    assert "3 blank rows are left out, the first in line 22" in caplog.text


def test_units_under_a_header_are_left_out_and_told(tmp_path, caplog):
    found = frame(tmp_path, "a,b,w\n[mm],kg,-\n" + ROWS)
    assert (len(found), found.columns["a"].kind, found.columns["b"].kind) == (20, "number", "number")
    assert "the line under the header is left out ('[mm] kg -'): units" in caplog.text


@pytest.mark.parametrize("first", ["unknown,1,x", "unknown,?,x", "n/a,unknown,x"])
def test_one_odd_cell_is_no_line_of_units(tmp_path, first):
    with pytest.raises(UnclearError, match="row 1: 'unknown' is not a number"):
        frame(tmp_path, f"a,b,w\n{first}\n{ROWS}")


def test_lines_that_end_in_carriage_returns_alone_are_named(tmp_path):
    with pytest.raises(AerunError, match="its lines end in a carriage return alone"):
        frame(tmp_path, ("a,b,w\n" + ROWS).replace("\n", "\r"))


def test_two_orders_of_day_and_month_in_a_column_are_named(tmp_path):
    with pytest.raises(
        UnclearError, match=r"'05/13/2024' .*'13/05/2024'|'13/05/2024' has its day first and '05/13/2024' its month"
    ):
        frame(tmp_path, "t,v\n" + "13/05/2024,1\n05/13/2024,2\n" * 10)


def test_a_column_of_words_and_many_different_numbers_is_asked(tmp_path):
    text = "a,b\n" + "".join(f"{'high' if i % 3 else i / 7:},{i}\n" for i in range(60))
    with pytest.raises(UnclearError, match="'high' is not a number, as others are"):
        frame(tmp_path, text)
    few = frame(tmp_path, "a,b\n" + "".join(f"{['low', 'high', '3'][i % 3]},{i}\n" for i in range(60)))
    assert few.columns["a"].kind == "text"


def test_days_written_as_whole_numbers_are_told(tmp_path, caplog):
    assert frame(tmp_path, "t,v\n" + "".join(f"202405{i:02d},{i}\n" for i in range(10, 30))).columns["t"].kind == "number"
    assert "if it holds days, as YYYYMMDD" in caplog.text


def test_units_of_new_rows_are_those_of_training(tmp_path):
    with pytest.raises(UnclearError, match=r"holds '\$1.5'; in training it held numbers without a unit\.$"):
        frame(tmp_path, "a,b\n" + "$1.5,1\n" * 3, formats={"a": "number", "b": "number"})
