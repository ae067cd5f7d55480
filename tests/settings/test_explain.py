"""Mistakes of Hydra users: one or two lines that say what would work, exit code 2, and nothing is run."""

import pytest

from tests.shell import here

FILES = {
    "bad": "a: [1\n",
    "twice": "# @package _global_\nseed: 1\nseed: 2\n",
    "gone": "defaults:\n  - override /model: sparse\n",
    "noover": "# @package _global_\ndefaults:\n  - model: sparse\n",
    "list": "- 1\n",
    "narrow": "# @package _global_\nseed: 1\n",
}


@pytest.fixture
def typed(tmp_path):
    """Types a command where there are presets of the user's own, some of them broken."""
    place = tmp_path / "own" / "experiment"
    place.mkdir(parents=True)
    for name, text in FILES.items():
        (place / f"{name}.yaml").write_text(text)
    (place / "bytes.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "own" / "other.yaml").write_text("a: 1\n")
    return lambda *words: here(tmp_path, *words)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("--config-dir own experiment=bad", "bad.yaml, line 2: this is not YAML"),
        ("-m --config-dir own experiment=narrow,bad", "bad.yaml, line 2: this is not YAML"),
        ("--config-dir own experiment=twice", "twice.yaml, line 3: this is not YAML: found duplicate key seed"),
        ("--config-dir own experiment=bytes", "bytes.yaml: this is not UTF-8 (byte 0)"),
        ("--config-dir own experiment=gone", "begins with the line `# @package _global_`"),
        ("--config-dir own experiment=noover", "`override /GROUP: NAME`"),
        ("--config-dir own experiment=list", "experiment: a preset begins with the line `# @package _global_`"),
        ("--config-dir own +experiment=narrow", "experiment=narrow takes another"),
        ("--config-dir own --config-name nothere", "nothere: no such config. --config-name takes a file"),
        ("--config-dir own --config-name other", "one of your own begins with `defaults: [config, _self_]`"),
        (
            "--config-dir own --config-name other seed=1 trainer=smoke",
            "one of your own begins with `defaults: [config, _self_]`",
        ),
        ("+model=ae", "model=NAME takes another"),
        ("++model=ae", "model=ae takes another"),
        ("model=AE", "(nearest: ae)"),
        ("SEED=3", "SEED: no such setting or group (nearest: seed)"),
        ("~search", "~search: leave it out"),
        ("seed=${nothere}", "Interpolation key 'nothere' not found"),
        ("optimizer.lr=${eval:1} hydra.run.dir=r", "optimizer.lr: Unsupported interpolation type eval"),
        ("seed=${oc.env:NO_SUCH_VARIABLE} hydra.run.dir=r", "seed: "),
        ("trainer.accelerator=cuda hydra.run.dir=r", "aerun calls it gpu, as in trainer.accelerator=gpu"),
        ("trainer.limit_train_batches=0.5", "trainer.limit_batches, a number of batches, as in trainer.limit_batches=VALUE"),
        ("hydra/job_logging=colorlog", "hydra/job_logging=colorlog: no such option of Hydra's"),
        ("--package model", "--package: belongs to --cfg"),
        ("--experimental-rerun x", "aerun resume RUN goes on"),
        ("-m +hydra.sweeper.params.seed='1,2'", "on the command line type the values: -m seed=0,1"),
        ("-m tags=[a],[b]", "one value for the whole sweep"),
        ("-m regularizer=[[l1,l2],[l1]]", "as in -m regularizer=[A,B],[C]"),
    ],
)
def test_mistakes_are_told_in_words(typed, tmp_path, command, words):
    told = typed(*command.split())
    assert told.code == 2, told.out
    assert words in told.err
    assert told.err.count("\n") <= 2
    assert "Traceback" not in told.err + told.out
    assert not list(tmp_path.rglob("results.json"))


def test_numbers_of_the_environment_are_text(typed, monkeypatch):
    monkeypatch.setenv("SEED", "4")
    told = typed("seed=${oc.env:SEED}", "hydra.run.dir=r")
    assert "must be an integer of at least 0. This one is text: ${oc.decode:${oc.env:NAME}} reads a number." in told.err
    assert "'4'" not in typed("--cfg", "job", "--resolve", "--package", "seed", "seed=${oc.decode:${oc.env:SEED,5}}").out


def test_the_last_of_two_values_counts_and_is_told(typed):
    told = typed("--cfg", "job", "--package", "seed", "seed=1", "seed=2")
    assert told.err == "seed is typed more than once: seed=2 counts\n"
    assert told.out.strip().endswith("2")
    assert typed("--cfg", "job", "--package", "seed", "seed=2", "seed=2").err == ""
