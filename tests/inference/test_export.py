"""A trained model as one file: what other programs get from it is what the verbs answer."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import aerun
from aerun.core.errors import AerunError
from aerun.inference import export as room
from aerun.inference.export import export
from aerun.inference.exported import OUTPUTS
from tests.shell import here

QUICK = ("trainer=smoke", "trainer.progress=false", "pictures=[]")
TABLE = "number,word,day\n" + "".join(
    f"{'' if i % 9 == 0 else i % 7},{'abc'[i % 3]},2024-01-{i % 28 + 1:02d}\n" for i in range(120)
)
ARCHS = {
    "linear": ["model=ica"],
    "mlp": ["model=vae"],
    "codebook": ["model=vqvae"],
    "conv": ["model=denoising", "model/arch=conv"],
    "table": ["dataset=table"],
    "recurrent": ["model=recurrent", "dataset.kind=sequence"],
    "tcn": ["model/arch=tcn", "dataset.kind=sequence"],
    "patch": ["model/arch=patch", "dataset=sines", "dataset.n=90"],
    "text": ["model=recurrent", "dataset=text"],
    "autoregressive": ["model=recurrent", "dataset=text", "model.arch.decoder=autoregressive", "model.arch.layers=2"],
}


def archs(*quick):
    """All of them; those that are not named here take long."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in ARCHS]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("export")


def trained(work, name):
    """The model, and stored samples with a batch size that no export has seen."""
    if not (work / name).exists():
        (work / "t.csv").write_text(TABLE)
        x = np.random.default_rng(0).normal(size=(90, 9, 2)).astype(np.float32)
        for i, series in enumerate(x):
            series[1 + i % 9 :] = np.nan
        more = {"table": {"dataset__path": work / "t.csv"}, "recurrent": {"x": x}, "tcn": {"x": x}}.get(name, {})
        aerun.train(*QUICK, *ARCHS[name], folder=work / name, **more)
    model = aerun.load(work / name)
    return model, room.example(model, 11, 5)


def agrees(model, x, found):
    """Verbs and file say the same, to 1e-5 of the largest value."""
    z, own, score, anomaly = found
    limit = model.threshold(0.05)
    close = {"code": (z, model.codes_of(x)), "score": (score, model.scores_of(x)), "x": (own, model.rebuilt(x))}
    valid = model.facts.valid(x)
    if valid is not None and not model.facts.tokens:
        assert np.isnan(own[~valid.numpy()]).all()
    for a, b in close.values():
        a, b = np.nan_to_num(a), np.where(np.isnan(a), 0, b.numpy())
        np.testing.assert_allclose(a, b, atol=1e-5 * max(np.abs(b).max(), limit if np.isfinite(limit) else 0))
    np.testing.assert_array_equal(anomaly, score > np.float32(limit))


def knows_no_folder(work, content):
    """Neither where the data were, nor where aerun and its libraries are."""
    for folder in (work, Path(aerun.__file__).parent, Path(torch.__file__).parent):
        assert str(folder).encode() not in content


@pytest.mark.parametrize("name", archs("mlp", "codebook", "table"))
def test_onnx_says_what_the_verbs_say(work, name):
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model, x = trained(work, name)
    told = export(model, work / f"{name}.onnx", None, check=True)
    assert "largest relative difference" in told[1]
    session = ort.InferenceSession(str(work / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    assert [o.name for o in session.get_outputs()] == list(OUTPUTS)
    agrees(model, x, session.run(None, {"samples": x.numpy()}))
    assert json.loads(session.get_modelmeta().custom_metadata_map["config"])["model"] == model.config["model"]
    assert [v.shape[0] for v in (*session.get_inputs(), *session.get_outputs())] == ["batch"] * 5
    knows_no_folder(work, (work / f"{name}.onnx").read_bytes())
    figures = json.loads((work / f"{name}.onnx.json").read_text())["largest relative difference"]
    assert figures.keys() == set(OUTPUTS)
    assert max(figures.values()) < 1e-5


@pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning")  # of torch 2.9's own reader
@pytest.mark.parametrize("name", archs("codebook"))
def test_torch_program_says_what_the_verbs_say(work, name):
    model, x = trained(work, name)
    before = model.codes_of(x)
    export(model, work / f"{name}.pt2", None)
    agrees(model, x, [v.detach().numpy() for v in torch.export.load(work / f"{name}.pt2").module()(x)])
    with zipfile.ZipFile(work / f"{name}.pt2") as archive:
        for member in archive.namelist():
            knows_no_folder(work, member.encode() + archive.read(member))
    assert not (work / f"{name}.pt2.json").exists()  # nothing was compared
    assert torch.equal(model.codes_of(x), before)  # the model is as it was


def test_safetensors_are_the_weights_and_the_config(work):
    st = pytest.importorskip("safetensors")
    model, _ = trained(work, "mlp")
    told = here(work, "export", "mlp", "--output", "w.safetensors", "--check")
    assert told.code == 0, told.err
    with st.safe_open(work / "w.safetensors", "pt") as file:
        state = model.autoencoder.state_dict()
        assert set(file.keys()) == state.keys()
        assert all(torch.equal(file.get_tensor(k), v.cpu()) for k, v in state.items())
        assert json.loads(file.metadata()["config"]) == model.config


def test_a_difference_is_no_export(work, monkeypatch):
    model, _ = trained(work, "mlp")
    monkeypatch.setattr(room, "_difference", lambda *a: 1e-3)
    with pytest.raises(AerunError, match=r"not written: it differs from the model .*score 0\.001"):
        export(model, work / "never.pt2", None, check=True)
    assert not list(work.glob("*never*"))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("mlp", "--output", "never.bin"), "ends in .onnx, .pt2, .safetensors"),
        (("mlp", "--output", "nowhere/never.onnx"), "no folder nowhere"),
        (("missing", "--output", "never.onnx"), "no such folder"),
        (("mlp", "--output", "never.pt2", "--alpha", "2"), "alpha=2"),
    ],
)
def test_mistakes_are_one_line(work, args, words):
    trained(work, "mlp")
    told = here(work, "export", *args)
    assert told.code == 2, told
    assert words in told.err
    assert told.err.count("\n") == 1
    assert not list(work.glob("*never*"))


def test_what_is_not_installed_is_named(work, monkeypatch):
    trained(work, "mlp")

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(room.importlib, "import_module", missing)
    with pytest.raises(AerunError, match=r"needs onnx, which is not installed: pip install 'aerun\[export\]'"):
        export(aerun.load(work / "mlp"), work / "never.onnx", None)
    assert not list(work.glob("*never*"))
