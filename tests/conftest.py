"""What all tests share: configs composed as the command line would, and where the real data are.

torch and Hydra are imported where they are used: the process that hands out tests needs neither, and the others wait for it.
"""

import os
import sys
from copy import deepcopy
from functools import cache, partial
from pathlib import Path

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # is read as numpy is imported; every core has a process of its own


def pytest_collection_modifyitems(items):
    """Make each process that runs tests ready, and put the many short tests last: then none waits for another's long one."""
    import torch

    from tests import quick_hydra

    torch.set_num_threads(1)
    quick_hydra.remember()
    items.sort(key=lambda item: "test_pairs.py" in item.nodeid)


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request):
    """After each test its process is what it was before; asked of the fast ones, which share their processes."""
    before = _state()
    yield
    assert request.node.get_closest_marker("slow") or _state() == before


def _state():
    """What tests change of their process, by name."""
    import logging

    import torch
    from hydra.core.global_hydra import GlobalHydra

    log = logging.getLogger("aerun")
    return {
        "directory": os.getcwd(),
        "arguments": list(sys.argv),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "hydra": GlobalHydra.instance().is_initialized(),
        "log": (log.level, log.propagate, log.disabled, list(log.handlers), list(log.filters)),
    }


def composed(*overrides):
    """A resolved config."""
    return deepcopy(_composed(*overrides))


@cache
def _composed(*overrides):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    import aerun.command.train  # noqa: F401 - registers the resolvers that config.yaml uses
    from aerun.core.paths import config_dir

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return OmegaConf.to_container(compose("config", list(overrides)), resolve=True)


def built(*overrides):
    """A plan: everything a run needs, before any data is read."""
    from aerun.build import build

    return build(composed(*overrides))


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's digits."""
    return built().dataset.load()


@pytest.fixture(scope="session")
def mnist():
    """MNIST, where AERUN_DATA says it is."""
    root = os.environ.get("AERUN_DATA")
    if not root or not (Path(root) / "MNIST" / "raw").is_dir():
        pytest.skip("AERUN_DATA does not name a folder with MNIST in torchvision's layout")
    return built("dataset=mnist", f"dataset.root={root}", "dataset.download=false").dataset.load()


@pytest.fixture
def double():
    """Work in float64."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def settle(model, x, progress=None, **settings):
    """Minimize the objective on x (B, *S) by LBFGS, with these settings of it; return the model."""
    import torch

    descent = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe", **settings)

    def closure():
        descent.zero_grad()
        loss = model.objective(x, progress).loss
        loss.backward()
        return loss

    descent.step(closure)
    return model


def descend(model, data, optimizer="adam", steps=500, lr=1e-3, batch=128, seed=0):
    """Train without Lightning: a plain loop over the objective."""
    import torch

    model.start_from(data.train.x)
    x = model.units(data.train.x).to(next(model.arch.parameters()).dtype)
    g = torch.Generator().manual_seed(seed)
    methods = {
        "adam": partial(torch.optim.Adam, fused=True),
        "adamw": torch.optim.AdamW,
        "sgd": partial(torch.optim.SGD, momentum=0.9),
    }
    descent = methods[optimizer](model.parameters(), lr)
    for step in range(steps):
        for group in descent.param_groups:
            group["lr"] = lr * min(1.0, 2 * (1 - step / steps))
        loss = model.objective(x[torch.randint(len(x), (batch,), generator=g)], step / steps).loss
        descent.zero_grad()
        loss.backward()
        descent.step()
    return model.eval()
