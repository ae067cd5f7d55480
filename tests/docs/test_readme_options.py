"""The README's tables of options are those of the configs."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from aerun.core.paths import config_dir
from aerun.settings.catalog import catalog

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "options.py"


def tables():
    spec = importlib.util.spec_from_file_location("options", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {part.split("=")[0].strip("*`"): part for part in module.tables().split("\n\n**")}


def leaves(node, prefix=""):
    """Dotted keys of a YAML file that hold a setting of their own."""
    for key, value in node.items_ex(resolve=False):
        if isinstance(value, DictConfig):
            yield from leaves(value, f"{prefix}{key}.")
        elif key not in ("_target_", "name", "defaults") and "${model." not in str(value):
            yield f"{prefix}{key}"


def test_the_readme_is_not_behind():
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("group", catalog())
def test_the_tables_leave_nothing_out(group):
    rows = {line.split("`")[1]: line for line in tables()[group].splitlines() if line.startswith("| `")}
    assert set(rows) == set(catalog()[group])
    for name, row in rows.items():
        node = OmegaConf.load(config_dir() / group / f"{name}.yaml")
        missing = [key for key in leaves(node) if f"`{key}=" not in row]
        assert not missing
