"""A stranger's folder through every way in: nothing of it runs, nothing outside is read or changed, and memory is bounded."""

import json
import os
import resource
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import aerun
from aerun.command import board
from aerun.core.errors import AerunError
from aerun.inference.loading import trained
from aerun.runs.files import folders
from tests.shell import Told, here

OLD = Path(__file__).parents[1] / "data" / "runs" / "ae"
X = np.random.default_rng(0).uniform(0, 16, (6, 1, 8, 8)).astype(np.float32)


def python(action):
    """A way in from Python, its answer as of a command."""

    def enter(place):
        try:
            action(place / "run")
        except (AerunError, ValueError) as e:
            return Told(2, "", f"aerun: error: {e}\n")
        return Told(0, "", "")

    return enter


def typed(*words):
    """A command typed beside the folder `run`."""
    return lambda place: here(place, *words)


def fitted(run):
    """Fit into the folder of an estimator's own earlier run; any other is refused at once."""
    from aerun.sklearn import Autoencoder

    about = run / "run.json"
    if about.is_file() and not about.is_symlink() and about.stat().st_nlink == 1 and about.stat().st_size < 10_000:
        about.write_text(json.dumps({**json.loads(about.read_text()), "command": "aerun.sklearn"}))
    Autoencoder(max_epochs=1, latent_dim=2, overrides=["model.arch.hidden=[4]"], folder=run).fit(X.reshape(6, -1))


def board_of(run):
    board.runs(run)


ENTRIES = {
    "load": python(lambda run: aerun.load(run).encode(X)),
    "encode": typed("encode", "run", "x.npy", "--output", "z.npy"),
    "score": typed("score", "run", "x.npy", "--output", "s.csv"),
    "generate": typed("generate", "run", "--count", "2", "--sampler", "gaussian", "--output", "g.npy"),
    "mixture": typed("generate", "run", "--count", "2", "--sampler", "mixture", "--output", "g.npy"),
    "export": typed("export", "run", "--output", "m.safetensors"),
    "show": typed("show", "run"),
    "evaluate": typed("evaluate", "run", "--ask", "reconstruction"),
    "pictures": typed("evaluate", "run", "--pictures", "curves"),
    "experiment": python(lambda run: trained(run)[0]),
    "resume": typed("resume", "run", "--epochs", "3"),
    "report": typed("report", "run"),
    "compare": typed("compare", "run"),
    "board": python(board_of),
    "warm start": typed("model.init_from=run", "model.arch.hidden=[8]", "trainer=smoke", "pictures=[]", "hydra.run.dir=new"),
    "scikit-learn": python(fitted),
}
HEAVY = ("mixture", "warm start", "scikit-learn", "pictures", "resume")  # which train or draw: tried on fewer files
BUILD = ("load", "encode", "evaluate", "experiment", "resume", "mixture")  # objects from config.yaml
READ = tuple(k for k in ENTRIES if k not in ("board", "scikit-learn"))  # config.yaml
WEIGHTS = tuple(k for k in READ if k not in ("report", "compare"))
SLOW = [pytest.param(k, marks=pytest.mark.slow) if k == "mixture" else k for k in ENTRIES]
every = pytest.mark.parametrize("entry", SLOW)


@pytest.fixture
def place(tmp_path):
    """A folder to work in, with a copy of a run, samples, and what is not to be touched, in `outside`."""
    copy(tmp_path)
    np.save(tmp_path / "x.npy", X)
    shutil.copytree(OLD, tmp_path / "outside")
    (tmp_path / "outside" / "pictures").mkdir()
    return tmp_path


def copy(place):
    shutil.rmtree(place / "run", ignore_errors=True)
    shutil.copytree(OLD, place / "run")
    (place / "run" / "events.out.tfevents.0000000001.there.1.0").write_bytes(b"")


def state_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def well_behaved(told):
    """It works, or says in one or two lines why not."""
    assert told.code in (0, 2), told
    assert "Traceback" not in told.err
    if told.code:
        assert told.err.startswith("aerun: error: ")
        assert len(told.err.splitlines()) <= 2, told.err
    return told


def change(path, action):
    read, write = (json.loads, json.dumps) if path.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
    found = read(path.read_text())
    action(found)
    path.write_text(write(found))


# -- places ----------------------------------------------------------------------------------------------------------

NAMES = sorted(str(p.relative_to(OLD)) for p in OLD.rglob("*"))
WRITTEN = ["pictures", "pictures/curves.png", "evaluation.json", "report.html", "samples.npy"]


def plant(place, name, kind):
    """`name` of the run, which is then not the run's own."""
    path, target = place / "run" / name, place / "outside" / name
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        target.write_text("precious")
    if kind == "link" or target.is_dir():
        path.symlink_to(target)
    elif kind == "hard link":
        path.hardlink_to(target)
    else:
        os.mkfifo(path)


KINDS = ("link", "hard link", "pipe")


def kind_of(number, entry):
    """What the quick test plants for this way in at the place of this number."""
    return KINDS[(number + list(ENTRIES).index(entry)) % 3]


def is_tried(number, entry):
    """Does the quick test try this way in at this place?"""
    return entry not in HEAVY or not number % 8


@every
def test_nothing_outside_is_touched(place, entry):
    """Every file and folder in turn is a link, a hard link or a pipe."""
    for number, name in enumerate([*NAMES, *WRITTEN]):
        if not is_tried(number, entry):
            continue
        copy(place)
        kind = kind_of(number, entry)
        plant(place, name, kind)
        before = state_of(place / "outside")
        told = well_behaved(ENTRIES[entry](place))
        assert state_of(place / "outside") == before, (name, kind)
        if told.code:
            assert name.split("/")[0] in told.err or "holds another run" in told.err, (name, kind, told)
        shutil.rmtree(place / "new", ignore_errors=True)


OTHERS = [
    (entry, kind, name)
    for number, name in enumerate([*NAMES, *WRITTEN])
    for kind in KINDS
    for entry in ENTRIES
    if not (is_tried(number, entry) and kind == kind_of(number, entry))
]


@pytest.mark.slow
@pytest.mark.parametrize(("entry", "kind", "name"), OTHERS)
def test_nothing_outside_is_touched_by_any_other_kind(place, entry, kind, name):
    plant(place, name, kind)
    before = state_of(place / "outside")
    well_behaved(ENTRIES[entry](place))
    assert state_of(place / "outside") == before


@pytest.mark.parametrize("entry", WEIGHTS)
def test_weights_behind_a_link_are_not_read(place, entry):
    for name in ("best", "last"):
        plant(place, f"checkpoints/{name}.ckpt", "link")
    told = well_behaved(ENTRIES[entry](place))
    assert told.code == 2
    assert "leads outside of the run's folder" in told.err


def test_runs_behind_links_are_not_gathered(place):
    (place / "runs").mkdir()
    (place / "runs" / "a").symlink_to(place / "outside")
    told = here(place, "compare", "runs")
    assert told.code == 2
    assert "holds no runs" in told.err
    assert [p for p, _ in folders(place / "runs")] == [place / "runs"]


def test_a_projector_shows_no_other_files(place):
    (place / "run" / "projector_config.pbtxt").write_text('embeddings { tensor_path: "/etc/passwd" }')
    assert "is not as aerun writes it" in well_behaved(ENTRIES["board"](place)).err


# -- classes ---------------------------------------------------------------------------------------------------------

GROUPS = {
    "dataset": ("dataset",),
    "trainer": ("trainer",),
    "optimizer": ("optimizer",),
    "schedule": ("schedule",),
    "arch": ("model", "arch"),
    "loss": ("model", "loss"),
    "term": ("reg", "terms", "own"),
}
FOREIGN = [
    {"_target_": "os.system", "command": "touch pwned"},
    {"_target_": "subprocess.Popen", "args": "touch pwned", "shell": True},
    {"_target_": "aerun.runs.folder.Folder", "path": "pwned"},
    {"_target_": "aerun.trainer.launcher._Helper", "order": {"rank": 1, "number": 2, "meeting": "pwned/ranks"}},
    {"_target_": "torch.optim.lr_scheduler.LambdaLR"},
    {"_target_": "torch.optim.adam.F.torch.os.system"},
]


@pytest.mark.parametrize("entry", [k for k in SLOW if k in BUILD or not isinstance(k, str)])
def test_only_options_are_built(place, entry):
    for number, (group, keys) in enumerate(GROUPS.items()):
        copy(place)
        *above, last = keys

        def put(config, above=above, last=last, number=number):
            for key in above:
                config = config.setdefault(key, {})
            config[last] = FOREIGN[number % len(FOREIGN)]

        change(place / "run" / "config.yaml", put)
        told = well_behaved(ENTRIES[entry](place))
        assert not (place / "pwned").exists()
        if entry == "resume" or group in ("arch", "loss", "term") or (group == "dataset" and entry not in ("load", "encode")):
            assert told.code == 2, (group, told)
            assert "not an option of" in told.err or group == "trainer"  # whose settings are asked for first


def test_an_optimizer_of_torch_is_built_and_nothing_else_of_it(place):
    def put(target):
        change(place / "run" / "config.yaml", lambda c: c["optimizer"].update({"_target_": target}))

    put("torch.optim.NAdam")
    change(place / "run" / "config.yaml", lambda c: c.update({"optimizer": {"_target_": "torch.optim.NAdam", "lr": 1e-3}}))
    shutil.rmtree(place / "run" / "checkpoints")
    assert ENTRIES["resume"](place).code == 0
    put("torch.optim.swa_utils.AveragedModel")
    assert "is not a class of" in well_behaved(here(place, "resume", "run", "--epochs", "4")).err


# -- pickles ---------------------------------------------------------------------------------------------------------


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("entry", WEIGHTS)
def test_pickles_are_not_obeyed(place, entry):
    for name in ("best", "last"):
        torch.save({"state_dict": {}, "more": Payload(place / "pwned")}, place / "run" / "checkpoints" / f"{name}.ckpt")
    told = well_behaved(ENTRIES[entry](place))
    assert told.code == 2
    assert "not read: it must be plain weights" in told.err
    assert not (place / "pwned").exists()


# -- sizes -----------------------------------------------------------------------------------------------------------

LIMIT = 300 << 20  # bytes


def laughs():
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    return "\n".join([*lines, *(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))])


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def bombs(run):
    """Name of a file -> what makes it grow."""
    return {
        "config.yaml": [laughs(), "a: " + "[" * 100_000, "a: [" + "1," * 400_000 + "1]", "a: " + "x" * (2 << 20)],
        "run.json": ["[" * 10**6, '{"a": [' + "1," * 2_000_000 + "1]}", '{"a": ' * 500 + "1" + "}" * 500],
        "facts.json": ['{"facts": {"shape": [1, 8, 99999999999]}, "preparation": {"kind": "unchanged"}}', "[" * 10**6],
        "results.json": ['{"objective": ' + "1" * 100_000 + "}", " " * (20 << 20)],
        "metrics.csv": ["epoch,step\n" + "1," * (1 << 20), "epoch,step\n0\n", "epoch,step\nx,y\n"],
        "scores.json": ["[" * 10**6, '{"quantiles": [' + "1," * 2_000_000 + '1], "samples": 1}'],
    }


@pytest.mark.parametrize("entry", [pytest.param(k, marks=pytest.mark.slow) if k in HEAVY[:4] else k for k in ENTRIES])
def test_memory_is_bounded(place, entry):
    ENTRIES[entry](place)
    shutil.rmtree(place / "new", ignore_errors=True)
    most = memory() + LIMIT
    for name, contents in bombs(place / "run").items():
        for content in contents[: 1 if entry in HEAVY else None]:
            copy(place)
            (place / "run" / name).write_text(content)
            told = well_behaved(ENTRIES[entry](place))
            shutil.rmtree(place / "new", ignore_errors=True)
            if name == "config.yaml" and entry in READ and entry != "warm start":
                assert told.code == 2, content[:40]
                assert "config.yaml" in told.err
    assert memory() < most


@pytest.mark.parametrize("size", [10**7, 10**18])
@pytest.mark.parametrize("begun", [True, False])
def test_a_run_that_goes_on_is_no_larger_than_it_was(place, size, begun):
    change(place / "run" / "config.yaml", lambda c: c["model"]["arch"].update({"hidden": [size, size]}))
    if not begun:
        shutil.rmtree(place / "run" / "checkpoints")
    most = memory() + LIMIT
    told = well_behaved(ENTRIES["resume"](place))
    assert told.code == 2
    assert "bytes" in told.err
    assert memory() < most


def archive(path, change):
    """The archive with `change` made to its members, a dictionary."""
    with zipfile.ZipFile(path) as packed:
        members = {n: packed.read(n) for n in packed.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)


def storages_are_short(members):
    name = next(n for n in members if n.endswith("/data/0"))
    members[name] = members[name][:-4]


def pickle_is(content):
    def put(members):
        members[next(n for n in members if n.endswith("/data.pkl"))] = content

    return put


def many_members(members):
    members.update({f"x/{i}": b"" for i in range(110_000)})


PICKLES = {
    "a memo beyond all bounds": b"\x80\x02}r\xff\xff\xff\xff.",
    "lists in themselves": b"\x80\x02]q\x00h\x00a.",
    "a buffer": b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "a word longer than the file": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "nothing": b"",
    "an expanded tensor": b"\x80\x02}X\x0a\x00\x00\x00state_dict}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n("
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ\x01\x00\x00\x00tQ"
    b"K\x00J\xff\xff\xff\x7f\x85K\x00\x85\x89}tRss.",
}


LISTS = pickle_is(b"\x80\x02" + b"]" * 1_000_000 + b".")
LARGE = [pytest.param(large, marks=pytest.mark.slow) for large in (many_members, LISTS)]


@pytest.mark.parametrize("change_", [storages_are_short, *LARGE, *map(pickle_is, PICKLES.values())])
def test_archives_are_bounded(place, change_):
    most = memory() + LIMIT
    archive(place / "run" / "checkpoints" / "best.ckpt", change_)
    told = well_behaved(ENTRIES["load"](place))
    assert told.code == 2
    assert "not read" in told.err
    assert memory() < most


def test_a_changed_number_is_noticed(place):
    """The archive's own sums hold for what is read."""
    path = place / "run" / "checkpoints" / "best.ckpt"
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as packed:
        part = next(p for p in packed.infolist() if p.filename.endswith("/data/1"))
    content[part.header_offset + 200] ^= 1
    path.write_bytes(content)
    assert well_behaved(ENTRIES["load"](place)).code == 2


# -- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", READ)
def test_a_later_format_is_told(place, entry):
    change(place / "run" / "run.json", lambda about: about.update(format=2))
    told = well_behaved(ENTRIES[entry](place))
    assert told.code == 2
    assert "its format is 2" in told.err
    assert "Update" in told.err


def test_old_names_are_mapped(place, monkeypatch):
    from aerun.runs import folder

    change(place / "run" / "config.yaml", lambda c: c["model"]["loss"].update({"_target_": "aerun.loss.Old"}))
    assert "not an option of model/loss" in well_behaved(ENTRIES["load"](place)).err
    monkeypatch.setitem(folder.RENAMED, "aerun.loss.Old", "aerun.model.loss.mse.Mse")
    assert ENTRIES["load"](place).code == 0
