"""A path typed alone, where settings are expected."""

import numpy as np
from PIL import Image

from tests.shell import here


def _files(folder):
    rows = [f"{i},{i % 7},{(i * i) % 11}" for i in range(60)]
    (folder / "patients.csv").write_text("\n".join(["age,bmi,bp", *rows]))
    (folder / "notes.txt").write_text("one\ntwo\n")
    (folder / "odd.xyz").write_text("?")
    np.save(folder / "x.npy", np.zeros((20, 3), np.float32))
    (folder / "photos" / "good").mkdir(parents=True)
    for i in range(3):
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(folder / "photos" / "good" / f"{i}.png")


def test_a_path_as_a_command_names_the_command(tmp_path):
    _files(tmp_path)
    for word, kind in (("patients.csv", "table"), ("x.npy", "array"), ("photos", "images")):
        told = here(tmp_path, word)
        assert told.code == 2
        assert f"aerun dataset={kind} dataset.path={word}" in told.err
    told = here(tmp_path, "notes.txt")
    assert "dataset=text dataset.path=notes.txt or aerun dataset=table" in told.err


def test_a_path_is_looked_at_as_what_it_is(tmp_path):
    _files(tmp_path)
    told = here(tmp_path, "data", "patients.csv", "dataset.test=0.2", "--no-dimension")
    assert told.code == 0
    assert "patients.csv: read as dataset=table dataset.path=patients.csv" in told.err
    assert "bmi" in told.out


def test_other_words_are_refused_with_what_works(tmp_path):
    _files(tmp_path)
    for word, works in (
        ("digits", "dataset=digits"),
        ("notes.txt", "aerun data dataset=text dataset.path=notes.txt or"),
        ("odd.xyz", "aerun data dataset=NAME dataset.path=odd.xyz"),
        ("nope.csv", "KEY=VALUE"),
    ):
        told = here(tmp_path, "data", word)
        assert told.code == 2
        assert works in told.err
    assert "one path at a time" in here(tmp_path, "data", "patients.csv", "x.npy").err
