"""The generated pages of docs/reference are those of configs and parsers; the written ones are true."""

import importlib.util
import re
import shlex
import signal
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from aerun.command import VERBS
from aerun.core.exits import MEANINGS, STOPPED, TIME_LIMIT
from aerun.core.paths import config_dir
from aerun.runs.contents import EVENTS
from aerun.settings.catalog import catalog

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(node, prefix=""):
    """Dotted keys of a YAML file that hold a setting of their own."""
    for key, value in node.items_ex(resolve=False):
        if isinstance(value, DictConfig):
            yield from leaves(value, f"{prefix}{key}.")
        elif key not in ("_target_", "name", "defaults") and "${model." not in str(value):
            yield f"{prefix}{key}"


def test_the_pages_are_not_behind(made):
    advice = "run python scripts/reference.py"
    assert (REFERENCE / "options.md").read_text(encoding="utf-8") == made.options(), advice
    assert (REFERENCE / "verbs.md").read_text(encoding="utf-8") == made.verbs(), advice
    assert (REFERENCE / "run-folder.md").read_text(encoding="utf-8") == made.run_folder(), advice
    assert (REFERENCE / "exit-codes.md").read_text(encoding="utf-8") == made.exit_codes(), advice
    assert len(made.with_tables()) > 10
    assert [p.name for p in made.with_tables() if p.read_text(encoding="utf-8") != made.filled(p)] == [], advice


@pytest.mark.parametrize("group", catalog())
def test_the_options_leave_nothing_out(made, group):
    for name in catalog()[group]:
        rows = "\n".join(made.settings(group, name))
        assert [key for key in leaves(OmegaConf.load(config_dir() / group / f"{name}.yaml")) if f"`{key}` |" not in rows] == []


@pytest.mark.parametrize("verb", VERBS)
def test_the_examples_of_verbs_are_understood_by_their_parsers(made, verb):
    section = made.verbs().partition(f"## aerun {verb}\n")[2].partition("\n## ")[0]
    (example,) = re.findall(r"^Example: `aerun (.*?)`", section, re.MULTILINE)
    word, *rest = shlex.split(example)
    assert word == verb
    _, strange = made.parser_of(verb).parse_known_intermixed_args(rest)
    assert all("=" in s for s in strange)


def test_runs_of_before_hold_nothing_else():
    for folder in (p for p in sorted((ROOT / "tests" / "data" / "runs").iterdir()) if p.is_dir()):
        assert strangers(folder) == []


def strangers(folder):
    """Return the names in a run's folder that the page does not have."""
    page = (REFERENCE / "run-folder.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w.*]+)/?` ", page, re.MULTILINE))
    return [p.name for p in folder.iterdir() if p.name not in named and not ("events.*" in named and EVENTS.match(p.name))]


def test_exit_codes_of_stopped_runs_have_a_meaning():
    """Every code that a stopped run can end with: of the signals that are caught, and of a time limit."""
    assert {TIME_LIMIT, *(128 + s for s in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))} == set(STOPPED)
    assert set(STOPPED) < set(MEANINGS)
