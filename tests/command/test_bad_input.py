"""A bad command line: exit code 2, one or two lines that name what was written, and nothing left behind but the log."""

import shlex
import struct
import sys

import pytest

from tests.shell import here, outside

# What is typed, and the words that the answer must hold.
CASES = {
    "unknown key": ("model.latnet_dim=4", ["model.latnet_dim", "nearest: model.latent_dim"]),
    "unknown key of a part": ("+model.arch.widht=3", ["model.arch.widht"]),
    "unknown top key": ("+foo=3", ["foo"]),
    "unknown group": ("modle=sparse", ["modle", "nearest: model"]),
    "setting of another option": ("dataset.root=somewhere", ["dataset.root"]),
    "setting of no chosen regularizer": ("reg.terms.l1.weight=2", ["reg.terms.l1", "regularizer=l1"]),
    "unknown option": ("model=spars", ["model=spars", "nearest: sparse"]),
    "unknown option of a nested group": ("model/bottleneck=sigmoyd", ["model/bottleneck=sigmoyd", "nearest: sigmoid"]),
    "unknown option in a list": ("regularizer=[l1,klx]", ["klx"]),
    "name that ends with a dot": ("reg.=1", ["reg.=1", "no name of a setting"]),
    "name of other letters": ("évaluate=1", ["évaluate=1", "no name of a setting"]),
    "interpolation that does not close": ("'reg.lambda=${seed'", ["reg.lambda=${seed", "does not close"]),
    "list that does not close": ("model=ae 'reg.lambda=[1,'", ["reg.lambda=[1,", "do not close"]),
    "option left out": ("model=", ["model="]),
    "key left out": ("=3", ["=3"]),
    "several options, no sweep": ("model=ae,vae", ["model=ae,vae", "aerun -m model=ae,vae"]),
    "unknown verb": ("resum x", ["resum", "nearest: resume"]),
    "unknown flag": ("--multirn model=ae", ["--multirn", "nearest: --multirun"]),
    "unknown short flag": ("-z", ["-z"]),
    "no such folder of options": ("--config-dir nowhere", ["nowhere"]),
    "lambda is a word": ("model=sparse reg.lambda=abc", ["reg.lambda=abc", "number"]),
    "lambda is negative": ("model=sparse reg.lambda=-1", ["reg.lambda=-1", "at least 0"]),
    "lambda is nan": ("model=sparse reg.lambda=nan", ["reg.lambda=nan"]),
    "lambda is infinite": ("model=sparse reg.lambda=inf", ["reg.lambda=inf"]),
    "lambda without a regularizer": ("reg.lambda=1e-3", ["reg.lambda", "regularizer="]),
    "weight is negative": ("model=sparse reg.terms.l1.weight=-1", ["reg.terms.l1.weight=-1"]),
    "warmup above 1": ("model=sparse reg.terms.l1.warmup=2", ["reg.terms.l1.warmup=2"]),
    "code of no units": ("model.latent_dim=0", ["model.latent_dim=0"]),
    "code of -3 units": ("model.latent_dim=-3", ["model.latent_dim=-3"]),
    "code of 2.5 units": ("model.latent_dim=2.5", ["model.latent_dim=2.5"]),
    "code of abc units": ("model.latent_dim=abc", ["model.latent_dim=abc"]),
    "lr is negative": ("optimizer.lr=-1", ["optimizer.lr=-1", "at least 0"]),
    "lr is a word": ("optimizer.lr=abc", ["optimizer.lr=abc"]),
    "lr is nan": ("optimizer.lr=nan", ["optimizer.lr=nan"]),
    "lightning's word": ("trainer.gradient_clip_val=0.5", ["trainer.gradient_clip_val", "trainer.gradient_clip=0.5"]),
    "lightning's word, added": ("+trainer.fast_dev_run=true", ["trainer.fast_dev_run", "trainer=smoke"]),
    "word of a common config": ("lr=1e-2", ["lr:", "optimizer.lr=1e-2"]),
    "group of a common config": ("scheduler=cosine", ["scheduler:", "schedule=cosine"]),
    "torch's optimizer as an option": ("optimizer=nadam", ["optimizer=nadam", "optimizer=torch optimizer.name=NAdam"]),
    "no optimizer of torch's": ("optimizer=torch optimizer.name=Lamb", ["optimizer.name=Lamb", "NAdam"]),
    "setting of another optimizer": ("optimizer=torch optimizer.name=SGD optimizer.rho=1", ["optimizer.rho", "nesterov"]),
    "half precision": ("trainer.precision=16-mixed", ["trainer.precision=16-mixed", "bf16-mixed"]),
    "seed is negative": ("seed=-1", ["seed=-1"]),
    "no epochs": ("trainer.max_epochs=0", ["trainer.max_epochs=0"]),
    "width is no number": ("model.arch.hidden=[32,a]", ["model.arch.hidden=[32, 'a']"]),
    "width is negative": ("model.arch.hidden=[-32]", ["model.arch.hidden=[-32]"]),
    "activation misspelt": ("model.arch.activation=reul", ["model.arch.activation=reul", "nearest: relu"]),
    "reg is a word": ("reg=l1", ["reg=l1", "regularizer=l1"]),
    "arch is a word": ("model.arch=conv", ["model.arch=conv", "model/arch=NAME"]),
    "kl on a vector code": (
        "regularizer=kl",
        ["regularizer=kl", "`posterior`", "bottleneck=vector", "categorical, gaussian"],
    ),
    "rate on a vector code": ("regularizer=rate", ["regularizer=rate", "`rate`", "bottleneck=vector", "bottleneck=sigmoid"]),
    "contractive and batch norm": (
        "regularizer=contractive model.arch.norm=batch",
        ["regularizer=contractive", "norm=batch", "model.arch.norm=layer"],
    ),
    "contractive, closed, on the mlp": (
        "regularizer=contractive reg.terms.contractive.method=closed",
        ["reg.terms.contractive.method=closed", "model/arch=linear"],
    ),
    "tied and gaussian": (
        "model/bottleneck=gaussian model.arch.tied=true",
        ["model.arch.tied=true", "model.arch.tied=false"],
    ),
    "target rate of 1": ("model=sparse_kl reg.terms.rate.rho=1", ["reg.terms.rate.rho=1"]),
    "more levels than the image has": ("model=conv model.arch.hidden=[8,8,8,8]", ["model.arch.hidden", "8 x 8"]),
    "no MNIST there": ("dataset=mnist dataset.download=false dataset.root=empty", ["dataset=mnist", "dataset.root=empty"]),
    "folder below a file": ("hydra.run.dir=file/run trainer=smoke", ["file/run", "hydra.run.dir"]),
    "unknown objective": ("objective=val/foo", ["objective=val/foo", "val/mse"]),
    "unknown monitor": ("trainer.monitor=val/foo", ["trainer.monitor=val/foo", "val/loss"]),
    "resume what is no run": ("resume empty", ["empty", "config.yaml"]),
    "resume what is not there": ("resume nowhere", ["nowhere"]),
}
# The user's own data: a module and an option, outside the package.
MODULE = """
import torch
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split, split
from aerun.core.facts import Facts

class Table(Dataset):
    def __init__(self, *, width: int, fill: float, count: int) -> None:
        self.width, self.fill, self.count = width, fill, count

    def facts(self) -> Facts:
        return Facts(shape=(6,), kind="table", unit=1.0, low=None, high=None, classes=None)

    def read(self) -> Data:
        x = torch.randn(self.count, self.width)
        x[0, 0] = self.fill
        return Data(*split(Split(x, None), 0.2, 0.2))
"""
OPTION = "_target_: own_table.Table\nwidth: 6\nfill: 0.0\ncount: 60\n"
OWN = {
    "bce outside [0, 1]": ("model/loss=bce", ["model/loss=bce", "[0, 1]", "model/loss=mse"]),
    "sigmoid output outside [0, 1]": ("model.loss.activation=sigmoid", ["model.loss.activation=sigmoid", "[0, 1]"]),
    "conv on a table": ("model/arch=conv", ["model/arch=conv", "table", "model/arch=mlp"]),
    "another shape than promised": ("dataset.width=7", ["(7,)", "(6,)"]),
    "infinite data": ("dataset.fill=inf", ["training split", "infinite"]),
    "too few samples": ("dataset.count=1", ["split", "empty"]),
    "no such class": ("dataset._target_=own_table.Tabel", ["dataset", "own_table.Tabel", "'Tabel'"]),
    "no such module": ("dataset._target_=own_tabel.Table", ["dataset", "own_tabel.Table", "No module named 'own_tabel'"]),
}


@pytest.fixture
def refuse(tmp_path):
    """A function that types a bad command line and holds the answer against the rule; it returns what was told."""

    def refused(line, words):
        before = set(tmp_path.rglob("*"))
        told = here(tmp_path, *shlex.split(line))
        holds(told, words)
        assert {p.name for p in set(tmp_path.rglob("*")) - before if p.is_file()} <= {"aerun.log"}
        return told.err

    return refused


def holds(told, words):
    """The rule: exit code 2, one or two lines, ours, that hold `words`, and nothing else."""
    lines = told.err.splitlines()
    assert told.code == 2, told.err
    assert 1 <= len(lines) <= 2, told.err
    assert lines[0].startswith("aerun: error: ")
    assert "Traceback" not in told.err
    assert not told.out
    for word in words:
        assert word in told.err


@pytest.mark.parametrize(("line", "words"), CASES.values(), ids=CASES)
def test_refused(refuse, tmp_path, line, words):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    refuse(line, words)


@pytest.mark.parametrize(("line", "words"), OWN.values(), ids=OWN)
def test_refused_on_own_data(refuse, monkeypatch, tmp_path, line, words):
    (tmp_path / "own_table.py").write_text(MODULE)
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "own.yaml").write_text(OPTION)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "own_table", raising=False)
    refuse(f"--config-dir conf dataset=own model.latent_dim=2 {line}", words)


def test_a_setting_is_not_proposed_for_itself(refuse):
    """`dataset.root` is mnist's and not digits': proposing the same key again helps nobody."""
    assert "nearest: dataset.root" not in refuse("dataset.root=somewhere", ["dataset.root"])


@pytest.mark.parametrize("line", ["regularizer=[l1,klx]", "model.latnet_dim=4", "--config-name other"])
def test_no_search_paths_are_shown(refuse, line):
    """Where Hydra looked is no help to whoever misspelt a word."""
    assert "provider=" not in refuse(line, [])


def idx(path, shape, size):
    """An idx file (MNIST's format) that promises bytes of `shape` and holds `size` of them."""
    path.write_bytes(struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(size))


def mnist(root, images, labels, size):
    """torchvision's MNIST folder; each file ends after `size` bytes of what it promises."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        idx(raw / f"{part}-images-idx3-ubyte", (images, 28, 28), min(size, images * 784))
        idx(raw / f"{part}-labels-idx1-ubyte", (labels,), min(size, labels))


@pytest.mark.parametrize("download", ["true", "false"])
def test_truncated_files(refuse, tmp_path, download):
    mnist(tmp_path / "cut", 60000, 60000, 1000)
    refuse(f"dataset=mnist dataset.root=cut dataset.download={download}", ["dataset=mnist", "dataset.root=cut"])


def test_files_without_a_header(refuse, tmp_path):
    mnist(tmp_path / "cut", 3, 3, 0)
    for path in (tmp_path / "cut" / "MNIST" / "raw").iterdir():
        path.write_bytes(b"\0\0")
    refuse("dataset=mnist dataset.root=cut dataset.download=false", ["dataset=mnist", "dataset.root=cut"])


def test_images_and_labels_differ(refuse, tmp_path):
    mnist(tmp_path / "cut", 30, 20, 30 * 784)
    refuse("dataset=mnist dataset.root=cut dataset.val=5", ["dataset=mnist", "30 images", "20 labels"])


def test_more_held_out_than_there_is(refuse, tmp_path):
    mnist(tmp_path / "few", 30, 30, 30 * 784)
    refuse("dataset=mnist dataset.root=few", ["dataset.val=5000", "30"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unknown key", "kl on a vector code", "folder below a file"])
def test_refused_as_a_process(tmp_path, name):
    """The same from outside: nothing else reaches stderr, not even as the interpreter ends."""
    line, words = CASES[name]
    (tmp_path / "file").write_text("")
    holds(outside(tmp_path, *shlex.split(line)), words)
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} <= {"aerun.log", "file"}


def test_weights_that_do_not_fit_are_refused_before_they_are_drawn(tmp_path, monkeypatch):
    """Where memory is promised beyond what there is, the system would end the process without a word."""
    monkeypatch.setattr("aerun.build.maker.available_memory", lambda: 1 << 20)
    told = here(tmp_path, "model=vae", "model.bottleneck.posterior=full", "model.latent_dim=200")
    assert (told.code, "model.arch: its weights do not fit into memory." in told.err) == (2, True)
