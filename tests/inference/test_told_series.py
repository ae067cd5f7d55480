"""Models of series that are told the label: verbs read it from the column of the file, window by window."""

import shutil

import numpy as np
import pytest

import aerun
from tests.shell import here

QUICK = ["model=ae", "model.arch.hidden=[8]", "trainer=smoke", "pictures=[]", "evaluate=[]", "logger=csv"]


def written(path, rows, label=True):
    lines = ["kind,a,b" if label else "a,b"]
    lines += [f"{kind},{a:.3f},{b:.3f}" if label else f"{a:.3f},{b:.3f}" for kind, a, b in rows]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run on windows of 4 steps that is told the label, and a file of 16 steps: half of them calm, half wild."""
    path, g = tmp_path_factory.mktemp("told"), np.random.default_rng(0)
    steps = [("wild" if t // 20 % 2 else "calm", *g.normal(size=2)) for t in range(240)]
    written(path / "s.csv", steps)
    new = [("calm" if t < 8 else "wild", *g.normal(size=2)) for t in range(16)]
    written(path / "new.csv", new)
    written(path / "bare.csv", new, label=False)
    data = ["dataset=series", f"dataset.path={path / 's.csv'}", "dataset.label=kind", "dataset.window=4", "dataset.stride=4"]
    aerun.train(*QUICK, *data, "dataset.condition=label", folder=path / "run")
    return path


def answered(place, verb, file, *args):
    told = here(place, verb, "run", file, *args, "-o", "out.npz")
    assert told.code == 0, told.err
    with np.load(place / "out.npz") as out:
        return {k: out[k] for k in out.files}


@pytest.mark.parametrize(
    ("verb", "name", "args"), [("encode", "z", ()), ("score", "score", ()), ("score", "score", ("--windows",))]
)
def test_each_window_is_told_the_label_of_its_steps(place, verb, name, args):
    own = answered(place, verb, "new.csv", *args)[name]
    calm, wild = (answered(place, verb, "bare.csv", *args, "--condition", f"label={k}")[name] for k in ("calm", "wild"))
    half = len(own) // 2
    assert not np.allclose(calm, wild)
    np.testing.assert_allclose(own, np.concatenate([calm[:half], wild[half:]]), rtol=1e-5, atol=1e-6)


def test_what_is_typed_counts_before_the_column_and_a_file_without_it_is_refused(place):
    typed = answered(place, "encode", "new.csv", "--condition", "label=wild")["z"]
    bare = answered(place, "encode", "bare.csv", "--condition", "label=wild")["z"]
    np.testing.assert_allclose(typed, bare)
    told = here(place, "score", "run", "bare.csv", "-o", "no.csv")
    assert told.code == 2
    assert "this run is told label of each sample" in told.err


def test_who_was_told_is_not_to_be_changed_by_hand(place):
    shutil.copytree(place / "run", place / "changed")
    config = place / "changed" / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("condition_to: both", "condition_to: decoder"), encoding="utf-8")
    told = here(place, "score", "changed", "new.csv", "-o", "never.npz")
    assert told.code == 2
    assert "config.yaml: dataset.condition_to=decoder, and the model was trained with both" in told.err
