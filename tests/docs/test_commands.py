"""Commands that README and docs show without their output are typed, page by page, in one folder; they end well.

Trainings are cut to one epoch, without pictures, and searches to two trials. What a page shows as printed is compared in
test_pages.py, which also has all commands understood by their parsers.
"""

import re
import shlex
import shutil
import signal
from importlib.util import find_spec

import pytest

from aerun.command import VERBS
from tests import loaded, slurm
from tests.docs.pages import PAGES, blocks, files, pasted, shown, write_own_data
from tests.shell import here, metrics

TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
# page -> what types its commands instead
ELSEWHERE = {
    "docs/guides/data.md": "tests/docs/test_pages.py",
    "docs/guides/use.md": "tests/inference/test_use.py",
    "docs/guides/solve.md": "tests/solve/test_solve.py",
    "docs/hydra.md": "tests/docs/test_hydra.py",
    "docs/experiments.md": "tests/experiment/test_experiments.py",
    "docs/clusters.md": "tests/sweep/test_launchers.py",
    **{name: "tests/docs/test_families.py" for name in PAGES if name.startswith("docs/families/")},
    "docs/reference/options.md": "tests/test_pairs.py",
    "docs/reference/verbs.md": "tests/docs/test_reference.py",
}
BY_NAME = {
    "aerun resume RUN --time 20m": "tests/trainer/test_time_limit.py",
    "aerun board": "tests/pictures/test_board.py",
    "aerun experiment E18": "tests/experiment/test_experiments.py",
    "aerun experiment E41": "tests/experiment/test_experiments.py",
    "aerun resume outputs/runs/2026-11-21_06-29-00_trainer.max_epochs=4000": "below",
}
NAMES = {"FILE": "FILE.csv", "RUN1": "RUN", "RUN2": "outputs/other", "SWEEP": "outputs/sweeps/SWEEP", "GROUP": "model"}
NOTIFY = """
from pytorch_lightning import Callback


class Notify(Callback):
    \"\"\"Says nothing to anybody.\"\"\"
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with what pages name in capitals: a table FILE, images in DIR, a RUN on the table and others, a SWEEP."""
    folder = tmp_path_factory.mktemp("prepared")
    write_own_data(folder, 200)
    (folder / "own").mkdir()
    (folder / "own" / "mycallbacks.py").write_text(NOTIFY)
    table = ("dataset=table", "dataset.path=FILE.csv", "trainer.max_epochs=1", "model.latent_dim=2")
    nested = ("model.latent_dim=16", "regularizer=nested", "reg.terms.nested.sizes=[2,8]", "pictures=[]")
    for words in ([*table, "hydra.run.dir=RUN"], [*table[:3], *nested, "hydra.run.dir=NESTED"],
                  [*table, "seed=1", "hydra.run.dir=outputs/other"],
                  [*table, "-m", "sweep=SWEEP", "seed=0,1"], ["trainer.max_epochs=1", "hydra.run.dir=DIGITS"]):  # fmt: skip
        assert (told := here(folder, *words)).code == 0, told.err
    return folder


def commands(name):
    """Return what a page shows to be typed and no earlier page or other test types, in order; test_pages.py compares prints."""
    if of_own_files(name):
        return []  # in the folder of the page's own files
    earlier = [n for n in list(TEXTS)[: list(TEXTS).index(name)] if n not in ELSEWHERE and not of_own_files(n)]
    typed = {*BY_NAME, *(c for n in earlier for c in pasted(TEXTS[n]))}
    return [c for c in dict.fromkeys(pasted(TEXTS[name])) if c not in typed and re.split(r"[ =]", c)[1] != "GROUP"]


def of_own_files(name):
    """Whether a page's commands are typed in a folder with files that it says to write."""
    return bool(shown(TEXTS[name]) and files(TEXTS[name]))


def filled_in(command):
    """Return the words behind `aerun`: with names for capitals, and short where something is trained."""
    command = command.replace("init_from=RUN", "init_from=DIGITS").replace("RUN FILE --size", "NESTED FILE --size")
    words = shlex.split(command, comments=True)[1:]
    words = [re.sub(r"(?<![A-Z=_])(?<!\w)[A-Z]+\d?(?!\w)", lambda m: NAMES.get(m[0], m[0]), w) for w in words]
    words = [re.sub(r"(?<==)[A-Z]+$", lambda m: NAMES.get(m[0], m[0]), w) for w in words]
    if words[0] in (*VERBS, "help") or words[0].startswith("--"):
        return words
    words = [re.sub(r"^(seed=0,1),.*", r"\1", w.replace("range(32)", "range(2)").replace("seeds=3", "seeds=2")) for w in words]
    searched = [w for w in words if re.match(r"search\b", w)]
    pruned = [w for w in searched if re.search(r"asha|hyperband|median", w)]
    short = ["trainer.max_epochs=2", "search.prune.rungs=[0.5]"] if pruned else ["trainer.max_epochs=1"]
    if searched and pruned != ["search=asha"]:
        short.append("search.trials=2")
    elif pruned:  # a grid, of two values of each setting
        words = [re.sub(r"^([\w.]+=[^,\[]+,[^,]+),.*", r"\1", w) for w in words]
    return [*words, *short, *([] if any(w.startswith("pictures=") for w in words) else ["pictures=[]"])]


def as_a_shell_would(word, folder):
    """Return the first two folders that a pattern stands for, or the word."""
    return [str(p.relative_to(folder)) for p in sorted(folder.glob(word))[:2]] if word.endswith("*/") else [word]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in TEXTS if n not in ELSEWHERE and commands(n)])
def test_the_commands_of_a_page_end_well(name, prepared, tmp_path):
    folder = tmp_path / "work"
    shutil.copytree(prepared, folder)
    for command in commands(name):
        told = here(folder, *(w for word in filled_in(command) for w in as_a_shell_would(word, folder)))
        if "logger=wandb" in command and find_spec("wandb") is None:
            assert "pip install 'aerun[wandb]'" in told.err
        else:
            assert told.code == 0, f"{name}: {command}\n{told.err}"


def test_what_is_typed_elsewhere_is_there():
    from tests.docs.pages import ROOT

    files = {*ELSEWHERE.values(), *BY_NAME.values()} - {"below"}
    assert [f for f in files if not (ROOT / f).is_file()] == []
    assert [n for n in ELSEWHERE if n not in PAGES] == []


@pytest.mark.slow
def test_the_guide_shows_what_ctrl_c_says(tmp_path):
    """docs/guides/runs.md: a run, Ctrl-C, what is said then, and the command that goes on."""
    (block,) = (b for b in blocks(TEXTS["docs/guides/runs.md"], "") if "^C" in b)
    first, _, said, again = block.splitlines()
    shown = re.search(r"outputs/\S+", said)[0]
    process = loaded.start(tmp_path, *shlex.split(first)[2:])
    folder = interrupted(process, tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.replace(shown, str(folder.relative_to(tmp_path))) in err
    process = loaded.start(tmp_path, *shlex.split(again.replace(shown, str(folder)))[2:])
    interrupted(process, tmp_path, 1 + len(metrics(folder)))
    process.communicate(timeout=60)
    assert process.returncode == 130


def interrupted(process, place, epochs=1):
    """Press Ctrl-C once a run has so many rows; return its folder."""
    import time

    while process.poll() is None:
        found = [p for p in place.glob("outputs/runs/*/metrics.csv") if p.read_text().count("\n") > epochs]
        if found:
            process.send_signal(signal.SIGINT)
            return found[0].parent
        time.sleep(0.01)
    raise AssertionError(process.communicate()[1])


def of_clusters():
    """Return the commands of docs/clusters.md, a line that begins with `...` with a sweep in front."""
    text = TEXTS["docs/clusters.md"].replace("\n... ", "\naerun -m seed=0,1 ")
    return [c for c in pasted(text) if "hydra/launcher=ours" not in c]


@pytest.mark.parametrize("command", of_clusters())
def test_what_is_typed_on_a_cluster_is_understood(command, tmp_path, monkeypatch):
    """It is planned and not run, for want of a cluster, as that page says."""
    from aerun.settings.overrides import config_of, spelt_out
    from aerun.sweep.plan import plan_sweep

    monkeypatch.setenv("PATH", slurm.path_with(slurm.installed(tmp_path / "bin")))
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command, comments=True)[1:]
    words = words[: words.index("--cfg")] if "--cfg" in words else words
    if "-m" in words:
        assert plan_sweep(spelt_out(words), command).grid
    else:
        assert config_of(words)
