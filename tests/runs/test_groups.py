"""Runs gathered from folders."""

from pathlib import Path

import yaml

from aerun.runs.groups import gather

TRAINER = {"max_epochs": None, "max_steps": None}


def saved(folder, epochs, **trainer):
    """A folder with the settings of a run."""
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": 0, "dataset": {"epochs": epochs}, "trainer": trainer}))
    (folder / "run.json").write_text('{"command": "aerun"}')
    return Path(folder)


def test_an_older_run_of_the_same_length_has_the_same_settings(tmp_path):
    older = saved(tmp_path / "older", 100, max_epochs=100)
    now = saved(tmp_path / "now", 100, **TRAINER)
    by_steps = saved(tmp_path / "steps", 100, max_epochs=None, max_steps=9)
    a, b, c = gather([older, now, by_steps])
    assert a.config == b.config
    assert a.config != c.config
