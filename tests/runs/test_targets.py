"""What a saved config may name, by group: the options, and no other callable of aerun."""

import importlib
import pkgutil

import pytest

import aerun
from aerun.core.errors import AerunError
from aerun.settings.targets import group_of, refuse_foreign, targets
from tests.shell import here

KEYS = (
    "dataset",
    "model.arch",
    "model.bottleneck",
    "model.corruption",
    "model.loss",
    "reg.terms.own",
    "trainer",
    "optimizer",
    "schedule",
)


def callables():
    """Every name by which a callable can be reached in aerun's modules: its own, and what they import."""
    for module in pkgutil.walk_packages(aerun.__path__, "aerun."):
        if module.name.endswith("__main__") or "sweep.search" in module.name:  # asks for Optuna's sweeper
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if callable(value) and not name.startswith("__"):
                yield f"{module.name}.{name}"


def test_only_the_options_of_a_group_are_named():
    every = set(callables())
    assert len(every) > 2000
    for key in KEYS:
        options = targets(group_of(key))
        assert options <= every | {t for t in options if t.startswith("torch.optim.")}
        for target in every - options:
            with pytest.raises(AerunError, match="is not an option of"):
                refuse_foreign({key: target}, ())


@pytest.mark.parametrize(
    "target", ["", ".", "Mse", "aerun", "torch.optim.adam.os.system", "torch.optim..Adam", "torch.optim.Adam "]
)
def test_words_that_are_no_target(target):
    for key in KEYS:
        with pytest.raises(AerunError):
            refuse_foreign({key: target}, ())


def test_the_users_own_modules_are_trusted_by_name_only():
    refuse_foreign({"dataset": "mine.Data"}, ("mine",))
    with pytest.raises(AerunError, match="--trust minetoo"):
        refuse_foreign({"dataset": "minetoo.Data"}, ("mine",))


def test_what_is_typed_may_be_anything(tmp_path):
    """A config of the user's own is not a stranger's folder."""
    told = here(
        tmp_path, "optimizer=adam", "optimizer._target_=torch.optim.NAdam", "trainer=smoke", "pictures=[]", "~optimizer.fused"
    )
    assert told.code in (0, 2)
    assert "is not an option" not in told.err
