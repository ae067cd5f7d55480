"""`aerun features`: what each unit is on for, held against the codes themselves, and its page in a browser."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import aerun
from aerun.core.facts import Facts
from aerun.inference.activation_rows import store_rows
from aerun.inference.exhibits import exhibit
from aerun.inference.reading import Piece
from aerun.inference.unit_survey import flat
from aerun.inference.unit_tally import BINS, SPREAD, Tally
from aerun.metrics.dictionary import matched
from tests.browser import CHROMIUM, page
from tests.shell import here

T, D, UNITS = 5, 8, 24
QUICK = ("trainer=smoke", "trainer.progress=false", "pictures=[]")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A store of contexts, the words of it, an output matrix with names, and a run on the store."""
    path, rng = tmp_path_factory.mktemp("features"), np.random.default_rng(0)
    (path / "store").mkdir()
    for i in range(3):
        np.save(path / "store" / f"{i}.npy", rng.normal(size=(20 + i, T, D)).astype(np.float16))
    (path / "words.txt").write_text("\n".join(" ".join(f"c{c}p{p}" for p in range(T)) for c in range(63)) + "\n")
    np.save(path / "outputs.npy", rng.normal(size=(D, 30)).astype(np.float32))
    (path / "names.txt").write_text("\n".join(f"</script>{i}" for i in range(30)) + "\n")
    sizes = (f"model.latent_dim={UNITS}", "model.bottleneck.k=3", "dataset.drop_positions=[0]")
    aerun.train("model=sae_topk", "dataset=activations", f"dataset.path={path / 'store'}", *sizes, *QUICK, folder=path / "run")
    return path


@pytest.fixture(scope="module")
def answer(work):
    """What one call writes as data."""
    more = ("--logits", "outputs.npy", "--vocabulary", "names.txt", "--words", "words.txt", "--units", "0", "7", "--top", "4")
    told = here(work, "features", "run", "store", "-o", "u.json", "-o", "u.html", *more)
    assert told.code == 0, told.err
    return json.loads((work / "u.json").read_text())


def rows(work):
    """All rows of the store that training reads, in order: context and position of each, and what it holds."""
    x = np.concatenate([np.load(work / "store" / f"{i}.npy") for i in range(3)]).astype(np.float32)
    places = [(c, p) for c in range(len(x)) for p in range(1, T)]
    return places, x[:, 1:].reshape(-1, D)


def test_units_are_those_of_the_codes(work, answer):
    places, x = rows(work)
    z = aerun.load(work / "run").encode(x)
    assert answer["samples_read"] == len(x)
    assert answer["l0"] == pytest.approx(3)
    for unit in answer["units"]:
        own = z[:, unit["unit"]]
        assert unit["density"] == pytest.approx((own != 0).mean())
        assert unit.get("mean", 0) == pytest.approx(own[own != 0].mean() if own.any() else 0, rel=1e-5)
        assert ("top" in unit) == (unit["unit"] in (0, 7))
    for number in (0, 7):
        unit, own = answer["units"][number], z[:, number]
        order = np.argsort(-own, kind="stable")[:4]
        assert [row for row, _ in unit["top"]] == [i for i in order.tolist() if own[i]]
        assert [v for _, v in unit["top"]] == pytest.approx(own[[i for i in order if own[i]]])
        for row, _ in unit["top"]:
            sample, (context, position) = answer["samples"][str(row)], places[row]
            assert sample["words"][sample["marked"]] == f"c{context}p{position}"
            shard = 0 if context < 20 else 1 if context < 41 else 2
            assert sample["where"] == f"{shard}.npy, context {context - (0, 20, 41)[shard]}, position {position}"
        assert len(unit["quantiles"]) == min(BINS, (own != 0).sum())
        assert all(own[row] == pytest.approx(v) for _, row, v in unit["quantiles"])


def test_atoms_and_outputs_are_in_units_of_the_data(work, answer):
    model = aerun.load(work / "run")
    atoms = model.decode(np.eye(UNITS, dtype=np.float32)) - model.decode(np.zeros((1, UNITS), np.float32))
    cosines = atoms @ atoms.T / np.outer(*[np.linalg.norm(atoms, axis=1)] * 2)
    logits = atoms @ np.load(work / "outputs.npy")
    unit = answer["units"][7]
    assert unit["atom"]["norm"] == pytest.approx(np.linalg.norm(atoms[7]), rel=1e-4)
    assert [j for j, _ in unit["nearest"]] == [j for j in np.argsort(-cosines[7]).tolist() if j != 7][:5]
    assert unit["logits"]["raised"][0] == [f"</script>{logits[7].argmax()}", pytest.approx(logits[7].max(), rel=1e-3)]
    assert unit["logits"]["lowered"][0][0] == f"</script>{logits[7].argmin()}"


def test_random_samples_do_not_depend_on_batches_and_are_spread_over_all_rows():
    z = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    z[:, 2] = 0
    tallies = [Tally(3, [0, 1, 2], 5) for _ in range(2)]
    for tally, batch in zip(tallies, (4000, 77), strict=True):
        for part in z.split(batch):
            tally.add(part)
    a, b = tallies
    assert all(torch.equal(getattr(a.spread, k), getattr(b.spread, k)) for k in ("rows", "values"))
    assert a.top.rows[0].tolist() == z[:, 0].argsort(descending=True)[:5].tolist()
    assert a.top.of(2) == ([], [])
    assert a.quantiles(2) == []
    drawn = a.spread.rows[0].double()
    assert len(drawn.unique()) == SPREAD
    assert abs(drawn.mean() / 4000 - 0.5) < 0.15  # four deviations
    quantiles = a.quantiles(0)
    assert len(quantiles) == BINS
    assert all(abs((q - 0.5) - v) < 0.2 for q, _, v in quantiles)


def test_a_unit_of_several_places_is_the_one_furthest_from_0():
    assert flat(torch.tensor([[[[1.0, -3.0], [2.0, 0.0]]]])).tolist() == [[-3.0]]


def test_samples_of_every_kind_are_shown():
    def shown(facts, x, **more):
        model = SimpleNamespace(facts=facts, config={"dataset": {"id": "name"}}, code_shape=(2,))
        return exhibit(model, Piece(x, "f.x", 5, **more), 1)

    def facts(kind, shape, **more):
        return Facts(shape=shape, kind=kind, unit=1.0, low=0.0, high=1.0, classes=None, **more)

    image = shown(facts("image", (1, 4, 4)), np.zeros((2, 1, 4, 4), np.float32))
    assert image["where"] == "f.x, image 6"
    assert image["picture"].startswith("data:image/png;base64,")
    assert shown(facts("text", (9, 3), tokens=("", "a", "b")), ["a", "ab\u202e"])["words"] == "ab\\u202e"
    named = shown(
        facts("table", (2,)), {"a": np.array([1.0, 2.5]), "b": np.array(["x", "y"])}, beside={"name": np.array(["p", "q"])}
    )
    assert named == {"where": "name q (f.x, row 6)", "cells": [("a", "2.5"), ("b", "y")]}
    series = np.stack([np.zeros((100, 5)), np.arange(500.0).reshape(100, 5)])
    lines = shown(facts("sequence", (100, 5)), series)["lines"]
    assert [len(line) for line in lines] == [64, 64, 64]
    assert (lines[0][0], lines[0][-1]) == (0.0, 495.0)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_is_searched(work, answer):
    with page(1100, 900) as tab:
        tab.go((work / "u.html").as_uri())
        assert tab.until(lambda: "Unit 0" in tab.words())
        alive = sum(u["density"] > 0 for u in answer["units"])
        assert tab.count("BUTTON", "e.dataset.unit !== undefined") == alive
        word = answer["samples"][str(answer["units"][7]["top"][0][0])]["where"]
        search = "(w => {{const s = document.getElementById('search'); s.value = w; s.dispatchEvent(new Event('input'));}})({})"
        tab.ask(search.format(json.dumps(word)))
        listed = tab.ask("[...document.querySelectorAll('#list button')].map(b => b.dataset.unit).join()").split(",")
        with_it = [
            u["unit"] for u in answer["units"] if word in json.dumps([answer["samples"][str(t[0])] for t in u.get("top", ())])
        ]
        assert {str(u) for u in with_it} <= set(listed) <= {"0", "7"}
        tab.ask(search.format(json.dumps("7")))
        assert "Unit 7" in tab.words()
        assert "</script>" in tab.words()  # a name, and not the end of the page's data
        tab.ask(search.format(json.dumps("nowhere")))
        assert "No unit has that." in tab.words()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("--units", "24"), "have 24 units, numbered from 0 to 23"),
        (("--units", "-1"), "numbers of units, from 0, or all"),
        (("--top", "0"), "from 1"),
        (("--vocabulary", "names.txt"), "names the columns of --logits"),
        (("--logits", "turned.npy"), "save its transpose"),
        (("--logits", "outputs.npy", "--vocabulary", "words.txt"), "holds 63 lines, and the matrix of --logits 30 columns"),
        (("--words", "names.txt"), "line 1: holds 1 words; contexts have 5 positions"),
        (("--output", "units.pdf"), "a page (.html) or data (.json)"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(work, typed, words):
    np.save(work / "turned.npy", np.zeros((30, D), np.float32))
    told = here(work, "features", "run", "store", "-o", "never.json", *typed)
    assert told.code == 2
    assert words in told.err
    assert not (work / "never.json").exists()


def test_damaged_stores_are_refused_in_words(work, tmp_path):
    x = np.random.default_rng(0).normal(size=(10, T, D)).astype(np.float32)
    np.save(tmp_path / "a.npy", x)

    def told(name, content=None, **more):
        if content is not None:
            np.save(tmp_path / name, content)
        got = here(tmp_path, "features", str(work / "run"), ".", "-o", "never.html")
        (tmp_path / name).unlink()
        assert got.code == 2
        assert not (tmp_path / "never.html").exists()
        return got.err

    assert "all shards of a store are of one width" in told("b.npy", x[..., :4])
    assert "bfloat16 is saved" in told("b.npy", x.astype(np.float16).view("V2"))
    gap = x.copy()
    gap[3, 2, 1] = np.nan
    assert "row 17 holds values that are missing or infinite" in told("b.npy", gap)
    (tmp_path / "b.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-50])
    assert "cut off or damaged" in told("b.npy")


def test_a_store_comes_in_bounded_pieces_of_whole_contexts(work):
    config = aerun.load(work / "run").config
    parts = list(store_rows(config, [str(work / "store")], 16, None))
    assert max(len(p.x) for p in parts) <= 16
    assert np.array_equal(np.concatenate([p.x for p in parts]), rows(work)[1])


def test_dictionaries_of_seeds_are_matched_beside_random_ones(work):
    """The same dictionary in another order is the same; one of another seed is more alike than random directions are."""
    atoms = torch.randn(D, 20, generator=torch.Generator().manual_seed(0))
    assert matched(atoms, -atoms[:, torch.randperm(20)]).tolist() == pytest.approx([1] * 20)
    one = here(work, "compare", "run", "--atoms")
    assert one.code == 2
    assert "here each setting has one" in one.err
    shutil.copytree(work / "run", work / "seeds" / "0")
    shutil.copytree(work / "run", work / "seeds" / "1")
    config = work / "seeds" / "1" / "config.yaml"
    config.write_text(re.sub(r"(?m)^seed: 0$", "seed: 1", config.read_text()))
    told = here(work, "compare", "seeds", "--atoms")
    assert told.code == 0, told.err
    (line,) = [line for line in told.out.splitlines() if line.startswith("atoms")]
    assert line.startswith("atoms 1.000, 100% above .9, 100% above .7")
    assert "1 pair of seeds 0, 1" in line
    assert float(re.search(r"random directions: ([.\d]+),", line)[1]) < 0.95
