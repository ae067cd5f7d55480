"""`sweep.nested=true`: one run for all code sizes, then the size to take by itself, from its weights."""

import json

import pytest
import torch

from aerun.report.curves import curves
from aerun.runs.checkpoint import weights_of
from aerun.runs.groups import selected
from aerun.runs.sizes import prefix_choice
from tests.shell import here

_NET = (
    "model.latent_dim=2,4,8",
    "sweep.nested=true",
    "model.arch.hidden=[16]",
    "trainer.max_epochs=2",
    "pictures=[]",
    "evaluate=[]",
)


def chosen(errors, spread=0.1):
    results = {"mean/se": 10.0}
    for size, se in errors.items():
        results |= {f"size/{size}/se": se, f"size/{size}/behind": se - min(errors.values()), f"size/{size}/spread": spread}
    return prefix_choice(results)


def test_the_smallest_size_that_is_as_good_is_taken():
    assert chosen({2: 4.0, 4: 1.05, 8: 1.0})[0] == 4
    size, words = chosen({2: 4.0, 4: 1.2, 8: 1.0})
    assert (size, "97.8 % of the variance that 8 keep" in words) == (4, True)
    size, words = chosen({2: 8.0, 4: 5.0, 8: 1.0})
    assert (size, "the most there are" in words) == (8, True)
    assert prefix_choice({"test/se": 1.0}) is None


def test_sizes_become_one_run_and_the_chosen_one_begins_with_its_weights(tmp_path):
    first = here(tmp_path, "-m", "sweep=n", *_NET)
    assert first.code == 0, first.err
    assert "sweep.nested: " in first.out
    assert "2 of 2 jobs completed" in first.out
    folder = tmp_path / "outputs" / "sweeps" / "n"
    results = {p.parent: json.loads(p.read_text()) for p in folder.glob("*/results.json")}
    (nested,) = (p for p, r in results.items() if "size/2/se" in r)
    (alone,) = (p for p in results if p != nested)
    assert results[nested]["latent_dim"] == 8
    assert results[alone]["latent_dim"] == prefix_choice(results[nested])[0]
    assert "begins afresh" not in (alone / "aerun.log").read_text()
    assert here(tmp_path, "status", str(folder)).out == "2 of 2 jobs done\n"
    _, keys, groups = selected([folder], [])
    assert "model.init_from" not in keys  # the regularizer tells the runs apart
    (chart,) = curves(groups, keys, None)
    shown = {s.name: [p.x for p in s.points] for s in chart.series}
    assert shown["prefixes of one nested run"] == [2, 4, 8]
    assert any(xs == [results[alone]["latent_dim"]] for xs in shown.values())
    (alone / "results.json").rename(tmp_path / "kept.json")
    assert here(tmp_path, "status", str(folder)).out.startswith("1 of 2 jobs done, 1 waiting")
    (tmp_path / "kept.json").rename(alone / "results.json")
    again = here(tmp_path, "-m", "sweep=n", *_NET)
    assert again.code == 0, again.err
    assert {p: json.loads((p / "results.json").read_text()) for p in results} == results


def test_a_smaller_code_begins_with_the_weights_of_its_units(tmp_path):
    words = ("model.arch.hidden=[16]", "trainer.max_epochs=1", "pictures=[]", "evaluate=[]")
    assert here(tmp_path, "regularizer=nested", "model.latent_dim=8", "hydra.run.dir=big", *words).code == 0
    more = ("model.latent_dim=3", "model.init_from=big", "hydra.run.dir=small", "optimizer.lr=1e-12")
    told = here(tmp_path, *more, *words)
    assert told.code == 0, told.err
    big, small = (weights_of(tmp_path / name, "best") for name in ("big", "small"))
    for key, value in small.items():
        if key.startswith("arch.") and value.shape != big[key].shape:
            part = big[key][:3] if big[key].shape[0] == 8 else big[key][:, :3]
            torch.testing.assert_close(value, part, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("seed=0,1", "sweep.nested=true"), "model.latent_dim is not swept"),
        (("model.latent_dim=2,4", "regularizer=nested", "sweep.nested=true"), "adds regularizer=nested itself"),
        (("model.latent_dim=2,4", "model/bottleneck=vq", "sweep.nested=true"), "such a code does not exist"),
        (("model.latent_dim=2,4", "model=sparse", "reg.lambda=0", "sweep.nested=true"), "reg.lambda=0 would switch"),
    ],
)
def test_what_has_no_sizes_is_refused_before_anything_trains(tmp_path, words, said):
    told = here(tmp_path, "-m", "sweep=n", *words)
    assert told.code == 2
    assert said in told.err
    assert not list(tmp_path.glob("outputs/sweeps/n/*/"))
