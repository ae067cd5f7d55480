"""What reconstructions cost the network behind: exactly, and by one matrix."""

import re

import numpy as np
import pytest
import torch

from aerun.core.errors import AerunError
from aerun.evaluate import applications
from tests.conftest import built
from tests.docs.pages import PAGES
from tests.pictures.test_pictures import untrained

DATA = ("dataset=features", "dataset.size=6", "dataset.n=200", "dataset.prepare=norm", "model=sae_topk", "model.latent_dim=16")


@pytest.fixture
def head(tmp_path):
    """Layers behind 6 activations, and the file of their weights."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 4))
    torch.save(layers.state_dict(), tmp_path / "head.pt")
    return layers.double(), tmp_path / "head.pt"


def of(file, term="downstream", *typed):
    more = ["reg.terms.downstream.activation=tanh"] if term == "downstream" else []
    return (*DATA, f"regularizer=[revival,{term}]", f"reg.terms.{term}.features={file}", *more, *typed)


def begun(typed):
    """A model in 64 bits that has seen its data, whose scale is not 1, and 20 samples."""
    plan = built(*typed)
    train = plan.dataset.load().train.x
    plan.autoencoder.start_from(train)
    model = plan.autoencoder.double()
    assert model.preparation.scale != 1
    return model, model.units(train[:20].double())


def test_it_is_the_divergence_of_the_answers_to_activations_as_they_are(head):
    layers, file = head
    model, x = begun(of(file))
    term, x_hat = model.terms["downstream"].regularizer, x + 0.3 * torch.randn_like(x)
    p, q = (layers(v / model.preparation.scale).softmax(1) for v in (x, x_hat))
    torch.testing.assert_close(term(x, x_hat, model.preparation.inverse), (p * (p / q).log()).sum(1), rtol=1e-5, atol=1e-7)
    assert not any(p.requires_grad for p in term.parameters())


def test_the_matrix_is_what_small_errors_cost(head, tmp_path):
    """P113: KL / (d' M d / 2) comes to 1, M = J' (diag p - p p') J of each sample, as the page computes it."""
    page = PAGES["docs/families/activations.md"].read_text(encoding="utf-8")
    given = {}
    exec(compile(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[1], "activations.md", "exec"), given)
    layers, file = head
    model, x = begun(of(file))
    behind, own = model.terms["downstream"].regularizer, model.preparation.inverse
    d = 0.01 * torch.randn_like(x)
    for i in range(5):
        np.save(tmp_path / "m.npy", given["matrix"](layers, own(x[i : i + 1])))
        weighted = begun(of(tmp_path / "m.npy", "weighted"))[0].terms["weighted"].regularizer
        pair = x[i : i + 1], (x + d)[i : i + 1], own
        assert (behind(*pair) / weighted(*pair)).item() == pytest.approx(1, abs=0.02)


def test_the_dictionary_says_what_reconstructions_cost(head):
    """Zeros recover nothing and activations all of it; a mean of training lies between."""
    trained = untrained(*of(head[1]))
    table = applications.module("dictionary").evaluate(trained).figures
    for who in ("model", "pca"):
        row = table[who]
        assert row["ce"] > 0
        assert row["ce_added"] >= -1e-6
        assert row["recovered"] <= 1 + 1e-6
    full = untrained(*of(head[1]), "model.bottleneck.k=16")
    with torch.no_grad():
        wide = full.autoencoder.arch
        wide.decoder[0].weight = torch.cat([torch.eye(6), -torch.eye(6), torch.eye(6)[:, :4]], 1)
        wide.encoder_weights()[0].copy_(torch.cat([torch.eye(6), -torch.eye(6), torch.zeros(4, 6)]))
        wide.encoder[1].bias.zero_()
    row = applications.module("dictionary").evaluate(full).figures["model"]
    assert row["ce_added"] == pytest.approx(0, abs=1e-5)
    assert row["recovered"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ({"0.weight": torch.zeros(4, 5)}, r"reads 6 numbers"),
        ({"0.weight": torch.zeros(1, 6)}, r"two classes"),
        ({"encoder.weight": torch.zeros(4, 6)}, r"encoder\.weight.*0\.weight"),
        ({"0.weight": torch.full((4, 6), torch.nan)}, r"missing or infinite"),
        ([1, 2], r"no state_dict"),
    ],
)
def test_what_is_no_such_network_is_said(tmp_path, content, words):
    if content is not None:
        torch.save(content, tmp_path / "f.pt")
    with pytest.raises(AerunError, match=words):
        built(*of(tmp_path / "f.pt"))


def test_a_matrix_of_another_size_and_columns_of_tables_are_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.eye(5, dtype=np.float32))
    with pytest.raises(AerunError, match=r"\(6, 6\)"):
        built(*of(tmp_path / "m.npy", "weighted"))
    for term in ("downstream", "weighted"):
        with pytest.raises(AerunError, match=rf"{term} needs"):
            built(*DATA, f"regularizer={term}")
        with pytest.raises(AerunError, match="one scale"):
            built("dataset=wine", "model=ae", f"regularizer={term}", f"reg.terms.{term}.features={tmp_path / 'm.npy'}")
