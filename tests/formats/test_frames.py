"""Tables in memory keep what they say of their columns on the way into a run's folder."""

import io

import numpy as np
import pytest

from aerun.core.errors import AerunError
from aerun.formats.frames import has_columns, say_index, write_frame
from aerun.formats.reading import Reading
from aerun.formats.tables import from_columns, read_table

pa, pandas, polars = (pytest.importorskip(name) for name in ("pyarrow", "pandas", "polars"))

N = 12
READING = Reading("auto", "auto", "utf-8")


def frame():
    return pandas.DataFrame(
        {
            "size": np.linspace(0, 1, N),
            "count": pandas.array([None if i % 4 == 0 else i for i in range(N)], dtype="Int64"),
            "grade": pandas.Categorical([i % 3 + 1 for i in range(N)]),
            "kind": pandas.Categorical(["red", "blue", None] * (N // 3)),
            "zip": ["01", "2", "02"] * (N // 3),
            "sure": [True, False, True] * (N // 3),
            "day": pandas.date_range("2024-01-01", periods=N, tz="Europe/Berlin"),
        }
    )


def masked():
    """As columns by name, the missing counts behind a mask."""
    whole = frame()
    columns = {name: whole[name] for name in whole.columns}
    return columns | {"count": np.ma.MaskedArray(np.arange(N), mask=np.arange(N) % 4 == 0)}


def cells(read):
    def spelt(column):
        words = np.array([*column.words, "?"])
        return words[np.nan_to_num(column.values, nan=-1).astype(int)].tolist() if column.words else column.values.tolist()

    return {name: (c.kind, spelt(c)) for name, c in read.columns.items()}


MADE = {
    "pandas": frame,
    "polars": lambda: polars.from_pandas(frame().astype({"grade": str})).cast({"grade": polars.Categorical}),
    "arrow": lambda: pa.Table.from_pandas(frame(), preserve_index=False),
    "mapping": masked,
}


@pytest.mark.parametrize("kind", MADE)
def test_a_table_in_memory_is_the_same_in_its_file(tmp_path, kind):
    x = MADE[kind]()
    assert has_columns(x)
    with (tmp_path / "t.parquet").open("wb") as file:
        write_frame(x, file)
    stored = cells(read_table("dataset.path", tmp_path / "t.parquet", READING))
    own = frame()
    here = cells(from_columns({n: own[n] for n in own.columns}, "here", N, READING))
    kinds = {name: kind for name, (kind, _) in stored.items()}
    assert kinds == {
        **dict.fromkeys(("size", "count"), "number"),
        **dict.fromkeys(("grade", "kind", "zip", "sure"), "text"),
        "day": "date",
    }
    for name, (_, values) in stored.items():
        np.testing.assert_array_equal(values, here[name][1], err_msg=name)
    assert stored["zip"][1][:3] == ["01", "2", "02"]
    assert np.isnan(stored["count"][1]).tolist() == [i % 4 == 0 for i in range(N)]


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ({"a": [1, 2], "b": [1]}, "columns of lengths"),
        ({}, "has no columns"),
        ({"a": [object(), 2]}, "column 'a' is neither of numbers, dates nor words"),
        (pandas.DataFrame(np.zeros((2, 2)), columns=["a", "a"]), "two columns are named 'a'"),
    ],
)
def test_what_is_no_table_is_refused(x, words):
    with pytest.raises(AerunError, match=words):
        write_frame(x, io.BytesIO())


def test_an_index_that_says_something_is_told(caplog):
    say_index.cache_clear()
    for rows in (3, 2):  # as the folds of a search
        write_frame(frame().set_index("zip")[:rows], io.BytesIO())
    assert caplog.text.count("the index of the frame is left out") == 1


def test_arrays_have_no_columns():
    assert not any(map(has_columns, (np.zeros((2, 2)), [[1, 2]], np.ma.masked_array([1.0]))))
