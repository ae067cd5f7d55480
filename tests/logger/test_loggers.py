"""Loggers by config: what each was told is read back by its own client."""

import json
import re
import shlex
from importlib.util import find_spec

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugin_util import markdown_to_safe_html

from aerun.core.errors import AerunError
from aerun.logger.base import About, Logger
from aerun.logger.card import card, escaped
from aerun.logger.names import final, scalar, settings
from aerun.logger.several import Loggers
from aerun.pictures import reconstructions
from aerun.runs.identity import identity
from tests.conftest import built, composed
from tests.shell import here, metrics

QUICK = ("trainer=smoke", "trainer.max_epochs=2", "pictures=[reconstructions]", "evaluate=[]")


def told(work, *overrides):
    answer = here(work, *QUICK, *overrides, "hydra.run.dir=run")
    assert answer.code == 0, answer.err
    return work / "run"


# -- which ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "names"),
    [((), ["tensorboard"]), (("logger=csv",), ["csv"]),
     (("logger=[tensorboard,csv]",), ["tensorboard", "csv"]), (("logger=[]",), [])],
)  # fmt: skip
def test_several_can_be_chosen_and_tensorboard_is_the_default(asked, names):
    assert list(composed(*asked)["logger"]) == names
    assert len(built(*asked).loggers) == len(names)


def test_csv_alone_writes_no_events(tmp_path):
    run = told(tmp_path, "logger=csv")
    assert len(metrics(run)) == 2
    assert not list(run.glob("events.*"))


def test_pictures_are_drawn_while_training_only_for_those_who_take_them(tmp_path, monkeypatch):
    drawn, page = [], reconstructions.page
    monkeypatch.setattr(reconstructions, "page", lambda *args, **named: drawn.append(1) or page(*args, **named))
    for asked, count in (("csv", 0), ("tensorboard", 2)):
        drawn.clear()
        assert here(tmp_path, *QUICK, "pictures=[]", f"logger={asked}", f"hydra.run.dir={asked}").code == 0
        assert len(drawn) == count


def test_runs_of_before_there_was_a_choice_have_tensorboard():
    from aerun.build import build

    cfg = composed()
    del cfg["logger"], cfg["callbacks"]
    assert [type(one).__name__ for one in build(cfg).loggers] == ["Tensorboard"]
    assert identity(cfg, {}) == identity(composed("logger=csv"), {})


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_extra_is_named(name, monkeypatch):
    monkeypatch.setattr("aerun.logger.base.find_spec", lambda package: None)
    with pytest.raises(AerunError, match=re.escape(f"pip install 'aerun[{name}]'")):
        built(f"logger=[tensorboard,{name}]")


def test_a_folder_sends_nothing_anywhere_unless_it_is_trusted(monkeypatch):
    from aerun.build import build

    monkeypatch.setattr("aerun.logger.base.find_spec", lambda package: True)
    cfg = composed("logger=[tensorboard,mlflow]", "logger.mlflow.uri=http://elsewhere")
    plan = build(cfg, trusted=())
    assert [type(one).__name__ for one in plan.loggers] == ["Tensorboard"]
    assert any("--trust mlflow" in words for words in plan.warnings)
    assert len(build(cfg, trusted=("mlflow",)).loggers) == 2


# -- one that fails ----------------------------------------------------------------------------------------------------


class Away(Logger):
    """A server that is away: from the beginning, or from the first figures on."""

    def __init__(self, at_once):
        self.at_once = at_once

    def open(self, about, epoch, steps):
        if self.at_once:
            raise ConnectionError("no such host")

    def reopen(self, about):
        self.open(about, 0, 0)

    def metrics(self, rows):
        raise ConnectionError("gone")


def test_a_logger_that_fails_does_not_end_a_run(tmp_path, caplog):
    loggers = Loggers([Away(at_once=False)], About(tmp_path))
    loggers.open(0)
    for epoch in range(2):
        loggers.metrics([{"epoch": epoch, "step": epoch, "val/mse": 1.0}])
    assert [r.getMessage() for r in caplog.records if "gone" in r.getMessage()] == [
        "logger=test_loggers: gets nothing more of this run: gone"
    ]
    assert len(metrics(tmp_path)) == 2


def test_a_logger_that_cannot_begin_is_told_before_training(tmp_path):
    with pytest.raises(AerunError, match="cannot begin: no such host"):
        Loggers([Away(at_once=True)], About(tmp_path)).open(0)


# -- names and the card -------------------------------------------------------------------------------------------------


def test_names_stand_in_the_order_of_reading():
    tags = [final("anomaly/model/auroc").tag, scalar("val/mse").tag, scalar("train/loss").tag, scalar("val/reg/kl").tag]
    groups = [tag.partition("/")[0] for tag in [*tags, scalar("lr").tag, "Answer/anomaly AUROC"]]
    assert sorted(set(groups)) == ["Answer", "Error", "Objective", "Regularizers", "Scores", "Training"]
    assert scalar("val/mse").tag == "Error/MSE per element, val"
    assert scalar("effective_lambda/weight_l1").tag == "Regularizers/weight l1 weight"
    assert final("probe/logistic/acc_50").tag == "Scores/probe acc 50, logistic"
    assert final("size/16/pca_se").tag == "Scores/nested SE per sample of PCA, first 16 units"
    assert final("sizes/seconds").tag == "Scores/sizes time (s)"


def test_no_two_figures_and_no_two_settings_share_a_name():
    keys = [f"{s}/{k}" for s in ("train", "val") for k in built("model=vae").autoencoder.keys(True)]
    assert len({scalar(k).tag for k in keys}) == len(keys)
    found = settings(composed("model=conv", "dataset=table", "regularizer=[l1,kl]"))
    assert {"Code size", "Data", "Learning rate", "Model", "Regularization weight", "l1 weight", "epochs"} <= set(found) | {
        "epochs"
    }


@pytest.mark.parametrize(
    "text", ["<b>", "![x](http://a/b.png)", "[a](javascript:b)", "**a**", "`a`", "a | b", "\x1b[31m", "http://a"]
)
def test_text_of_others_is_shown_letter_by_letter(text):
    about = About(None, {**composed(), "notes": text}, command=f"aerun notes={text}")
    page = markdown_to_safe_html(card(about, None))
    assert not re.search(r"<(b|img|a|em)\b", page)
    assert page.count("<strong>") == 1
    assert "\x1b" not in page
    assert "://" not in escaped(text)


def test_a_long_command_is_shown_in_lines_that_a_shell_takes_as_one():
    command = shlex.join(["aerun", "-m", "sweep=a  b", "notes=it's", *(f"trainer.setting_{i}={i}" for i in range(9)), "x" * 99])
    block = card(About(None, composed(), command=command), None).partition("The command that made it\n\n")[2]
    lines = block.rstrip("\n").split("\n")
    assert len(lines) > 3
    assert max(map(len, lines)) <= 99 + 6
    assert all(line.startswith("    ") for line in lines)
    assert shlex.split(block.replace("\\\n", "")) == shlex.split(command)
    short = card(About(None, composed(), command="aerun model=vae"), None)
    assert short.endswith("made it\n\n    aerun model=vae\n")


# -- read back ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed: pip install 'aerun[mlflow]'")
@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_settings_curves_results_tags_and_pictures(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/store.db"
    run = told(tmp_path, "logger=[tensorboard,mlflow]", f"logger.mlflow.uri={uri}", "tags=[first]", "notes=wide")
    client, number = MlflowClient(uri), json.loads((run / "loggers.json").read_text())["mlflow"]
    found = client.get_run(number)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    assert found.data.params["trainer.max_epochs"] == "2"
    assert found.data.tags["tags"] == "first"
    assert "wide" in found.data.tags["mlflow.note.content"]
    history = client.get_metric_history(number, "val/mse")
    assert [(m.step, m.value) for m in history] == [(r["epoch"] + 1, pytest.approx(r["val/mse"])) for r in metrics(run)]
    results = json.loads((run / "results.json").read_text())
    assert found.data.metrics["test/se"] == pytest.approx(results["test/se"])
    assert [a.path for a in client.list_artifacts(number, "pictures")] == ["pictures/reconstructions.png"]


def _log_records(content):
    """The records of W&B's file, which is a log of LevelDB's behind seven bytes: parts of 32 KiB blocks, each with its head."""
    at, whole = 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole = (b"" if kind in (1, 2) else whole) + content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield whole


@pytest.mark.skipif(find_spec("wandb") is None, reason="W&B is not installed: pip install 'aerun[wandb]'")
@pytest.mark.filterwarnings("ignore")
def test_wandb_offline_has_settings_curves_and_results(tmp_path):
    from wandb.proto.wandb_internal_pb2 import Record

    run = told(tmp_path, "logger=wandb", "logger.wandb.mode=offline", f"logger.wandb.dir={tmp_path}", "tags=[first]")
    (path,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    records = [Record.FromString(data) for data in _log_records(path.read_bytes())]
    (about,) = [r.run for r in records if r.WhichOneof("record_type") == "run"][:1]
    assert (about.project, about.display_name, list(about.tags)) == ("aerun", "run", ["first"])
    assert "trainer" in {item.key for item in about.config.update}
    rows = [
        {(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in r.history.item} for r in records if r.history.item
    ]
    assert [row["val/mse"] for row in rows if "val/mse" in row] == pytest.approx([r["val/mse"] for r in metrics(run)])
    summary = {i.key or "/".join(i.nested_key) for r in records for i in r.summary.update}
    assert {"test/se", "verdict"} <= summary


# -- a run that goes on -------------------------------------------------------------------------------------------------


def test_a_run_whose_events_count_steps_goes_on_by_epochs(tmp_path):
    """Events of before have no suffix; all points are written anew from metrics.csv."""
    run = told(tmp_path)
    (events,) = run.glob("events.*")
    events.rename(run / "events.out.tfevents.0000000001.there.1.0")
    answer = here(tmp_path, "resume", "run", "--epochs", "3")
    assert answer.code == 0, answer.err
    (events,) = run.glob("events.*.training")
    found = EventAccumulator(str(events))
    found.Reload()
    assert [p.step for p in found.Scalars("Error/MSE per element, val")] == [1, 2, 3]
