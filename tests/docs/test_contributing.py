"""What CONTRIBUTING.md tells a stranger to write and to type works as it stands there."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from aerun.__main__ import VERBS
from tests.shell import here, metrics, outside

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
FILES = dict(re.findall(r"^`(\S+)`:\n\n```\w+\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
COMMAND, TOGETHER = re.findall(r"^(\S+=.* aerun .*--config-dir.*)$", TEXT, re.MULTILINE)
(NAME,) = re.findall(r"^# @package reg\.terms\.(\w+)$", TEXT, re.MULTILINE)


@pytest.fixture
def written(tmp_path):
    """The files of the page, written down: the words of its command, and the folder that it gives Python."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    path, command, *args = shlex.split(COMMAND)
    assert command == "aerun"
    variable, folder = path.split("=")
    assert variable == "PYTHONPATH"
    return args, tmp_path / folder


@pytest.fixture
def typed(written, tmp_path, monkeypatch):
    """A function that types the command in this process, with other words behind; what it imports is forgotten."""
    args, folder = written
    monkeypatch.syspath_prepend(folder)
    yield lambda *more: here(tmp_path, *args, *more)
    for module in folder.rglob("*.py"):
        sys.modules.pop(module.stem, None)


@pytest.mark.slow
def test_own_regularizer_is_trained_and_logged(written, tmp_path):
    args, folder = written
    told = outside(tmp_path, *args, "hydra.run.dir=run", path=folder)
    assert told.code == 0, told.err
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    (row,) = metrics(tmp_path / "run")
    assert results["status"] == "completed"
    assert row[f"val/reg/{NAME}"] > 0
    assert row[f"val/reg_w/{NAME}"] == pytest.approx(0.1 * row[f"val/reg/{NAME}"])


def test_own_regularizer_is_refused_by_name(typed):
    told = typed("model/bottleneck=vector")
    assert told.code == 2
    said, refused = told.err.splitlines()[:2]
    assert said == "model/bottleneck is typed more than once: model/bottleneck=vector counts"
    assert refused.startswith(f"aerun: error: regularizer={NAME} needs `rate`, which model/bottleneck=vector does not give")
    assert "model/bottleneck=sigmoid" in told.err


def test_own_setting_is_refused_by_name(typed):
    told = typed(f"reg.terms.{NAME}.unit=bans")
    assert told.code == 2
    assert f"reg.terms.{NAME}.unit=bans: must be one of nats, bits" in told.err


def test_the_page_names_what_there_is():
    """Files and verbs that the page speaks of exist; a placeholder in capitals stands for any name."""
    paths = re.findall(r"`((?:aerun|configs|tests|scripts|\.ci)/[\w/.]*)`", TEXT) + re.findall(r"`(\w+\.(?:toml|md))`", TEXT)
    assert len(paths) > 10
    assert [p for p in paths if "NAME" not in p and not (ROOT / p).exists()] == []
    assert set(re.findall(r"`aerun ([a-z]+) ", TEXT)) <= {*VERBS, "help"}


def test_the_example_is_not_an_option_of_ours():
    assert not (ROOT / "configs" / "regularizer" / f"{NAME}.yaml").exists()


@pytest.fixture
def parts(written, tmp_path, monkeypatch):
    """The page's parts, importable in this process while a test lasts."""
    _, folder = written
    monkeypatch.syspath_prepend(folder)
    yield tmp_path
    for module in folder.rglob("*.py"):
        sys.modules.pop(module.stem, None)


def test_own_arch_loss_and_data_are_trained_together(parts):
    told = here(parts, *shlex.split(TOGETHER)[2:], "hydra.run.dir=run")
    assert told.code == 0, told.err
    assert "data   moons: 1,400 training, 300 validation, 300 test samples, table of 2, no bounds" in told.out
    assert "skip 2-1-32-1, vector, loss logcosh" in told.out
    trust = "--trust moons --trust skip --trust logcosh"
    assert f"next  aerun evaluate run {trust}\n" in told.out
    assert here(parts, "show", "run").err.strip().endswith("If you trust them: --trust skip --trust logcosh")
    assert here(parts, "show", "run", *trust.split()).code == 0
    assert json.loads((parts / "run" / "results.json").read_text())["status"] == "completed"


@pytest.mark.parametrize(
    ("group", "name"), [("regularizer", NAME), ("model/loss", "logcosh"), ("arch", "skip"), ("dataset", "moons")]
)
def test_own_options_are_listed_in_help(parts, group, name):
    told = here(parts, "help", group, "--config-dir", "options")
    assert f"your own\n  {name} " in told.out


def test_own_loss_has_its_closed_form(parts):
    import torch
    from logcosh import LogCosh

    x, raw = torch.tensor([[0.0, 1.0, -3.0]]), torch.tensor([[0.5, 1.0, 40.0]])
    assert LogCosh()(raw, x).item() == pytest.approx(float((raw - x).double().cosh().log().sum()), rel=1e-6)


def test_weights_are_those_of_modules_within_modules(parts):
    from skip import Skip

    arch = Skip(shape=(2,), features=1, latent_dim=1, width=3)
    assert [tuple(w.shape) for w in arch.encoder_weights()] == [(1, 2), (3, 2), (1, 3)]
    assert [tuple(w.shape) for w in arch.decoder_weights()] == [(2, 1), (3, 1), (2, 3)]


def test_an_arch_without_weights_is_refused_before_data_are_read(parts):
    place = parts / "parts" / "skip.py"
    place.write_text(
        place.read_text().replace(
            "    def start_from", "    def encoder_weights(self) -> list[Tensor]:\n        return []\n\n    def start_from"
        )
    )
    told = here(parts, *shlex.split(TOGETHER)[2:], "hydra.run.dir=run")
    assert told.code == 2
    assert "model/arch=skip: encoder_weights() returns none." in told.err
