"""Stores of activations: every row once, in an order of seed and epoch; what is damaged is said."""

import json
import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from aerun.core.errors import AerunError
from aerun.dataset.storage.store import BLOCK, POOL
from aerun.trainer.batches import Batches
from aerun.trainer.ranks import Ranks
from tests.conftest import built
from tests.docs.pages import PAGES
from tests.shell import figures, here

WIDTH = 5


def numbered(n, first=0):
    """Rows that say which they are."""
    rows = torch.zeros(n, WIDTH)
    rows[:, 0] = torch.arange(first, first + n).float()
    return rows


def whole(dataset):
    data = dataset.load()
    return torch.cat([part.x[:] for part in (data.train, data.val, data.test)])


def store(folder, *typed):
    return built("dataset=activations", f"dataset.path={folder}", "dataset.prepare=none", *typed).dataset


@pytest.fixture
def flat(tmp_path):
    """Six shards of 300 rows."""
    folder = tmp_path / "store"
    folder.mkdir()
    for i in range(6):
        np.save(folder / f"{i}.npy", numbered(300, 300 * i).half().numpy())
    return folder


def test_splits_are_of_whole_shards_and_hold_every_row_once(flat):
    data = store(flat, "dataset.val=0.2").load()
    parts = [part.x[:][:, 0] for part in (data.train, data.val, data.test)]
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(1800.0).half().float())
    assert all(
        set(part.div(300).floor().tolist()) & set(other.div(300).floor().tolist()) == set()
        for part, other in ((parts[0], parts[1]), (parts[0], parts[2]), (parts[1], parts[2]))
    )
    assert data.train.x.dtype == torch.float32


@pytest.mark.parametrize("kind", ["npy", "safetensors", "bf16", "parquet", "columns"])
def test_contexts_of_every_kind_of_shard(tmp_path, kind):
    """Contexts stay whole, and positions that are dropped are in no split."""
    for i in range(3):
        rows = numbered(80, 80 * i)
        if kind == "npy":
            np.save(tmp_path / f"{i}.npy", rows.numpy())
        elif kind in ("safetensors", "bf16"):
            rows = rows.bfloat16() if kind == "bf16" else rows
            save_file({"other": torch.zeros(3), "acts": rows.view(20, 4, WIDTH)}, tmp_path / f"{i}.safetensors")
        elif kind == "parquet":
            flat = pa.FixedSizeListArray.from_arrays(pa.array(rows.flatten().numpy()), WIDTH)
            pq.write_table(pa.table({"acts": flat, "id": list(range(80))}), tmp_path / f"{i}.parquet")
        else:
            pq.write_table(pa.table({f"c{j}": rows[:, j].numpy() for j in range(WIDTH)}), tmp_path / f"{i}.parquet")
    known = ["dataset.key=acts"] if kind in ("safetensors", "bf16") else ["dataset.context=4"]
    cache = f"dataset.cache={tmp_path}/cache"
    dataset = store(
        f"'{tmp_path}/*.{'safetensors' if kind == 'bf16' else 'parquet' if kind == 'columns' else kind}'",
        *known,
        cache,
        "dataset.drop_positions=[0]",
        "dataset.val=0.2",
    )
    data = dataset.load()
    numbers = [part.x[:][:, 0].view(-1, 3) for part in (data.train, data.val, data.test)]
    every = torch.cat(numbers)
    expected = torch.arange(240.0).view(60, 4)[:, 1:]
    assert torch.equal(every[every[:, 0].argsort()], expected.bfloat16().float() if kind == "bf16" else expected)
    assert [len(n) for n in numbers] == [45, 12, 3]


def test_an_epoch_has_every_row_once_in_an_order_of_seed_and_epoch(tmp_path):
    """P111: neighbours share a batch at most twice as often as others of their pool."""
    n, size = 20_000, 256
    for i in range(4):
        rows = torch.zeros(n // 2, 1)
        rows[:, 0] = torch.arange(n // 2) + i * n // 2
        np.save(tmp_path / f"{i}.npy", rows.numpy())
    data = store(tmp_path, "dataset.context=1", "dataset.val=0.01", "dataset.test=0.01").load()
    x = data.train.x

    def batches(number, seed=0):
        every = Batches(x, batch_size=size, per_call=1, seed=seed, drop_last=False, limit=None, ranks=Ranks())
        every.sampler.set_epoch(number)
        return every

    first, drawn = [b for call in batches(0) for b in call], batches(0).sampler.draw()
    order = torch.cat(first)[:, 0]
    assert torch.equal(order.sort().values, x[:][:, 0])
    assert torch.equal(order, x[drawn][:, 0])
    assert not torch.equal(drawn, batches(1).sampler.draw())
    assert not torch.equal(drawn, batches(0, seed=1).sampler.draw())
    batch = torch.empty(2 * n, dtype=torch.long)
    batch[order.long()] = torch.arange(len(order)).div(size, rounding_mode="floor")
    there = x[:][:, 0].long()
    together = (batch[there][1:] == batch[there][:-1]).double().mean()
    assert together <= 2 * size / (BLOCK * POOL)
    assert len(x.kept) <= 2 * POOL  # what stays in memory: blocks of 256 rows
    assert (order[1:] - order[:-1]).abs().median() > BLOCK  # all shards


def test_rows_by_number_are_those_of_the_files(flat):
    x = store(flat).load().train.x
    whole, g = x[:], torch.Generator().manual_seed(0)
    for rows in (torch.randint(len(x), (50,), generator=g), torch.tensor([3, 3, 2]), torch.arange(len(x))):
        assert torch.equal(x.index_select(0, rows), whole[rows])
        assert torch.equal(x[rows], whole[rows])
    assert torch.equal(x[5], whole[5])
    assert torch.equal(x[10:700], whole[10:700])
    assert x.aminmax()[1] == whole.max()
    double = x.to(torch.float64)
    assert double.dtype == double[3:5].dtype == double.index_select(0, torch.tensor([1])).dtype == torch.float64
    assert x.to(torch.float32) is x is x.to("cpu")


@pytest.mark.slow
def test_a_resumed_run_is_the_uninterrupted_one(flat, tmp_path):
    quick = ["model=sae_topk", "model.latent_dim=16", "model.bottleneck.k=2", "pictures=[]", "trainer.progress=false"]
    typed = ["dataset=activations", f"dataset.path={flat}", "dataset.val=0.2", *quick, "evaluate=[]"]
    whole = here(tmp_path, *typed, "trainer.max_epochs=2", "schedule=constant", "hydra.run.dir=whole")
    assert whole.code == 0, whole.err
    assert here(tmp_path, *typed, "trainer.max_epochs=1", "schedule=constant", "hydra.run.dir=part").code == 0
    told = here(tmp_path, "resume", "part", "--epochs", "2")
    assert told.code == 0, told.err
    a, b = figures(tmp_path / "whole"), figures(tmp_path / "part")
    assert a["test/se"] == b["test/se"]
    np.save(tmp_path / "new.npy", numbered(7).half().numpy())
    told = here(tmp_path, "encode", "whole", "new.npy", "--output", "codes.npz")
    assert told.code == 0, told.err
    assert np.load(tmp_path / "codes.npz")["z"].shape == (7, 16)


def test_the_page_shows_how_a_store_is_written(tmp_path, monkeypatch):
    """Its lines are run as they stand there; the store is then read."""
    code, _ = re.findall(r"```python\n(.*?)```", PAGES["docs/families/activations.md"].read_text(encoding="utf-8"), re.DOTALL)
    assert len(code.strip().splitlines()) <= 13
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "activations.md", "exec"), {})
    data = store(tmp_path / "store", "dataset.context=1").load()
    assert data.train.x.shape == (3600, 128)
    assert (data.val.x[:] >= 0).all()


def bad(folder, kind):
    if kind == "widths":
        np.save(folder / "9.npy", np.zeros((4, 3), np.float16))
    elif kind == "bf16":
        np.save(folder / "9.npy", np.zeros((4, WIDTH), "V2"))
    elif kind == "nan":
        np.save(folder / "9.npy", np.full((300, WIDTH), np.nan, np.float16))
    elif kind == "cut":
        path = folder / "3.npy"
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "no header":
        (folder / "9.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    elif kind == "whole numbers":
        np.save(folder / "9.npy", np.zeros((4, WIDTH), np.int64))
    elif kind == "ragged":
        pq.write_table(pa.table({"a": [[1.0], [1.0, 2.0]]}), folder / "9.parquet")


BAD = [
    ("widths", [], r"9.npy: holds rows of shape \(3,\).*one width"),
    ("bf16", [], "9.npy: two-byte values without a type.*safetensors"),
    ("nan", [], "9.npy: row 0 holds values that are missing or infinite"),
    ("cut", [], "3.npy: cut off or damaged: its header promises"),
    ("no header", [], "9.safetensors: cannot be read"),
    ("whole numbers", [], "9.npy: holds int64"),
    ("ragged", [], "9.parquet: column a holds rows of several lengths"),
    ("", ["dataset.context=7"], "no multiple of it"),
    ("", ["dataset.split=contexts"], "say no contexts"),
    ("", ["dataset.drop_positions=[0]"], "numbered from 0"),
    ("", ["dataset.val=0.6", "dataset.test=0.6"], "together below 1"),
    ("", ["dataset.key=acts"], "leave out acts"),
]


@pytest.mark.parametrize(("kind", "typed", "words"), BAD, ids=lambda v: v if isinstance(v, str) else None)
def test_what_is_wrong_with_a_store_is_said(flat, kind, typed, words):
    bad(flat, kind)
    with pytest.raises(AerunError, match=words):
        whole(store(flat, f"dataset.cache={flat}/cache", *typed))


def test_a_store_needs_a_path_and_enough_to_split(tmp_path):
    with pytest.raises(AerunError, match=r"dataset.path is not set"):
        built("dataset=activations")
    np.save(tmp_path / "x.npy", numbered(50).numpy())
    with pytest.raises(AerunError, match=r"1 shards.*dataset.context=ROWS"):
        store(tmp_path).load()
    assert math.isclose(len(store(tmp_path, "dataset.context=1").load().train.x), 46, abs_tol=2)
    assert json.dumps(store(tmp_path).files_read())


@pytest.fixture
def paired(tmp_path):
    """Activations x and t = A x + b of them, in two stores of three shards; x and A."""
    g = torch.Generator().manual_seed(3)
    x, a = torch.randn(900, 6, generator=g) + 1, torch.randn(6, 3, generator=g)
    for name, rows in (("x", x), ("t", x @ a - 2)):
        (tmp_path / name).mkdir()
        for i, part in enumerate(rows.split(300)):
            np.save(tmp_path / name / f"{i}.npy", part.numpy())
    return tmp_path


def pairs(folder, *typed):
    own = [f"dataset.path={folder / 'x'}", f"dataset.target={folder / 't'}", "dataset.context=1"]
    return built("model=transcoder", "dataset=activations", *own, "model.latent_dim=24", "model.bottleneck.k=24", *typed)


@pytest.mark.parametrize("skip", ["false", "true"])
def test_a_transcoder_begins_at_the_mean_of_the_target(paired, skip):
    """P112, its beginning: whatever x is, the output is the target's mean, and the skip adds nothing."""
    plan = pairs(paired, f"model.arch.skip={skip}")
    model, train = plan.autoencoder, plan.dataset.load().train.x[:]
    model.start_from(train)
    target = model.units(train)[:, 6:]
    assert model.units(train)[:, 6:].norm(dim=1).mean().item() == pytest.approx(3**0.5, rel=1e-5)
    assert model.units(train)[:, :6].norm(dim=1).mean().item() == pytest.approx(6**0.5, rel=1e-5)
    out = model(model.units(train), **model.beside(train))[:, 6:]
    torch.testing.assert_close(out, target.mean(0).expand_as(out), atol=1e-5, rtol=0)


@pytest.mark.parametrize("skip", ["false", "true"])
def test_a_transcoder_learns_the_map_and_reads_no_target(paired, skip):
    """P112: a wide code explains an affine map whole; the encoder sees x alone, and x is not judged."""
    plan = pairs(paired, f"model.arch.skip={skip}", "trainer.max_steps=400")
    model, train = plan.autoencoder, plan.dataset.load().train.x[:]
    model.start_from(train)
    x, beside, other = model.units(train), model.beside(train), train.clone()
    other[:, 6:] = 7
    assert torch.equal(model.encode(model.units(other)), model.encode(x))
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    for step in range(300):
        optimizer.zero_grad()
        model.objective(x, step / 300, **beside).loss.backward()
        optimizer.step()
    error = (model(x, **beside) - x)[:, 6:].square().sum() / (x - x.mean(0))[:, 6:].square().sum()
    assert error.item() < 0.01
    assert model.decode(torch.zeros(2, 24), c=beside["c"][:2] if skip == "true" else None).shape == (2, 9)


def test_targets_that_do_not_fit_and_parts_that_cannot_compute_them_are_said(paired):
    np.save(paired / "t" / "3.npy", np.zeros((5, 3), np.float32))
    with pytest.raises(AerunError, match=r"4 shards beside 3.*one for each"):
        pairs(paired)
    (paired / "t" / "3.npy").unlink()
    for typed, words in (
        ("model/arch=tcn", "writes what its encoder reads"),
        ("model.arch.tied=true", "share no weights"),
        ("model/corruption=gaussian", "corruption=none"),
        ("model.arch.start=mirrored", "start=random"),
    ):
        with pytest.raises(AerunError, match=words):
            pairs(paired, typed)
    np.save(paired / "t" / "2.npy", np.zeros((7, 3), np.float32))
    with pytest.raises(AerunError, match=r"2\.npy holds rows \(7,\) beside \(300,\)"):
        pairs(paired)
    with pytest.raises(AerunError, match="the skip copies the input"):
        built("model=transcoder", "dataset=features", "model.arch.skip=true")


def test_verbs_take_a_transcoder_or_say_why_not(paired, tmp_path):
    """Samples without their target are encoded and computed, and not judged; what is computed is the target alone."""
    own = [f"dataset.path={paired / 'x'}", f"dataset.target={paired / 't'}", "dataset.context=1", "dataset=activations"]
    run = str(tmp_path / "run")
    few = ["trainer.max_steps=30", "model.latent_dim=24", "model.arch.skip=true", "evaluate=[dictionary]", "pictures=[]"]
    assert here(tmp_path, "model=transcoder", *own, *few, f"hydra.run.dir={run}").code == 0
    found = figures(tmp_path / "run")
    assert {"dictionary/linear/ev", "dictionary/skip/ev", "dictionary/pca/ev"} <= set(found)
    assert found["dictionary/linear/ev"] == pytest.approx(1, abs=1e-4)
    x = str(paired / "x" / "0.npy")
    assert here(tmp_path, "reconstruct", run, x, "--output", "o.npy").code == 0
    out = np.load(tmp_path / "o.npy")
    assert np.isnan(out[:, :6]).all()
    assert np.isfinite(out[:, 6:]).all()
    assert here(tmp_path, "encode", run, x, "--output", "z.npy").code == 0
    for typed, words in (
        (["score", run, x], "nothing can be judged"),
        (["compress", run, x], "dataset.target"),
        (["impute", run, x], "see reconstruct"),
        (["decode", run, "z.npy"], "model.arch.skip"),
    ):
        done = here(tmp_path, *typed, "--output", "no.npy")
        assert (done.code, words in done.err) == (2, True)
