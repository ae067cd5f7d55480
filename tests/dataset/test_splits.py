"""Splits as people's folders give them, and folders that are none."""

import numpy as np
import pytest

from aerun.core.errors import AerunError
from aerun.dataset.splits import split_name
from aerun.dataset.storage.listing import arrange, without_truths
from aerun.dataset.tables.partition import Cut
from aerun.formats.frame import Column, Frame


@pytest.mark.parametrize(
    ("word", "split"),
    [
        *(
            (w, "train")
            for w in (
                "train",
                "Training",
                "TRAIN",
                " train ",
                "train_set",
                "trainset",
                "train2017",
                "train-images",
                "01_train",
                "trainval",
            )
        ),
        *((w, "val") for w in ("val", "Valid", "VALIDATION", "dev", "validation_set", "val2017", "2-val", "validate")),
        *(
            (w, "test")
            for w in ("test", "Testing", "TEST", "test-data", "testset", "eval", "Evaluation", "hold-out", "Holdout set")
        ),
        *(
            (w, None)
            for w in ("", "good", "trains", "contest", "testament", "valley", "develop", "2017", "set", "training wheels")
        ),
    ],
)
def test_a_split_is_known_by_its_usual_words_and_by_no_others(word, split):
    assert split_name(word) == split


@pytest.mark.parametrize(
    ("train", "val", "test"), [("Training", "dev", "eval"), ("train_set", "VALID", "Testing"), ("trn", "val", "tst")]
)
def test_a_column_knows_the_words_that_folders_know(train, val, test):
    words = (train, val, test)
    frame = Frame({"s": Column("text", np.arange(9.0) % 3, words)}, (("t.csv", 9),))
    parts = Cut("s", None, None, 0.2, 0.2)(frame)
    assert [p.tolist() for p in parts] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def files(*folders, count=4):
    return [f"{folder}/{i}.png" for folder in folders for i in range(count)]


def parts(names):
    found = arrange(names, "dataset.path=here", 0.2, 0.2)
    return found.classes, [sorted({names[i].rsplit("/", 1)[0] for i in part.tolist()}) for part in found.parts]


@pytest.mark.parametrize(
    ("train", "test"), [("train", "test"), ("Training", "Testing"), ("TRAIN", "TEST"), ("train2017", "test2017")]
)
@pytest.mark.parametrize("above", ["", "set/", "set/inner/"])
def test_split_folders_are_splits_in_any_dress_and_below_common_folders(train, test, above):
    names = files(*(f"{above}{split}/{c}" for split in (train, test) for c in "ab"), count=9)
    classes, found = parts(names)
    assert classes == ("a", "b")
    assert found[2] == [f"{above}{test}/a", f"{above}{test}/b"]
    assert not {f"{above}{test}/a", f"{above}{test}/b"} & {*found[0], *found[1]}


def test_splits_may_stand_inside_of_class_folders():
    classes, found = parts(files("cat/train", "cat/test", "dog/train", "dog/test", count=9))
    assert classes == ("cat", "dog")
    assert found[2] == ["cat/test", "dog/test"]


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("train/a", "test/a", "extra/a"), "beside them is what is none .extra."),
        (("test/a", "val/a"), "none for training"),
        (("test",), "none for training"),
    ],
)
def test_folders_that_are_splits_only_in_part_are_asked_about(folders, words):
    with pytest.raises(AerunError, match=words):
        parts(files(*folders))


def test_one_word_alone_may_be_a_class_which_is_told(caplog):
    assert parts(files("train", "bus", "car", count=9))[0] == ("bus", "car", "train")
    assert "the folder train is read as a class, as bus, car; splits are folders of names such as" in caplog.text


@pytest.mark.parametrize("name", ["ground_truth", "Masks", "gt", "GroundTruth", "images/../mask"])
def test_masks_and_ground_truth_are_no_samples(name):
    folder = "mask" if "mask" in name.split("/") else name
    names = files("images/good", f"{folder}/good") if folder == "mask" else files("train/good", "test/bad", f"{folder}/bad")
    kept, left_out = without_truths(names)
    assert left_out == (folder,)
    assert all(folder not in names[i] for i in kept)
    assert len(kept) == len(names) - 4


@pytest.mark.parametrize("names", [files("masks"), files("mask", "no_mask"), files("good", "bad")])
def test_what_may_be_samples_is_kept(names):
    assert without_truths(names) == (list(range(len(names))), ())
