"""What TAB offers, and that three shells take it."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from aerun.command import VERBS
from aerun.command.complete import SHELLS, answer, flags
from aerun.settings.catalog import ORDER, catalog
from tests.shell import here

OFFERED = {
    "aerun enc": ["encode"],
    "aerun model/arch=": [f"model/arch={name}" for name in catalog()["model/arch"]],
    "aerun model=ae,topk,sparse_": ["model=ae,topk,sparse_kl"],
    "aerun regularizer=[l1,ort": ["regularizer=[l1,orthogonal"],
    "aerun 'regularizer=[ort": ["regularizer=[orthogonal"],
    "aerun ++trainer.max": ["++trainer.max_epochs=", "++trainer.max_steps=", "++trainer.max_time="],
    "aerun train trainer.prog": ["trainer.progress="],
    "aerun trainer.progress=": ["trainer.progress=false", "trainer.progress=true"],
    "aerun trainer.precision=": ["trainer.precision=32-true", "trainer.precision=64-true", "trainer.precision=bf16-mixed"],
    "aerun trainer=stacked trainer.layer": ["trainer.layer_epochs="],
    "aerun trainer.layer": [],
    "aerun model=stacked trainer.layer": ["trainer.layer_epochs="],
    "aerun model=sparse reg.terms.": ["reg.terms.l1."],
    "aerun data dataset=table dataset.delim": ["dataset.delimiter="],
    "AERUN_DATA=x aerun  model=topk  seed=1 optim": ["optimizer.", "optimizer="],
    "aerun hydra/launcher=jo": ["hydra/launcher=joblib"],
    "aerun -m --cfg ": ["job", "hydra", "all"],
    "aerun --mul": ["--multirun"],
    "aerun export run --ch": ["--check"],
    "aerun encode run ": [],
    "aerun dataset=table dataset.path=": [],
    "aerun resume --epochs ": [],
    "aerun experiment E0": ["E01", "E02", "E03", "E04", "E05", "E06", "E07", "E08A", "E08B", "E09"],
}


@pytest.mark.parametrize(("line", "words"), OFFERED.items(), ids=OFFERED)
def test_what_is_offered(line, words):
    assert answer(line) == words


def test_the_first_word_is_a_verb_or_a_setting():
    assert {*VERBS, "train", "help"} == set(answer("aerun "))
    assert {"model=", "model.", "model/arch="} <= set(answer("aerun m"))
    assert {f"{group}=" for group in ORDER} <= set(answer("aerun seed=1 "))


@pytest.mark.parametrize("verb", VERBS)
def test_flags_are_those_of_the_help_page(tmp_path, verb):
    """The text of a verb's module is read, which is fast; its own parser says whether that is right."""
    shown = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", here(tmp_path, verb, "--help").out.partition("options:")[2]))
    assert set(flags(verb)) <= shown
    assert answer(f"aerun {verb} --") == flags(verb)
    usage = here(tmp_path, verb, "--help").out.partition("\n\n")[0]
    assert set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", usage)) <= set(flags(verb))


@pytest.fixture
def place(tmp_path, monkeypatch):
    for run in ("outputs/runs/2026_model=ae", "outputs/runs/2026_b", "outputs/sweeps/mine/seed=0", "other/r1", "other/a b"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "config.yaml").touch()
    (tmp_path / "other" / "r\x1b[31m").mkdir()
    (tmp_path / "options" / "dataset").mkdir(parents=True)
    (tmp_path / "options" / "dataset" / "own.yaml").write_text("_target_: own.Own\nwidth: 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_runs_and_sweeps_are_offered_as_folders(place):
    runs = ["outputs/runs/2026_b", "outputs/runs/2026_model=ae"]
    for verb in ("resume", "rerun", "runs", "clean"):
        assert answer(f"aerun {verb} ") == [*runs, "outputs/sweeps/mine/"]
    assert answer(f"aerun rerun {runs[0]} ") == []
    assert answer("aerun encode outputs/runs/2026_m") == runs[1:]
    assert answer(f"aerun compare {runs[0]} outputs/sweeps/mine/") == ["outputs/sweeps/mine/seed=0"]
    assert answer("aerun show oth") == ["other/"]
    assert answer("aerun show other/") == ["other/a b", "other/r1"]  # and nothing that would act on the terminal
    assert answer("aerun show other/", bash=True) == ["other/r1"]
    assert answer("aerun model.init_from=outputs/runs/2026_m") == [f"model.init_from={runs[1]}"]
    assert answer("aerun resume nowhere/") == []


def test_a_folder_of_ones_own_is_offered_too(place):
    for flag in ("--config-dir options", "--config-dir=options"):
        assert answer(f"aerun {flag} dataset=ow") == ["dataset=own"]
        assert answer(f"aerun {flag} dataset=own dataset.w") == ["dataset.width="]
    assert answer("aerun --config-dir nowhere dataset=ow") == []


def test_no_library_that_takes_long_is_imported(tmp_path):
    code = "import sys; from aerun.__main__ import _run; _run(['-sc', 'query=zsh']); print(*sys.modules)"
    env = {**os.environ, "COMP_LINE": "aerun model=topk model.bottleneck."}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True).stdout.splitlines()
    assert "model.bottleneck.k=" in out
    assert not {"torch", "hydra", "omegaconf", "numpy", "pytorch_lightning"} & set(out[-1].split())


@pytest.mark.parametrize("flags", [("-sc", "install=nu"), ("-sc",), ("--shell-completion", "on=bash")])
def test_other_shells_are_refused_in_words(tmp_path, flags):
    told = here(tmp_path, *flags)
    assert told.code == 2
    assert "bash, zsh, fish" in told.err


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_read_the_scripts(tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = here(tmp_path, "-sc", f"install={shell}").out + here(tmp_path, "--shell-completion", f"uninstall={shell}").out
    checked = subprocess.run([shell, "-n", "-c", script], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def a_command(folder):
    """An `aerun` that is found on the path."""
    (folder / "bin").mkdir()
    (folder / "bin" / "aerun").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aerun "$@"\n')
    (folder / "bin" / "aerun").chmod(0o755)
    return {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("aerun model/arch=co", ["nv "]),
        ("aerun trainer.prog", ["trainer.progress="]),
        ("aerun regularizer=[l1,ort", ["[l1,orthogonal"]),
        ("aerun show other/", ["other/r1 "]),
    ],
)
def test_bash_gets_what_stands_behind_its_word_breaks(place, line, words):
    script = 'eval "$(aerun -sc install=bash)"; COMP_WORDBREAKS=$" =:"; COMP_LINE=$1; COMP_POINT=${#1}; _aerun aerun; '
    script += 'printf "%s|" "${COMPREPLY[@]}"'
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    told = subprocess.run(["bash", "-c", script, "-", line], capture_output=True, text=True, env=a_command(place), check=True)
    assert [w for w in told.stdout.split("|") if w] == [w if w != "nv " else "conv " for w in words]


def test_fish_gets_whole_words(place):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = "aerun -sc install=fish | source; complete -C $argv[1]; complete -C 'aerun dataset.path=oth'"
    told = subprocess.run(["fish", "-c", script, "aerun model=sparse_"], capture_output=True, text=True, env=a_command(place))
    assert told.stdout.split() == ["model=sparse_kl", "dataset.path=other/"], told.stderr
