"""The first sentence of a run: what was asked, its answer, and the baseline that wins where one does."""

import math

import pytest

from aerun.evaluate.task import task_of
from aerun.evaluate.verdict import plain, verdict
from tests.conftest import built
from tests.shell import here

PLAIN = {"seed": 3, "test/se": 1.0, "pca/se": 2.0, "mean/se": 5.0}


def results(task, **figures):
    """Figures `WHO__METRIC` of a task beside those that every run has."""
    return {**PLAIN, "task": task, **{f"{task}/{k.replace('__', '/')}": v for k, v in figures.items()}}


@pytest.mark.parametrize(
    ("words", "task"),
    [
        (["model=ae"], "reconstruction"),
        (["model=denoising"], "denoising"),
        (["model=overcomplete"], "reconstruction"),
        (["model=inpainting"], "inpainting"),
        (["model=compression"], "compression"),
        (["model=vae"], "held_out"),
        (["model=vqvae"], "reconstruction"),
        (["dataset=wine", "dataset.normal=[class_0]"], "anomaly"),
        (["dataset=wine", "model/corruption=masking"], "inpainting"),
        (["model/corruption=masking"], "denoising"),
        (["model=vae", "evaluate=[probe,compression]"], "compression"),
        (["model=ae", "evaluate=[]"], "reconstruction"),
    ],
)
def test_the_task_is_what_model_and_data_are_made_for(words, task):
    plan = built(*words)
    assert plan.task == task
    if "evaluate" not in " ".join(words):
        assert plan.evaluate == ([] if task == "reconstruction" else [task])
        assert task_of(plan.autoencoder, plan.dataset) == task


def test_applications_join_that_of_the_task():
    assert built("model=vae", "evaluate=[auto,probe]").evaluate == ["held_out", "probe"]
    assert built("model=vae", "trainer=smoke").evaluate == []


BASE = {**PLAIN, "mean/se": 9.0, "samples/test": 40}
ENDS = ("test/against_pca_low", "test/against_pca_high")


@pytest.mark.parametrize(
    ("errors", "ends", "words"),
    [
        ((1.0, 2.0), (-0.6, -0.4), "2.00 times better than PCA of the same size"),
        ((2.0, 1.0), (0.5, 1.5), "2.00 times worse than PCA of the same size"),
        ((2.0, 2.001), (-0.1, 0.1), "As good as PCA"),
        (
            (1.8, 2.0),
            (-0.3, 0.1),
            "Cannot be told from PCA of the same size: test squared errors differ by -30.0 % to +10.0 %",
        ),
        ((1.0, 0.0), (), "PCA of the same size loses nothing here"),
    ],
)
def test_better_is_said_where_the_interval_leaves_out_zero(errors, ends, words):
    said = plain({**BASE, "test/se": errors[0], "pca/se": errors[1], **dict(zip(ENDS, ends, strict=False))})
    assert said.startswith(words)
    assert "seed 3" in said or "no yardstick" in said


def test_one_test_sample_tells_nothing():
    assert plain({**BASE, "samples/test": 1}).startswith(
        "Cannot be told from PCA of the same size: one test sample says nothing of others"
    )


def test_anomalies_against_neighbours_pca_and_no_model():
    won = results("anomaly", model__auroc=0.95, knn__auroc=0.94, pca__auroc=0.91, none__auroc=0.89, model__false_alarm=0.048)
    assert verdict(won) == (
        "Anomalies: AUROC 0.950; kNN on the raw data 0.940, PCA 0.910, no model (distance from the mean) 0.890; "
        "false alarms 4.8 % (test split, seed 3)."
    )
    some = {**won, "anomaly/model/detected": 0.25, "anomaly/counts/anomalies": 4.0}
    assert "false alarms 4.8 %, 1 of 4 anomalies found (test split, seed 3)." in verdict(some)
    lost = {**won, "anomaly/model/auroc": 0.89}
    assert verdict(lost).startswith("kNN on the raw data is better at finding anomalies: AUROC 0.940 against 0.890. Anomalies:")


def test_no_alarm_and_no_need_of_a_model_are_said():
    figures = {"model__auroc": 1.0, "none__auroc": 1.0, "model__false_alarm": 0.0, "model__detected": 0.0}
    none = results("anomaly", **figures, counts__anomalies=20)
    few = verdict({**none, "samples/val": 12})
    assert "; no alarm is raised: a false-alarm rate of at most 0.05 needs at least 19 normal validation samples, and" in few
    assert few.endswith(" The distance from the mean, without a model, does as well.")
    assert "false alarms 0.0 %, 0 of 20 anomalies found" in verdict({**none, "samples/val": 19})


def test_a_baseline_wins_only_where_its_lead_is_more_than_chance():
    few = results("anomaly", model__auroc=0.77, knn__auroc=0.83, model__false_alarm=0, counts__anomalies=3)
    ahead = {"anomaly/knn/ahead_high": 0.3}
    told = verdict({**few, **ahead, "anomaly/knn/ahead_low": -0.2})
    assert told.startswith("Anomalies: AUROC 0.770; kNN on the raw data 0.830; ")
    assert told.endswith("is better cannot be told: the difference is -0.20 to +0.30, 95 % over 3 anomalies.")
    assert verdict({**few, **ahead, "anomaly/knn/ahead_low": 0.01}).startswith("kNN on the raw data is better")
    one = {**few, "anomaly/counts/anomalies": 1, "anomaly/knn/ahead_low": -1.0}
    assert verdict(one).endswith("cannot be told: 1 anomaly says too little.")


def test_noise_and_holes_in_decibels():
    noise = results("denoising", model__psnr=21.0, identity__psnr=15.0, median__psnr=17.0, lmmse__psnr=20.5)
    assert verdict(noise) == (
        "Denoising: 21.0 dB, 6.0 dB above the noisy input and 0.5 dB above the best linear estimate "
        "(test split, seed 3, one draw of the noise)."
    )
    assert verdict({**noise, "denoising/lmmse/psnr": 22.0}).startswith(
        "The best linear estimate is better: 22.0 against 21.0 dB. Denoising: 21.0 dB, 6.0 dB above the noisy input and 1.0 dB"
    )
    assert verdict({**noise, "denoising/lmmse/psnr": 21.04}).startswith(
        "Denoising: 21.0 dB, 6.0 dB above the noisy input and as"
    )
    worse = verdict({**noise, "denoising/identity/psnr": 24.0, "denoising/lmmse/psnr": 22.0})
    assert worse.startswith("The noisy input is better: 24.0 against 21.0 dB. Denoising: 21.0 dB, 3.0 dB below the noisy input")
    holes = results("inpainting", model__psnr=14.0, mean__psnr=10.0)
    assert (
        verdict({**holes, "samples/test": 7}) == "Inpainting: 14.0 dB in what was hidden, 4.0 dB above the training mean "
        "(test split of 7 samples, seed 3, one draw of the holes)."
    )


def test_bytes_at_equal_error():
    better = results("compression", model__fine_bpp=0.5, model__fine_psnr=20.0, pca__fine_bpp=0.6, jpeg__fine_bpp=2.0)
    assert verdict(better) == (
        "Compression: 0.5 bits an element at 20.0 dB; for the same error PCA coding takes 1.20 times the bytes, JPEG takes "
        "4.00 times the bytes (test split, seed 3, decoder not counted)."
    )
    worse = {**better, "compression/pca/fine_bpp": 0.4}
    assert verdict(worse).startswith("PCA coding (0.4) needs fewer bits for the same error. Compression:")


def test_held_out_nats():
    better = results("held_out", model__nats=-60.0, independent__nats=-39.0, gaussian__nats=-48.0)
    assert verdict(better) == (
        "Generation: held-out samples take -60.00 nats each, -39.00 under independent elements and -48.00 under one Gaussian "
        "(test split, seed 3, less is better)."
    )
    assert verdict({**better, "held_out/model/nats": -45.0}).startswith(
        "One Gaussian describes the test data better: -48.00 against -45.00 nats. Generation:"
    )


@pytest.mark.parametrize("task", ["anomaly", "denoising", "inpainting", "compression", "held_out", "reconstruction"])
def test_without_figures_of_the_task_the_error_stands_against_pca(task):
    words = "2.00 times better than PCA of the same size (test squared error, seed 3)."
    assert verdict(results(task)) == plain(PLAIN) == words
    assert verdict(results(task, model__auroc=math.nan)) == words
    assert verdict(PLAIN) == words  # runs of before name no task


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["dataset=text", "model/corruption=masking"], "Denoising is not measured here: it needs numbers that noise"),
        (["dataset=text", "model=inpainting"], "Inpainting is not measured here: it needs numbers, and text has none"),
        (["dataset=text", "model=compression"], "Compression is not measured here: it needs samples of one length"),
        (["dataset=text"], ""),
        (
            ["model=vae", "model.loss.reduction=mean"],
            "The likelihood of held-out samples is not measured here: it needs a loss",
        ),
    ],
)
def test_what_the_data_have_no_measure_of_is_said(words, why):
    plan = built(*words)
    assert plan.task == "reconstruction"
    assert plan.unmeasured.startswith(why)
    assert bool(plan.unmeasured) == bool(why)
    said = verdict({**PLAIN, "task": plan.task, "unmeasured": plan.unmeasured})
    assert said == f"{plan.unmeasured} {plain(PLAIN)}".strip()


def test_a_run_says_it_first_and_keeps_it(tmp_path):
    told = here(tmp_path, "model=vae", "trainer.max_epochs=1", "pictures=[]", "model.arch.hidden=[8]", "hydra.run.dir=run")
    assert told.code == 0, told.err
    lines = told.out.splitlines()
    first = lines[lines.index("vae on digits") + 1]
    assert "nats each" in first
    assert f'"verdict": "{first}"' in (tmp_path / "run" / "results.json").read_text()
