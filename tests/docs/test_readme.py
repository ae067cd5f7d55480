"""The README's first command works, and help needs nothing heavy."""

from pathlib import Path

import pytest

from tests.docs.test_reference import strangers
from tests.shell import here

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


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
    (folder,) = (tmp_path / "outputs" / "runs").iterdir()
    assert strangers(folder) == [], "docs/reference/run-folder.md does not have them"


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
