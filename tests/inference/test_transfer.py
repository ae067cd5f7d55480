"""Beginning with what another run has learned: whole or the encoder, held or not."""

import shutil

import numpy as np
import pytest
import torch

import aerun
from aerun.core.errors import AerunError
from tests.conftest import built
from tests.shell import here, timeless

SHORT = ("trainer.progress=false", "pictures=[]")
QUICK = ("trainer=smoke", *SHORT)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a trained run, `base`, whose encoder has running means and dropout."""
    path = tmp_path_factory.mktemp("transfer")
    aerun.train(*SHORT, *DEEP, "trainer.max_epochs=8", folder=path / "base")
    return path


DEEP = ("model=deep", "model.arch.hidden=[64,32]", "model.arch.dropout=0.1")


def begun(base, digits, *overrides):
    """The model as training would start it, and what was told."""
    plan = built(*DEEP, f"model.init_from={base}", *overrides)
    plan.autoencoder.start_from(digits.train.x)
    return plan.autoencoder.eval(), plan.warnings


def weights(folder, which="best"):
    return aerun.load(folder, which).autoencoder.state_dict()


def test_the_whole_begins_where_the_other_ended(work, digits):
    """P: before the first step it is the same function."""
    model, told = begun(work / "base", digits)
    x = digits.test.x
    with torch.no_grad():
        found = model(model.units(x)) * 16
    np.testing.assert_allclose(found.clamp(0, 16), aerun.load(work / "base").reconstruct(x.float()), atol=1e-5)
    assert not any("init_from" in line for line in told)


def test_the_encoder_alone(work, digits):
    model, _ = begun(work / "base", digits, "model.init_part=encoder")
    fresh = built(*DEEP).autoencoder
    fresh.start_from(digits.train.x)
    mine, theirs, other = model.state_dict(), weights(work / "base"), fresh.state_dict()
    for key in mine:
        expected = other if key.startswith("arch.decoder") else theirs
        assert torch.equal(mine[key], expected[key].cpu()), key


def test_another_size_of_code_takes_what_fits_and_says_what_does_not(work, digits):
    model, told = begun(work / "base", digits, "model.latent_dim=5")
    mine, theirs = model.state_dict(), weights(work / "base")
    last = [k for k in mine if mine[k].shape != theirs[k].shape]
    assert torch.equal(mine["arch.encoder.1.weight"], theirs["arch.encoder.1.weight"].cpu())
    layers = list(dict.fromkeys(k.rpartition(".")[0] for k in last))
    assert len(layers) == 2
    line = next(line for line in told if "init_from" in line)
    assert line.endswith(f"begins afresh, for want of the same shape there: {', '.join(layers)}.")


def test_it_pays(work):
    """After the same two epochs, the one that began with eight is ahead."""
    epochs = ("trainer.max_epochs=2", *SHORT, *DEEP)
    cold = aerun.train(*epochs, folder=work / "cold").results["test/se"]
    warm = aerun.train(*epochs, model__init_from=work / "base", folder=work / "warm").results["test/se"]
    assert warm < 0.8 * cold


def test_what_is_frozen_holds_and_the_rest_learns(work):
    model = aerun.train(
        *SHORT, *DEEP, "trainer.max_epochs=2", "model.freeze=encoder", model__init_from=work / "base", folder=work / "frozen"
    )
    mine, theirs = model.autoencoder.state_dict(), weights(work / "base")
    for key in mine:
        if key.startswith("arch.encoder."):
            assert torch.equal(mine[key], theirs[key]), key  # running means too
    assert not torch.equal(mine["arch.decoder.0.weight"], theirs["arch.decoder.0.weight"])
    x = np.random.default_rng(0).integers(0, 17, (9, 1, 8, 8)).astype(np.uint8)
    np.testing.assert_array_equal(model.encode(x), aerun.load(work / "base").encode(x))


def test_frozen_means_neither_dropout_nor_batches(work, digits):
    """P: in training mode a frozen encoder says the same as in evaluation, and nothing of it moves."""
    model, _ = begun(work / "base", digits, "model.freeze=encoder")
    x = model.units(digits.train.x[:16])
    before = {k: v.clone() for k, v in model.state_dict().items()}
    expected = model.eval().arch.encode(x)
    assert torch.equal(model.train().arch.encode(x), expected)
    assert all(m.training for m in model.modules())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("moved", [False, True], ids=["here", "moved away"])
def test_resume_goes_on_with_frozen_weights(work, tmp_path, moved):
    """A resumed run equals an uninterrupted one, though what it began with may be gone."""
    shutil.copytree(work / "base", tmp_path / "base")
    words = [*SHORT, *DEEP, "model.init_from=base", "model.freeze=encoder", "schedule=constant"]
    assert here(tmp_path, *words, "trainer.max_epochs=3", "hydra.run.dir=whole").code == 0
    assert here(tmp_path, *words, "trainer.max_epochs=1", "hydra.run.dir=parts").code == 0
    if moved:
        (tmp_path / "base").rename(tmp_path / "elsewhere")
    told = here(tmp_path, "resume", "parts", "--epochs", "3")
    assert told.code == 0, told.err
    assert timeless(tmp_path / "parts") == timeless(tmp_path / "whole")
    a, b = weights(tmp_path / "parts", "last"), weights(tmp_path / "whole", "last")
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model.init_from=nowhere",), "nowhere: there is no such folder"),
        (("model.init_from=BASE", "model=conv"), "no layer of that run has the shapes"),
        (("model.init_from=BASE", "model.init_part=half"), "one of all, encoder"),
        (("model.init_from=BASE", "model.freeze=decoder"), "model.freeze=decoder"),
        (("model.init_from=BASE", *DEEP, "model.latent_dim=3", "model.freeze=encoder"), "would be held without being trained"),
        (("model.freeze=encoder",), "need model.init_from=RUN"),
        (("model.init_part=encoder",), "need model.init_from=RUN"),
        (("model.init_from=BASE", *DEEP, "model.freeze=encoder", "regularizer=adversarial"), "a phase of its own"),
    ],
)
def test_mistakes_are_told_before_any_data_are_read(work, tmp_path, words, said):
    words = [w.replace("BASE", str(work / "base")) for w in words]
    with pytest.raises(AerunError, match=said):
        built(*words)
    told = here(tmp_path, *words)
    assert told.code == 2
    assert told.err.count("\n") == 1
    assert not list(tmp_path.glob("**/config.yaml"))


def test_a_payload_is_no_weights(work, tmp_path):
    """weights_only: a pickled object is refused, not run."""
    import os

    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    run = shutil.copytree(work / "base", tmp_path / "run")
    torch.save({"state_dict": Payload()}, run / "checkpoints" / "best.ckpt")
    with pytest.raises(AerunError, match="must be plain weights"):
        built(*DEEP, f"model.init_from={run}")
    assert not (tmp_path / "ran").exists()


def test_every_recipe_can_begin_elsewhere():
    from aerun.settings.catalog import catalog
    from tests.conftest import composed

    for name in catalog()["model"]:
        assert composed(f"model={name}", "model.init_from=x")["model"]["init_from"] == "x"


def test_stacked_layers_begin_there_too(work, tmp_path):
    words = (*SHORT, *DEEP, "trainer=stacked", "trainer.layer_epochs=1", "trainer.max_epochs=1", "model.freeze=encoder")
    model = aerun.train(*words, model__init_from=work / "base", folder=tmp_path / "run")
    mine, theirs = model.autoencoder.state_dict(), weights(work / "base")
    assert all(torch.equal(mine[k], theirs[k]) for k in mine if k.startswith("arch.encoder."))
