"""One, two or three samples in each split: whatever needs more says so in words, and the rest goes on."""

import math

import pytest
import torch

from aerun import pictures
from aerun.dataset.splits import Data, Split
from aerun.evaluate import applications, features, health
from aerun.evaluate.reconstruction import report
from aerun.evaluate.suite import ask_all
from aerun.metrics import disentanglement
from aerun.pictures.canvas import album
from aerun.runs import reference
from aerun.trained import Trained
from tests.conftest import built

SMALL = ["model.latent_dim=3", "model.arch.hidden=[8]"]
RUNS = {
    "digits": [*SMALL],
    "vae": ["model=vae", *SMALL, "dataset.normal=[0,1,2,3]"],
    "vq": ["model=vqvae"],
    "inpainting": ["model=inpainting", "model.latent_dim=3"],
    "factors": ["dataset=sprites", *SMALL],
    "table": ["dataset=wine", *SMALL],
    "mixture": ["dataset=mixture", "dataset.n=300", "model=denoising", "model/corruption=gaussian", "model.latent_dim=2"],
    "ragged": ["dataset=japanese_vowels", "model=recurrent", "model.latent_dim=3"],
    "series": ["dataset=sines", *SMALL],
}


def few(run, n):
    """An untrained model and n samples of each split."""
    plan = built(*RUNS[run])
    whole = plan.dataset.load()
    data = Data(*(Split(s.x[:n], None if s.y is None else s.y[:n]) for s in (whole.train, whole.val, whole.test)))
    plan.autoencoder.start_from(data.train.x)
    return Trained(plan.autoencoder.eval(), plan.dataset, torch.device("cpu"), 0, data)


EACH = [(run, n) for run in RUNS for n in ((1, 2, 3) if run == "digits" else (1,))]


@pytest.fixture(scope="module", params=EACH, ids=lambda p: f"{p[0]}-{p[1]}")
def trained(request):
    return few(*request.param)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A classifier and forests that need not be good."""
    monkeypatch.setattr(features, "_STEPS", 3)
    monkeypatch.setattr(disentanglement, "_TREES", 2)


def test_every_application_goes_on_or_says_why_not(trained, caplog):
    names = [n for n in applications.names() if not applications.unsupported_reason(n, trained.autoencoder, trained.dataset)]
    found = ask_all(names, trained)
    wrong = {k: v for k, v in found.items() if not math.isfinite(v)}
    assert not {k: v for k, v in wrong.items() if not k.endswith("/fvu")}
    told = {r.getMessage().split(": ")[1] for r in caplog.records if r.getMessage().startswith(("evaluate: ", "pictures: "))}
    assert {k.split("/")[0] for k in found} | told >= set(names)


def test_every_picture_is_drawn_or_says_why_not(trained, tmp_path, caplog):
    names = [n for n in pictures.names() if not pictures.unsupported_reason(n, trained.autoencoder, trained.dataset)]
    names = [n for n in names if n != "curves"]  # of training, not of samples
    drawn = {p.stem for p in album.draw_all(names, trained, tmp_path)}
    told = {r.getMessage().split(": ")[1] for r in caplog.records if r.getMessage().startswith(("evaluate: ", "pictures: "))}
    assert drawn | told | {"projector"} >= set(names)


def test_what_every_run_says_of_itself_needs_no_more(trained, tmp_path):
    found = report(trained) | health.examine(trained)
    reference.write(trained, tmp_path)
    assert health.warnings(trained.autoencoder, found) is not None
    assert all(math.isfinite(v) for k, v in found.items() if not k.endswith("/fvu") or found["mean/se"] > 0), found
