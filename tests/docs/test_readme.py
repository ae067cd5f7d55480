"""What the README says to type is legal, and its first command works."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aerun.__main__ import VERBS
from aerun.command.help import page
from aerun.core.errors import AerunError
from aerun.settings.overrides import spelt_out
from tests.conftest import built
from tests.shell import here

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TYPED = sorted(
    {line.strip().removeprefix("$ ") for line in README.splitlines() if line.startswith("$ aerun")}
    | {re.split(r"\s{3,}", line.strip())[0] for line in page().splitlines() if line.startswith("  aerun ")}
)
RUNS = [t for t in TYPED if [*t.split(), ""][1] not in (*VERBS, "help")]


def test_there_are_commands_to_try():
    assert len(RUNS) >= 5


@pytest.fixture(scope="module")
def own_data(tmp_path_factory):
    """A table FILE and a folder DIR of images, as commands name them."""
    folder = tmp_path_factory.mktemp("own")
    x = np.random.default_rng(0).random((40, 8, 8))
    (folder / "FILE.csv").write_text("a,b,c\n" + "\n".join(",".join(f"{v:.3f}" for v in row[0, :3]) for row in x) + "\n")
    (folder / "DIR").mkdir()
    for i, image in enumerate(x):
        Image.fromarray((255 * image).astype("uint8")).save(folder / "DIR" / f"{i}.png")
    return {"dataset.path=FILE": f"dataset.path={folder / 'FILE.csv'}", "dataset.path=DIR": f"dataset.path={folder / 'DIR'}"}


@pytest.mark.parametrize("typed", RUNS)
def test_command_composes_and_builds(typed, own_data):
    words = spelt_out([own_data.get(w, w) for w in shlex.split(typed)[1:] if w != "-m"])
    first = [re.sub(r"(?<==)([^\[,]+),.*", r"\1", w) for w in words]  # of a sweep, its first job
    answer = README[README.index(f"$ {typed}\n") + len(typed) + 3 :] if f"$ {typed}\n" in README else ""
    if answer.startswith("aerun: error: "):
        with pytest.raises(AerunError) as e:
            built(*first)
        assert answer.startswith(f"aerun: error: {e.value}")
    else:
        built(*first)


def test_the_main_job_says_what_the_readme_shows(tmp_path):
    told = here(tmp_path, "trainer.max_epochs=3")
    assert told.code == 0
    assert told.err == ""
    for words in (
        "test split",
        "SE / sample",
        "PCA, 8 components",
        "training mean",
        "than PCA of the same size",
        "tensorboard --logdir",
    ):
        assert words in told.out
        assert words in README


@pytest.mark.parametrize("light", [["--help"], ["--version"]])
def test_help_imports_nothing_heavy(light):
    import subprocess
    import sys

    code = f"import sys; from aerun.__main__ import _run; _run({light}); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "hydra", "numpy", "pytorch_lightning"} & set(out.splitlines()[-1].split())


def test_completion_answers_without_torch():
    import os
    import subprocess
    import sys

    code = (
        "import sys, atexit; sys.argv = ['aerun', '-sc', 'query=bash']; "
        "atexit.register(lambda: print('\\n', *sys.modules)); from aerun.__main__ import main; main()"
    )
    line = "aerun model/arch="
    env = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env).stdout
    assert "model/arch=conv" in out
    assert "torch" not in out.splitlines()[-1].split()
