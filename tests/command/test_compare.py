"""`aerun compare`: rows by what differs, means over seeds, and how sure a difference is. On made-up runs, no training."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from aerun.metrics.interval import interval
from aerun.report.frontier import knee
from aerun.runs.comparison import Difference, difference
from aerun.runs.figures import higher_is_better
from aerun.runs.groups import columns, gather, grouped, natural
from tests.shell import here

N = 400


def made(folder, name, *, error, seed=0, model="ae", size=8, status="completed", dataset="digits", **results):
    """The folder of a run whose test errors are `error` (N,)."""
    path = folder / name
    path.mkdir(parents=True)
    config = {"model": {"name": model, "latent_dim": size}, "seed": seed, "objective": "val/mse", "dataset": {"name": dataset}}
    (path / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    command = f"aerun model={model} model.latent_dim={size} seed={seed} dataset.root=there"
    (path / "run.json").write_text(json.dumps({"command": command}))
    found = {"status": status, "seed": seed, "objective": float(np.mean(error)) / 64, "test/se": float(np.mean(error))}
    found |= {"pca/se": 1.0, "mean/se": 5.0, "seconds": 1.0, "test/psnr": 20 - float(np.mean(error)), **results}
    (path / "results.json").write_text(json.dumps(found))
    np.save(path / "test_errors.npy", np.asarray(error, dtype=np.float32))
    return path


@pytest.fixture
def work(tmp_path):
    """Two models of two sizes with three seeds each; one failed."""
    g = np.random.default_rng(0)
    hard = g.gamma(2.0, 1.0, N)  # what all find hard
    for model, factor in (("ae", 1.0), ("vae", 1.3)):
        for size, more in ((8, 1.0), (10, 0.99)):
            for seed in range(3):
                error = hard * factor * more * (1 + 0.02 * g.normal(size=N)) * (1 + 0.01 * g.normal())
                made(tmp_path / "runs", f"{model}-{size}-{seed}", error=error, seed=seed, model=model, size=size)
    made(tmp_path / "runs", "broken", error=hard, model="sparse", status="failed")
    (tmp_path / "runs" / "broken" / "results.json").write_text('{"status": "failed", "error": "it broke"}')
    return tmp_path


def test_rows_are_settings_and_the_best_is_first(work):
    told = here(work, "compare", "runs", "--csv", "t.csv")
    assert told.code == 0, told.err
    with (work / "t.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert [(r["model"], r["model.latent_dim"]) for r in rows][2:] == [("vae", "10"), ("vae", "8")]
    assert {r["seeds"] for r in rows} == {"0 1 2"}
    runs = [r for r in gather([work / "runs"]) if r.path.name.startswith("vae-8")]
    values = [r.results["test/se"] for r in runs]
    assert float(rows[3]["test/se"]) == pytest.approx(np.mean(values), rel=1e-6)
    assert float(rows[3]["test/se deviation"]) == pytest.approx(np.std(values, ddof=1), rel=1e-5)
    assert "dataset.root" not in rows[0]
    assert "seed" not in rows[0]
    assert "broken: it broke" in told.out


def test_only_what_is_asked_for(work):
    told = here(work, "compare", "runs", "--where", "model=vae", "--figures", "test/psnr", "--sort", "test/psnr", "--top", "1")
    assert "test/psnr ↑" in told.out
    assert "1 of 2 settings shown" in told.out
    assert "│ vae" not in told.out  # all are: no column
    assert "sparse" not in told.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "nothing: no such folder"),
        (["empty"], "empty: holds no runs"),
        (["runs/broken"], "none of 1 runs is complete"),
        (["runs", "--sort", "tset/se"], "tset/se: no run has such a figure (nearest: test/se)"),
        (["runs", "--where", "model=conv"], "no run has it; model is ae, sparse, vae"),
        (["runs", "--where", "model"], "is not KEY=VALUE"),
        (["runs", "--csv", "no/t.csv"], "--csv no/t.csv: No such file"),
    ],
)
def test_mistakes_are_one_line(work, words, said):
    (work / "empty").mkdir()
    told = here(work, "compare", *words)
    assert told.code == 2
    assert said in told.err
    assert told.err.count("\n") == 1


def test_objectives_are_not_mixed(work):
    config = (work / "runs" / "ae-8-0" / "config.yaml").read_text()
    (work / "runs" / "ae-8-0" / "config.yaml").write_text(config.replace("val/mse", "test/psnr"))
    assert "different objectives (test/psnr, val/mse)" in here(work, "compare", "runs").err
    assert here(work, "compare", "runs", "--sort", "test/se").code == 0


# -- how sure --------------------------------------------------------------------------------------------------------------


def groups(work, *names):
    runs = [r for r in gather([work / "runs"]) if r.path.name.rpartition("-")[0] in names]
    return {g.settings: g for g in grouped(runs, columns(runs))}


def test_what_is_paired_is_sure_where_unpaired_it_is_not(work):
    """1 % apart with errors that vary by 70 % from sample to sample: only pairs show it; seeds are 1 % apart too."""
    by = groups(work, "ae-8", "vae-8")
    found = difference(by[("ae",)], by[("vae",)])
    assert found.share == pytest.approx(1 / 1.3 - 1, abs=0.03)
    assert found.low < found.share < found.high < 0
    assert found.high - found.low < 0.1
    assert (found.samples, found.seeds) == (N, 3)
    assert "lower than" in found.words("a", "b")


def test_the_same_errors_cannot_be_told_apart(work):
    by = groups(work, "ae-8", "vae-8")
    same = difference(by[("ae",)], by[("ae",)])
    assert same.share == same.low == same.high == 0
    assert "cannot tell" in same.words("a", "b")


# -- the null: settings that are equal in truth --------------------------------------------------------------------------

EFFECTS = {  # deviations: of seeds, of what a setting finds hard about a sample, of what is left
    "seeds": (1.0, 0.0, 0.1),
    "samples": (0.0, 3.0, 1.0),
    "both": (1.0, 5.0, 1.0),
    "nothing else": (0.0, 0.0, 1.0),
}


def null(seeds, effects, paired, repeats=3000, n=40, g=None):
    """Share of pairs of equal settings whose interval leaves out zero."""
    g = np.random.default_rng(seeds) if g is None else g
    spread, hard, rest = effects
    shared = g.normal(size=(repeats, seeds, 1)) if paired else 0
    sides = [
        10 + shared + spread * g.normal(size=(repeats, seeds, 1)) + hard * g.normal(size=(repeats, 1, n))
        + rest * g.normal(size=(repeats, seeds, n)) for _ in range(2)
    ]  # fmt: skip
    low, high = interval(*sides, 0.95, paired)
    return float(((low > 0) | (high < 0)).mean())


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("effects", EFFECTS)
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_a_claim_is_false_as_rarely_as_it_says(seeds, effects, paired):
    """At most 5 % of truly equal pairs, whether seeds or test samples make the chance: 3 standard deviations of 3,000 pairs."""
    assert null(seeds, EFFECTS[effects], paired) <= 0.05 + 3 * (0.05 * 0.95 / 3000) ** 0.5


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_paired_seeds_alone_give_the_stated_rate(seeds):
    assert null(seeds, (1.0, 0.0, 0.01), True) == pytest.approx(0.05, abs=0.013)


def test_windows_that_overlap_count_as_one():
    """The sum of the last 8 draws: 8 samples in a row share some."""
    g, n = np.random.default_rng(0), 400
    kernel = np.ones(8)
    noise = np.stack([np.convolve(g.normal(size=n + 7), kernel, "valid") for _ in range(800)])[:, None]
    naive, mended = (interval(noise, 0 * noise, 0.95, overlap=k) for k in (1, 8))
    false = [float(((low > 0) | (high < 0)).mean()) for low, high in (naive, mended)]
    assert false[0] > 0.3
    assert false[1] < 0.05 + 3 * (0.05 * 0.95 / 800) ** 0.5


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("n", "overlap"), [(1, 1), (10, 20), (12, 10)])
def test_one_independent_sample_says_nothing_of_others(seeds, n, overlap):
    """Also where there are several windows, which all share steps: their errors vary less than those of other windows."""
    errors = np.random.default_rng(0).normal(size=(2, seeds, n)) + np.array([[[0]], [[9]]])
    low, high = interval(*errors, 0.95, overlap=overlap)
    assert (low, high) == (-np.inf, np.inf)
    assert "cannot tell: one test sample" in Difference(-0.5, float(low), float(high), 1, seeds).words("a", "b")


def test_settings_that_make_no_error_at_all_are_equal(tmp_path):
    runs = [made(tmp_path, f"{name}-0", error=np.zeros(N), model=name) for name in ("a", "b")]
    none, same = grouped(gather(runs), ["model"])
    assert "cannot tell" in difference(none, same).words("a", "b")


def test_the_best_of_many_is_not_better_by_chance(tmp_path):
    """20 equal settings with 3 seeds, ranked: the best against the second, 60 times over."""
    g, wrong = np.random.default_rng(0), 0
    for _ in range(60):
        errors = 10 + g.normal(size=(20, 3, 1)) + 0.1 * g.normal(size=(20, 3, 30))
        means = errors.mean((1, 2))
        a, *_, b = np.argsort(means)
        low, high = interval(errors[a], errors[b], 1 - 0.05 / 190)
        wrong += not low <= 0 <= high
    assert wrong <= 8


def test_one_seed_is_said_to_be_one(work):
    by = groups(work, "ae-8", "vae-8")
    ae, vae = (type(g)(g.settings, g.runs[:1]) for g in (by[("ae",)], by[("vae",)]))
    assert "seeds did not vary" in difference(ae, vae).words("a", "b")
    assert difference(ae, by[("vae",)]).seeds == 1


def test_other_seeds_are_not_paired_and_many_settings_are_corrected_for(work):
    by = groups(work, "ae-8", "vae-8")
    ae, vae = by[("ae",)], by[("vae",)]
    paired, apart = difference(ae, vae), difference(type(ae)(ae.settings, ae.runs[:2]), type(vae)(vae.settings, vae.runs[1:]))
    assert (paired.paired, paired.seeds) == (True, 3)
    assert (apart.paired, apart.seeds) == (False, 2)  # one seed in common is too few to pair
    many = difference(ae, vae, 10)
    assert many.high - many.low > paired.high - paired.low
    assert "corrected for 45 pairs of 10 settings" in many.words("a", "b")
    assert "corrected" not in paired.words("a", "b")


def test_an_interval_covers_the_truth_as_often_as_it_says(tmp_path):
    """100 pairs of settings that differ by 10 % in truth; one seed, 60 samples: about 95 of the intervals hold it."""
    g, held = np.random.default_rng(1), 0
    for i in range(100):
        hard = g.gamma(2.0, 1.0, 60)
        a = made(tmp_path / str(i), "a", error=0.9 * hard * g.gamma(20, 1 / 20, 60), model="a")
        b = made(tmp_path / str(i), "b", error=hard * g.gamma(20, 1 / 20, 60), model="b")
        by = grouped(gather([a, b]), ["model"])
        found = difference(*sorted(by, key=lambda x: x.settings))
        held += found.low <= -0.1 <= found.high
    assert 86 <= held <= 100


def test_other_data_are_not_paired(work):
    path = made(work / "runs", "other-8-0", error=np.ones(N), dataset="wine")
    one, other = grouped(gather([work / "runs" / "ae-8-0", path]), ["dataset.name"])
    assert difference(one, other) is None
    (path / "test_errors.npy").unlink()
    assert difference(other, other) is None


def test_a_seed_run_twice_counts_once(work):
    made(work / "again", "ae-8-0", error=np.full(N, 2.0), started="2999-01-01")
    runs = [r for r in gather([work / "runs", work / "again"]) if r.path.name.startswith("ae-8")]
    (group,) = grouped(runs, columns(runs))
    assert [r.seed for r in group.runs] == [0, 1, 2]
    assert group.runs[0].results["test/se"] == 2.0


def test_which_way_is_better():
    assert higher_is_better("probe/model/acc_50")
    assert higher_is_better("test/psnr")
    assert not higher_is_better("test/se")
    assert not higher_is_better("objective")


def test_numbers_are_in_order():
    assert sorted(["32", "8", "1e-1", "2"], key=natural) == ["1e-1", "2", "8", "32"]
    assert sorted(["b10", "b9", "a"], key=natural) == ["a", "b9", "b10"]


def test_agreement_of_seeds_is_told_from_their_codes(tmp_path, work):
    """Five runs of one model, under five seeds, agree on all units; settings with fewer seeds are refused or left out."""
    saved = Path(__file__).parents[1] / "data" / "runs" / "ae"
    for seed in range(5):
        shutil.copytree(saved, tmp_path / "same" / str(seed))
        config = OmegaConf.load(saved / "config.yaml")
        config.seed = seed
        OmegaConf.save(config, tmp_path / "same" / str(seed) / "config.yaml")
    told = here(tmp_path, "compare", "same", "--udr")
    assert told.code == 0, told.err
    (line,) = [line for line in told.out.splitlines() if line.startswith("udr")]
    assert "seed 4" in line
    assert 0.5 < float(line.split()[1]) <= 1
    few = here(work, "compare", "runs", "--udr")
    assert few.code == 2
    assert "needs 5; here are 3" in few.err


def test_a_frontier_of_dictionaries_has_a_knee_in_words(tmp_path):
    """Explained variance over L0, a line for each width, the knee where most is gained before and least beyond."""
    for size, top in ((64, 0.8), (256, 0.9)):
        for k, ev in ((2, 0.3), (4, 0.6), (8, top), (16, top + 0.03), (32, top + 0.05)):
            found = {"dictionary/model/l0": k, "dictionary/model/ev": ev, "dictionary/pca/l0": k, "dictionary/pca/ev": k / 100}
            made(tmp_path / "s", f"{size}-{k}", error=np.ones(N), size=size, latent_dim=size, **found)
            command = f"aerun model=ae model.latent_dim={size} model.bottleneck.k={k} seed=0"
            (tmp_path / "s" / f"{size}-{k}" / "run.json").write_text(json.dumps({"command": command}))
    told = here(tmp_path, "report", "s", "-o", "r.html")
    assert told.code == 0, told.err
    page = (tmp_path / "r.html").read_text()
    assert "Explained variance against L0" in page
    assert "256 units: the knee is at L0 8 (" in page
    assert "which explains 0.900: below it a doubling of L0 gains 0.300 on average, beyond it 0.025." in page


def test_a_knee_stands_out_or_there_is_none():
    assert knee([(2, 0.3), (4, 0.6), (8, 0.9), (16, 0.93), (32, 0.95)]) == 2
    assert knee([(2, 0.1), (4, 0.2), (8, 0.3), (16, 0.4)]) is None  # every doubling gains the same
    assert knee([(2, 0.1), (4, 0.5), (8, 0.6)]) is None  # too few
