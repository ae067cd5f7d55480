"""The pages of families: their commands compose, what they say is refused is, and names elsewhere are all there."""

import re
import shlex
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from aerun.command import VERBS
from aerun.core.errors import AerunError
from aerun.settings.catalog import option_files, setting_names
from aerun.settings.overrides import config_of
from tests.conftest import built
from tests.docs.pages import PAGES, blocks, pasted

TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items() if name.startswith("docs/families/")}
COMMANDS = sorted({c for text in TEXTS.values() for c in pasted(text)})
ASKED = [c for c in COMMANDS if shlex.split(c)[1] in VERBS]
TRAININGS = [c for c in COMMANDS if c not in ASKED]
NAMES = TEXTS["docs/families/names.md"]
# What each page says is refused, with a word of the reason.
REFUSED = {
    "alarms": {
        "model=deep_svdd model.arch.bias=true": "biases",
        "model=deep_svdd model.arch.tied=true": "tied=false",
        "model=deep_svdd model/bottleneck=sigmoid": "real vector",
        "model=memae model.bottleneck.items=1": "every code",
        "model=usad dataset=wine": "between 0 and 1",
    },
    "activations": {
        "model=sparse regularizer=l0": "active",
        "model=sparse regularizer=gate": "gate",
        "model=sae_topk model.bottleneck.k=200": "model.bottleneck.k=200",
        "model=sae_jumprelu reg.terms.l0.count=6 trainer.accumulate=2": "trainer.accumulate=2",
    },
    "bounds": {
        "model=wae model/bottleneck=gaussian model/prior=vamp": "kl or iwae",
        "model=vae_planar regularizer=iwae reg.terms.iwae.encoder=dreg": "factors",
        "model=vae reg.terms.kl.capacity=5 reg.terms.kl.free_bits=0.1": "capacity",
        "model=vae model/loss=ms_ssim": "11 x 11",
    },
    "classics": {
        "model=vqvae regularizer=contractive": "encode",
        "model=vqvae regularizer=decoder_gradient": "finitely many",
        "model=sparse_kl model/bottleneck=vector": "rate",
        "model=topk model/bottleneck=vector": "spare",
        "model=ae model/loss=emphasized": "mask",
    },
    "clustering": {"model=idec model/arch=conv model.arch.code=spatial": "vectors"},
    "conditions": {"model=vae regularizer=m2": "be told", "model=cvae regularizer=m2": "condition_to=terms"},
    "disentangling": {"model=lvae regularizer=[kl,dip]": "factors", "model=cat_vae regularizer=[kl,tc]": "factors"},
    "discrete": {"model=fsq regularizer=nested": "units", "model=fsq model/prior=mixture": "real"},
    "features": {"model=ae model/corruption=block model/loss=emphasized regularizer=perceptual": "whole samples"},
    "geometry": {
        "model=svae model/prior=flow": "real",
        "model=svae regularizer=[kl,tc]": "factors",
        "model=svae regularizer=[kl,factor]": "shuffled",
        "model=adversarial model/bottleneck=sphere model/prior=mixture": "real",
        "model=adversarial model/bottleneck=sphere model/prior=uniform": "real",
        "model=svae model/arch=conv model.arch.code=spatial": "vectors",
    },
    "nested": {
        "model=lvae regularizer=[kl,nested]": "units",
        "model=hrq_vae reg.terms.nested.tell=true": "stages",
    },
    "posteriors": {
        "model=vae_iaf model/arch=conv model.arch.code=spatial": "vectors",
        "model=vae_planar regularizer=[kl,dip]": "factors",
        "model=vae_planar reg.terms.kl.free_bits=0.1": "each unit",
    },
    "priors": {"model=ae model/prior=flow": "kl or iwae", "model=vae model/prior=uniform": "infinite"},
}


def rows(heading):
    """The rows of a table of names.md: name, our command, what differs."""
    lines = NAMES.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("| `")]


@pytest.mark.parametrize(
    ("heading", "count"), [("pythae's models", 26), ("pythae's samplers", 10), ("PyTorch-VAE's configurations", 24)]
)
def test_names_elsewhere_are_all_there_each_with_a_command_or_why_not(heading, count):
    names = [name for row in rows(heading) for name in re.findall(r"`(\w+)`", row[0])]
    assert len(names) == len(set(names)) == count
    assert [row for row in rows(heading) if not re.search(r"`aerun .*`|left out", row[1])] == []


def test_commands_of_families_name_what_there_is():
    """Options and settings, without composing: a word that is none is refused when it is composed, which is tested below."""
    known = set(setting_names())
    wrong = []
    for command in TRAININGS:
        for word in shlex.split(command)[1:]:
            key, _, value = word.partition("=")
            options = option_files(key)
            chosen = re.findall(r"\w+", value)
            right = set(chosen) <= set(options) if options else key in known or key.startswith(("reg.", "hydra.", "model."))
            wrong += [] if right else [f"{command}: {word}"]
    assert wrong == []


def test_commands_of_names_elsewhere_compose():
    """Those of a recipe with something changed; recipes alone compose in other tests."""
    typed = [c for c in pasted(NAMES) if c in TRAININGS and len(shlex.split(c)) > 2]
    assert len(typed) >= 5
    for command in typed:
        assert config_of(shlex.split(command)[1:]).model.name


def test_verbs_of_families_are_understood():
    from scripts.reference import parser_of

    assert len(ASKED) >= 6
    for command in ASKED:
        _, verb, *words = shlex.split(command)
        _, strange = parser_of(verb).parse_known_intermixed_args(words)
        assert all(re.match(r"[\w.@/]+=", s) for s in strange), command


def activations(folder):
    """The folder, with the stores and files that the page on activations names."""
    for name in ("store", "mlp_in", "mlp_out"):
        (folder / name).mkdir()
        np.save(folder / name / "0.npy", np.zeros((64, 16), np.float32))
    save_file({name: torch.zeros(64, 16) for name in ("before", "after")}, folder / "acts.safetensors")
    torch.save({"0.weight": torch.eye(4, 16)}, folder / "head.pt")
    return folder


@pytest.mark.slow
def test_commands_of_families_build(tmp_path, monkeypatch):
    monkeypatch.chdir(activations(tmp_path))
    for command in TRAININGS:
        words = [w for w in shlex.split(command)[1:] if not w.startswith("model.init_from=")]
        if "model=idec" in words or "model=vade" in words:
            continue  # begun from a run: tests/regularizer/test_clusters.py, tests/model/test_mixture.py
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built(*words)


@pytest.mark.slow
@pytest.mark.parametrize("page", REFUSED)
def test_what_a_page_says_is_refused_is(page):
    for typed, word in REFUSED[page].items():
        with pytest.raises(AerunError, match=re.escape(word)):
            built(*shlex.split(typed))


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_has_what_its_readers_look_for(name):
    if name == "docs/families/names.md":
        return
    heads = re.findall(r"^## (.*)$", TEXTS[name], re.MULTILINE)
    assert blocks(TEXTS[name], "sh")
    assert "<!-- recipes: " in TEXTS[name]
    assert heads[-2:] == ["Pairs", "Often done wrong"]
