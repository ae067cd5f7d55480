"""The acceptance experiments: their files, the formulas of their checks, the runner, and the fast ones themselves."""

import json
import math
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from aerun.core.errors import AerunError
from aerun.evaluate import applications
from aerun.experiment import formula
from aerun.experiment.catalog import catalog, experiment_files
from aerun.experiment.measures import measure, names
from aerun.experiment.plan import read
from aerun.experiment.run import composed, missing
from aerun.experiment.verdict import Outcome, Verdict
from aerun.inference.loading import trained as load
from tests.conftest import built
from tests.shell import here

EXPERIMENTS = {name: read(experiment_files([name])[0]) for name in catalog()}
RUNS = [(name, run) for name, experiment in EXPERIMENTS.items() for run in experiment.runs]

# -- formulas ------------------------------------------------------------------------------------------------------------

FIGURES = {"a": {"test/se": 2.0, "x.y": 8.0, "zero": 0.0}, "b2": {"test/se": 5.0}}
VALUES = [
    ("{a.test/se}", 2.0),
    ("{b2.test/se} / {a.test/se}", 2.5),
    ("{a.test/se} - {b2.test/se}", -3.0),
    ("100 * ({b2.test/se} - {a.test/se}) / {a.x.y}", 37.5),
    ("-{a.test/se} + .5", -1.5),
    ("{a.x.y} / {a.test/se} / {b2.test/se}", 0.8),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_formula_is_arithmetic_over_figures(text, expected):
    assert formula.value(text, FIGURES) == pytest.approx(expected)


def test_division_by_zero_is_no_number():
    assert math.isnan(formula.value("{a.test/se} / {a.zero}", FIGURES))


REFUSED = [
    "__import__('os').system('true')",
    "{a.test/se}.__class__",
    "{a.test/se} ** 9",
    "9 ** 9",
    "{a.test/se} // 2",
    "{a.test/se} % 2",
    "{a.test/se} < 1",
    "1 if 1 else 2",
    "abs({a.test/se})",
    "{a.test/se}(1)",
    "({a.test/se}, 1)",
    "[1]",
    "'a'",
    "True",
    "1j",
    "_ + 1",
    "a.test/se",
    "{a.test/se} {a.test/se}",
    "{a.test/se} +",
    "{a}",
    "{.x}",
    "{a.}",
    "{{a.test/se}}",
    "",
    "()",
    "(" * 5000,
]


@pytest.mark.parametrize("text", REFUSED, ids=[t[:24] for t in REFUSED])
def test_formula_refuses_anything_else(text):
    with pytest.raises(AerunError):
        formula.value(text, FIGURES)


@pytest.mark.parametrize(("text", "words"), [("{c.x}", "no run c"), ("{a.test/sf}", r"no figure test/sf \(nearest: test/se\)")])
def test_unknown_figures_are_named(text, words):
    with pytest.raises(AerunError, match=words):
        formula.value(text, FIGURES)


# -- files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("name", "run"), RUNS)
def test_every_run_composes_and_builds(name, run):
    begun = EXPERIMENTS[name].runs[run]
    if not begun.begins and (why := missing(composed(begun.overrides), whole=True)):  # else with weights of a run to come
        pytest.skip(why)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_says_what_must_hold_and_uses_all_of_its_runs(name):
    experiment = EXPERIMENTS[name]
    assert len(experiment.must) > 40
    assert len(experiment.source) > 20
    assert any(check.at_least is not None or check.at_most is not None for check in experiment.checks)
    assert {run for check in experiment.checks for run in check.runs} == set(experiment.runs)
    used = {figure.partition("/")[0] for check in experiment.checks for _, figure in formula.references(check.formula)}
    for run in experiment.runs.values():
        assert set(run.measures) <= {*names(), *applications.names()}
        assert set(run.measures) & used or not run.measures


CONTROLLED = ("E05", "E11", "E18", "E19")


@pytest.mark.parametrize("name", CONTROLLED)
def test_a_control_changes_runs_that_a_bounded_check_reads(name):
    experiment = EXPERIMENTS[name]
    control = experiment.controlled()
    assert len(experiment.control.why) > 20
    changed = {k for k, run in control.runs.items() if run != experiment.runs[k]}
    assert changed == set(experiment.control.runs)
    for run in changed:
        assert any(run in c.runs and (c.at_least is not None or c.at_most is not None) for c in control.checks)
        built(*control.runs[run].overrides)


def test_a_control_replaces_settings_and_is_judged_by_each_of_its_runs(tmp_path):
    experiment = read(
        Path(tiny(tmp_path, control={"why": "Nothing.", "runs": {"ae": ["trainer=joint", "model.latent_dim=3"]}}))
    )
    control = experiment.controlled()
    assert control.runs["ae"].overrides == ("model=ae", "trainer=joint", "model.latent_dim=3")
    assert set(control.runs) == {"ae"}
    assert [c.name for c in control.checks] == ["error", "units"]
    for holds, failed, verdict in ((True, {}, False), (False, {}, True), (False, {"ae": "broke"}, False)):
        outcome = Outcome(control, (0,), [Verdict(c, [1.0], holds) for c in control.checks], failed=failed)
        assert outcome.fails_as_it_must is verdict


@pytest.mark.parametrize(
    ("control", "words"),
    [({"why": "x"}, "needs `why` and `runs`"), ({"why": "x", "runs": {"aee": []}}, r"no run aee \(nearest: ae\)")],
)
def test_a_control_that_is_none_is_refused(tmp_path, control, words):
    with pytest.raises(AerunError, match=words):
        read(Path(tiny(tmp_path, control=control)))
    with pytest.raises(AerunError, match="has no negative control"):
        EXPERIMENTS["E01"].controlled()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["E11", "E19"])
def test_the_quick_controls_fail_as_they_must(tmp_path, name):
    told = here(tmp_path, "experiment", name, "--short", "--control")
    assert told.code == 0, told.out
    assert f"{name}-CONTROL: fails, as it must" in told.out


def test_every_measure_is_used():
    assert {m for e in EXPERIMENTS.values() for run in e.runs.values() for m in run.measures} >= set(names())


# -- the runner ----------------------------------------------------------------------------------------------------------

TINY = {
    "must": "It runs.",
    "budget": 1,
    "seeds": [0, 1],
    "common": ["trainer=smoke"],
    "runs": {
        "ae": {"overrides": ["model=ae"], "measures": ["active_units"]},
        "linear": {"overrides": ["model=linear"], "long": True},
    },
    "checks": [
        {"name": "error", "formula": "{ae.test/se} / {ae.mean/se}", "at_most": 1.5, "published": "none"},
        {"name": "units", "formula": "{ae.active_units/count}", "at_least": 0, "at_most": 8},
        {"name": "both", "formula": "{linear.test/se} / {ae.test/se}"},
    ],
}


def tiny(folder, **changes):
    """A file like those of configs/acceptance."""
    path = folder / "tiny.yaml"
    path.write_text("# A tiny one\n" + OmegaConf.to_yaml(OmegaConf.create({**TINY, **changes})))
    return str(path)


def stamps(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("results.json")}


@pytest.mark.slow
def test_runner_prints_writes_and_takes_what_is_there(tmp_path):
    first = here(tmp_path, "experiment", tiny(tmp_path), "--output", "docs/page.md")
    assert first.code == 0, first.err
    assert "holds" in first.out
    assert "FAILS" not in first.out
    runs = tmp_path / "outputs" / "experiments" / "TINY"
    before = stamps(runs)
    assert {str(p.relative_to(runs).parent) for p in before} == {f"{r}/seed={s}" for r in ("ae", "linear") for s in (0, 1)}
    page = (tmp_path / "docs" / "page.md").read_text()
    assert "## TINY: A tiny one" in page
    assert "`aerun trainer=smoke model=ae`" in page
    assert "<= 1.5, every seed" in page
    assert page.count("| holds |") == 2

    again = here(tmp_path, "experiment", tiny(tmp_path))
    assert again.code == 0
    assert again.out.count("there already") == 4
    assert stamps(runs) == before

    changed = here(tmp_path, "experiment", tiny(tmp_path, common=["trainer=smoke", "optimizer.lr=2e-2"]))
    assert changed.code == 0
    assert "there already" not in changed.out


@pytest.mark.slow
def test_a_run_begins_with_the_weights_of_another_and_is_trained_again_with_it(tmp_path):
    idec = {"overrides": ["model=idec", "model.latent_dim=4", "reg.terms.clusters.count=2"], "begins": "ae"}
    checks = [{"name": "error", "formula": "{idec.test/se} / {ae.test/se}"}]
    common = ["trainer=smoke", "model.latent_dim=4"]
    words = {"runs": {"ae": TINY["runs"]["ae"], "idec": idec}, "checks": checks, "seeds": [0]}
    assert here(tmp_path, "experiment", tiny(tmp_path, **words, common=common)).code == 0
    runs = tmp_path / "outputs" / "experiments" / "TINY"
    begun = OmegaConf.load(runs / "idec" / "seed=0" / "config.yaml").model.init_from
    assert Path(tmp_path / begun).resolve() == (runs / "ae" / "seed=0").resolve()
    before = stamps(runs)
    assert here(tmp_path, "experiment", tiny(tmp_path, **words, common=common)).out.count("there already") == 2
    other = {**words, "runs": {"ae": {"overrides": ["model=ae", "optimizer.lr=2e-2"]}, "idec": idec}}
    assert here(tmp_path, "experiment", tiny(tmp_path, **other, common=common)).code == 0
    assert all(after != before[p] for p, after in stamps(runs).items())
    early = {**words, "runs": {"idec": idec, "ae": TINY["runs"]["ae"]}}
    assert "begins=ae: no run before it" in here(tmp_path, "experiment", tiny(tmp_path, **early)).err


def test_fresh_trains_again(tmp_path):
    here(tmp_path, "experiment", tiny(tmp_path), "--short")
    runs = tmp_path / "outputs" / "experiments" / "TINY"
    before = stamps(runs)
    assert here(tmp_path, "experiment", tiny(tmp_path), "--short", "--fresh").code == 0
    assert all(after != before[p] for p, after in stamps(runs).items())


def test_what_was_interrupted_is_done_again_and_nothing_else_is_removed(tmp_path):
    here(tmp_path, "experiment", tiny(tmp_path), "--short")
    run = tmp_path / "outputs" / "experiments" / "TINY" / "ae" / "seed=0"
    results = json.loads((run / "results.json").read_text())
    (run / "results.json").write_text(json.dumps({**results, "status": "interrupted"}))
    (run.parent / "note").write_text("mine")
    told = here(tmp_path, "experiment", tiny(tmp_path), "--short")
    assert "there already" not in told.out
    assert json.loads((run / "results.json").read_text())["status"] == "completed"
    assert (run.parent / "note").read_text() == "mine"


def test_short_is_one_seed_and_no_long_run(tmp_path):
    told = here(tmp_path, "experiment", tiny(tmp_path), "--short", "--root", "there")
    assert told.code == 0
    assert "linear left out: long" in told.out
    assert [str(p.relative_to(tmp_path / "there")) for p in (tmp_path / "there").rglob("seed=*")] == ["TINY/ae/seed=0"]
    assert here(tmp_path, "experiment", tiny(tmp_path), "--short", "--seeds", "2", "--root", "there").code == 0
    assert {str(p.relative_to(tmp_path / "there")) for p in (tmp_path / "there").rglob("seed=*")} == {
        "TINY/ae/seed=0",
        "TINY/ae/seed=1",
    }


def test_seeds_may_be_given(tmp_path):
    runs = {**TINY["runs"], "linear": {"overrides": ["model=linear"], "seeds": [7]}}
    told = here(tmp_path, "experiment", tiny(tmp_path, runs=runs, checks=TINY["checks"][:2]), "--seeds", "3")
    assert told.code == 0
    found = sorted(str(p.relative_to(tmp_path / "outputs/experiments/TINY")) for p in tmp_path.rglob("seed=*"))
    assert found == ["ae/seed=0", "ae/seed=1", "ae/seed=2", "linear/seed=7"]


@pytest.mark.parametrize("bound", [{"at_most": 0.5}, {"at_least": 2.0}])
def test_failing_check_is_exit_code_1(tmp_path, bound):
    checks = [{"name": "error", "formula": "{ae.test/se} / {ae.mean/se}", **bound}]
    told = here(tmp_path, "experiment", tiny(tmp_path, checks=checks), "--short")
    assert told.code == 1
    assert "FAILS" in told.out


def test_every_seed_must_hold_where_the_median_need_not(tmp_path):
    """Seeds 0, 1, 2 against a bound between the last two."""
    check = {"name": "seed", "formula": "{ae.seed}", "at_most": 1.5}
    for over, code in (("every", 1), ("median", 0)):
        told = here(tmp_path, "experiment", tiny(tmp_path, checks=[{**check, "over": over}]), "--seeds", "3")
        assert told.code == code


def test_what_is_not_a_number_does_not_hold(tmp_path):
    checks = [{"name": "nothing", "formula": "{ae.test/se} / ({ae.test/se} - {ae.test/se})", "at_least": -1}]
    assert here(tmp_path, "experiment", tiny(tmp_path, checks=checks), "--short").code == 1


def test_run_that_fails_is_told_and_is_exit_code_1(tmp_path):
    runs = {"ae": {"overrides": ["optimizer.lr=1e30", "optimizer=sgd"]}, "linear": TINY["runs"]["linear"]}
    checks = [{"name": "error", "formula": "{ae.test/se}"}]
    told = here(tmp_path, "experiment", tiny(tmp_path, runs=runs, checks=checks), "--short")
    assert told.code == 1
    assert "ae FAILED: seed 0: loss is not finite" in told.out


WRONG = [
    (["E1"], "E1: no such experiment (nearest: E"),
    (["E99"], "E99: no such experiment"),
    (["gone.yaml"], "gone.yaml: no such experiment"),
    (["E01", "--seeds", "0"], "--seeds 0: at least one"),
]


@pytest.mark.parametrize(("words", "told"), WRONG)
def test_bad_name_is_exit_code_2_with_the_nearest(tmp_path, words, told):
    found = here(tmp_path, "experiment", *words)
    assert found.code == 2
    assert told in found.err


WRONG_FILES = [
    ({"runs": {"ae": {"overrides": ["model.latnet_dim=3"]}, "linear": {}}}, "latent_dim"),
    ({"runs": {"ae": {"measures": ["active_unit"]}, "linear": {}}}, "no such measure (nearest: active_units)"),
    ({"runs": {"ae": {"weights": "worst"}, "linear": {}}}, "must be one of best, last"),
    ({"runs": {"ae": {"measure": ["mcc"]}, "linear": {}}}, "runs.ae.measure is not a setting here (nearest: measures)"),
    ({"checks": [{"name": "x", "formula": "{aee.test/se}"}]}, "no run aee (nearest: ae)"),
    ({"checks": [{"name": "x", "formula": "__import__('os')"}]}, "not a formula"),
    ({"checks": [{"name": "x", "formula": "{ae.test/se}", "over": "some"}]}, "must be one of every, median"),
    ({"check": []}, "tiny.check is not a setting here (nearest: checks)"),
]


@pytest.mark.parametrize(("changes", "told"), WRONG_FILES)
def test_mistakes_in_a_file_are_told_before_anything_is_trained(tmp_path, changes, told):
    found = here(tmp_path, "experiment", tiny(tmp_path, **changes))
    assert found.code == 2
    assert told in found.err
    assert not (tmp_path / "outputs").exists()


def test_file_that_is_none_is_told(tmp_path):
    (tmp_path / "a.yaml").write_text("[1, 2]")
    (tmp_path / "b.yaml").write_text("must: x\nbudget: 1\n")
    (tmp_path / "c.yaml").write_text("a: [")
    for name, words in (("a", "not an experiment"), ("b", "seeds is missing"), ("c", "cannot be read")):
        found = here(tmp_path, "experiment", f"{name}.yaml")
        assert found.code == 2
        assert words in found.err


def test_images_that_are_not_there_are_left_out_and_said_so(tmp_path, monkeypatch):
    monkeypatch.setenv("AERUN_DATA", str(tmp_path))
    told = here(tmp_path, "experiment", "E07", "--short")
    assert told.code == 0
    assert f"vae: left out: MNIST is not in {tmp_path}" in told.out


def test_without_names_they_are_listed(tmp_path):
    told = here(tmp_path, "experiment")
    assert told.code == 0
    assert [line.split()[0] for line in told.out.splitlines()] == list(EXPERIMENTS)


def test_e08_stands_for_both_of_its_parts():
    assert [p.stem for p in experiment_files(["e08", "E01"])] == ["e01", "e08a", "e08b"]


def test_weights_are_those_of_the_run(tmp_path):
    """The model that is measured has the test error that the run printed; the last weights are others."""
    from aerun.evaluate.reconstruction import report

    runs = {"ae": {"overrides": ["model=ae", "trainer=joint", "trainer.max_epochs=2", "optimizer.lr=0.3"]}}
    path = tiny(tmp_path, runs=runs, checks=[{"name": "error", "formula": "{ae.test/se}"}], common=[])
    assert here(tmp_path, "experiment", path, "--short").code == 0
    where = tmp_path / "outputs" / "experiments" / "TINY" / "ae" / "seed=0"
    results = json.loads((where / "results.json").read_text())
    best, last = (load(where, weights)[0] for weights in ("best", "last"))
    assert not best.autoencoder.training
    errors = [report(t)["test/se"] for t in (best, last)]
    assert errors[0] == pytest.approx(results["test/se"], rel=1e-6)
    assert (errors[0] == errors[1]) == (results["best_epoch"] == 1)
    (where / "checkpoints" / "best.ckpt").write_bytes(b"")
    with pytest.raises(AerunError, match=r"best\.ckpt: not read"):
        load(where, "best")


# -- the experiments -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["E01", "E04"])
def test_fast_experiments_hold(tmp_path, monkeypatch, name):
    monkeypatch.delenv("AERUN_DATA", raising=False)
    told = here(tmp_path, "experiment", name, "--short")
    assert told.code == 0, told.out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["E05"])
def test_a_slower_experiment_holds(tmp_path, monkeypatch, name):
    monkeypatch.delenv("AERUN_DATA", raising=False)
    told = here(tmp_path, "experiment", name, "--short")
    assert told.code == 0, told.out


@pytest.mark.slow
@pytest.mark.usefixtures("mnist")
@pytest.mark.parametrize("name", ["E01"])
def test_experiments_on_mnist_hold(tmp_path, name):
    told = here(tmp_path, "experiment", name, "--short")
    assert told.code == 0, told.out
    assert "MNIST is not in" not in told.out


def test_page_of_experiments_is_of_these_files():
    """docs/experiments.md has a section for each, with its checks as they are required now."""
    page = Path(__file__).parents[2] / "docs" / "experiments.md"
    if not page.exists():
        pytest.skip("docs/experiments.md has not been made")
    text = page.read_text(encoding="utf-8")
    for name, experiment in EXPERIMENTS.items():
        assert f"## {name}: {experiment.title}" in text
        for check in experiment.checks:
            assert f"| {check.name} |" in text
            assert f"| {check.required} |" in text


def test_measures_draw_from_the_runs_seed_and_leave_chance_alone(tmp_path):
    here(tmp_path, "experiment", tiny(tmp_path), "--short")
    where = tmp_path / "outputs" / "experiments" / "TINY" / "ae" / "seed=0"
    trained, _ = load(where)
    state = torch.get_rng_state()
    assert measure("noise_to_spread", trained) == measure("noise_to_spread", trained)
    assert torch.equal(torch.get_rng_state(), state)


def test_paths_of_before_the_move_still_name_an_experiment():
    assert experiment_files(["configs/experiment/e01.yaml"]) == experiment_files(["E01"])
    assert experiment_files(["E01"])[0].parent.name == "acceptance"
