"""Samples that stand in two splits, a little changed: told apart from equal ones, and from data that are merely dense."""

import json

import pytest
import torch

import aerun
from aerun.dataset.splits import Data, Split
from aerun.evaluate.near import near_words, nearly_equal
from tests.shell import here


def data(train, test, val=None):
    return Data(*(Split(x, None) for x in (train, test[:5] if val is None else val, test)))


def images(n, seed):
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 1, 4, 4, generator=g)
    return (torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear") * 255).round().to(torch.uint8)


CASES = {
    "table": (lambda n, seed: torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)), 1e-3),
    "images": (images, 1.0),
    "gaps": (lambda n, seed: _with_gaps(torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))), 1e-3),
    "sequences": (lambda n, seed: torch.randn(n, 12, 3, generator=torch.Generator().manual_seed(seed)), 1e-3),
}


def _with_gaps(x):
    x[::3, 2] = torch.nan
    return x


@pytest.mark.parametrize("kind", CASES)
def test_copies_with_a_little_noise_are_told_and_equal_ones_are_not(kind):
    made, noise = CASES[kind]
    train, test = made(300, 0), made(60, 1)
    assert nearly_equal(data(train, test)).shared == (0, 0)
    copies = train[:12].float() + noise * torch.sign(torch.randn(train[:12].shape, generator=torch.Generator().manual_seed(2)))
    low, high = (0, 255) if kind == "images" else (-99, 99)
    test[20:32] = copies.clamp(low, high).to(test.dtype)
    test[40:50] = train[100:110]  # equal: the business of `duplicates`
    near = nearly_equal(data(train, test, val=test[20:23]))
    assert near.shared == (3, 12)
    assert near.looked == (3, 60)
    assert near_words(near).startswith("3 of 3 validation and 12 of 60 test samples are nearly equal")


@pytest.mark.parametrize("elements", [2, 3, 4, 6, 20])
def test_dense_data_are_no_leak(elements):
    """Also where they have few dimensions: on a curve or a plane in many."""
    g = torch.Generator().manual_seed(0)
    inner = torch.randn(3000, max(2, elements // 4), generator=g)
    x = inner @ torch.randn(inner.shape[1], elements, generator=g)
    near = nearly_equal(data(x[:2000], x[2000:]))
    assert sum(near.shared) <= 0.01 * sum(near.looked)


def test_too_little_to_tell_is_told_as_nothing():
    constant = torch.ones(50, 6)
    assert nearly_equal(data(constant, constant)).shared == (0, 0)
    assert near_words(nearly_equal(data(constant, constant))) == ""
    assert nearly_equal(data(torch.randn(2, 6), torch.randn(9, 6))).looked == (0, 0)


def test_a_test_file_that_holds_the_training_file_is_told_in_results_and_report(tmp_path):
    g = torch.Generator().manual_seed(0)
    rows = torch.randn(60, 5, generator=g)
    text = "\n".join(["a,b,c,d,e", *(",".join(f"{v:.4f}" for v in row) for row in rows.tolist())])
    near = "\n".join(["a,b,c,d,e", *(",".join(f"{v:.3f}" for v in row) for row in rows.tolist())])
    (tmp_path / "train.csv").write_text(text)
    for name, content in (("same", text), ("near", near)):
        (tmp_path / f"{name}.csv").write_text(content)
        settings = [
            "trainer=smoke",
            "pictures=[]",
            "model.latent_dim=2",
            "dataset=table",
            f"dataset.path={tmp_path / 'train.csv'}",
        ]
        aerun.train(*settings, f"dataset.test_path={tmp_path / name}.csv", folder=tmp_path / "runs" / name)
    same, close = (json.loads((tmp_path / "runs" / n / "results.json").read_text()) for n in ("same", "near"))
    assert same["leaks/test"] == same["samples/train"]
    assert any("The test split holds every training sample" in note for note in same["notes"])
    assert close["leaks/test"] == 0
    assert close["leaks/near_test"] == close["samples/train"]
    told = here(tmp_path, "report", "runs/same", "runs/near", "--output", "r.html")
    assert told.code == 0, told.err
    page = (tmp_path / "r.html").read_text()
    assert "holds every training sample" in page
    assert "are nearly equal to training samples" in page
