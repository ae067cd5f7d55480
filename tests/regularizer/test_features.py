"""regularizer=perceptual with layers of another run, or of a file of weights: what is taken, kept, and refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torchvision.models import vgg

from aerun.core.errors import AerunError
from aerun.inference.loading import load
from aerun.regularizer.perceptual import Perceptual
from aerun.regularizer.stack import Stack, told
from aerun.regularizer.vgg import NAMES, vgg_of
from aerun.runs.checkpoint import weights_of
from tests.conftest import built
from tests.shell import here

RUNS = Path(__file__).parents[1] / "data" / "runs"
BRIEF = ["trainer.max_steps=2", "pictures=[]", "evaluate=[]", "model.arch.hidden=[8]", "model.latent_dim=2"]
TERM = ["model=vae", "regularizer=[kl,perceptual]"]


def features(source):
    return f"reg.terms.perceptual.features={source}"


def hidden(encoder, x):
    """Outputs of the activations of an encoder."""
    seen = []
    for module in encoder:
        x = module(x)
        if isinstance(module, torch.nn.ReLU | torch.nn.Tanh):
            seen.append(x)
    return seen


@pytest.mark.parametrize(
    "words",
    [
        ["model.arch.hidden=[9,5]", "model.arch.activation=tanh", "model.arch.dropout=0.5"],
        ["model.arch.hidden=[6]", "model.arch.norm=batch"],
        ["model/arch=conv", "model.arch.hidden=[3,4]", "model.arch.norm=layer"],
        ["model/arch=conv", "model.arch.hidden=[3,4]", "dataset=pendigits", "model.arch.norm=batch"],
    ],
)
def test_a_stack_made_of_words_gives_what_the_layers_of_the_encoder_give(words):
    torch.manual_seed(0)
    model = built(*words).autoencoder.eval()
    model.arch.mean.normal_()
    told_words, weights = told(model.arch.encoder, model.arch.mean)
    stack = Stack(json.loads(json.dumps(told_words)))
    stack.load_state_dict(weights)
    x = torch.rand(3, *model.facts.shape)
    ours, theirs = stack(x), hidden(model.arch.encoder, model.arch.centred(x, None))
    assert len(ours) == len(theirs) > 0
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not any(p.requires_grad for p in stack.parameters())
    assert all(torch.equal(a, b) for a, b in zip(ours, stack.train()(x), strict=True))


def torchvisions(name):
    cut = name.removesuffix("_bn")
    layers = vgg.make_layers(vgg.cfgs[{"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}[cut]], name.endswith("_bn"))
    return torch.nn.ModuleDict({"features": layers})


def test_weights_of_torchvisions_are_known_by_their_shapes():
    for name in NAMES:
        with torch.device("meta"):
            state = torchvisions(name).state_dict()
            assert vgg_of({**state, "classifier.0.weight": torch.empty(9, 9)}, (3, 64, 64), 0, 1)[0] == name
    with pytest.raises(AerunError, match="none of torchvision's vgg11, vgg11_bn"):
        vgg_of({k: v for k, v in state.items() if k != "features.0.weight"}, (3, 64, 64), 0, 1)


def test_a_file_of_weights_gives_what_torchvisions_network_gives(tmp_path):
    torch.manual_seed(0)
    network = torchvisions("vgg11_bn").eval()
    network.features[1].running_mean.normal_()
    torch.save(network.state_dict(), tmp_path / "vgg.pth")
    plan = built(*TERM, features(tmp_path / "vgg.pth"))
    assert any(
        "vgg11_bn; images of 8 x 8 pixels, each read as three equal channels, reach 3 of its 5" in w for w in plan.warnings
    )
    x, (mean, deviation) = torch.rand(2, 1, 8, 8), torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    h = (x.expand(-1, 3, -1, -1) - mean) / deviation
    expected = []
    for module in network.features:
        if isinstance(module, torch.nn.MaxPool2d):
            expected.append(h)
        if len(expected) == 3:
            break
        h = module(h)
    found = plan.autoencoder.terms["perceptual"].regularizer.network(x)
    torch.testing.assert_close(found, expected)


def test_layers_of_a_run_stay_as_they_are_and_the_run_is_not_needed_again(tmp_path):
    """P77: F is bit-identical after training, and 0 at x_hat = x."""
    shutil.copytree(RUNS / "ae", tmp_path / "first")
    assert here(tmp_path, *TERM, *BRIEF, features("first"), "hydra.run.dir=second").code == 0
    best, second = weights_of(tmp_path / "first", "best"), weights_of(tmp_path / "second", "last")
    ours = {k.rpartition("network.")[2]: v for k, v in second.items() if k.startswith("regularizers.perceptual.network.")}
    assert torch.equal(ours["layers.1.weight"], best["arch.encoder.1.weight"])
    assert torch.equal(ours["layers.1.bias"], best["arch.encoder.1.bias"])
    assert torch.equal(ours["centre"], best["arch.mean"])
    shutil.move(tmp_path / "first", tmp_path / "elsewhere")
    model = load(tmp_path / "second").autoencoder
    x = torch.rand(4, 1, 8, 8)
    term = model.terms["perceptual"].regularizer
    assert (term(x, x) == 0).all()
    assert (term(x, x * 0.5) > 0).all()
    assert here(tmp_path, "resume", "second", "--epochs", "2").code == 0
    again = weights_of(tmp_path / "second", "last")
    assert all(torch.equal(v, again[f"regularizers.perceptual.network.{k}"]) for k, v in ours.items())
    lost = here(tmp_path, *TERM, *BRIEF, features("first"), "hydra.run.dir=third")
    assert lost.code == 2
    assert "no such run's folder or file" in lost.err
    assert not (tmp_path / "third" / "config.yaml").exists()


def copied(name, folder, target):
    shutil.copytree(RUNS / name, folder)
    config = OmegaConf.load(folder / "config.yaml")
    config.model.arch._target_ = target
    OmegaConf.save(config, folder / "config.yaml")
    return folder


@pytest.mark.parametrize(
    ("source", "words", "said"),
    [
        ("ae", ["dataset=pendigits"], r"shape \(1, 8, 8\), and here it is \(8, 2\)"),
        ("linear", [], "no hidden layer"),
        ("inpainting", [], "also reads which elements are hidden"),
        ("recurrent", ["dataset=sines"], "no stack of plain layers"),
        ("ae", ["reg.terms.perceptual.draw=1"], "are of features=random"),
        ("ae/facts.json", [], "not read as a state_dict, of tensors alone. Choose a run's folder, or weights.$"),
        ("ae/config.yaml", ["dataset=wine"], "images of 1 or 3 channels"),
    ],
)
def test_layers_that_do_not_fit_are_refused_before_training(source, words, said):
    with pytest.raises(AerunError, match=f"features=.*{said}"):
        built(*TERM, *words, features(RUNS / source))


def test_an_empty_name_is_no_run():
    with pytest.raises(AerunError, match="features=: names no run"):
        built(*TERM, "reg.terms.perceptual.features=")


def test_a_strangers_code_is_not_run(tmp_path):
    for target, said in (("mine.Arch", "parts of mine, which are not built here"), ("antigravity.Arch", "it is not built")):
        folder = copied("ae", tmp_path / target, target)
        with pytest.raises(AerunError, match=said):
            built(*TERM, features(folder))
    torch.save({"features.0.weight": torch.zeros(1), "code": here}, tmp_path / "code.pth")
    with pytest.raises(AerunError, match="not read as a state_dict, of tensors alone"):
        built(*TERM, features(tmp_path / "code.pth"))


@pytest.mark.parametrize(
    "network",
    [[], ["linear 3 4"], ["input 3", "linear 3 4"], ["input 3", "liner 3 4", "tap"], ["input 3", "linear 3 0", "tap"]],
)
def test_words_that_are_no_layers_are_refused(network):
    with pytest.raises(AerunError, match=r"perceptual\.network:"):
        Perceptual(features="a", hidden=[32, 64], draw=0, network=network, shape=(3,), kind="table")
