"""What Hydra's launcher gets for a job is what Hydra's own loader composes."""

import pytest
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import OmegaConf

from aerun.settings.sources import Source, composer
from aerun.sweep.reused import Reusing

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
