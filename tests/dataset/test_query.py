"""`dataset.normal` as a condition on columns: understood, never executed, and refused in words."""

import json

import pytest
import torch

from aerun.core.errors import AerunError
from aerun.dataset.labels import places
from aerun.dataset.tables.query import Query, is_query
from tests.conftest import built
from tests.shell import here

KINDS = ("ok", "ok", "ok", "bad")
ROWS = [
    {"amount": "" if i % 10 == 9 else str(i), "b": str(200 - i), "kind": KINDS[i % 4], "day": f"2024-01-{i % 28 + 1:02}",
     "my size": str(i % 3), "code": str(i % 5)}
    for i in range(200)
]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    names = list(ROWS[0])
    (tmp_path / "t.csv").write_text("\n".join([",".join(names), *(",".join(r.values()) for r in ROWS)]) + "\n")
    return tmp_path / "t.csv"


def table(path, query, *overrides):
    return built("dataset=table", f"dataset.path={path}", f"dataset.normal={json.dumps(query)}", *overrides).dataset


def number(row):
    return float(row["amount"] or "nan")


def either(row, holds):
    """Does it hold? None where a missing amount leaves it open: it depends on what stands there."""
    found = {
        bool(holds({**row, "amount": v})) for v in ([row["amount"]] if row["amount"] else ["-1", "50", "95", "120", "1000"])
    }
    return found.pop() if len(found) == 1 else None


LAW = {
    "amount < 100": lambda r: number(r) < 100,
    "amount < 100 and kind == 'ok'": lambda r: number(r) < 100 and r["kind"] == "ok",
    "not amount < 100": lambda r: number(r) >= 100,
    "amount != 95": lambda r: number(r) != 95,
    "20 <= amount < 100 or kind == 'bad'": lambda r: 20 <= number(r) < 100 or r["kind"] == "bad",
    "kind in ['ok', 'fine']": lambda r: r["kind"] == "ok",
    "kind not in ('ok',)": lambda r: r["kind"] != "ok",
    "day < '2024-01-15'": lambda r: r["day"] < "2024-01-15",
    "`my size` == 1": lambda r: r["my size"] == "1",
    "amount > b": lambda r: number(r) > float(r["b"]),
    "-5 < amount and 100 > amount": lambda r: number(r) < 100,
    "not (kind == 'ok' or amount > 150)": lambda r: r["kind"] == "bad" and number(r) <= 150,
}


@pytest.mark.parametrize("query", LAW)
def test_it_says_of_every_row_what_it_says(path, query):
    dataset = table(path, query)
    rows, normal = dataset.known.rows, [either(r, LAW[query]) for r in ROWS]
    assert dataset.class_names == ("normal", "anomaly")
    assert dataset.normal_classes == (0,)
    for part in (rows.train, rows.val, rows.test):
        assert part.y.tolist() == [0 if normal[i] else 1 for i in part.x.tolist()]
        assert all(normal[i] is not None for i in part.x.tolist())
    assert not rows.train.y.any()
    assert not rows.val.y.any()
    assert 0 < rows.test.y.sum() < len(rows.test)


def test_rows_that_a_missing_value_leaves_open_are_left_out_and_counted(path, caplog):
    """20 of 200 rows lack the amount; of these the 15 that are ok are open, the bad ones are anomalies."""
    dataset = table(path, "amount < 100 and kind == 'ok'")
    test = dataset.known.rows.test
    open_rows = {i for i, r in enumerate(ROWS) if not r["amount"] and r["kind"] == "ok"}
    assert not open_rows & set(test.x.tolist())
    assert f"a missing value leaves undecided whether {len(open_rows)} rows are normal" in caplog.text
    assert all(test.y[(test.x == i).nonzero()[0]] == 1 for i in test.x.tolist() if ROWS[i]["kind"] == "bad")


def test_what_it_asks_is_no_feature(path):
    dataset = table(path, "amount < 100 and kind == 'ok'", "dataset.drop=[day]", "dataset.label=code")
    assert [f.name for f in dataset.known.features] == ["b", "my size"]


def test_contamination_draws_from_the_rows_for_which_it_does_not_hold(path):
    y = table(path, "kind == 'ok'", "dataset.contamination=0.1").load().train.y
    assert torch.isclose(y.float().mean(), torch.tensor(0.1), atol=0.01)


BAD = {
    "amuont < 100": r"no such column as amuont \(nearest: amount\)",
    "kind == ok": "no such column as ok; .* Words stand in quotes: 'ok'",
    "kind < 'ok'": "column 'kind' holds text, which is compared by ==, != and in only",
    "kind == 3": "column 'kind' holds text: write '3'",
    "amount == 'x'": "column 'amount' holds numbers, and 'x' is none",
    "amount < 1e9 or b > 0": "holds for every row",
    "amount > 1e9": "holds for no row",
    "amount < 3 and b": "`b` is no condition",
    "amount = 3 and b == 2": r"not a query: .*Equal is ==",
    "amount + 1 < 3": r"`amount \+ 1` is no column, number or 'word'",
    "abs(amount) < 3": r"`abs\(amount\)` is no column",
    "amount.real < 3": "is no column, number or 'word'",
    "(lambda: amount)() < 3": "is no column, number or 'word'",
    "(a for a in b) == 3": "is no column, number or 'word'",
    "amount in [b.x]": "is no column, number or 'word'",
    "amount < [1]": "a query is of",
    "amount is 3 and b == 2": "a query is of",
    "amount < True": "is no column, number or 'word'",
    "3 < 4": "compared with no column",
    "amount == " + "(" * 900 + "1" + ")" * 900: "not a query",
    "amount == " + "1" * 1900: "is no column, number or 'word'",
    "amount == " + "1" * 3000: "more than 2000 characters",
}


@pytest.mark.parametrize("query", BAD, ids=lambda q: q[:30])
def test_refused_in_words(path, query):
    with pytest.raises(AerunError, match=BAD[query]):
        table(path, query).load()


def test_names_of_classes_are_none():
    words = ("good", "class_0", "Trinidad and Tobago", "<=50K", ">50K", "a b", "not normal", 3, ["a < b"], None)
    assert not any(is_query(w) for w in words)
    assert all(is_query(q) for q in LAW)
    assert Query("`a b` < 3 and c == 1").columns == {"a b", "c"}


def test_it_is_for_tables():
    with pytest.raises(AerunError, match=r"dataset\.normal=a < 3: neither a class nor, but for tables"):
        places("a < 3", ("a", "b"))


def test_on_the_command_line(path, tmp_path):
    told = here(tmp_path, "data", "dataset=table", "dataset.path=t.csv", "dataset.normal=\"amount < 100 and kind == 'ok'\"",
                "--no-dimension")  # fmt: skip
    assert told.code == 0, told.err
    assert "anomaly" in told.out
