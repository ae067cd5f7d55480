"""Words of other programs are answered with aerun's."""

import re

import pytest
import torch
from omegaconf import OmegaConf

from aerun.core.checks import reject_unknown_keys
from aerun.core.errors import AerunError
from aerun.settings import synonyms
from aerun.settings.catalog import ORDER, setting_names
from aerun.settings.overrides import config_of, spelt_out
from aerun.settings.plugins import EXTRAS
from aerun.settings.synonyms import OPTIMIZERS, foreign_words, own_words, torch_optimizer

# Lightning's Trainer, all of it but what aerun calls by the same name.
LIGHTNING = """
accumulate_grad_batches barebones benchmark callbacks check_val_every_n_epoch default_root_dir detect_anomaly deterministic
enable_checkpointing enable_model_summary enable_progress_bar fast_dev_run gradient_clip_algorithm gradient_clip_val
inference_mode limit_predict_batches limit_test_batches limit_train_batches limit_val_batches log_every_n_steps logger
min_epochs min_steps model_registry num_nodes num_sanity_val_steps overfit_batches plugins profiler
reload_dataloaders_every_n_epochs strategy sync_batchnorm use_distributed_sampler val_check_interval
""".split()  # noqa: SIM905
ROOT = "lr epochs max_time batch_size max_epochs devices accelerator precision weight_decay latent_dim".split()  # noqa: SIM905


@pytest.mark.parametrize("word", LIGHTNING)
def test_every_key_of_lightnings_trainer_is_answered(word):
    own = word in ("callbacks", "logger")  # at the root, aerun's as well
    for key in (f"trainer.{word}", *([] if own else [word])):
        assert own_words(key, "1").startswith(f"{key}: ")


def test_the_list_is_lightnings():
    import inspect

    from pytorch_lightning import Trainer

    theirs = set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    ours = set(OmegaConf.to_container(config_of([]).trainer))
    assert theirs - ours - {"enable_autolog_hparams"} <= set(LIGHTNING)


@pytest.mark.parametrize("word", ROOT)
def test_settings_at_the_root(word):
    assert re.search(r"aerun calls it (\S+), as in \1=x\.", own_words(word, "x"))


def test_what_is_proposed_exists_and_what_is_foreign_does_not():
    known = {*setting_names(), "hydra.run.dir"}
    assert set(synonyms.settings()) <= known
    assert set(synonyms.groups()) <= {*ORDER, *EXTRAS}
    assert not known & set(foreign_words())
    for key in known:
        assert own_words(key) is None, key
    named = {
        key for word in foreign_words() for key in re.findall(r"\b((?:trainer|model|sweep|search)\.[\w.]+)=", own_words(word))
    }
    assert named <= known
    assert len(named) > 8


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("device", "cuda", "trainer.accelerator=gpu."),
        ("data", "a b.csv", "'dataset.path=a b.csv'."),
        ("loss", "bce", "model/loss=bce."),
        ("noise", "0.1", "model/corruption=NAME."),
        ("trainer.early_stopping.patience", "3", "trainer.patience=N"),
        ("dataset.num_workers", "4", "nothing to set"),
        ("accumulate_grad_batches", "4", "trainer.accumulate=PARTS"),
        ("trainer.deterministic", "true", "nothing to switch on: on one machine's CPU the same command gives the same bits"),
        ("trainer.benchmark", "true", "trainer.backend=auto"),
        ("overfit_batches", "2", "trainer.limit_batches=N trainer.same_batches=true"),
        ("trainer.limit_train_batches", "10", "trainer.limit_batches=10."),
        ("gradient_clip_val", "0.5", "trainer.gradient_clip=0.5."),
        ("trainer.fast_dev_run", "true", "trainer=smoke."),
    ],
)
def test_values_are_taken_along(key, value, words):
    assert words in own_words(key, value)


def test_a_config_is_answered_as_a_command_line_is():
    with pytest.raises(AerunError, match=r"trainer\.min_steps: training ends after trainer\.max_epochs"):
        reject_unknown_keys("trainer", {"min_steps": 3}, ("max_epochs",), advice=own_words)
    with pytest.raises(AerunError, match=r"trainer\.max_epoch is not a setting here"):
        reject_unknown_keys("trainer", {"max_epoch": 3}, ("max_epochs",), advice=own_words)


def test_torchs_optimizers_are_torchs():
    for name in OPTIMIZERS:
        assert issubclass(getattr(torch.optim, name), torch.optim.Optimizer)
        assert torch_optimizer(name.lower()) == f"optimizer=torch optimizer.name={name}"
    assert torch_optimizer("lamb") is None


def test_an_optimizer_of_torch_has_settings_of_its_own():
    typed = ["optimizer=torch", "optimizer.name=NAdam", "optimizer.lr=0.1", "optimizer.momentum_decay=0.01"]
    assert spelt_out(typed) == [*typed[:3], "++optimizer.momentum_decay=0.01"]
    assert spelt_out(spelt_out(typed)) == spelt_out(typed)
    assert spelt_out(typed[1:]) == typed[1:]
    assert dict(config_of(typed).optimizer) == {
        "_target_": "torch.optim.NAdam",
        "name": "NAdam",
        "lr": 0.1,
        "momentum_decay": 0.01,
    }
