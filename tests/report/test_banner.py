"""What a run says before and after training: its data, model, plan and folder, then its verdict and what to do next."""

import shlex

import pytest

from tests.shell import here

QUICK = ("trainer.max_epochs=2", "pictures=[]", "model.arch.hidden=[8]", "evaluate=[]")


def test_a_run_says_what_it_is_about_to_do(tmp_path):
    told = here(tmp_path, *QUICK, "model=vae", "hydra.run.dir=run")
    lines = told.out.splitlines()
    assert lines[:4] == [
        "data   digits: 1,257 training, 270 validation, 270 test samples, image of 1 x 8 x 8, 0 to 16",
        "model  mlp (auto) 64-8-16, gaussian, loss bce (auto), kl 1; 64 -> 8 numbers, 8 times fewer; 1,312 parameters",
        "plan   20 steps: 2 epochs of 10 batches of 128 (trainer.max_epochs)",
        "run    run",
    ]
    assert told.err == ""


@pytest.mark.parametrize(
    ("words", "verb"),
    [([], "score"), (["model=denoising"], "denoise"), (["dataset=wine", "dataset.normal=[class_0]"], "score")],
)
def test_what_comes_next_has_the_runs_own_path(tmp_path, words, verb):
    told = here(tmp_path, *QUICK, *words, "hydra.run.dir=my run")
    after = told.out[told.out.index("next  ") :].splitlines()
    assert [shlex.split(line.removeprefix("next"))[1:3] for line in after] == [["evaluate", "my run"], [verb, "my run"]]


def test_a_best_epoch_that_is_the_last_is_told_with_the_command_that_goes_on(tmp_path):
    told = here(tmp_path, *QUICK, "hydra.run.dir=my run")
    assert "best of 2 epochs: 2, the last, so longer may be better (aerun resume 'my run' --epochs 4); " in told.out
    told = here(tmp_path, "resume", "my run", "--epochs", "4")
    assert told.code == 0, told.err
    assert "of 4 epochs: " in told.out


def test_a_resumed_run_says_it_too(tmp_path):
    here(tmp_path, *QUICK, "hydra.run.dir=run")
    told = here(tmp_path, "resume", "run", "--epochs", "3")
    assert "plan   30 steps: 3 epochs of 10 batches of 128 (trainer.max_epochs)\nrun    run\n" in told.out
