"""The application events: scores of steps against labelled stretches of a series."""

import numpy as np
import pytest
import torch

from aerun.core.errors import AerunError
from aerun.evaluate import applications
from aerun.evaluate.suite import ask
from aerun.trained import Trained
from tests.conftest import built

CPU = torch.device("cpu")


def write(path, n=900, spoilt=((700, 705), (800, 806)), names=("anomaly", "0", "1")):
    """A wave with a sensor that is stuck, in the latest part of the time."""
    g, t = np.random.default_rng(0), np.arange(n)
    x = np.sin(2 * np.pi * t / 12)[:, None] * [1, 2] + g.normal(0, 0.05, (n, 2))
    mark = np.zeros(n, dtype=int)
    for a, b in spoilt:
        x[a:b, 0], mark[a:b] = 1.5, 1
    head, *words = names
    rows = [f"{i},{a:.4f},{b:.4f},{words[m]}" for i, (a, b), m in zip(t, x, mark, strict=True)]
    path.write_text("\n".join([f"t,a,b,{head}", *rows]) + "\n")
    return path


def trained(path, *settings):
    data = ("dataset=series", f"dataset.path={path}", "dataset.time=t", "dataset.window=12", "dataset.stride=4")
    plan = built(*data, "dataset.test=0.3", "model/arch=linear", "model.latent_dim=4", *settings)
    run = Trained(plan.autoencoder, plan.dataset, CPU, 0)
    pca, model = run.pca, plan.autoencoder.arch
    with torch.no_grad():  # what training ends at
        model.mean.copy_(pca.mean.view_as(model.mean))
        model.encoder[-1].weight.copy_(pca.components.T.to(model.mean))
        model.decoder[0].weight.copy_(pca.components.to(model.mean))
        model.decoder[0].bias.copy_(pca.mean.flatten().to(model.mean))
        if model.encoder[-1].bias is not None:
            model.encoder[-1].bias.zero_()
    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def outcome(place):
    return ask("events", trained(write(place / "s.csv"), "dataset.anomaly=anomaly"))[0]


def test_every_row_has_every_metric_and_chance_is_named(outcome):
    module = applications.module("events")
    assert tuple(outcome.figures) == module.WHO
    assert set(outcome.figures["model"]) == set(module.METRICS)
    assert "2 events of 11 in 270 test steps: by chance auprc is 0.0407 and f1_oracle 0.0783" in outcome.note
    assert outcome.beside["counts/events"] == 2
    random = outcome.figures["random"]
    assert random["auprc"] == pytest.approx(11 / 270, abs=0.06)
    assert 0.0783 <= random["f1_oracle"] < 0.25  # few events: some draw hits


def test_a_model_as_good_as_pca_finds_what_it_finds_and_own_errors_find_it_better_than_whole_windows(outcome):
    model, pca, window, random = (outcome.figures[who] for who in ("model", "pca", "window", "random"))
    assert model["auprc"] == pytest.approx(pca["auprc"], abs=0.02)
    assert model["auprc"] > window["auprc"] + 0.08
    assert model["vus_pr"] > 0.6 > random["vus_pr"] + 0.2
    assert model["affiliation_recall"] > 0.9


def test_labels_may_be_words_and_other_data_and_one_class_are_refused(place, outcome):
    words = write(place / "w.csv", names=("state", "fine", "odd"))
    found = ask("events", trained(words, "dataset.label=state", "dataset.normal=[fine]"))[0]
    assert found.figures["model"]["auprc"] == pytest.approx(outcome.figures["model"]["auprc"])
    with pytest.raises(AerunError, match="no anomalous step"):
        ask("events", trained(write(place / "n.csv", spoilt=[(100, 110)]), "dataset.anomaly=anomaly"))
    for settings, said in (
        (("dataset=digits", "dataset.normal=[1]"), "needs windows of series"),
        (("dataset=series", f"dataset.path={words}", "dataset.label=state", "dataset.window=12"), "dataset.anomaly=COLUMN"),
        (("dataset=sines", "dataset.anomalies=0.1"), "needs windows of series"),
    ):
        with pytest.raises(AerunError, match=said):
            built(*settings, "evaluate=[events]")


def test_pieces_shorter_than_a_window_have_no_score_and_are_told(place):
    path = place / "cut.csv"
    lines = write(path).read_text().splitlines()
    path.write_text("\n".join([line for i, line in enumerate(lines) if i not in (851, 858)]) + "\n")  # 6 steps between
    note = ask("events", trained(path, "dataset.anomaly=anomaly"))[0].note
    assert "6 steps in stretches shorter than a window have no score" in note
