"""What Hydra's launcher gets for a job is what Hydra's own loader composes."""

import random

import pytest
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import OmegaConf

from aerun.settings.flat import flat
from aerun.settings.sources import Source, composer
from aerun.sweep.reused import Reusing
from tests.sweep.test_derived import OPTIONS, STRANGE, VALUES

JOBS = [
    ["model.latent_dim=3", "seed=0", "optimizer.lr=1e-3"],
    ["seed=1", "tags=[a]", "notes='a b'"],
    ["seed=1", "seed=2", "model=sparse", "reg.lambda=0.1"],
    ["model=vae", "+model.bottleneck.new=1", "trainer.progress=false", "trainer.patience=null"],
    ["objective='${seed}'", "seed=5"],
]


@pytest.fixture(scope="module")
def hydra():
    with composer(Source()) as hydra:
        yield hydra


def test_is_what_hydra_composes(hydra):
    loader, fixed = hydra.config_loader, ["hydra.sweep.dir=elsewhere", "hydra.job.name=mine"]
    master = loader.load_configuration("config", fixed, RunMode.MULTIRUN)
    ours, composed = Reusing(loader), []
    ours._loader = Counting(loader, composed)
    for typed in [*JOBS, JOBS[0]]:
        config = ours.load_sweep_config(master, typed)
        assert OmegaConf.to_container(config) == OmegaConf.to_container(loader.load_sweep_config(master, typed))
        assert OmegaConf.to_container(config.hydra.overrides)["task"] == typed
    with pytest.raises(ConfigCompositionException):
        ours.load_sweep_config(master, ["seed=1", "model.nothing=2"])
    assert len(composed) == len({tuple(words) for words in composed})


class Counting:
    """A loader that keeps what it composed."""

    def __init__(self, loader, composed):
        self.loader, self.composed = loader, composed

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def load_configuration(self, name, overrides, mode):
        self.composed.append(overrides)
        return self.loader.load_configuration(name, overrides, mode)


def test_values_alone_are_composed_once(hydra):
    loader, composed = hydra.config_loader, []
    master = loader.load_configuration("config", [], RunMode.MULTIRUN)
    ours = Reusing(loader)
    ours._loader = Counting(loader, composed)
    configs = [ours.load_sweep_config(master, ["model=sparse", f"seed={n}", f"reg.lambda={n / 2}"]) for n in range(9)]
    assert [(c.seed, c.reg["lambda"]) for c in configs] == [(n, n / 2) for n in range(9)]
    assert composed == [["model=sparse"]]


def same(ours, loader, master, typed):
    """Whether both compose the same config, Hydra's own node included, or refuse it as errors of the same kind."""

    def outcome(compose):
        try:
            config = compose(master, list(typed))
        except Exception as e:
            return type(e).__name__
        return OmegaConf.to_container(config), list(map(type, flat(OmegaConf.to_container(config)).values()))

    return outcome(ours.load_sweep_config) == outcome(loader.load_sweep_config)


@pytest.mark.slow
def test_every_option_and_a_thousand_random_lists_are_what_hydra_composes(hydra):
    """Neighbours in the list share their choices, as jobs of a grid do, so that most are derived and not composed."""
    loader, draw = hydra.config_loader, random.Random(20)
    master = loader.load_configuration("config", ["hydra.sweep.dir=elsewhere"], RunMode.MULTIRUN)
    ours, composed = Reusing(loader), []
    ours._loader = Counting(loader, composed)
    options = [option for group in OPTIONS for option in group]
    lists = [[option, "seed=3", "optimizer.lr=0.5"] for option in options]
    while len(lists) < 1000 + len(options):
        chosen = [draw.choice(group) for group in draw.sample(OPTIONS, draw.randint(0, 3))]
        try:
            plain = OmegaConf.to_container(loader.load_configuration("config", chosen, RunMode.RUN))
        except Exception:
            lists.append(chosen)
            continue
        keys = [k for k in flat(plain) if "_target_" not in k and not k.startswith("hydra")]
        keys += ["+model.new", "+new.key", "~model.latent_dim", "model.nothing", "tags", "model"]
        for _ in range(20):
            values = [f"{k}={draw.choice(STRANGE if draw.random() < 0.1 else VALUES)}" for k in draw.choices(keys, k=3)]
            lists.append(draw.sample([*chosen, *values], len(chosen) + 3))
    wrong = [typed for typed in lists if not same(ours, loader, master, typed)]
    assert not wrong
    assert len(set(map(tuple, lists))) > 1000
    assert len(composed) < 0.7 * len(lists)  # the others were derived from these
