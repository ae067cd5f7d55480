"""Which size of code is recommended, in which words, and what no setting beats in two figures."""

import numpy as np
import pytest

from aerun.runs.figures import of_task
from aerun.runs.groups import columns, gather, grouped
from aerun.runs.sizes import front, sizes_of
from tests.command.test_compare import N, made
from tests.shell import here


def swept(folder, errors, seeds=3, noise=0.02, **more):
    """Runs of these mean errors by size: samples differ by `noise`, seeds by 0.2 %."""
    g = np.random.default_rng(1)
    hard = g.gamma(2.0, 1.0, N)
    for size, error in errors.items():
        for seed in range(seeds):
            values = hard / hard.mean() * error * (1 + noise * g.normal(size=N)) * (1 + 0.002 * g.normal())
            made(folder, f"{size}-{seed}", error=values, seed=seed, size=size, **more)
    runs = gather([folder])
    keys = columns(runs)
    return grouped(runs, keys), keys


def test_the_smallest_size_that_is_as_good_as_the_best(tmp_path):
    groups, keys = swept(tmp_path / "s", {2: 3.0, 8: 1.0, 32: 0.9995}, **{"codes/dimension_mle": 6.5})
    sizes = sizes_of(groups, keys)
    assert (sizes.recommended.size, sizes.best.size) == (8, 32)
    words = sizes.words()
    assert words.startswith("Which size: 8 numbers, the smallest whose test error is within one standard error of the best")
    assert "over 3 paired seeds and 400 test samples" in words
    assert "PCA of 8: test error 1 against 1" in words
    assert "intrinsic dimension is about 6.5" in words


def test_the_largest_is_never_simply_the_best(tmp_path):
    words = sizes_of(*swept(tmp_path / "s", {2: 3.0, 8: 1.1, 32: 1.0})).words()
    assert "still falls at the largest tried, 9" in words
    assert "model.latent_dim=64" in words
    assert "8 numbers keep 9" in words


def test_pca_with_as_many_numbers_as_the_data_is_no_yardstick(tmp_path):
    for name, errors in (("rises", {2: 1.0, 8: 2.0}), ("falls", {2: 2.0, 8: 1.0})):
        assert "PCA" not in sizes_of(*swept(tmp_path / name, errors, **{"pca/se": 1e-12})).words()


def test_a_size_between_that_is_best(tmp_path):
    words = sizes_of(*swept(tmp_path / "s", {2: 3.0, 8: 1.0, 32: 2.0})).words()
    assert words.startswith("Which size: 8 numbers, of the least test error: larger ones gain nothing; 2 has 2")


def test_with_one_seed_the_uncertainty_is_over_test_samples(tmp_path):
    away = np.where(np.arange(N) % 2, 0.3, -0.28)  # 0.01 in the mean, with a standard error of 0.0145
    for size, more in ((8, away), (32, 0)):
        made(tmp_path / "s", f"{size}", error=1 + np.zeros(N) + more, size=size)
    runs = gather([tmp_path / "s"])
    words = sizes_of(grouped(runs, columns(runs)), columns(runs)).words()
    assert "+1.0 %, standard error 1.5 %" in words
    assert "(one seed: seeds did not vary)" in words
    assert "over 400 test samples" in words


def test_noise_alone_does_not_ask_for_more_units(tmp_path):
    """Equal sizes: the smallest is within one standard error of the best in most cases, by the rule's own rate."""
    small = 0
    for case in range(30):
        g = np.random.default_rng(case)
        for size in (4, 8):
            for seed in range(3):
                made(tmp_path / f"{case}", f"{size}-{seed}", error=1 + 0.1 * g.normal(size=N), seed=seed, size=size)
        runs = gather([tmp_path / f"{case}"])
        small += sizes_of(grouped(runs, columns(runs)), columns(runs)).recommended.size == 4
    assert small >= 20  # 0.84 of 30 by the normal law, less two standard deviations of that


def test_nothing_is_said_of_runs_without_errors_or_sizes(tmp_path):
    groups, keys = swept(tmp_path / "s", {2: 3.0, 8: 1.0})
    assert sizes_of(groups, [k for k in keys if k != "model.latent_dim"]) is None
    for path in (tmp_path / "s").glob("*/test_errors.npy"):
        path.unlink()
    assert sizes_of(groups, keys) is None


def test_the_front_holds_what_nothing_beats_in_both(tmp_path):
    for size, error, parameters in ((2, 3.0, 10), (4, 2.0, 40), (8, 2.5, 50), (16, 1.0, 90)):
        made(tmp_path / "s", f"{size}", error=np.full(N, error), size=size, parameters=parameters)
    runs = gather([tmp_path / "s"])
    groups = grouped(runs, columns(runs))
    assert [g.settings for g in front(groups, "parameters", "test/se")] == [("2",), ("4",), ("16",)]
    assert [g.settings for g in front(groups, "parameters", "test/psnr")] == [("2",), ("4",), ("16",)]
    told = here(tmp_path, "compare", "s", "--front", "test/se,parameters")
    assert "nothing beats these in both test/se and parameters: model.latent_dim=16 (1, 90)" in told.out


@pytest.mark.parametrize(
    ("words", "said"), [("test/se", "is not two figures"), ("test/se,tset", "tset: no run has such a figure (nearest: test")]
)
def test_a_front_of_what_is_not_there(tmp_path, words, said):
    made(tmp_path / "s", "1", error=np.ones(N))
    told = here(tmp_path, "compare", "s", "--front", words)
    assert told.code == 2
    assert said in told.err


def test_sizes_of_a_task_with_anomalies_name_what_finds_them(tmp_path):
    groups, keys = swept(tmp_path / "s", {2: 3.0, 8: 1.0}, task="anomaly", **{"anomaly/model/auroc": 0.9})
    assert "their AUROC is 0.900 with 2, 0.900 with 8" in sizes_of(groups, keys).words()
    assert of_task([run for group in groups for run in group.runs]) == ["anomaly/model/auroc"]
    plain, _ = swept(tmp_path / "p", {2: 3.0, 8: 1.0})
    assert of_task([run for group in plain for run in group.runs]) == []
