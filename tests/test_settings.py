"""Every setting of every part changes the result; a weight of 0 changes nothing."""

from functools import cache

import pytest
import torch
from omegaconf import OmegaConf

from aerun.compose import ROOMS
from aerun.core.paths import config_dir
from aerun.trainer.turns import Turn
from tests.conftest import built

SEQUENCE = ["dataset=sines", "dataset.n=80"]
MASKED = "model/corruption=masking"
# What a setting needs to matter, option by option; then each setting with another value than its default.
TAUGHT = ["dataset.condition=label", "dataset.condition_to=terms"]
BASE = {
    "arch": {
        "recurrent": ["model=recurrent", *SEQUENCE],
        "tcn": ["model/arch=tcn", *SEQUENCE],
        "patch": ["model/arch=patch", *SEQUENCE],
    },
    "bottleneck": {
        "joint": ["model.latent_dim=18"],
        "gated": ["model=sae_gated", "model.latent_dim=64"],
        "jumprelu": ["model=sae_jumprelu", "model.latent_dim=64"],
        "topk": ["regularizer=revival", "model.latent_dim=64"],
        "vq": ["model.latent_dim=8", "model.bottleneck.groups=2", "model.bottleneck.codes=64"],
    },
    "corruption": {"time_dropout": SEQUENCE, "swap": ["dataset=wine"]},
    "loss": {
        "categorical": ["model=recurrent", "dataset=text"],
        "emphasized": [MASKED],
        "mixed": ["dataset=wine"],
        "ms_ssim": ["dataset=sprites"],
    },
    "prior": {"mixture": ["model=vae"], "vamp": ["model=vae", "model.prior.inputs=20"], "flow": ["model=vae"]},
    "regularizer": {
        "adversarial": ["model=adversarial"],
        "dip": ["model/bottleneck=gaussian"],
        "factor": ["model=factor_vae"],
        "hamiltonian": ["model=hvae"],
        "iwae": ["model=iwae"],
        "kl": ["model=vae"],
        "label": ["model/bottleneck=softmax", "model.latent_dim=13", "model.bottleneck.classes=10", *TAUGHT],
        "m2": ["model/bottleneck=joint", "model.latent_dim=13", "model.bottleneck.classes=10", *TAUGHT],
        "gate": ["model=sparse", "model/bottleneck=gated", "regularizer=gate"],
        "l0": ["model=sparse", "model/bottleneck=jumprelu", "regularizer=l0"],
        "l1": ["model=sparse"],
        "rate": ["model=sparse_kl"],
        "revival": ["model=topk", "model.bottleneck.dead_after=1", "model.bottleneck.k=2"],
        "svdd": ["model=deep_svdd"],
        "tc": ["model=beta_tcvae"],
        "usad": ["model=usad"],
        "wider": ["model=topk", "model.bottleneck.wider=4", "regularizer=wider"],
    },
}
CHANGED = {
    "alpha": "3", "tell": "true", "bias": "false", "least": "0.5", "rounds": "5", "cap": "0.3", "items": "7", "shrink": "0",
    "entropy": "1",
    "attention_heads": "2", "causal": "false", "patch": "5", "width": "32",
    "activation": "sigmoid", "atoms": "unit", "balance": "false", "betas": "[0.1,0.2]", "capacity": "5", "cell": "gru", "code":
    "spatial", "combine": "sum", "draw": "sample", "sizes": "[2]", "components": "3", "inputs": "9", "steps": "3",
    "codes": "16", "commitment": "2", "count": "4", "cycles": "2", "db": "0", "dead_after": "1", "decay": "0.5",
    "decoder": "autoregressive", "delta": "0.01", "dropout": "0.5", "element": "absolute", "fill": "0.7", "free_bits":
    "3", "g": "l1smooth", "groups": "4", "hidden": "[16]", "higher_order": "1", "k": "3", "k_aux": "1", "kernel":
    "gaussian", "largest": "0.9", "layers": "2", "mixture": "1", "lr": "0.05", "method": "projection", "norm": "layer",
    "norm_weighted": "false", "normalize": "false", "of": "encoder", "p": "0.6", "probes": "3", "rate": "2",
    "reduction": "mean", "restart_after": "1", "reverse": "false", "rho": "0.2", "rows": "8", "samples": "2", "scales":
    "[3]", "scope": "batch", "share": "0.6", "show_mask": "true", "sigma": "0.6", "smallest": "0.45", "span": "9",
    "strokes": "9", "teacher_forcing": "1", "teacher_forcing_until": "0.9", "thickness": "4", "tied": "true",
    "bandwidth": "0.5", "centre": "median", "threshold": "0.3",
    "classes": "2", "final_temperature": "0.9", "levels": "5", "sample": "relaxed", "temperature": "3", "stages": "2",
    "shared": "false", "start": "kmeans", "upsample": "nearest",
    "df": "9", "diagonal": "3", "directions": "7", "elbo": "0.3", "feature": "1", "off_diagonal": "3", "posterior": "full",
    "scale": "element", "sharpness": "2", "version": "i",
    "variance": "fixed", "visible": "0", "warmup": "1", "weight": "7", "whiten": "true",
}  # fmt: skip
# Where a setting matters only with others, or means something else than elsewhere: (more overrides, value).
SPECIAL = {
    "recurrent.hidden": ([], "16"),
    "tcn.hidden": ([], "16"),
    "tcn.kernel": ([], "5"),
    "tcn.code": ([], "strided"),
    "tcn.stride": (["model.arch.code=strided"], "4"),
    "patch.code": ([], "tokens"),
    "patches.size": ([], "2"),
    "patches.share": ([], "0.7"),
    "patches.span": (SEQUENCE, "2"),
    "flow.hidden": ([], "16"),
    "recurrent.teacher_forcing": (["model.arch.decoder=autoregressive"], "1"),
    "recurrent.teacher_forcing_until": (["model.arch.decoder=autoregressive", "model.arch.teacher_forcing=1"], "0.9"),
    "topk.dead_after": (["model.bottleneck.k=2"], "1"),
    "topk.wider": (["regularizer=[revival,wider]", "model.bottleneck.wider=3"], "4"),
    "linear.start": ([], "mirrored"),
    "topk.k_aux": (["model.bottleneck.k=2", "model.bottleneck.dead_after=1"], "1"),
    "emphasized.hidden": ([], "3"),
    "masking.show_mask": ([], "true"),
    "linear.whiten": ([], "true"),
    "contractive.probes": (["reg.terms.contractive.method=projection"], "3"),
    "contractive.sigma": (["reg.terms.contractive.higher_order=1"], "0.6"),
    "contractive.method": ([], "exact"),
    "decoder_gradient.method": ([], "exact"),
    "gaussian.steps": (["model.bottleneck.posterior=planar"], "3"),
    "mixed.noise": ([], "fixed"),
    "mixed.sigma": (["model.loss.noise=fixed"], "0.6"),
    "mixed.balance": ([], "column"),
    "hamiltonian.size": ([], "0.05"),
    "hamiltonian.steps": ([], "2"),
    "hamiltonian.temper": ([], "0.5"),
    "iwae.encoder": ([], "dreg"),
    "ladder.levels": ([], "[0.5,0.5]"),
    "ladder.hidden": ([], "16"),
    "logistic.activation": ([], "linear"),
    "patch_critic.encoder": ([], "false"),
    "perceptual.draw": ([], "1"),
    "tc.method": ([], "mws"),
    "decorrelation.normalize": ([], "false"),
    "adversarial.hidden": ([], "[16]"),
    "factor.hidden": ([], "[16]"),
}


def keys(room, option):
    """Settings of an option that are its own and not the model's."""
    node = OmegaConf.load(config_dir() / ROOMS[room] / f"{option}.yaml")
    return [k for k in node if k not in ("_target_", "latent_dim")] if node else []


BEGUN = (("mixture", "start"), ("perceptual", "features"), ("perceptual", "network"))
DRAWN = (("m2", "known"), ("label", "known"))  # which samples make a batch: tests/regularizer/test_few_classes.py
PAIRS = (("linear", "skip"),)  # of pairs of activations: tests/dataset/test_activations.py
ASKED = (("usad", "share"),)  # of its score: tests/regularizer/test_alarms.py
# Units that have been silent for long, the start and the end of training: tests/model/test_sparse_codes.py
SPARE = [(code, key) for code in ("relu", "jumprelu", "gated") for key in ("k_aux", "dead_after")]
LONG = (*SPARE, ("topk", "calibrate"), ("topk", "k_start"))
COUNTS = ("poisson", "nb", "zinb")  # of tables of counts: tests/model/test_counts.py
BEHIND = ("downstream", "weighted")  # which take a file of what stands behind: tests/regularizer/test_downstream.py
ALL = [
    (room, path.stem, key)
    for room in ROOMS
    for path in sorted((config_dir() / ROOMS[room]).glob("*.yaml"))
    if path.stem != "auto"  # which is one of the others
    for key in keys(room, path.stem)
    # which take a run to begin with: tests/model/test_priors.py, tests/regularizer/test_clusters.py, test_features.py
    # or known anomalies: tests/regularizer/test_alarms.py
    if (path.stem, key) not in (*BEGUN, *DRAWN, *PAIRS, *ASKED, *LONG)
    and path.stem not in ("clusters", "sad", *COUNTS, *BEHIND)
]


def fingerprint(overrides):
    """Weights and values after three steps of training, turns included, and one pass of validation."""
    torch.manual_seed(0)
    plan = built(*overrides)
    model = plan.autoencoder
    stored = samples(plan, tuple(o for o in overrides if o.startswith("dataset")))
    model.start_from(stored)
    x, valid, c = model.units(stored[:32]), model.facts.valid(stored[:32]), model.known(stored[:32])
    optimizer = plan.optimizer.make(model.own_parameters())
    turns = [Turn(key, regularizer, model) for key, regularizer in model.opposed().items()]
    torch.manual_seed(1)
    for progress in (0.1, 0.4, 0.7):
        value = model.objective(x, progress, valid, c=c)
        optimizer.zero_grad()
        value.loss.backward()
        optimizer.step()
        for turn in turns:
            turn.take(value.names, x, valid, c, progress=progress, factor=1.0, clip=None)
    model.eval()
    own = [p.detach().double().sum() for p in model.parameters()]
    return torch.stack(
        [*own, *(p.double() for p in model.objective(x, None, valid, c=c).parts), model(x, valid=valid, c=c).double().sum()]
    )


READ = {}


def samples(plan, dataset):
    """48 stored training samples; every data set is read once."""
    if dataset not in READ:
        READ[dataset] = plan.dataset.load().train.x[:48]
    return READ[dataset]


@cache
def plain(overrides):
    return fingerprint(overrides)


@pytest.mark.slow
@pytest.mark.parametrize(("room", "option", "key"), ALL, ids=lambda x: x)
def test_every_setting_changes_the_result(room, option, key):
    place = f"reg.terms.{option}.{key}" if room == "regularizer" else f"model.{room}.{key}"
    more, value = SPECIAL.get(f"{option}.{key}", ([], CHANGED.get(key)))
    assert value is not None, f"{place}: say in tests/test_settings.py what else it may be"
    if key == "cycles":
        more = [*more, f"reg.terms.{option}.warmup=0.9"]
    own = BASE[room].get(option, [])
    chosen = [] if any(o.startswith("model=") for o in own) and room not in ("loss", "prior") else [f"{ROOMS[room]}={option}"]
    base = (*own, *chosen, *more)
    before, after = plain(base), fingerprint((*base, f"{place}={value}"))
    assert before.shape != after.shape or not torch.equal(before, after)


APART = ("none", "clusters", "sad", *BEHIND)
TERMS = sorted(p.stem for p in (config_dir() / "regularizer").glob("*.yaml") if p.stem not in APART)


@pytest.mark.slow
@pytest.mark.parametrize("kind", TERMS)
def test_a_term_of_no_weight_is_the_plain_autoencoder_bit_for_bit_and_a_large_one_is_not(kind):
    own = [o for o in BASE["regularizer"].get(kind, []) if o.startswith("model")]
    without = (*own, "model/corruption=gaussian", "regularizer=none")
    told = [o for o in BASE["regularizer"].get(kind, []) if o.startswith("dataset")]
    with_it = (*own, *told, "model/corruption=gaussian", f"regularizer={kind}")
    size = sum(1 for p in built(*without).autoencoder.own_parameters())
    expected = fingerprint((*without, "reg.lambda=1"))
    for nothing in ("reg.lambda=0", f"reg.terms.{kind}.weight=0"):
        found = fingerprint((*with_it, nothing))
        assert torch.equal(found[:size], expected[:size])
    assert not torch.equal(fingerprint((*with_it, "reg.lambda=100"))[:size], expected[:size])
