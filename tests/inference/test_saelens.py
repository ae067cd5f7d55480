"""Sparse autoencoders in and out of the format of SAELens: by the formulas of its files, and whole runs."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import aerun
from aerun.core.errors import AerunError
from aerun.formats.saelens import CONFIG, WEIGHTS, read_sae
from aerun.inference.saelens import sae_of
from tests.conftest import built
from tests.shell import here

D, UNITS = 6, 20
KINDS = {
    "standard": ["model=sparse"],
    "topk": ["model=sae_topk", "model.bottleneck.k=3"],
    "jumprelu": ["model=sae_jumprelu"],
    "batch": ["model=sae_batchtopk", "model.bottleneck.k=3"],
    "gated": ["model=sae_gated"],
}

PAIRS = {
    "transcoder": ["model/bottleneck=relu", "regularizer=l1"],
    "skip_transcoder": ["model/bottleneck=relu", "regularizer=l1", "model.arch.skip=true"],
    "jumprelu_transcoder": ["model/bottleneck=jumprelu", "regularizer=l0"],
    "batch_transcoder": ["model.bottleneck.scope=batch", "model.bottleneck.k=3"],
    "gated_transcoder": ["model/bottleneck=gated", "regularizer=[l1,gate]"],
}


def model_of(*typed, prepare="norm"):
    """A model with a mean, a scale and thresholds that are not trivial."""
    torch.manual_seed(0)
    own = ["dataset=features", f"dataset.size={D}", "dataset.n=100", f"dataset.prepare={prepare}", f"model.latent_dim={UNITS}"]
    plan = built(*typed, *own)
    model = plan.autoencoder
    with torch.no_grad():
        model.start_from(3 * plan.dataset.load().train.x + 1)
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
        for name, b in model.bottleneck.named_buffers():
            if name == "threshold":
                b.fill_(0.3)
    return model.eval()


def by_formula(folder, x):
    """Code and reconstruction by the formulas of the file format, from the written tensors alone."""
    config = json.loads((folder / CONFIG).read_text())
    t = {k: v.double() for k, v in load_file(folder / WEIGHTS).items()}
    h = x.double() @ t["W_enc"] + t["b_enc"]
    if config["architecture"] == "topk":
        kept, where = h.relu().topk(config["k"], 1)
        z = torch.zeros_like(h).scatter(1, where, kept)
    else:
        z = h.relu() * (h > t["threshold"] if "threshold" in t else 1)
    return z, z @ t["W_dec"] + t["b_dec"]


def written(folder, model):
    """What `export` writes of a model, without a run around it."""
    from aerun.core.files import replace
    from aerun.formats.saelens import write_sae

    folder.mkdir()
    return write_sae(sae_of(model), folder, {}, replace)


@pytest.mark.parametrize("prepare", ["norm", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_files_compute_what_the_model_computes(tmp_path, kind, prepare):
    """P107: mean, scale and thresholds are in the weights; codes and reconstructions agree to 1e-6 of their size."""
    model, x = model_of(*KINDS[kind], prepare=prepare), 3 * torch.randn(200, D) + 1
    assert written(tmp_path / "sae", model) == {"batch": "jumprelu", "gated": "jumprelu"}.get(kind, kind)
    z, x_hat = by_formula(tmp_path / "sae", x)
    double = model.double()
    own = double.encode(double.units(x.double()))
    assert 0 < (own > 0).double().mean() < 1
    same = ((own > 0) == (z > 0)).all(1)
    assert same.double().mean() > 0.98  # a feature next to its threshold may fall on the other side
    back = double.preparation.inverse(double.decode(own))
    for ours, theirs in ((own, z), (back, x_hat)):
        assert ((ours - theirs)[same].abs().max() / ours.abs().max()).item() < 1e-6


def transcoder(folder, *typed):
    """A transcoder of 6 numbers to 4, both of a scale of their own, and samples as they are stored."""
    torch.manual_seed(0)
    x = 3 * torch.randn(300, D) + 1
    t = 5 * (x @ torch.randn(D, 4)).tanh() - 2
    for name, rows in (("x", x), ("t", t)):
        (folder / name).mkdir()
        for i, part in enumerate(rows.split(100)):
            np.save(folder / name / f"{i}.npy", part.numpy())
    data = ["dataset=activations", f"dataset.path={folder / 'x'}", f"dataset.target={folder / 't'}", "dataset.context=1"]
    model = built("model=transcoder", *data, f"model.latent_dim={UNITS}", *typed).autoencoder
    stored = torch.cat([x, t], 1)
    with torch.no_grad():
        model.start_from(stored)
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
        for name, b in model.bottleneck.named_buffers():
            if name == "threshold":
                b.fill_(0.3)
    return model.eval(), stored


@pytest.mark.parametrize("kind", PAIRS)
def test_the_files_of_a_transcoder_compute_what_it_computes(tmp_path, kind):
    """P107 of transcoders: by the formulas, and as a run that is made of the files."""
    model, stored = transcoder(tmp_path, *PAIRS[kind])
    wanted = kind if kind in ("transcoder", "skip_transcoder") else "jumprelu_transcoder"
    assert written(tmp_path / "sae", model) == wanted
    z, x_hat = by_formula(tmp_path / "sae", stored[:, :D])
    tensors = load_file(tmp_path / "sae" / WEIGHTS)
    x_hat = x_hat + (stored[:, :D].double() @ tensors["W_skip"].double().t() if "W_skip" in tensors else 0)
    double = model.double()
    x, beside = double.units(stored.double()), double.beside(stored.double())
    own = double.encode(x, **beside)
    same = ((own > 0) == (z > 0)).all(1)
    assert same.double().mean() > 0.98
    back = double.preparation.inverse(double.decode(own, **beside))[:, D:]
    for ours, theirs in ((own, z), (back, x_hat)):
        assert ((ours - theirs)[same].abs().max() / ours.abs().max()).item() < 1e-6
    told = here(tmp_path, "import", "sae", "--output", "run")
    assert told.code == 0, told.err
    again = aerun.load(tmp_path / "run")
    z_run = again.encode(stored[:, :D].numpy())
    assert np.abs(z_run - z.numpy())[same.numpy()].max() < 1e-4 * float(z.abs().max())
    out = again.reconstruct(stored[:, :D].numpy())[:, D:]
    assert np.abs(out - x_hat.numpy())[same.numpy()].max() < 1e-4 * float(x_hat.abs().max())


def test_transcoders_that_saelens_has_no_form_for_are_refused(tmp_path):
    for name, typed in (("a", []), ("b", ["model/bottleneck=jumprelu", "regularizer=l0", "model.arch.skip=true"])):
        (tmp_path / name).mkdir()
        with pytest.raises(AerunError, match="SAELens has no transcoder with"):
            written(tmp_path / name / "sae", transcoder(tmp_path / name, *typed)[0])


def test_what_is_read_back_is_what_was_written(tmp_path):
    for kind in KINDS:
        sae = sae_of(model_of(*KINDS[kind]))
        written(tmp_path / kind, model_of(*KINDS[kind]))
        again = read_sae(tmp_path / kind, None)
        assert again.k == sae.k
        for name in ("encoder", "encoder_bias", "decoder", "decoder_bias"):
            torch.testing.assert_close(getattr(again, name).double(), getattr(sae, name).double(), rtol=1e-6, atol=1e-6)


def foreign(folder, config, **tensors):
    folder.mkdir(exist_ok=True)
    g = torch.Generator().manual_seed(0)
    own = {"W_enc": (D, UNITS), "b_enc": (UNITS,), "W_dec": (UNITS, D), "b_dec": (D,)}
    own = {k: torch.randn(shape, generator=g) / 2 for k, shape in own.items()} | tensors
    save_file({k: v.contiguous() for k, v in own.items() if v is not None}, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"d_in": D, "d_sae": UNITS, **config}))
    return own


def code_of(sae, x):
    h = x @ sae.encoder + sae.encoder_bias
    if sae.k is not None:
        kept, where = h.relu().topk(sae.k, 1)
        z = torch.zeros_like(h).scatter(1, where, kept)
    else:
        z = h.relu() * (h > (0 if sae.threshold is None else sae.threshold))
    return z, z @ sae.decoder + sae.decoder_bias


def test_old_folders_and_those_of_others_are_read(tmp_path):
    """Before 6.0 the decoder's bias is taken off the input; thresholds were logarithms; factors are asked for."""
    x, folder = torch.randn(50, D), tmp_path / "sae"
    t = foreign(folder, {"architecture": "standard", "activation_fn_str": "relu"})
    z = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).relu()
    torch.testing.assert_close(code_of(read_sae(folder, None), x), (z, z @ t["W_dec"] + t["b_dec"]), rtol=1e-4, atol=1e-5)
    t = foreign(folder, {"activation_fn": "topk", "activation_fn_kwargs": {"k": 4}, "apply_b_dec_to_input": False})
    assert read_sae(folder, None).k == 4
    new = {"metadata": {"sae_lens_version": "6.18.0"}}
    t = foreign(folder, {"architecture": "jumprelu", **new}, log_threshold=torch.full((UNITS,), -1.0))
    torch.testing.assert_close(read_sae(folder, None).threshold, torch.full((UNITS,), -1.0).exp())
    t = foreign(folder, {"architecture": "topk", "k": 5, "rescale_acts_by_decoder_norm": True, **new})
    norm = t["W_dec"].norm(dim=1)
    kept, where = ((x @ t["W_enc"] + t["b_enc"]) * norm).relu().topk(5, 1)
    z = torch.zeros(50, UNITS).scatter(1, where, kept)
    torch.testing.assert_close(
        code_of(read_sae(folder, None), x), (z, (z / norm) @ t["W_dec"] + t["b_dec"]), rtol=1e-4, atol=1e-5
    )
    gates = {"b_gate": torch.randn(UNITS), "r_mag": torch.randn(UNITS) / 3, "b_mag": torch.randn(UNITS), "b_enc": None}
    t = foreign(folder, {"architecture": "gated", **new}, **gates)
    h = x @ t["W_enc"]
    z = (h + t["b_gate"] > 0) * (h * t["r_mag"].exp() + t["b_mag"]).relu()
    torch.testing.assert_close(code_of(read_sae(folder, None), x), (z, z @ t["W_dec"] + t["b_dec"]), rtol=1e-4, atol=1e-5)
    t = foreign(folder, {"normalize_activations": "expected_average_only_in", **new})
    z = (2 * x @ t["W_enc"] + t["b_enc"]).relu()
    torch.testing.assert_close(code_of(read_sae(folder, 2.0), x), (z, (z @ t["W_dec"] + t["b_dec"]) / 2), rtol=1e-4, atol=1e-5)


def test_a_folder_of_sparsify_is_read(tmp_path):
    g, x = torch.Generator().manual_seed(0), torch.randn(40, D)
    t = {"encoder.weight": (UNITS, D), "encoder.bias": (UNITS,), "W_dec": (UNITS, D), "b_dec": (D,)}
    t = {k: torch.randn(shape, generator=g) for k, shape in t.items()}
    save_file(t, tmp_path / "sae.safetensors")
    (tmp_path / CONFIG).write_text(json.dumps({"k": 3, "d_in": D}))
    kept, where = ((x - t["b_dec"]) @ t["encoder.weight"].t() + t["encoder.bias"]).relu().topk(3, 1)
    z = torch.zeros(40, UNITS).scatter(1, where, kept)
    torch.testing.assert_close(code_of(read_sae(tmp_path, None), x), (z, z @ t["W_dec"] + t["b_dec"]), rtol=1e-4, atol=1e-4)


NEW = {"metadata": {"sae_lens_version": "6.0.0"}}
BAD = [
    ({"architecture": "temporal"}, {}, None, "architecture temporal: is unknown here.*standard, topk, jumprelu, gated"),
    ({"architecture": "transcoder", "apply_b_dec_to_input": True}, {}, None, "of other activations than it reads"),
    ({"architecture": "skip_transcoder"}, {}, None, "holds no W_skip"),
    ({"normalize_activations": "layer_norm"}, {}, None, "layer_norm needs numbers of each sample"),
    ({"normalize_activations": "expected_average_only_in"}, {}, None, "do not say by what.*--scale F"),
    ({}, {}, 2.0, "--scale 2.*Leave it out"),
    ({"architecture": "topk", "k": 99}, {}, None, "k=99"),
    ({"architecture": "jumprelu"}, {}, None, "holds no threshold"),
    ({}, {"W_dec": torch.zeros(D, UNITS)}, None, "W_dec of shape"),
    ({}, {"b_enc": torch.full((UNITS,), torch.nan)}, None, "missing or infinite"),
    ({"reshape_activations": "hook_z"}, {}, None, "reshape_activations=hook_z"),
    ({"activation_fn": "tanh-relu"}, {}, None, "activation function tanh-relu"),
]


@pytest.mark.parametrize(("config", "tensors", "scale", "words"), BAD)
def test_folders_that_are_not_read_say_why(tmp_path, config, tensors, scale, words):
    foreign(tmp_path, {**NEW, **config}, **tensors)
    with pytest.raises(AerunError, match=words):
        read_sae(tmp_path, scale)


def test_damaged_folders_are_said(tmp_path):
    with pytest.raises(AerunError, match="no folder of SAELens"):
        read_sae(tmp_path, None)
    foreign(tmp_path, NEW)
    path = tmp_path / WEIGHTS
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(AerunError, match="cut off or damaged"):
        read_sae(tmp_path, None)
    (tmp_path / CONFIG).write_text("{")
    with pytest.raises(AerunError, match="cannot be read as JSON"):
        read_sae(tmp_path, None)


REFUSED = [
    (["model=ae", "model.arch.hidden=[8]"], "one affine map each way"),
    (["model=linear"], "codes are of gated, jumprelu, relu, topk, and this one's of vector"),
    (["model=sae_topk", "dataset=wine"], "each column is"),
    (["model=sae_topk", "dataset=digits"], "samples are vectors"),
    (["model=sae_topk", "dataset=digits", "model.loss.activation=sigmoid"], "what the decoder gives"),
]


@pytest.mark.parametrize(("typed", "words"), REFUSED)
def test_models_without_such_a_form_are_refused(typed, words):
    data = [] if any(t.startswith("dataset=") for t in typed) else ["dataset=features"]
    with pytest.raises(AerunError, match=words):
        sae_of(built(*typed, *data).autoencoder)


def test_an_imported_run_is_taken_by_the_verbs(tmp_path):
    """From a folder to a run, its codes by the verbs, and back to a folder that holds the same."""
    t = foreign(tmp_path / "sae", {"architecture": "jumprelu", **NEW}, threshold=torch.full((UNITS,), 0.2))
    told = here(tmp_path, "import", "sae", "--output", "run")
    assert told.code == 0, told.err
    x = np.random.default_rng(0).normal(size=(30, D)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    h = torch.from_numpy(x) @ t["W_enc"] + t["b_enc"]
    z = h * (h > 0.2)
    model = aerun.load(tmp_path / "run")
    np.testing.assert_allclose(model.encode(x), z.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.reconstruct(x), (z @ t["W_dec"] + t["b_dec"]).numpy(), rtol=1e-4, atol=1e-5)
    for words in (("reconstruct", "run", "x.npy", "--output", "back.npy"), ("show", "run"), ("runs", ".")):
        told = here(tmp_path, *words)
        assert told.code == 0, told.err
    told = here(tmp_path, "export", "run", "--format", "saelens", "--output", "again")
    assert told.code == 0, told.err
    again = load_file(tmp_path / "again" / WEIGHTS)
    assert all(torch.allclose(again[k], t[k], atol=1e-6) for k in t)
    assert here(tmp_path, "import", "sae", "--output", "run").code == 2
    told = here(tmp_path, "evaluate", "run", "--ask", "dictionary")
    assert told.code == 2
    assert "unknown" in told.err
    np.save(tmp_path / "more.npy", np.random.default_rng(1).normal(size=(300, D)).astype(np.float32))
    told = here(tmp_path, "evaluate", "run", "--ask", "dictionary", "--data", "more.npy")
    assert told.code == 0, told.err


@pytest.mark.parametrize("kind", KINDS)
def test_saelens_itself_computes_the_same(tmp_path, kind):
    saelens = pytest.importorskip("sae_lens")
    model, x = model_of(*KINDS[kind]), 3 * torch.randn(50, D) + 1
    written(tmp_path / "sae", model)
    theirs = saelens.SAE.load_from_disk(tmp_path / "sae")
    z, x_hat = by_formula(tmp_path / "sae", x)
    torch.testing.assert_close(theirs.encode(x).double(), z, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(theirs.decode(theirs.encode(x)).double(), x_hat, rtol=1e-4, atol=1e-4)
