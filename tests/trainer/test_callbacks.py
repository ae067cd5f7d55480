"""Lightning callbacks of a user's own, by class and as options in the folder of --config-dir."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.shell import here, outside

QUICK = ("trainer=smoke", "trainer.max_epochs=2", "pictures=[]", "evaluate=[]", "--config-dir", "own")
MODULE = """
from pathlib import Path
from pytorch_lightning import Callback

class Count(Callback):
    def __init__(self, word="epoch"):
        self.word, self.count = word, 0

    def on_train_epoch_end(self, trainer, pl_module):
        self.count += 1
        pl_module.log("own/count", float(self.count))
        with open(Path(trainer.default_root_dir) / f"{self.word}.txt", "a") as file:
            file.write(f"{self.count} {trainer.is_global_zero}\\n")

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]

class Broken(Callback):
    def __init__(self):
        raise LookupError("no such room")


class Raises(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == 1 and not Path("mended").exists():
            raise ValueError("no such\\nroom")

    def on_exception(self, trainer, pl_module, exception):
        raise KeyError("second")

class Stateless(Callback):
    def state_dict(self):
        raise ValueError("no state")

class Plain:
    pass
"""
OPTION = "# @package callbacks.timed\n_target_: {}.Count\nword: time\n"


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with a module of callbacks in own/; its name is new, since a process imports a name once."""
    import sys

    name = f"mine_{tmp_path.name}"
    (tmp_path / "own" / "callbacks").mkdir(parents=True)
    (tmp_path / "own" / f"{name}.py").write_text(MODULE)
    (tmp_path / "own" / "callbacks" / "timed.yaml").write_text(OPTION.format(name))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path, name
    sys.modules.pop(name, None)


def counted(folder, word="epoch"):
    return (folder / f"{word}.txt").read_text().splitlines()


def test_a_class_is_called_logs_and_keeps_its_state(work):
    path, name = work
    told = here(path, *QUICK, f"callbacks=[{name}.Count]", "hydra.run.dir=run")
    assert told.code == 0, told.err
    run = path / "run"
    assert counted(run) == ["1 True", "2 True"]
    found = EventAccumulator(str(run))
    found.Reload()
    assert [(p.step, p.value) for p in found.Scalars("Training/own/count")] == [(1, 1.0), (2, 2.0)]
    told = here(path, "resume", "run", "--epochs", "3")
    assert told.code == 2
    assert f"--trust {name}" in told.err
    assert here(path, "resume", "run", "--epochs", "3", "--trust", name).code == 0
    assert counted(run)[-1] == "3 True"


def test_an_option_of_ones_own_has_settings(work):
    path, _ = work
    told = here(path, *QUICK, "callbacks=timed", "hydra.run.dir=run")
    assert told.code == 0, told.err
    assert len(counted(path / "run", "time")) == 2


def test_stacked_calls_them_in_fine_tuning_and_a_fused_sweep_runs_one_by_one(work):
    path, name = work
    told = here(path, *QUICK, f"callbacks=[{name}.Count]", "trainer=stacked", "trainer.layer_epochs=1", "hydra.run.dir=run")
    assert told.code == 0, told.err
    assert "callbacks: called in fine-tuning" in told.out + told.err
    assert len(counted(path / "run")) == 2
    told = here(path, "-m", *QUICK, f"callbacks=[{name}.Count]", "seed=0,1", "sweep.fuse=true", "sweep=two")
    assert told.code == 0, told.err
    assert "2 one by one (callbacks are called for one model at a time)" in told.out


def test_what_cannot_be_called_is_told_before_training(work):
    path, name = work
    for asked, words in {
        f"callbacks=[{name}.Nothing]": "cannot be imported",
        f"callbacks=[{name}.Plain]": "is no callback",
        f"callbacks=[{name}.Broken]": "Broken cannot be made: no such room",
        "callbacks=none_such": "no such option",
        f"callbacks=[{name}.Count,timed]": "state_key",
        f"callbacks=[{name}.Stateless]": f"{name}.Stateless raised in state_dict: ValueError: no state",
    }.items():
        told = here(path, *QUICK, asked, "hydra.run.dir=bad")
        assert (told.code, words in told.err) == (2, True), told.err


def test_one_that_raises_is_named_and_what_was_trained_goes_on(work):
    path, name = work
    told = here(path, *QUICK, f"callbacks=[{name}.Raises]", "hydra.run.dir=run")
    words = f"callbacks: {name}.Raises raised in on_train_epoch_end: ValueError: no such. What was trained is kept"
    assert (told.code, told.err.startswith(f"aerun: error: {words}"), told.err.count("\n")) == (1, True, 1), told.err
    assert words in json.loads((path / "run" / "results.json").read_text())["error"]
    assert "raised in on_exception: KeyError: 'second'" in (path / "run" / "aerun.log").read_text()
    (path / "mended").touch()
    told = here(path, "resume", "run", "--trust", name)
    assert told.code == 0, told.err
    assert len((path / "run" / "metrics.csv").read_text().splitlines()) == 3


def test_nothing_is_imported_from_the_working_folder(work):
    path, name = work
    told = outside(path / "own", "trainer=smoke", f"callbacks=[{name}.Count]", "hydra.run.dir=run")
    assert told.code == 2
    assert "No module named" in told.err


def test_callbacks_are_part_of_what_a_run_is_and_loggers_are_not():
    from aerun.runs.identity import identity
    from tests.conftest import composed

    plain = composed()
    assert identity(plain, {}) == identity(composed("logger=csv"), {})
    assert identity(plain, {}) != identity({**plain, "callbacks": {"a": {"_target_": "a.B"}}}, {})


@pytest.mark.slow
def test_each_process_of_one_model_calls_them_and_one_is_the_first(work):
    path, name = work
    told = outside(path, *QUICK, f"callbacks=[{name}.Count]", "trainer.devices=2", "hydra.run.dir=run")
    assert told.code == 0, told.err
    assert sorted(counted(path / "run")) == ["1 False", "1 True", "2 False", "2 True"]
    assert json.loads((path / "run" / "results.json").read_text())["status"] == "completed"
