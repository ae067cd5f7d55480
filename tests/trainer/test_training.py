"""Schedules, order, seeds: what training does is a function of its settings."""

import csv
import math

import pytest
import torch

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.dataset.splits import Data, Split
from aerun.trainer.base import Job
from aerun.trainer.batches import Batches
from aerun.trainer.fit import batches
from aerun.trainer.ranks import Ranks
from tests.conftest import built, composed


def fit(folder, *overrides, labels=None, data=None, resume=False):
    """Train in `folder`; the autoencoder and the rows of metrics.csv."""
    cfg = composed("trainer.max_epochs=3", "model.arch.hidden=[16]", "trainer.progress=false", *overrides)
    plan = built("trainer.max_epochs=3", "model.arch.hidden=[16]", "trainer.progress=false", *overrides)
    data = data or plan.dataset.load()
    if labels is not None:
        data = Data(Split(data.train.x, labels(data.train.y)), data.val, data.test)
    plan.autoencoder.start_from(data.train.x)
    plan.trainer.fit(Job(plan.autoencoder, data, plan.optimizer, plan.schedule, plan.seed, folder, cfg), resume)
    with (folder / "metrics.csv").open(newline="") as f:
        return plan.autoencoder, list(csv.DictReader(f))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_labels_never_reach_training(tmp_path):
    """P40: permuted labels, identical weights."""
    (a, b) = (
        fit(tmp_path / name, labels=labels)[0] for name, labels in (("a", None), ("b", lambda y: y[torch.randperm(len(y))]))
    )
    assert torch.equal(weights(a), weights(b))


def test_one_seed_one_result_another_seed_another(tmp_path):
    """P40."""
    runs = [fit(tmp_path / str(i), f"seed={seed}", "model/corruption=gaussian")[0] for i, seed in enumerate((3, 3, 4))]
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert not torch.equal(weights(runs[0]), weights(runs[2]))


def test_steps_per_call_change_nothing_but_speed(tmp_path):
    """Sixteen optimizer steps in one call of Lightning are the same steps as one in each."""
    one, many = (fit(tmp_path / str(k), f"trainer.steps_per_call={k}", "model.arch.dropout=0.1")[0] for k in (1, 16))
    assert torch.equal(weights(one), weights(many))


@pytest.mark.parametrize("words", [[], ["regularizer=[l1,l2]", "reg.lambda=0.1"], ["trainer.batch_size=7"]], ids=str)
def test_accumulated_parts_take_the_step_of_the_whole_batch(tmp_path, words):
    """Parts are weighted by their samples: 128 in three parts, and a last batch of one sample."""
    given = ["trainer.precision=64-true", "trainer.limit_batches=4", "trainer.gradient_clip=1", *words]
    (one, a), (parts, b) = (fit(tmp_path / str(k), f"trainer.accumulate={k}", *given) for k in (1, 3))
    assert torch.allclose(weights(one), weights(parts), rtol=0, atol=1e-9)
    assert not torch.equal(weights(one), weights(built(*given, "model.arch.hidden=[16]").autoencoder))
    assert [float(row["train/loss"]) for row in a] == pytest.approx([float(row["train/loss"]) for row in b], rel=1e-9)


def test_accumulated_parts_keep_less_in_memory(tmp_path, monkeypatch):
    seen, objective = [], Autoencoder.objective

    def watched(self, x, progress, *more, **about):
        seen.append((len(x), progress is None))
        return objective(self, x, progress, *more, **about)

    monkeypatch.setattr(Autoencoder, "objective", watched)
    fit(tmp_path, "trainer.accumulate=3", "trainer.limit_batches=1", "trainer.max_epochs=1")
    assert [n for n, validation in seen if not validation] == [43, 43, 42]


@pytest.mark.parametrize("words", ["model=sparse_kl", "regularizer=mmd model=vae", "model.arch.norm=batch", "model=vqvae"])
def test_what_reads_a_batch_as_a_whole_is_not_accumulated(words):
    with pytest.raises(AerunError, match=r"trainer\.accumulate=2: each pass sees a part .* Use trainer\.accumulate=1\."):
        built(*words.split(), "trainer.accumulate=2")


def test_the_same_batches_in_every_epoch(tmp_path):
    """A model learns by heart what it sees again and again, and not what is drawn anew."""
    x = torch.arange(103).float()
    same, anew = (
        Batches(x, batch_size=10, per_call=4, seed=7, drop_last=False, limit=2, ranks=Ranks(), same=same)
        for same in (True, False)
    )
    for found, expected in ((same, 1), (anew, 3)):
        epochs = set()
        for epoch in range(3):
            found.sampler.set_epoch(epoch)
            epochs.add(tuple(torch.cat([b for call in found for b in call]).tolist()))
        assert len(epochs) == expected
    given = [
        "trainer.batch_size=8",
        "trainer.limit_batches=1",
        "trainer.max_epochs=150",
        "schedule=constant",
        "optimizer.lr=0.01",
    ]
    heart, drawn = (fit(tmp_path / str(k), *given, f"trainer.same_batches={k}")[1][-1] for k in ("true", "false"))
    assert float(heart["train/loss"]) < 0.2 * float(drawn["train/loss"])


CLOSED = {
    "constant": lambda t, n: 1.0,
    "cosine": lambda t, n: 0.01 + 0.99 * (1 + math.cos(math.pi * t / n)) / 2,
    "warmup": lambda t, n: min(1.0, (t + 1) / (round(0.05 * n) + 1)),
}


@pytest.mark.parametrize("schedule", ["constant", "cosine", "warmup", "one_cycle"])
def test_logged_learning_rates_are_the_closed_form(tmp_path, schedule):
    """P40: the lr of each epoch's last step."""
    _, rows = fit(tmp_path, f"schedule={schedule}", "optimizer.lr=0.002")
    total = int(rows[-1]["step"])
    for row in rows:
        step = int(row["step"]) - 1
        if schedule in CLOSED:
            assert float(row["lr"]) == pytest.approx(0.002 * CLOSED[schedule](step, total), rel=1e-12)
    if schedule == "one_cycle":
        cycle = built("schedule=one_cycle").schedule
        factor = [cycle.factor(t, 1001) for t in range(1001)]
        assert factor[0] == pytest.approx(1 / 25)
        assert factor[300] == pytest.approx(1)
        assert factor[-1] == pytest.approx(1e-4)
        assert factor == [*sorted(factor[:301]), *sorted(factor[301:], reverse=True)]


@pytest.mark.parametrize("schedule", ["cosine", "warmup"])
def test_warm_up_rises_linearly(schedule):
    s = built(f"schedule={schedule}", "schedule.warmup=0.1").schedule
    assert [s.factor(t, 90) for t in range(9)] == pytest.approx([(t + 1) / 10 for t in range(9)])


def test_an_epoch_sees_every_sample_once_in_an_order_of_its_own():
    x = torch.arange(103).float()
    found = Batches(x, batch_size=10, per_call=4, seed=7, drop_last=False, limit=None, ranks=Ranks())
    epochs = []
    for epoch in (0, 1, 0):
        found.sampler.set_epoch(epoch)
        epochs.append(torch.cat([b for call in found for b in call]))
    assert torch.equal(epochs[0].sort()[0], x)
    assert not torch.equal(epochs[0], epochs[1])
    assert torch.equal(epochs[0], epochs[2])
    assert len(found) == 3
    assert found.steps == 11


def test_full_batches_where_batch_statistics_need_them(tmp_path):
    """rate and batch norm leave the last, smaller batch out; everything else sees every sample."""
    for overrides, steps in ((["model=sparse_kl", "trainer.batch_size=500"], 2), (["trainer.batch_size=500"], 3)):
        plan = built(*overrides)
        data = plan.dataset.load()
        job = Job(plan.autoencoder, data, plan.optimizer, plan.schedule, 0, tmp_path, {})
        train, _ = batches(job, plan.trainer, torch.device("cpu"))
        assert train.steps == steps


def test_weight_decay_spares_biases(tmp_path):
    plan = built("optimizer=adamw")
    groups = plan.optimizer.make(plan.autoencoder.parameters()).param_groups
    assert {g["weight_decay"] for g in groups} == {0.01, 0.0}
    assert all(p.ndim < 2 for g in groups if g["weight_decay"] == 0 for p in g["params"])


def test_patience_ends_training_early(tmp_path):
    _, rows = fit(tmp_path, "trainer.max_epochs=60", "trainer.patience=2", "optimizer.lr=0.3", "schedule=constant")
    assert len(rows) < 60


def test_gradient_clip_bounds_the_step(tmp_path):
    a, b = (
        fit(tmp_path / c, f"trainer.gradient_clip={c}", "optimizer=sgd", "trainer.limit_batches=2")[0] for c in ("1e-9", "null")
    )
    fresh = built("model.arch.hidden=[16]").autoencoder
    assert (weights(a) - weights(fresh))[: 64 * 16].abs().max() < 1e-9
    assert (weights(b) - weights(fresh))[: 64 * 16].abs().max() > 1e-6


@pytest.mark.parametrize(
    ("typed", "precision"), [("32", "32-true"), ("64", "64-true"), ("bf16", "bf16-mixed"), ("64-true", "64-true")]
)
def test_precisions_have_short_names_too(typed, precision):
    assert built(f"trainer.precision={typed}").trainer.precision == precision
