"""Plans: from facts to settings, their sizes within a budget, and their files. Pure functions; nothing trains."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from aerun.core.facts import Facts
from aerun.dataset.splits import Split
from aerun.settings.catalog import catalog
from aerun.solve.alarms import standard_error
from aerun.solve.choose import Candidate, by_auroc, by_error
from aerun.solve.look import Look, look
from aerun.solve.made import made
from aerun.solve.plan import SHORTEST, begun, rungs_of, sized
from aerun.solve.rules import COMMON, LINEAR, NETWORK, NETWORKS_FROM, Line, architecture, decided
from aerun.solve.tasks import TASKS
from aerun.solve.written import presets
from tests.bill.test_cost import COST
from tests.conftest import built

TABLE = Look("table", "table", (12,), 2000, 300, 300, 12, shares=(0.5, 0.65, 0.8, 0.9, 0.96, 1.0), dimension=2.1)
IMAGE = replace(TABLE, kind="image", shape=(1, 32, 32), size=1024, bounded=True)
TEXT = replace(TABLE, kind="text", shape=(12, 30), size=360, tokens=True, ragged=True, dimension=0.0)
DATA = [Line("dataset", ("table",), "typed"), Line("dataset.path", ('"/a/b c.csv"',), "typed")]


def settings(lines):
    """The settings of a plan's lines, by key."""
    return {line.key: line.value for line in lines}


# -- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "arch"),
    [
        (TABLE, "mlp"),
        (IMAGE, "conv"),
        (replace(IMAGE, shape=(1, 8, 8)), "mlp"),
        (replace(TABLE, kind="sequence", shape=(100, 6)), "conv"),
        (replace(TABLE, kind="sequence", shape=(8, 2)), "mlp"),
        (replace(TABLE, kind="sequence", ragged=True), "recurrent"),
        (TEXT, "recurrent"),
    ],
)
def test_what_data_are_decides_the_architecture(known, arch):
    assert architecture(known) == arch


def test_the_size_of_the_code_follows_from_the_task():
    sizes = {task: settings(decided(COMMON, TABLE, task))["model.latent_dim"] for task in TASKS}
    assert sizes["anomaly"] == "3"  # 70 % of the variance
    assert sizes["reduce"] == "4"  # 1.5 x 2.1, rounded up
    assert sizes["compress"] == "8"


@pytest.mark.parametrize("known", [replace(TABLE, size=2, shares=(0.6, 1.0)), replace(TABLE, rows=20)])
def test_a_code_is_smaller_than_the_data(known):
    for task in TASKS:
        assert 1 <= int(settings(decided(COMMON, known, task))["model.latent_dim"]) < max(2, min(known.size, known.rows))


def test_a_batch_is_at_most_a_twentieth_of_the_rows_and_at_least_16():
    batches = [
        int(settings(decided(NETWORK, replace(TABLE, rows=n), "reduce"))["trainer.batch_size"]) for n in (200, 2000, 10**6)
    ]
    assert batches == [16, 64, 256]


def test_every_line_has_a_reason_and_typed_settings_stay():
    for task in TASKS:
        for known in (TABLE, IMAGE, TEXT):
            plan = begun(known, task, {"model.latent_dim": "7"}, DATA)
            assert all(line.because for line in (*plan.linear, *plan.networks))
            assert settings(plan.networks)["model.latent_dim"] == "7"
            assert settings(plan.linear or plan.networks)["model.latent_dim"] == "7"


def test_few_rows_train_no_network_and_text_has_no_run_of_pca():
    few, text = begun(replace(TABLE, rows=NETWORKS_FROM - 1), "reduce", {}, DATA), begun(TEXT, "reduce", {}, DATA)
    assert few.linear
    assert not few.networks
    assert "fewer than 200" in few.remarks[0]
    assert text.networks
    assert not text.linear
    assert "no run is PCA" in text.remarks[0]


def test_settings_of_networks_that_are_typed_leave_pca_alone():
    plan = begun(TABLE, "reduce", {"model.arch.hidden": "[4]", "trainer.max_epochs": "9", "model": "sparse"}, DATA)
    assert settings(plan.linear) | settings(LINES) == settings(plan.linear)
    assert settings(plan.networks)["model"] == "sparse"


LINES = decided(LINEAR, TABLE, "reduce")


# -- sizes -----------------------------------------------------------------------------------------------------------


def sizes(seconds, typed=()):
    """The jobs, epochs and remarks of a plan with so many seconds, of steps of a millisecond."""
    cost = replace(COST, step=1e-3, clock=(1.0, 1.0, 1.0), clock_rest=1.0)
    plan = sized(begun(TABLE, "reduce", dict(typed), DATA), TABLE, cost, seconds)
    return plan.jobs, int(settings(plan.networks).get("trainer.max_epochs", 0)), plan.remarks, settings(plan.networks)


def test_more_time_buys_more_networks_and_longer_ones():
    found = [sizes(seconds) for seconds in (1e-3, 12, 30, 100, 1000, 1e5)]
    assert [jobs for jobs, *_ in found] == sorted(jobs for jobs, *_ in found)
    assert found[0][0] == 0
    assert "no network: the shortest takes about" in found[0][2][-1]
    assert found[-1][0] == 12
    assert found[-1][3]["search"] == "asha"
    for jobs in {jobs for jobs, *_ in found}:
        lengths = [epochs for count, epochs, *_ in found if count == jobs]
        assert lengths == sorted(lengths)


def test_a_small_budget_is_for_one_short_network_and_says_so():
    some = next(found for seconds in np.arange(1, 60, 0.5) if (found := sizes(seconds))[0] == 1)
    assert "of one network" in some[2][-1]
    assert some[1] >= 1
    assert some[1] * COST.size.batches >= SHORTEST


def test_a_typed_length_is_kept():
    assert sizes(1e5, {"trainer.max_epochs": "5"}.items())[1] == 5


def test_rungs_leave_an_epoch_before_each():
    assert rungs_of(2, 100) == ()
    assert rungs_of(12, 2) == ()
    for jobs, epochs in ((3, 3), (12, 9), (12, 100), (6, 5)):
        at = [round(share * epochs) for share in rungs_of(jobs, epochs)]
        assert at[0] >= 1
        assert at == sorted(set(at))
        assert at[-1] < epochs


# -- files -----------------------------------------------------------------------------------------------------------


def test_presets_are_yaml_with_a_reason_at_every_line(tmp_path):
    plan = sized(begun(TABLE, "anomaly", {}, DATA), TABLE, replace(COST, step=1e-4), 1e5)
    texts, groups = presets(plan, tmp_path), catalog()
    for name, lines in (("pca", plan.linear), ("plan", plan.networks)):
        found = yaml.safe_load(texts[name])
        chosen = {k.removeprefix("override /"): v for d in found["defaults"] for k, v in d.items()}
        swept = found["hydra"].get("sweeper", {}).get("params", {})
        for line in lines:
            if len(line.values) > 1:
                assert swept[line.key] == line.value
            elif line.key in groups:
                assert chosen[line.key] == line.value
            else:
                value = found
                for key in line.key.split("."):
                    value = value[key]
                assert value == yaml.safe_load(line.value)
        assert all(
            "  # " in line
            for line in texts[name].splitlines()
            if line.strip() and line.split()[0] != "#" and not line.rstrip().endswith((":", "}"))
        )


# -- the look --------------------------------------------------------------------------------------------------------


def test_rows_in_any_order_give_the_same_plan():
    class Shuffled:
        """A data set whose training rows come in another order."""

        def __init__(self, dataset, order):
            self.dataset, self.order = dataset, order

        def __getattr__(self, name):
            return getattr(self.dataset, name)

        def load(self):
            data = self.dataset.load()
            return replace(data, train=data.train.take(self.order))

        def own_samples(self, data):
            return data

    dataset = built("dataset=wine").dataset
    order = torch.randperm(len(dataset.load().train), generator=torch.Generator().manual_seed(1))
    assert look(Shuffled(dataset, order), "wine") == look(dataset, "wine")


def test_test_rows_change_nothing_of_what_is_seen():
    class Other:
        """The same data with test and validation rows that are far away."""

        def __init__(self, dataset):
            self.dataset = dataset

        def __getattr__(self, name):
            return getattr(self.dataset, name)

        def load(self):
            data = self.dataset.load()
            return replace(data, test=Split(data.test.x * 0 + 1e6, None), val=Split(data.val.x * 0 - 1e6, None))

        def own_samples(self, data):
            return data

    dataset = built("dataset=wine").dataset
    assert look(Other(dataset), "wine") == look(dataset, "wine")


# -- made anomalies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "shape"), [("table", (6,)), ("image", (1, 9, 9)), ("sequence", (12, 3))])
def test_made_anomalies_hold_cells_of_other_rows_alone(kind, shape):
    x = torch.arange(40.0).reshape(-1, *[1] * len(shape)).expand(40, *shape).clone()
    odd = made(Split(x, None), Facts(shape=shape, kind=kind, unit=1.0, low=None, high=None, classes=None)).x
    other = (odd != x).flatten(1)
    assert other.any(1).all()
    assert not other.all()
    assert all(len(row.unique()) <= 2 for row in odd.flatten(1))
    assert torch.equal(odd, made(Split(x, None), Facts(shape, kind, 1.0, None, None, None)).x)


def test_of_ragged_samples_none_are_made():
    facts = Facts((5, 2), "sequence", 1.0, None, None, None, ragged=True)
    assert made(Split(torch.zeros(4, 5, 2), None), facts) is None


# -- choices ---------------------------------------------------------------------------------------------------------


def candidates(network, pca, others=None):
    """A network and the run that is PCA, with these figures."""
    return [Candidate("pca", None, {"model": pca}, True), Candidate("a", None, {"model": network, **(others or {})})]


def test_a_network_is_taken_where_it_is_a_twentieth_better():
    reduce = TASKS["reduce"]
    assert by_error(reduce, candidates(0.94, 1.0), 50).runs[0].name == "a"
    enough = by_error(reduce, candidates(0.96, 1.0), 50)
    assert enough.runs[0].linear
    assert enough.enough
    alone = by_error(reduce, candidates(0.96, 1.0)[:1], 50)
    assert alone.runs[0].linear
    assert alone.enough is None


def test_without_a_run_of_pca_its_figure_still_counts():
    choice = by_error(TASKS["reduce"], candidates(0.99, 0, {"pca": 1.0})[1:], 50)
    assert choice.enough
    assert choice.runs[0].name == "a"


def test_alarms_take_pca_along_or_alone():
    both = candidates(0.9, 0.7)
    taken = by_auroc(both, 0.8, 0.02, 100)
    assert [c.name for c in taken.runs] == ["a", "pca"]
    assert not taken.enough
    assert [c.name for c in by_auroc(both, 0.71, 0.02, 100).runs] == ["pca"]
    assert [c.name for c in by_auroc(both[1:], None, 0.02, 100).runs] == ["a"]


def test_the_error_of_an_auroc_falls_with_the_rows():
    assert standard_error(0.8, 1000) < standard_error(0.8, 10) < 0.2
    assert standard_error(0.5, 50) == pytest.approx((101 / (12 * 50 * 50)) ** 0.5, rel=0.02)  # of ranks
