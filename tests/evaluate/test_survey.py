"""Samples that stand in two splits are counted and told by every run, at a cost that is bounded."""

import logging

import numpy as np
import pytest
import torch

from aerun.dataset.splits import Data, Split
from aerun.evaluate.survey import duplicates, leak_words, told_of
from tests.conftest import built

G = torch.Generator().manual_seed(0)


def data(x, *shared):
    """60 training, 20 validation and 20 test samples; the first of the latter are training samples."""
    rows = [x[:60], x[60:80].clone(), x[80:100].clone()]
    for part, n in zip(rows[1:], shared, strict=True):
        part[:n] = rows[0][:n]
    return Data(*(Split(part, None) for part in rows))


@pytest.mark.parametrize(
    "x",
    [
        torch.randn(100, 3, generator=G),
        torch.randint(0, 255, (100, 1, 3, 3), generator=G, dtype=torch.uint8),
        torch.randint(0, 30, (100, 7), generator=G, dtype=torch.int16),
    ],
    ids=["fractions", "bytes", "symbols"],
)
def test_duplicates_are_counted_as_by_hand(x):
    whole = data(x, 3, 7)
    rows = [[tuple(row) for row in part.x.flatten(1).tolist()] for part in (whole.train, whole.val, whole.test)]
    found = duplicates(whole)
    assert found.shared == (0, *(sum(r in set(rows[0]) for r in part) for part in rows[1:]))
    assert found.shared[1:] == (3, 7)
    assert found.repeated == tuple(len(part) - len(set(part)) for part in rows)


def test_missing_values_are_equal_to_missing_values():
    x = torch.randn(100, 3, generator=G)
    x[:, 1] = torch.nan
    assert duplicates(data(x, 2, 0)).shared == (0, 2, 0)


def test_of_large_sets_an_even_part_is_looked_at():
    x = torch.randn(100, 100, generator=G)
    found = duplicates(data(x, 20, 20), most=len(x) * 100 * 4 // 4)
    assert found.looked == (15, 5, 5)
    assert found.shared == (0, 5, 5)


def test_a_test_split_that_holds_all_of_training_is_named():
    x = torch.randn(80, 3, generator=G)
    whole = Data(Split(x[:60], None), Split(x[60:], None), Split(x, None))
    words = leak_words(duplicates(whole))
    assert "80 test" in words
    assert "holds every training sample" in words
    assert leak_words(duplicates(data(torch.randn(100, 3, generator=G), 0, 0))) == ""


def test_a_run_tells_leaks_and_notes(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "aerun")
    x = np.random.default_rng(0).integers(0, 1000, (40, 8, 8)).astype(np.uint16)
    np.save(tmp_path / "x.npy", x)
    plan = built("dataset=array", f"dataset.path={tmp_path / 'x.npy'}", f"dataset.test_path={tmp_path / 'x.npy'}")
    told = told_of(plan.dataset, plan.dataset.load())
    assert told["leaks/test"] == 34
    assert any("dataset.unit=" in note for note in told["notes"])
    assert told["notes"][-1].startswith("leak: ")
    assert "equal to training samples" in caplog.text
