"""What the sheets of a workbook say beside their cells."""

import re
import zipfile

import pytest

from aerun.core.errors import AerunError
from aerun.formats.tables import read_table
from tests.formats.test_tables import AUTO

openpyxl = pytest.importorskip("openpyxl")
ROWS = [["a", "b"], *([i * 0.5, i % 7] for i in range(20))]


def book(path, change=lambda book, sheet: None, at=(1, 1), rows=ROWS):
    """Write rows into the first sheet of a workbook, from a cell on, and read it."""
    made = openpyxl.Workbook()
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            made.active.cell(at[0] + i, at[1] + j, cell)
    change(made, made.active)
    made.save(path / "t.xlsx")
    return read_table("path", path / "t.xlsx", AUTO)


def test_a_table_may_begin_anywhere_in_its_sheet(tmp_path):
    found = book(tmp_path, at=(4, 3))
    assert (len(found), list(found.columns)) == (20, ["a", "b"])


@pytest.mark.parametrize("what", ["row", "c"])
def test_rows_and_cells_out_of_their_order_are_refused(tmp_path, what):
    """openpyxl would lose those that stand behind a later one."""
    book(tmp_path)
    with zipfile.ZipFile(tmp_path / "t.xlsx") as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    pair = (
        rb"(<row r=\"9\".*?</row>)(<row r=\"10\".*?</row>)" if what == "row" else rb"(<c r=\"A9\".*?</c>)(<c r=\"B9\".*?</c>)"
    )
    parts[sheet] = re.sub(pair, rb"\2\1", parts[sheet])
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    with pytest.raises(AerunError, match="row 9 stands behind a later one" if what == "row" else "cell A9 stands behind"):
        read_table("path", tmp_path / "t.xlsx", AUTO)


def test_hidden_rows_and_columns_are_read_and_told(tmp_path, caplog):
    def hide(_, sheet):
        sheet.row_dimensions[5].hidden = sheet.row_dimensions[6].hidden = sheet.column_dimensions["B"].hidden = True

    assert len(book(tmp_path, hide)) == 20
    assert "read all the same: 2 rows and 1 columns" in caplog.text


def test_the_first_sheet_that_is_shown_and_holds_cells_is_read(tmp_path, caplog):
    def behind(made, sheet):
        sheet.sheet_state = "hidden"
        made.create_sheet("Notes")
        shown = made.create_sheet("Shown")
        for row in [["p", "q"], *([i, i * i] for i in range(9))]:
            shown.append(row)

    assert list(book(tmp_path, behind).columns) == ["p", "q"]
    assert "has 3 sheets; the first that is shown and not empty, 'Shown', is read" in caplog.text


def test_formulas_that_were_never_computed_are_refused_by_name(tmp_path):
    rows = [["a", "b"], *([i, f"=A{i + 2}*2"] for i in range(9))]
    with pytest.raises(AerunError, match="cell B2 holds a formula without its value"):
        book(tmp_path, rows=rows)


def test_blank_rows_between_others_are_told_and_formatted_ones_behind_are_not(tmp_path, caplog):
    def formatted(_, sheet):
        for i in range(40, 60):
            sheet.cell(i, 1).number_format = "0.0%"

    assert len(book(tmp_path, formatted)) == 20
    assert not caplog.text
    assert len(book(tmp_path, rows=[*ROWS, [None, None], [None, None], [1, 2]])) == 21
    assert "2 blank rows are left out, the first in line 22" in caplog.text
