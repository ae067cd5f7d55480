"""Tables as people write them: what a cell means, whether a first line is a header, and the same table in every container."""

import gc
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aerun.core.errors import AerunError
from aerun.formats.binary_tables import columns_in
from aerun.formats.date_words import seconds
from aerun.formats.number_words import decimal_of, matching, value_of
from aerun.formats.problems import UnclearError
from aerun.formats.reading import Reading, missing_words, reading_from
from aerun.formats.tables import from_columns, read_table, table_pieces
from aerun.formats.text_lines import lines_of

AUTO = Reading("auto", "auto", "utf-8")


def frame(tmp_path, text, name="t.csv", encoding="utf-8", **settings):
    (tmp_path / name).write_bytes(text.encode(encoding))
    return read_table(
        "path", tmp_path / name, Reading(**{"delimiter": "auto", "header": "auto", "encoding": "utf-8", **settings})
    )


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "decimal", "value"),
    [
        ("1,200.50", ".", 1200.5),
        ("1.200,50", ",", 1200.5),
        ("1\u202f200,5", ",", 1200.5),
        ("1'200'300", ".", 1200300),
        ("\u22125", ".", -5),
        ("45%", ".", 0.45),
        ("4,5 %", ",", 0.045),
        ("$1,200", ".", 1200),
        ("-9 €", ".", -9),
        ("EUR 3,5", ",", 3.5),
        ("1e3", ".", 1000),
        ("1,20", ".", None),
        ("1.5", ",", None),
        ("1_000", ".", None),
        ("0,123,456", ".", None),
        ("ab", ".", None),
    ],
)
def test_numbers_in_every_dress(word, decimal, value):
    found = value_of(word, decimal)
    assert found is None if value is None else found[0] == pytest.approx(value)


def test_a_number_shows_its_decimal_sign_or_does_not():
    told = {"1,5": ",", "1.5": ".", "1,234": "either", "1.234": "either", "0,123": ",", "1,234.5": ".", "12": "", "x": None}
    assert {w: decimal_of(w) for w in told} == told


@settings(max_examples=50, deadline=None, database=None)
@given(st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)))
def test_dates_in_common_forms_are_one_moment(moment):
    moment = moment.replace(microsecond=0)
    wanted = moment.replace(tzinfo=UTC).timestamp()
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][moment.month - 1]
    y, m, d, clock = moment.year, moment.month, moment.day, f"{moment:%H:%M:%S}"
    for word in (moment.isoformat(), f"{y}/{m}/{d} {clock}", f"{d}.{m}.{y} {clock}", f"{d} {month} {y} {clock}"):
        assert seconds(word) == wanted, word
    assert seconds(f"{d}/{m}/{y} {clock}", "dmy") == seconds(f"{m}-{d}-{y} {clock}", "mdy") == wanted
    assert seconds(f"{m}/{d}/{y} {moment.hour % 12 or 12}:{moment:%M:%S} {'PM' if moment.hour > 11 else 'AM'}", "mdy") == wanted
    assert seconds(f"{d}/{m}/{y}") is None


def test_a_name_is_found_by_its_value_where_it_is_spelt_otherwise():
    assert matching(3, ["1", "3"]) == "3"
    assert matching(True, ["TRUE", "FALSE"]) == "TRUE"
    assert matching("1e3", ["1000.0"]) == "1000.0"
    assert matching("yes", ["Yes"]) is None
    assert matching("1", ["1.0", "1.00"]) is None


# -- what a file shows ---------------------------------------------------------------------------------------------------


def test_the_whole_file_says_what_its_decimal_sign_is(tmp_path):
    found = frame(tmp_path, "a;b;c\n1,234;1,5;7\n2,345;2,25;1.000\n")
    assert [c.values.tolist() for c in found.columns.values()] == [[1.234, 2.345], [1.5, 2.25], [7, 1000]]
    assert found.reading.decimal == ","
    found = frame(tmp_path, 'a,b\n"1,234",1.5\n"2,345",2.25\n')
    assert found.columns["a"].values.tolist() == [1234, 2345]
    with pytest.raises(UnclearError, match="1234 or"):
        frame(tmp_path, 'a,b\n"1,234",1\n"2,345",2\n')
    assert frame(tmp_path, 'a,b\n"1,234",1\n', decimal=",").columns["a"].values.tolist() == [1.234]


def test_day_and_month_are_told_by_any_date_of_the_file_or_asked(tmp_path):
    found = frame(tmp_path, "a,b,v\n05/06/2024,31/01/2024,1\n04/06/2024,01/02/2024,2\n")
    assert found.reading.formats == {"a": "date dmy", "b": "date dmy", "v": "number"}
    assert found.columns["a"].values[0] == datetime(2024, 6, 5, tzinfo=UTC).timestamp()
    with pytest.raises(UnclearError, match=r"dataset\.dates=dmy or dataset\.dates=mdy") as e:
        frame(tmp_path, "a,v\n05/06/2024,1\n04/06/2024,2\n")
    assert e.value.problems[0].settings == {"dates": "dmy"}
    frame(tmp_path, "a,v\n05/05/2024,1\n04/04/2024,2\n")  # one date whichever comes first


def test_every_unclear_column_is_named_at_once(tmp_path):
    text = "a,b,v\n" + "05/06/2024,1,1\n04/06/2024,-,2\n" * 3 + "04/06/2024,3,2\n"
    with pytest.raises(UnclearError, match=r"1 more problem: `aerun data` names all") as e:
        frame(tmp_path, text)
    assert [p.settings for p in e.value.problems] == [{"dates": "dmy"}, {"missing_words": ["auto", "-"]}]
    found = frame(tmp_path, text, dates="dmy", missing=frozenset({"", "-"}))
    assert np.isnan(found.columns["b"].values).sum() == 3


BELOW = "".join(f"{i * 0.7 % 1:.3f},{i * 0.3 % 1:.3f},{i * 0.9 % 1:.3f},{'uvw'[i % 3]}\n" for i in range(30))
PLAIN = "".join(line.rpartition(",")[0] + "\n" for line in BELOW.splitlines())


@pytest.mark.parametrize(
    ("first", "below", "headed"),
    [
        ("a,b,c,k", BELOW, True),
        ("0.1,0.2,0.3,u", BELOW, False),  # the word comes again below
        ("0.1,0.2,0.3,zebra", BELOW, None),
        ("0,1,2", PLAIN, True),
        ("1,2,3", PLAIN, True),
        ("0.5,0.2,0.9", PLAIN, False),
        ("2,0,1", PLAIN, False),
        ("name,2019,x", PLAIN, True),
        ("?,0.1,0.2", PLAIN, False),
        ("a,b", "u,v\nw,v\nu,w\n" * 5, True),
        ("u,v", "u,v\nw,v\nu,w\n" * 5, False),
        ("400,410,420,430", "".join(f"{i % 7}.5,{i % 5}.25,{i % 3}.5,0.1\n" for i in range(30)), None),
        ("400.5,401.0,401.5,402.0", "".join(f"{i % 7}.5,{i % 5}.25,{i % 3}.5,0.1\n" for i in range(30)), None),
        ("2019,2020,2021", "".join(f"{i % 7}.5,{i % 5}.25,{i % 3}.5\n" for i in range(30)), None),
        ("day,v", "2024-01-01,1\n2024-01-02,2\n", True),
    ],
)
def test_a_header_is_told_by_the_columns_under_it_or_asked(tmp_path, first, below, headed):
    if headed is None:
        with pytest.raises(UnclearError, match=r"dataset\.header=true or dataset\.header=false"):
            frame(tmp_path, f"{first}\n{below}")
        return
    found = frame(tmp_path, f"{first}\n{below}")
    assert len(found) == len(below.splitlines()) + (not headed)
    assert (list(found.columns) == first.split(",")) == headed


@pytest.mark.parametrize(
    "before",
    [
        "# made by hand\n",
        "Report of May\n\n# of a machine, in Bern\n",
        "Report of May,,\n",
        "a title; with; semicolons\n",
        "Model,XYZ-1\nSerial,00123\n\n",
    ],
)
def test_lines_before_the_table_are_left_out_and_told(tmp_path, caplog, before):
    found = frame(tmp_path, before + "a,b,c\n" + "1,2,x\n3,4,y\n" * 5)
    assert list(found.columns) == ["a", "b", "c"]
    assert len(found) == 10
    assert "before the table are left out" in caplog.text
    assert len(frame(tmp_path, "no; table\n\n" + "a,b,c\n1,2,x\n", skip="2")) == 1


def test_a_commented_header_is_one(tmp_path):
    assert list(frame(tmp_path, "# a,b\n1,2\n3,4\n").columns) == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig", "utf_8", "U8"])
@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_at_the_start_says_which_unicode_it_is(tmp_path, encoding, written):
    found = frame(tmp_path, "größe,b\n1,2\n3,4\n", encoding=written) if encoding is None else None
    (tmp_path / "t.csv").write_bytes("größe,b\r\n1,2\r\n3,4\r\n".encode(written))
    found = read_table("path", tmp_path / "t.csv", Reading("auto", "auto", encoding))
    assert list(found.columns) == ["größe", "b"]


def test_semicolons_go_before_the_commas_of_decimals(tmp_path):
    assert frame(tmp_path, "1,5;2,5\n2,5;3,5\n").columns["c2"].values.tolist() == [2.5, 3.5]


@pytest.mark.parametrize("cell", ["-999", "-999.0", "-9.99e2"])
def test_numbers_that_stand_for_no_value_are_missing_however_they_are_spelt(tmp_path, cell):
    missing = missing_words(["auto", "-999"])
    text = "a,p,w\n" + f"1,5%,x\n{cell},,{cell}\n2,7%,y\n" * 4
    found = frame(tmp_path, text, missing=missing)
    assert np.isnan(found.columns["a"].values).tolist() == [False, True, False] * 4
    held = from_columns({"a": np.array([1.0, float(cell), 2.0])}, "x", 3, Reading("auto", "auto", "utf-8", missing=missing))
    assert np.isnan(held.columns["a"].values).tolist() == [False, True, False]


def test_words_for_missing_cells_are_the_users(tmp_path):
    found = frame(tmp_path, "k,v\nnull,1\nx,2\n\nx,-\n", missing=frozenset({"", "-"}))
    assert found.columns["k"].words == ("null", "x")
    assert np.isnan(found.columns["v"].values[2])


# -- containers ----------------------------------------------------------------------------------------------------------


def contained(rows, name, folder):
    """The same table in a file of another kind, or in memory."""
    pa, columns = pytest.importorskip("pyarrow"), list(rows)
    if name == "csv":
        lines = [",".join("" if v is None else _cell(v) for v in row) for row in zip(*rows.values(), strict=True)]
        text = [",".join(columns), *lines]
        (folder / "t.csv").write_text("\n".join(text) + "\n")
    elif name == "xlsx":
        book = pytest.importorskip("openpyxl").Workbook()
        for row in [columns, *zip(*rows.values(), strict=True)]:
            book.active.append(list(row))
        book.save(folder / "t.xlsx")
    elif name in ("parquet", "feather"):
        from pyarrow import feather, parquet

        table = pa.table({k: pa.array(v).dictionary_encode() if k == "k" else pa.array(v) for k, v in rows.items()})
        (parquet.write_table if name == "parquet" else feather.write_feather)(table, folder / f"t.{name}")
    else:
        data = rows if name == "dict" else pandas(rows) if name == "pandas" else pytest.importorskip("polars").DataFrame(rows)
        found = columns_in(data)
        return from_columns(found, "t", len(next(iter(rows.values()))), AUTO)
    return read_table("path", folder / f"t.{name}", AUTO)


def pandas(rows):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(rows).convert_dtypes()  # nullable types, with NA


def _cell(value):
    return value.isoformat() if isinstance(value, datetime) else repr(value) if isinstance(value, float) else str(value)


def maybe(cells, n=6):
    return st.lists(st.none() | cells, min_size=n, max_size=n).filter(lambda v: any(c is not None for c in v))


TABLES = st.fixed_dictionaries(
    {
        "x": maybe(st.floats(-1e6, 1e6).map(lambda v: round(v, 6) + 0.0)),
        "n": maybe(st.integers(-(2**31), 2**31)),
        "k": maybe(st.sampled_from(["red", "green", "Blau ß"])),
        "ok": maybe(st.booleans()),
        "day": maybe(st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(lambda d: d.replace(microsecond=0))),
        "last": st.lists(st.floats(0.5, 1), min_size=6, max_size=6),
    }
)


@settings(max_examples=8, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=TABLES)
def test_a_table_is_the_same_in_every_container(tmp_path, rows):
    wanted = contained(rows, "csv", tmp_path)
    for name in ("parquet", "feather", "xlsx", "pandas", "polars", "dict"):
        found = contained(rows, name, tmp_path)
        assert found.reading.formats == wanted.reading.formats, name
        for column, values in wanted.columns.items():
            other = found.columns[column]
            if values.kind == "text":
                assert _words(other) == _words(values), (name, column)
            else:
                np.testing.assert_allclose(other.values, values.values, rtol=1e-9, atol=1e-4, err_msg=f"{name} {column}")


def _words(column):
    return [None if v != v else column.words[int(v)] for v in column.values]


def test_types_of_arrow_keep_what_they_say(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from decimal import Decimal

    from pyarrow import parquet

    moment = datetime(2024, 5, 31, 12, tzinfo=UTC)
    ns = int(moment.timestamp()) * 10**9 + 1
    columns = {
        **{u: pa.array([ns // 10 ** (9 - p), None], pa.timestamp(u)) for u, p in (("s", 0), ("ms", 3), ("us", 6), ("ns", 9))},
        "zone": pa.array([ns, None], pa.timestamp("ns", tz="Europe/Zurich")),
        "money": pa.array([Decimal("1.50"), None]),
        "half": pa.array([np.float16(0.5), None], pa.float16()),
        "code": pa.array(["007", "008"]),
        "word": pa.array(["1.5", None], pa.large_string()),
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    parquet.write_table(pa.table({"t": columns["ns"]}), tmp_path / "old.parquet", use_deprecated_int96_timestamps=True)
    found = read_table("path", tmp_path / "t.parquet", AUTO).columns
    for name in ("s", "ms", "us", "ns", "zone"):
        assert found[name].kind == "date"
        assert found[name].values[0] == pytest.approx(moment.timestamp(), abs=1e-5)
    assert [found[n].values[0] for n in ("money", "half", "word")] == [1.5, 0.5, 1.5]
    assert found["code"].words == ("007", "008")
    assert read_table("path", tmp_path / "old.parquet", AUTO).columns["t"].values[0] == pytest.approx(moment.timestamp())


def test_a_sheet_is_as_large_as_its_cells_whatever_it_declares(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    import zipfile

    book, out = openpyxl.Workbook(), io.BytesIO()
    for i in range(20):
        book.active.append(["abcd"[j] if i == 0 else i * 0.5 + j for j in range(4)])
    book.save(out)
    with zipfile.ZipFile(out) as whole, zipfile.ZipFile(tmp_path / "t.xlsx", "w") as small:
        for part in whole.namelist():
            data = whole.read(part)
            small.writestr(part, data.replace(b'ref="A1:D20"', b'ref="A1:B3"') if part.endswith("sheet1.xml") else data)
    found = read_table("path", tmp_path / "t.xlsx", AUTO)
    assert (len(found), list(found.columns)) == (19, ["a", "b", "c", "d"])


# -- the reading that a run stores -----------------------------------------------------------------------------------------


def test_a_stored_reading_reads_pieces_as_the_whole(tmp_path):
    rows = "".join(f"{i},{i % 10};0{i % 9 + 1}/02/2024;{'NA' if i % 7 == 0 else i % 3};free {i}\n" for i in range(50))
    whole = frame(tmp_path, "x;day;kind;note\n15,5;31/01/2024;2;x\n" + rows)
    base = Reading("auto", "auto", "utf-8", loose=True)
    known = reading_from(
        {**whole.reading.stored(), "formats": {n: whole.reading.formats[n] for n in ("x", "day", "kind")}}, base
    )
    (tmp_path / "new.csv").write_text("x;day;kind;note\n" + rows)
    parts = list(table_pieces("FILE", tmp_path / "new.csv", known, 8))
    assert [len(p) for p in parts] == [8, 8, 8, 8, 8, 8, 2]
    for name in ("x", "day", "kind"):
        joined = np.concatenate([p.columns[name].values for p in parts])
        np.testing.assert_array_equal(joined, whole.columns[name].values[1:])
    (tmp_path / "new.csv").write_text("x;day;kind\n1.5;01/02/2024;1\n")
    with pytest.raises(AerunError, match=r"column 'x', row 1: '1\.5' is not a number, as in training"):
        list(table_pieces("FILE", tmp_path / "new.csv", known, 8))


@pytest.mark.parametrize("wrong", [{"formats": {"x": "code"}}, {"formats": 3}, {"header": 1}, {"missing": 5}, {"decimal": ";"}])
def test_a_damaged_reading_is_refused(wrong):
    with pytest.raises(AerunError):
        reading_from({**AUTO.stored(), "formats": {"x": "number"}, **wrong}, AUTO)


def test_sound_files_of_the_fuzzer_are_read_and_damaged_ones_refused(tmp_path):
    from scripts.fuzz_readers import FORMATS, fuzz

    for name, form in FORMATS.items():
        if form.suffix in (".csv", ".xlsx", ".parquet", ".feather"):
            assert fuzz(name, form, 10, 1, Path(tmp_path)) == 0


def test_words_of_cells_without_a_value_are_no_numbers_with_a_point(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("a;b;c\n" + "".join(f"1{i},5;{'k.A.' if i % 3 == 0 else 100 + i};x.y\n" for i in range(9)))
    frame = read_table("dataset.path", path, Reading("auto", "auto", "utf-8", missing=missing_words(["auto", "k.A."])))
    assert frame.reading.decimal == ","
    assert frame.columns["a"].values.tolist() == [10.5 + i for i in range(9)]
    assert np.isnan(frame.columns["b"].values).sum() == 3


def body(line, rows=12):
    return "".join(line.format(i=i) + "\n" for i in range(rows))


def test_a_line_that_says_where_it_is_cut_is_followed(tmp_path, caplog):
    found = frame(tmp_path, "sep=;\r\na;b\r\n" + body("{i},5;{i}"), encoding="utf-16").columns
    assert found["a"].values[:2].tolist() == [0.5, 1.5]
    assert "its first line, sep=;, says where it is cut" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n" + body("{i},5"), r"all lines below 'a' are two whole numbers .* dataset\.delimiter=';'"),
        ("by x,2024\na,b\n" + body("{i},5"), r"first line \(by x,2024\).*second \(a,b\)\? dataset\.skip=1"),
        ("a,b\n" + body("{i}.5\0,{i}"), r"line 2: holds NUL characters"),
        ("a\0,\0b\0\n" + body("{i}"), r"line 1: .* dataset\.encoding=utf-16-le"),
    ],
)
def test_what_may_be_two_things_or_is_damaged_is_asked(tmp_path, text, words):
    with pytest.raises(AerunError, match=words):
        frame(tmp_path, text)


def test_the_answers_read_the_file(tmp_path):
    assert frame(tmp_path, "a\n" + body("{i},5"), delimiter=";").columns["a"].values[:2].tolist() == [0.5, 1.5]
    assert list(frame(tmp_path, "by x,2024\na,b\n" + body("{i},5"), skip="1").columns) == ["a", "b"]


def test_a_file_of_wide_letters_may_be_left_in_the_middle(tmp_path):
    """Nothing is said behind a refusal: the generator of its lines ends in peace after the file was closed."""
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "1,2\n" * 9, encoding="utf-16")
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.unraisablehook", said.append)
        lines = lines_of(path, "utf-16")
        next(lines)
        lines.close()
        del lines
        gc.collect()
    assert not said
