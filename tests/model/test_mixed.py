"""P114, P119: the likelihood of mixed columns against torch's distributions, and rows drawn from it."""

import csv
import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal

from aerun import load
from aerun.core.errors import AerunError
from aerun.preparation.columns import Columns
from aerun.preparation.feature import Feature
from tests.conftest import built
from tests.model.test_losses import made
from tests.shell import here

COLUMNS = (("a", "number", 0, 1), ("b", "number", 1, 1), ("w", "category", 2, 4), ("v", "category", 6, 2), ("b", "mark", 8, 1))
FACTS = {"shape": (9,), "columns": COLUMNS}


def rows(n=64):
    """Raw outputs, and rows: numbers, one-hot words, marks; the first row has a word that training had not."""
    g = torch.Generator().manual_seed(1)
    raw, words = torch.randn(n, 9, generator=g), torch.randint(0, 4, (n,), generator=g)
    hot = torch.nn.functional.one_hot(words, 4).double()
    hot[0] = 0
    other = torch.nn.functional.one_hot(words % 2, 2).double()
    return raw.double(), torch.cat([torch.randn(n, 2, generator=g).double(), hot, other, (words[:, None] > 2).double()], 1)


@pytest.mark.usefixtures("double")
def test_mixed_is_the_sum_of_the_log_probabilities_of_its_columns():
    raw, x = rows()
    loss = made("mixed", FACTS, noise="fixed", sigma=0.7)
    want = -Normal(raw[:, :2], 0.7).log_prob(x[:, :2]).sum(1) - Bernoulli(logits=raw[:, 8]).log_prob(x[:, 8])
    want -= Categorical(logits=raw[:, 6:8]).log_prob(x[:, 6:8].argmax(1))
    word = -Categorical(logits=raw[:, 2:6]).log_prob(x[:, 2:6].argmax(1))
    word[0] = 0  # an unknown word
    torch.testing.assert_close(loss(raw, x), want + word)
    seen = torch.ones_like(x, dtype=torch.bool)
    seen[:, 2:6] = False
    torch.testing.assert_close(loss(raw, x, seen=seen), want)
    assert bool((loss(raw, x) >= loss.floor(x)).all())
    torch.testing.assert_close(loss.activate(loss.deactivate(x.mean(0)))[2:], x.mean(0)[2:], atol=0.01, rtol=0.05)


@pytest.mark.usefixtures("double")
def test_each_number_has_its_own_scale_and_a_copied_column_a_floor():
    x = torch.randn(512, 9)
    raw = x.clone()
    raw[:, 0] += 0.3 * torch.randn(512)
    loss = made("mixed", FACTS).train()
    for _ in range(200):
        loss(raw, x)
    assert loss.sigma.tolist() == pytest.approx([0.3, 0.01], rel=0.1)
    assert loss(raw, x).isfinite().all()


@pytest.mark.usefixtures("double")
def test_balanced_columns_all_cost_one_without_a_code_and_are_no_likelihood():
    _, x = rows(2000)
    x[0] = x[1]
    loss = made("mixed", FACTS, balance="column")
    loss.prepare(lambda: iter(x.split(300)))
    each = loss.element(loss.deactivate(x.mean(0)).expand_as(x), x).mean(0)
    costs = [float(each[a : a + n].sum()) for _, _, a, n in COLUMNS]
    assert costs == pytest.approx([1] * 5, rel=0.01)
    assert loss.density == ""


def test_mixed_refuses_data_without_columns_and_a_mean_beside_a_divergence(tmp_path):
    with pytest.raises(AerunError, match="model/loss=mixed needs a table with columns"):
        built("model/loss=mixed")
    with pytest.raises(AerunError, match=r"regularizer=kl: model\.loss\.reduction=mean"):
        built("dataset=wine", "model=vae", "model/loss=mixed", "model.loss.reduction=mean")
    assert built("dataset=wine", "model/loss=mixed", "model.loss.reduction=mean").autoencoder.loss.per_lambda(13) == 13


def test_draws_have_the_shares_of_the_softmax_and_are_whole_rows():
    """argmax of shares .70/.20/.08/.02 would write the first word alone."""
    features = [Feature("a", "number", step=1.0, low=0, high=9, missing=True), Feature("w", "category", words=tuple("abcd"))]
    preparation = Columns(features=features, way="none")
    loss = made("mixed", {"shape": (6,), "columns": preparation.layout}, sigma=2.0).float()
    shares = torch.tensor([0.70, 0.20, 0.08, 0.02])
    raw = torch.cat([torch.tensor([4.4]), shares.log(), torch.tensor([math.log(0.1 / 0.9)])])
    n = 4000
    torch.manual_seed(0)
    own = preparation.drawn(loss.sample(raw.expand(n, 6)))
    drawn = torch.bincount(own[:, 1].long(), minlength=4) / n
    assert bool(((drawn - shares).abs() < 3 * (shares * (1 - shares) / n).sqrt()).all())
    gone = own[:, 0].isnan()
    assert abs(float(gone.float().mean()) - 0.1) < 0.015
    numbers = own[~gone, 0]
    assert bool((numbers == numbers.round()).all())
    assert (numbers.min(), numbers.max()) == (0, 9)
    assert float(numbers.std()) == pytest.approx(2.0, abs=0.2)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A table with words, whole numbers with gaps, cents and days, and a run that auto gave the loss mixed."""
    folder = tmp_path_factory.mktemp("shop")
    g = np.random.default_rng(0)
    with (folder / "shop.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["age", "spend", "plan", "since"])
        for i in range(240):
            plan = ["basic", "plus", "pro"][int(g.choice(3, p=[0.6, 0.3, 0.1]))]
            spend = {"basic": 10, "plus": 20, "pro": 50}[plan] + g.normal()
            age = "" if i % 9 == 0 else int(g.integers(18, 80))
            table.writerow([age, f"{spend:.2f}", plan, f"2024-{1 + i % 12:02}-{1 + i % 28:02}"])
    words = ["dataset=table", "dataset.path=shop.csv", "model=vae", "model.latent_dim=3", "trainer.max_epochs=8", "pictures=[]"]
    told = here(folder, *words, "evaluate=[held_out,synthesis]", "hydra.run.dir=run")
    assert told.code == 0
    assert "loss mixed (auto)" in told.out
    return folder


def test_generate_writes_whole_valid_rows(shop):
    assert here(shop, "generate", "run", "--count", "300", "--output", "new.csv").code == 0
    with (shop / "new.csv").open() as file:
        new = list(csv.DictReader(file))
    assert {row["plan"] for row in new} <= {"basic", "plus", "pro"}
    assert len({row["plan"] for row in new}) > 1
    assert any(row["age"] == "" for row in new)
    ages = [float(row["age"]) for row in new if row["age"]]
    assert all(a == int(a) and 18 <= a < 80 for a in ages)
    assert all(len(row["spend"].partition(".")[2]) <= 2 for row in new)
    assert all(len(row["since"]) == 10 for row in new)
    again = load(shop / "run").generate(300)
    assert again["plan"].tolist() == [row["plan"] for row in new]


def test_a_score_is_split_by_column_in_nats(shop):
    assert here(shop, "score", "run", "shop.csv", "--map", "--output", "s.csv").code == 0
    with (shop / "s.csv").open() as file:
        scored = list(csv.DictReader(file))
    assert {"nats_age", "nats_spend", "nats_plan", "nats_since"} <= scored[0].keys()
    model = load(shop / "run")
    assert "nats)" in model.reasons({"age": [30.0], "spend": [50.0], "plan": ["basic"], "since": ["2024-02-02"]})[0]
    stored = torch.tensor([[30.0, 20.0, 1.0, 0.0]])
    x = model.autoencoder.units(stored)
    names = {"raw": model.autoencoder.raw(model.autoencoder.encode(x)), "x": x}
    whole = float(model.nats({"age": [30.0], "spend": [20.0], "plan": ["plus"], "since": ["2024-01-01"]}).sum())
    assert whole == pytest.approx(float(model.autoencoder.loss(**names)), abs=1e-3)


def test_a_likelihood_of_columns_is_held_against_independent_ones(shop):
    figures = load(shop / "run").results
    assert figures["held_out/model/nats"] < figures["held_out/independent/nats"]


def test_drawn_rows_are_held_against_copies_independent_columns_and_a_copula(shop):
    figures = load(shop / "run").results
    assert figures["synthesis/copy/closer"] == 1
    for who in ("model", "copy", "columns", "copula"):
        assert all(0 < figures[f"synthesis/{who}/{k}"] <= 1 for k in ("shape", "pair", "tstr", "closer"))
        assert 0.5 <= figures[f"synthesis/{who}/auc"] <= 1
