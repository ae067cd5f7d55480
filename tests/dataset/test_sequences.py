"""Sequence and text data sets: what is stored, how it is split, what is refused."""

import math

import numpy as np
import pytest
import torch

from aerun.core.errors import AerunError
from aerun.dataset.base import validate_data
from aerun.dataset.files import HERE
from aerun.dataset.sequences.symbols import UNKNOWN
from aerun.dataset.sequences.wave_anomalies import stuck
from aerun.dataset.sequences.windows import independent, shared_steps
from aerun.dataset.text import NAMES, Text
from tests.conftest import built

SETS = ["sines", "pendigits", "japanese_vowels", "text"]


def dataset(name, *more):
    arch = "model=recurrent"
    return built(arch, f"dataset={name}", *more).dataset


@pytest.mark.parametrize("name", SETS)
def test_what_is_loaded_is_what_was_promised_always_the_same(name):
    one, other = dataset(name), dataset(name)
    data = validate_data(one.load(), one.facts(), name)
    for a, b in zip((data.train, data.val, data.test), vars(other.load()).values(), strict=True):
        assert torch.equal(a.x.nan_to_num(9), b.x.nan_to_num(9))
        assert a.y is None or (len(a.y) == len(a.x) and set(a.y.tolist()) <= set(range(one.facts().classes)))
    assert one.facts() == other.facts()


def whole(data):
    return torch.cat([data.train.x, data.val.x, data.test.x])


# -- sines --------------------------------------------------------------------------------------------------------------


def test_waves_obey_their_law():
    """Amplitude 0.5 to 1, one to four cycles, noise on top: the factors say which wave each sample is."""
    overrides = ["dataset.n=200", "dataset.steps=50"]
    clean, noisy = (dataset("sines", *overrides, f"dataset.noise={s}") for s in (0, 0.2))
    amplitude, cycles, phase = clean.factors().train.x.double().unbind(1)
    assert 0.5 <= amplitude.min() < 0.55 < 0.95 < amplitude.max() <= 1
    assert 1 <= cycles.min() < 1.2 < 3.8 < cycles.max() <= 4
    t = torch.arange(50.0) / 50
    expected = amplitude[:, None] * torch.sin(2 * math.pi * cycles[:, None] * t + phase[:, None])
    torch.testing.assert_close(clean.load().train.x[..., 0].double(), expected, rtol=0, atol=1e-5)
    noise = whole(noisy.load()) - whole(clean.load())
    assert noise.std().item() == pytest.approx(0.2, rel=0.03)
    assert [len(s) for s in vars(clean.load()).values()] == [140, 30, 30]


def test_the_seed_of_the_waves_is_their_own():
    first, again, other = (whole(dataset("sines", "dataset.n=40", f"dataset.seed={s}").load()) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first, whole(dataset("sines", "dataset.n=40", "dataset.seed=1", "seed=7").load()))


SPOILT = {  # kind -> steps that differ from the clean wave, at least and at most, of 40
    "spike": (1, 1),
    "level_shift": (10, 30),
    "frequency": (9, 29),
    "noise": (10, 10),
    "stuck": (9, 9),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_anomalous_waves_are_test_samples_alone_and_differ_where_they_should(kind):
    clean = dataset("sines").load()
    data = dataset("sines", "dataset.anomalies=0.2", f"dataset.kinds={kind}").load()
    for part in ("train", "val"):
        assert torch.equal(getattr(data, part).x, getattr(clean, part).x)
        assert not getattr(data, part).y.any()
    assert int(data.test.y.sum()) == 60  # of 300
    changed = ((data.test.x - clean.test.x).abs() > 1e-6).sum((1, 2))
    assert not changed[data.test.y == 0].any()
    low, high = SPOILT[kind]
    assert low - 1 <= changed[data.test.y == 1].min()
    assert changed[data.test.y == 1].max() <= high + 1
    again = dataset("sines", "dataset.anomalies=0.2", f"dataset.kinds={kind}").load()
    assert torch.equal(again.test.x, data.test.x)


def test_contaminated_waves_and_kinds_in_turn():
    settings = ("dataset.anomalies=0.5", "dataset.contamination=0.1")
    one = dataset("sines", *settings)
    data = one.load()
    assert [int(s.y.sum()) for s in (data.train, data.val, data.test)] == [140, 0, 150]
    assert (one.class_names, one.normal_classes, one.facts().classes) == (("normal", "anomaly"), (0,), 2)
    assert dataset("sines").load().test.y is None
    spikes = (data.test.x.abs() > 1.5 + 4 * 0.05).any(1).flatten()
    assert 0.1 < float(spikes[data.test.y == 1].float().mean()) < 0.6
    assert not spikes[data.test.y == 0].any()


def test_a_stuck_sensor_hangs_for_so_many_steps_and_nothing_else_changes():
    x = torch.randn(300, 40, 2, generator=torch.Generator().manual_seed(0))
    y = stuck(x, steps=8, seed=3)
    changed = (x != y).any(2)
    assert (changed.sum(1) == 7).all()  # the step at which it hangs is still right
    first = changed.float().argmax(1) - 1
    for row, start in enumerate(first.tolist()):
        assert (y[row, start : start + 8] == x[row, start]).all()
    assert {0, 32} <= set(first.tolist())
    assert torch.equal(y, stuck(x, steps=8, seed=3))
    assert not torch.equal(y, stuck(x, steps=8, seed=4))
    for steps in (1, 40):
        with pytest.raises(AerunError, match=f"stuck for {steps} steps"):
            stuck(x, steps=steps, seed=0)


# -- real sequences -----------------------------------------------------------------------------------------------------


def test_pendigits_are_ucis():
    found = dataset("pendigits").load()
    labels = torch.cat([found.train.y, found.val.y, found.test.y])
    assert labels.bincount().tolist() == [1143, 1143, 1144, 1055, 1144, 1055, 1056, 1142, 1055, 1055]
    first = torch.tensor([47, 100, 27, 81, 57, 37, 26, 0, 0, 23, 56, 53, 100, 90, 40, 98]).reshape(8, 2)
    rows = (whole(found) == first).all((1, 2))
    assert labels[rows].tolist() == [8]
    assert [len(s) for s in vars(found).values()] == [7694, 1649, 1649]


def test_japanese_vowels_keep_their_lengths_and_their_split():
    data = dataset("japanese_vowels").load()
    lengths = [(~s.x.isnan()).all(2).sum(1) for s in (data.train, data.val, data.test)]
    assert [len(n) for n in lengths] == [216, 54, 370]
    assert torch.cat(lengths[:2]).sum() == 4274
    assert lengths[2].sum() == 5687
    assert torch.cat(lengths).aminmax() == (7, 29)
    assert torch.cat([data.train.y, data.val.y]).bincount().tolist() == [30] * 9
    assert data.test.y.bincount().tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    first = data.test.x[0]  # corners of UCI's first test utterance
    assert (data.test.y[0], lengths[2][0]) == (0, 19)
    corners = torch.stack([first[0, 0], first[0, 1], first[18, 0], first[18, 11]])
    assert torch.equal(corners, torch.tensor([1.635533, 0.024848, 1.388998, 0.108629]))


def test_as_many_utterances_are_held_out_as_asked():
    assert len(dataset("japanese_vowels", "dataset.val=9").load().val) == 9
    with pytest.raises(AerunError, match=r"dataset\.val=270: only 270"):
        dataset("japanese_vowels", "dataset.val=270").load()


def test_shipped_files_hold_no_code_and_their_terms_are_told():
    notice = (HERE.parents[2] / "NOTICE").read_text(encoding="utf-8")
    for path in HERE.iterdir():
        if path.suffix in (".npz", ".txt"):
            assert f"\n{path.name}\n" in notice
            assert path.stat().st_size < 500_000
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as found:
                assert all(found[k].dtype.kind in "ui" for k in found)


# -- text ---------------------------------------------------------------------------------------------------------------

CHOSEN = {"path": None, "test_path": None, "tokens": "characters", "max_length": 64, "vocabulary": 1000, "lower": False,
          "val": 0.15, "test": 0.15}  # fmt: skip


def text(folder, content, **settings):
    path = folder / "lines.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Text(**{**CHOSEN, "path": str(path), **settings})


def spoken(data, facts, joint=""):
    """Samples as lines again, in no order."""
    rows = [row[row >= 0].tolist() for row in whole(data)]
    return sorted(joint.join(facts.tokens[number] for number in row) for row in rows)


def test_the_names_come_back_from_their_numbers():
    names = Text(**CHOSEN)
    facts, lines = names.facts(), NAMES.read_text(encoding="utf-8").split()
    assert facts.shape == (13, 27)
    assert facts.tokens == (UNKNOWN["characters"], *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert spoken(names.load(), facts) == sorted(lines)
    assert len(lines) == 5000
    assert names.load().train.x.dtype == torch.int16


def test_one_hot_rows_are_zero_behind_the_end():
    names = Text(**CHOSEN)
    facts, stored = names.facts(), names.load().test.x[:50]
    x, valid = facts.units(stored), facts.valid(stored)
    assert torch.equal(x.sum(2), valid.float())
    assert torch.equal(x.argmax(2)[valid], stored[valid].long())


def test_symbols_are_those_of_the_training_lines(tmp_path):
    """No look at what is tested on: its own symbols are unknown, number 0."""
    lines = [chr(0x4E00 + i) * 2 for i in range(40)]
    given = text(tmp_path, "\n".join(lines))
    facts, data = given.facts(), given.load()
    assert len(facts.tokens) == 1 + len(data.train)
    assert (data.train.x > 0).all()
    assert (data.val.x == 0).all()
    assert (data.test.x == 0).all()
    assert {2 * facts.tokens[row[0]] for row in data.train.x} <= set(lines)


def test_a_given_test_split_is_read_with_the_training_symbols(tmp_path, caplog):
    (tmp_path / "later.txt").write_text("abz\n\nbazzzz\n")
    given = text(tmp_path, "ab\nba\n" * 10, test_path=str(tmp_path / "later.txt"))
    facts, data = given.facts(), given.load()
    assert facts.tokens == (UNKNOWN["characters"], "a", "b")
    assert [len(s) for s in (data.train, data.val, data.test)] == [17, 3, 2]
    assert data.test.x.tolist() == [[1, 2, 0, -1, -1, -1], [2, 1, 0, 0, 0, 0]]
    assert "55.6 % of the symbols of the test lines are unknown" in caplog.text
    shares = text(tmp_path, "ab\nba\n" * 10, val=0.25, test=0.5).load()
    assert [len(s) for s in (shares.train, shares.val, shares.test)] == [5, 5, 10]


@pytest.mark.parametrize(
    ("content", "settings", "words"),
    [
        ("a\n" * 9, {"test_path": "missing.txt"}, r"dataset\.test_path=missing\.txt: cannot be read"),
        ("a\n" * 9, {"val": 0.6, "test": 0.6}, r"dataset\.val=0\.6 dataset\.test=0\.6"),
        ("a\n" * 4, {"val": 0.01}, "nothing is left for validation"),
    ],
)
def test_a_split_that_cannot_be_is_refused(tmp_path, content, settings, words):
    with pytest.raises(AerunError, match=words):
        text(tmp_path, content, **settings).load()


def test_a_test_split_of_the_names_needs_a_file_to_train_on():
    with pytest.raises(AerunError, match=r"needs dataset\.path"):
        Text(**{**CHOSEN, "test_path": "x.txt"})


def test_words_lower_case_and_a_small_vocabulary(tmp_path):
    lines = ["The cat sat", "the  cat\tran", "The dog sat", "the cat sat here"] * 5
    given = text(tmp_path, "\n".join(lines), tokens="words", lower=True, vocabulary=2)
    assert given.facts().tokens == (UNKNOWN["words"], "cat", "the")
    assert given.facts().shape == (4, 3)
    assert set(spoken(given.load(), given.facts(), " ")) == {
        "the cat <unknown>",
        "the <unknown> <unknown>",
        "the cat <unknown> <unknown>",
    }
    other = text(tmp_path, "\n".join(lines), tokens="words")
    assert {"The", "the"} <= set(other.facts().tokens)
    assert spoken(other.load(), other.facts(), " ") == sorted(" ".join(line.split()) for line in lines)


def test_blank_lines_are_left_out_long_ones_cut_and_both_are_told(tmp_path, caplog):
    caplog.set_level("INFO", "aerun")
    given = text(tmp_path, b"\xef\xbb\xbfabc\r\n\r\nabcdef\r\n  \r\nab\r\na b\r\n", max_length=4)
    assert spoken(given.load(), given.facts()) == sorted(spoken_or_unknown(given, ["abc", "abcd", "ab", "a b"]))
    assert given.facts().shape[0] == 4
    assert "4 samples, 2 blank lines left out" in caplog.text
    assert "1 lines were cut at dataset.max_length=4" in caplog.text
    assert caplog.text.count("blank lines") == 1  # the file is read once


def spoken_or_unknown(given, lines):
    known = given.facts().tokens
    return ["".join(c if c in known else known[0] for c in line) for line in lines]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 lines with text; at least 4"),
        (b"one line\n", "1 lines with text; at least 4"),
        (b"\n\n\n\n\n\n", "0 lines with text"),
        (b"a\nb\nc\xff\nd\n", "line 3 is not UTF-8"),
        ("a\nb\nc\nd".encode("utf-16"), "line 1 is not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, content, words):
    with pytest.raises(AerunError, match=words) as found:
        text(tmp_path, content).facts()
    assert "lines.txt" in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["dataset=text", "dataset.path=/no/such/file.txt"], r"dataset\.path=/no/such/file\.txt: cannot be read"),
        (["dataset=text", "dataset.path=/"], r"dataset\.path=/: cannot be read"),
        (["dataset=text", "dataset.tokens=letters"], r"dataset\.tokens=letters.*characters, words"),
        (["dataset=text", "dataset.max_length=0"], r"dataset\.max_length=0"),
        (["dataset=text", "dataset.vocabulary=40000"], r"dataset\.vocabulary=40000.*32000"),
        (["dataset=text", "dataset.vocabulary=0"], r"dataset\.vocabulary=0"),
        (["dataset=sines", "dataset.n=10"], r"dataset\.n=10"),
        (["dataset=sines", "dataset.steps=7"], r"dataset\.steps=7.*at least 8"),
        (["dataset=sines", "dataset.noise=-1"], r"dataset\.noise=-1"),
        (["dataset=sines", "dataset.seed=-1"], r"dataset\.seed=-1"),
        (["dataset=sines", "dataset.anomalies=1"], r"dataset\.anomalies=1: must leave some of both among the 300"),
        (["dataset=sines", "dataset.kinds=[bump]"], r"dataset\.kinds=bump"),
        (["dataset=sines", "dataset.contamination=0.1"], r"dataset\.contamination=0\.1 needs dataset\.anomalies"),
        (["dataset=sines", "dataset.anomalies=0.1", "dataset.normal=anomaly"], r"dataset\.normal=anomaly: the waves are"),
        (["dataset=japanese_vowels", "dataset.val=0"], r"dataset\.val=0"),
        (["dataset=japanese_vowels", "model/arch=mlp"], r"model/arch=mlp.*recurrent"),
    ],
)
def test_senseless_settings_are_refused(overrides, words):
    with pytest.raises(AerunError, match=words):
        built("model=recurrent", *overrides)


@pytest.mark.parametrize(("window", "stride", "shared"), [(10, 10, 1), (10, 3, 4), (10, 1, 10), (None, 1, 1), (8, 20, 1)])
def test_overlapping_windows_count_as_one(window, stride, shared):
    assert shared_steps(window, stride) == shared
    assert independent(100, shared) == -(-100 // shared)
