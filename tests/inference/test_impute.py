"""Missing cells: what a model expects there, draws of it, and files whose other cells stay as they are."""

import csv
import json
import math

import numpy as np
import pytest
import torch

import aerun
from aerun.core.errors import AerunError
from aerun.evaluate.imputing import Cells, filled
from tests.conftest import built
from tests.shell import here

TINY = ("trainer=smoke", "trainer.progress=false", "pictures=[]", "model.latent_dim=2", "model.arch.hidden=[8]")
KEPT = ("model=iwae", "model/loss=gaussian", "dataset.missing=keep")


@pytest.fixture
def linear(double):
    """x = W z + b + noise of variance s^2 of 6 elements, with an encoder of its own posterior for 3 of them seen."""
    torch.manual_seed(0)
    parts = ["dataset=wine", "model/arch=linear", "model/bottleneck=gaussian", "model/loss=gaussian", "regularizer=iwae"]
    model = built(*parts, "model.latent_dim=2").autoencoder.double().eval()
    out, back = model.arch.decoder[-2], model.arch.encoder[-1]
    size, s2 = out.weight.shape[0], 0.1
    w, b = torch.randn(size, 2), torch.randn(size)
    seen = torch.zeros(size, dtype=torch.bool)
    seen[:3] = True
    own = w * seen[:, None]
    covariance = torch.linalg.inv(torch.eye(2) + own.t() @ own / s2)
    with torch.no_grad():
        out.weight.copy_(w)
        out.bias.copy_(b)
        gain = covariance @ own.t() / s2
        back.weight.copy_(torch.cat([gain, torch.zeros(2, size)]))
        back.bias.copy_(torch.cat([-gain @ b + 0.4 * covariance.diagonal().sqrt(), (1.5 * covariance.diagonal()).log()]))
        model.loss.variance.fill_(s2)
    x = torch.randn(600, 2) @ w.t() + b + math.sqrt(s2) * torch.randn(600, size)
    best = ((x - b) @ gain.t()) @ w.t() + b
    return model, x, seen.expand_as(x), best


def test_values_are_the_conditional_mean_and_draws_have_their_spread(linear):
    """P123: sum w mu is within 2 % of the exact conditional mean's error; a draw errs twice as much, and draws differ."""
    model, x, seen, best = linear
    found = filled(model, Cells(x.masked_fill(~seen, 0), seen, {}), codes=400, draws=2)
    error, exact, drawn = (((v - x)[~seen]).square().mean().item() for v in (found.x_hat, best, found.draws[0]))
    assert error == pytest.approx(exact, rel=0.02)
    assert drawn == pytest.approx(2 * exact, rel=0.1)
    assert (found.draws[0] - found.draws[1])[~seen].square().mean() > exact  # Rubin's B is above 0
    assert (found.ess > 5).all()
    assert (found.ess < 400).all()
    lone = filled(model, Cells(x.masked_fill(~seen, 1e6), seen, {}), codes=2)  # the encoder of this model reads no mask
    assert lone.x_hat.shape == x.shape


def test_unweighted_codes_would_be_worse(linear):
    model, x, seen, best = linear
    with torch.no_grad():
        z = model.clean_pass(x.masked_fill(~seen, 0))["posterior"].sample(torch.Size([400]))
        plain = model.decode(z.flatten(0, 1)).reshape(400, *x.shape).mean(0)
    weighed = filled(model, Cells(x.masked_fill(~seen, 0), seen, {}), codes=400).x_hat
    far = [(v - best)[~seen].square().mean().item() for v in (weighed, plain)]
    assert far[0] < far[1] / 2


def table(seed=0, n=80):
    g = np.random.default_rng(seed)
    z = g.normal(size=n)
    columns = {
        "id": [f"r{i}" for i in range(n)],
        "a": [f"{v:.3f}" for v in z],
        "b": [f"{2 * v + 1:.2f}0" for v in z],  # digits that a number would lose
        "k": ["up" if v > 0 else "down" for v in z],
        "share": [f"{abs(100 * v):.0f}%" for v in z],
        "day": [f"25/{1 + int(abs(v) * 3) % 12:02d}/2024" for v in z],
        "price": [f"{abs(v):.2f} EUR" for v in z],
    }
    for name, cells in columns.items():
        if name != "id":
            columns[name] = [c if g.random() > 0.2 else "" for c in cells]
    return columns


def as_csv(path, columns):
    path.write_text("\n".join([",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]) + "\n")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("impute")
    path = as_csv(folder / "t.csv", table())
    settings = ("dataset=table", f"dataset.path={path}", "dataset.id=id", *TINY)
    aerun.train(*settings, *KEPT, folder=folder / "keep")
    aerun.train(*settings, folder=folder / "fill")
    return folder


def records(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_file_is_filled_and_all_else_stays(place):
    """P124: seen cells byte for byte, words of training, the same for the same seed."""
    told = here(place, "impute", "keep", "t.csv", "-o", "whole.csv", "--codes", "20")
    assert told.code == 0, told.err
    assert "price: is written anew" in told.err
    left = "impute: not read by the model, and left as written, gaps included: id."
    assert left in told.err
    assert left in json.loads((place / "whole.csv.notes.json").read_text())["told"]
    before, after = table(), records(place / "whole.csv")
    assert list(after[0]) == list(before)
    for name, cells in before.items():
        filled_in = [row[name] for row in after]
        assert all(filled_in)
        if name != "price":
            assert all(a == b for a, b in zip(filled_in, cells, strict=True) if b)
        else:
            assert all(float(a) == float(b[:-4]) for a, b in zip(filled_in, cells, strict=True) if b)
    assert {row["k"] for row in after} == {"up", "down"}
    first = (place / "whole.csv").read_bytes()
    here(place, "impute", "keep", "t.csv", "-o", "whole.csv", "--codes", "20")
    assert (place / "whole.csv").read_bytes() == first


def test_more_codes_than_memory_holds_are_refused(place):
    told = here(place, "impute", "keep", "t.csv", "-o", "whole.csv", "--codes", str(10**12))
    assert told.code == 2
    assert "--codes: fewer" in told.err


def test_draws_intervals_and_ess(place):
    told = here(place, "impute", "keep", "t.csv", "-o", "m.csv", "--codes", "20", "--draws", "3", "--interval", "0.9", "--ess")
    assert told.code == 0, told.err
    rows, own = records(place / "m.csv"), table()
    assert len(rows) == 3 * len(own["id"])
    assert [row["draw"] for row in rows[:6]] == ["1", "2", "3"] * 2
    assert [row["id"] for row in rows[:6]] == ["r0"] * 3 + ["r1"] * 3
    gone = [i for i, cell in enumerate(own["a"]) if not cell]
    for i in gone:
        assert len({row["a"] for row in rows[3 * i : 3 * i + 3]}) == 3
        assert float(rows[3 * i]["a_low"]) < float(rows[3 * i]["a_high"])
        assert 1 <= float(rows[3 * i]["ess"]) <= 20
    there = next(i for i, cell in enumerate(own["a"]) if cell)
    assert rows[3 * there]["a_low"] == rows[3 * there]["a_high"]


def test_other_outputs_have_numbers_with_all_their_digits(place):
    pytest.importorskip("pandas")
    import pandas as pd

    here(place, "impute", "keep", "t.csv", "-o", "whole.parquet", "--codes", "20")
    frame = pd.read_parquet(place / "whole.parquet")
    assert frame["b"].dtype == np.float64
    own = table()["b"]
    assert all(v == float(c) for v, c in zip(frame["b"], own, strict=True) if c)


def test_in_python_samples_come_back_as_they_came(place):
    pytest.importorskip("pandas")
    import pandas as pd

    model = aerun.load(place / "keep")
    frame = pd.read_csv(place / "t.csv", parse_dates=["day"], dayfirst=True).set_index("id")
    frame["share"] = frame["share"].str.rstrip("%").astype(float) / 100
    whole = model.impute(frame, codes=20)
    assert whole.index.equals(frame.index)
    assert not whole.isna().any().any()
    assert (whole["a"][frame["a"].notna()] == frame["a"].dropna()).all()
    found = model.impute(frame, draws=2, codes=20, interval=0.5)
    assert len(found.draws) == 2
    assert (found.low["a"] <= found.high["a"]).all()
    assert np.isnan(found.ess[~found.hidden.any(1)]).all()


def test_rows_and_words_that_are_odd(place, tmp_path):
    """A row without any cell, and one with a word that training does not have, which stays."""
    odd = {name: ["r0", "r1"] if name == "id" else ["", cells[1]] for name, cells in table().items()}
    odd["k"] = ["", "sideways"]
    as_csv(place / "odd.csv", odd)
    told = here(place, "impute", "keep", "odd.csv", "-o", "odd_whole.csv", "--codes", "20")
    assert told.code == 0, told.err
    after = records(place / "odd_whole.csv")
    assert after[1]["k"] == "sideways"
    assert all(after[0].values())
    assert "words that training does not have: 1" in told.err
    told = here(place, "score", "keep", "odd.csv", "-o", "odd_scores.csv")
    assert "rows without a value that could be judged: 1; a score near 0 says nothing there" in told.err
    whole = {name: [c or "1" for c in cells] for name, cells in table().items()}
    whole |= {"k": ["up"] * 80, "day": ["25/01/2024"] * 80, "share": ["1%"] * 80, "price": ["1"] * 80}
    as_csv(place / "full.csv", whole)
    told = here(place, "impute", "keep", "full.csv", "-o", "same.csv")
    assert "no cell is missing" in told.err
    assert (place / "same.csv").read_text().replace("\r\n", "\n") == (place / "full.csv").read_text()


def test_other_runs_say_what_they_do(place):
    told = here(place, "impute", "fill", "t.csv", "-o", "filled.csv")
    assert told.code == 0, told.err
    assert "was not trained with dataset.missing=keep" in told.err
    assert all(all(row.values()) for row in records(place / "filled.csv"))
    told = here(place, "impute", "fill", "t.csv", "-o", "never.csv", "--draws", "3")
    assert told.code == 2
    assert "has one answer for each cell" in told.err
    told = here(place, "inpaint", "keep", "t.csv", "-o", "never.csv")
    assert told.code == 2
    assert "filled in by impute" in told.err


def test_a_column_without_any_cell_is_refused_by_name(place):
    path = as_csv(place / "void.csv", table() | {"a": [""] * 80})
    with pytest.raises(AerunError, match=r"'a'"):
        aerun.train("dataset=table", f"dataset.path={path}", "dataset.id=id", *TINY, *KEPT, folder=place / "void")


def test_an_array_keeps_its_type_and_its_numbers(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 4))
    x[np.random.default_rng(1).random(x.shape) < 0.2] = np.nan
    np.save(tmp_path / "x.npy", x)
    model = aerun.train(f"dataset.path={tmp_path / 'x.npy'}", "dataset=array", *TINY, *KEPT, folder=tmp_path / "run")
    whole = model.impute(x, codes=20)
    assert whole.dtype == x.dtype
    assert np.array_equal(whole[~np.isnan(x)], x[~np.isnan(x)])
    assert np.isfinite(whole).all()
    assert torch.is_tensor(model.impute(torch.from_numpy(x), codes=20))
    told = here(tmp_path, "impute", "run", "x.npy", "-o", "w.npz", "--codes", "20", "--draws", "2")
    assert told.code == 0, told.err
    assert np.load(tmp_path / "w.npz")["x"].shape == (120, 4)
