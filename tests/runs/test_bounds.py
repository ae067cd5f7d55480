"""Every file of a stranger's folder made as large, as deep or as crowded as its format allows: memory is bounded, in words."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.bombs import BOMBS, change
from tests.forked import forked
from tests.shell import here

RUNS = Path(__file__).parents[1] / "data" / "runs"
MEGABYTES = 200  # above what the sound run takes
X = np.random.default_rng(0).uniform(0, 16, (6, 1, 8, 8)).astype(np.float32)

ENTRIES = {
    "score": ("score", "run", "x.npy", "--output", "out.csv"),
    "generate": ("generate", "run", "--count", "2", "--sampler", "gaussian", "--output", "out.npy"),
    "decompress": ("decompress", "run", "packed", "--output", "out.npy"),
    "show": ("show", "run"),
    "compare": ("compare", "run", "other"),
    "report": ("report", "run"),
    "evaluate": ("evaluate", "run", "--ask", "reconstruction", "--pictures", "curves"),
    "resume": ("resume", "run", "--epochs", "3"),
}


def filled(place, recipe="ae"):
    """A folder with a run, another one to compare it with, samples, and samples that it compressed."""
    shutil.copytree(RUNS / recipe, place / "run")
    shutil.copytree(RUNS / recipe, place / "other")
    change(place / "other" / "config.yaml", lambda c: c["optimizer"].update(lr=0.5))
    change(place / "other" / "run.json", lambda about: about.update(command="aerun optimizer.lr=0.5"))
    np.save(place / "x.npy", X)
    return place


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A folder with a sound run in `kept`, and what an entry takes of it, megabytes: asked once, the second time round."""
    place = filled(tmp_path_factory.mktemp("plain"))
    assert here(place, "compress", "run", "x.npy", "--output", "packed").code == 0
    shutil.copy(place / "packed", place / "sound")
    shutil.copytree(place / "run", place / "kept")

    @cache
    def taken(entry):
        here(place, *ENTRIES[entry])  # what libraries load for the first time is no part of it
        renewed(place)
        child = forked(lambda: here(place, *ENTRIES[entry]))
        assert child.told.code == 0, child
        return child.megabytes

    return place, taken


def renewed(place):
    shutil.rmtree(place / "run")
    shutil.copytree(place / "kept", place / "run")
    shutil.copy(place / "sound", place / "packed")


READERS = {
    "config.yaml": ("score", "resume", "compare"),
    "run.json": ("show", "compare", "resume"),
    "facts.json": ("score", "evaluate"),
    "results.json": ("show", "report", "resume"),
    "scores.json": ("score",),
    "evaluation.json": ("evaluate",),
    "metrics.csv": ("evaluate", "report", "resume"),
    "test_errors.npy": ("compare", "report"),
    "codes.npz": ("generate",),
    "checkpoints/best.ckpt": ("score", "resume"),
    "checkpoints/last.ckpt": ("resume",),
    "../packed": ("decompress",),
}
QUICK = ("aliases", "many layers", "nested", "many columns", "promises", "huge", "weights", "a memo", "a deep head", "tables")
CASES = [
    pytest.param(file, name, entry, marks=[] if name in QUICK and not n else pytest.mark.slow)
    for file, bombs in BOMBS.items()
    for name in bombs
    for n, entry in enumerate(READERS.get(file, ("report", "resume")))
]


@pytest.mark.parametrize(("file", "name", "entry"), CASES)
def test_memory_is_bounded(plain, file, name, entry):
    place, taken = plain
    most = taken(entry) + MEGABYTES
    renewed(place)
    (place / "run" / file).parent.mkdir(exist_ok=True)
    BOMBS[file][name](place / "run" / file)
    child = forked(lambda: here(place, *ENTRIES[entry]))
    assert child.told.code in (0, 2), child.told
    if child.told.code:
        assert child.told.err.startswith("aerun: error: ")
        assert len(child.told.err.splitlines()) <= 2
    assert child.megabytes < most
