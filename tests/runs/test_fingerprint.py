"""A run knows its data: what changes a sample changes the fingerprint, and what does not change one does not."""

import json

import numpy as np
import pytest
import torch

import aerun
from aerun.core.errors import AerunError
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage import fingerprint as room
from aerun.dataset.storage.fingerprint import fingerprint
from aerun.dataset.storage.mapped import mapped
from aerun.runs.fingerprint import change, label, words
from tests.shell import here

QUICK = ["trainer=smoke", "trainer.progress=false", "pictures=[]", "model.latent_dim=2", "model.arch.hidden=[4]"]


def data(x, y=None):
    return Data(Split(x, y), Split(x[:3], None), Split(x[:2], None))


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.bool, torch.bfloat16, torch.int64])
def test_every_cell_and_label_counts(dtype):
    x, y = torch.arange(24).reshape(8, 3).to(dtype), torch.arange(8)
    before = fingerprint(data(x, y))
    assert before == fingerprint(data(x.clone(), y.clone()))
    assert before["rows"] == {"train": 8, "val": 3, "test": 2}
    assert before["columns"] == 3
    other = x.clone()
    other[7, 2] = 0
    for changed in (data(other, y), data(x, y.flip(0)), data(x), data(x.flip(0), y), data(x.reshape(8, 3, 1), y)):
        assert change(before, fingerprint(changed))
    assert not change({}, before)
    assert label(before) != label(fingerprint(data(other, y)))
    assert "8 + 3 + 2 rows of 3" in words(json.loads(json.dumps(before)))


def test_of_large_data_rows_from_first_to_last_count(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "_BYTES", 60)
    monkeypatch.setattr(room, "_PIECE", 12)
    x = torch.arange(300, dtype=torch.uint8).reshape(100, 3)
    before = fingerprint(data(x))
    for row, counts in ((0, True), (99, True), (1, False)):
        other = x.clone()
        other[row] += 1
        assert (fingerprint(data(other))["hash"]["train"] != before["hash"]["train"]) == counts
    (tmp_path / "x").write_bytes(x.numpy().tobytes())
    (on_disk,) = mapped(tmp_path / "x", (3,), (100,))
    assert fingerprint(Data(Split(on_disk, None), *[Split(x[:n], None) for n in (3, 2)])) == before


@pytest.fixture
def table(tmp_path):
    def write(seed, rows=60):
        x = np.random.default_rng(seed).normal(size=(rows, 3))
        np.savetxt(tmp_path / "d.csv", x, delimiter=",", header="a,b,c", comments="", fmt="%.3f")

    return write


def test_changed_data_are_never_mixed_with_old(table, tmp_path):
    """A sweep trains anew, `resume` refuses, `compare` does not rank."""
    line = ["-m", "sweep=s", "dataset=table", "dataset.path=d.csv", "seed=0,1", *QUICK]
    table(0)
    assert here(tmp_path, *line).code == 0
    sweep = tmp_path / "outputs" / "sweeps" / "s"
    one, two = sorted(p.parent for p in sweep.glob("*/run.json"))
    told = here(tmp_path, *line)
    assert told.out.count("complete already") == 2
    old = json.loads((one / "run.json").read_text())["data"]

    table(1, rows=80)
    told = here(tmp_path, "resume", str(one), "--epochs", "3")
    assert told.code == 2
    assert "the data have changed since this run began: 42 + 9 + 9 rows of 3 then, 56 + 12 + 12 rows of 3 now" in told.err
    assert json.loads((one / "run.json").read_text())["data"] == old
    (two / "results.json").write_text('{"status": "failed"}')
    told = here(tmp_path, *line)
    assert told.code == 0, told.err
    assert told.out.count("its data have changed (42 + 9 + 9 rows of 3 then") == 2  # planned, and at the job
    assert "complete already" not in told.out
    found = [json.loads((p / "run.json").read_text())["data"] for p in (one, two)]
    assert found[0] == found[1] != old
    assert here(tmp_path, "compare", str(sweep)).code == 0
    assert "content    56 + 12 + 12 rows of 3; content" in here(tmp_path, "show", str(one)).out

    about = json.loads((one / "run.json").read_text())
    (one / "run.json").write_text(json.dumps({**about, "data": old}))
    told = here(tmp_path, "compare", str(sweep))
    assert told.code == 2
    assert "these runs are of different data (2 different sets of validation and test samples)" in told.err
    told = here(tmp_path, "compare", str(sweep), "--any-data")
    assert told.code == 0
    assert "ranked over different data, as asked" in told.out
    assert f"{label(old)}, {label(about['data'])}" in told.out


def test_data_that_are_gone_are_told_and_what_is_complete_stays(table, tmp_path):
    line = ["-m", "sweep=s", "dataset=table", "dataset.path=d.csv", "seed=0", *QUICK]
    table(0)
    assert here(tmp_path, *line).code == 0
    (tmp_path / "d.csv").rename(tmp_path / "e.csv")
    told = here(tmp_path, *line)
    assert "its data cannot be read any more" in told.out
    assert "complete already" in told.out


def test_a_study_of_training_size_is_ranked(tmp_path):
    """The same test samples, fewer training samples by a setting."""
    from aerun.runs.groups import Run
    from aerun.runs.same_data import different_data

    def run(train, n, test="t"):
        return Run(tmp_path, "", {}, {"dataset.n": n}, {}, {"hash": {"train": train, "val": "v", "test": test}})

    assert not different_data([run("a", 100), run("b", 1000), Run(tmp_path, "", {}, {}, {})])
    assert "different sets" in different_data([run("a", 100), run("b", 1000, test="u")])
    assert "changed in between" in different_data([run("a", 100), run("b", 100)])


def test_from_python_a_mistake_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AerunError):
        aerun.train("dataset=table", "dataset.path=none.csv", *QUICK)
    assert not list((tmp_path / "outputs" / "runs").glob("*"))
