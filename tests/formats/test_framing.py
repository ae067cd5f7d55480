"""Answers as frames: what is known of a frame is enough to make one like it."""

import json

import numpy as np
import pytest

from aerun.formats.framing import FrameFormat

pandas = pytest.importorskip("pandas")


def frame():
    return pandas.DataFrame(
        {
            "number": [1.5, 2.5],
            "word": ["a", "b"],
            "truth": [True, False],
            "when": pandas.to_datetime(["2024-01-01", "2024-06-01"]).tz_localize("Asia/Tokyo"),
            "kind": pandas.Categorical([3, 1]),
        },
        index=pandas.Index([10, 20], name="id"),
    )


COLUMNS = {
    "number": np.array([1.5, 2.5]),
    "word": np.array(["a", "b"]),
    "truth": np.array(["True", "False"]),
    "when": np.array(["2023-12-31T15:00:00+00:00", "2024-05-31T15:00:00+00:00"]),
    "kind": np.array(["3", "1"]),
}


def test_a_frame_is_made_again_with_index_names_and_types():
    made = FrameFormat.of(frame()).frame(COLUMNS)
    pandas.testing.assert_frame_equal(made, frame(), check_dtype=False)
    assert made["truth"].dtype == bool
    assert made.index.name == "id"


def test_what_a_run_keeps_of_it_is_plain_and_makes_all_but_the_index():
    plain = json.loads(json.dumps(FrameFormat.of(frame()).plain()))
    made = FrameFormat.stored(plain).frame(COLUMNS)
    pandas.testing.assert_frame_equal(made, frame().reset_index(drop=True), check_dtype=False)


@pytest.mark.parametrize("plain", [{}, {"library": "os", "types": {}}, {"library": "pandas", "types": 3}, {"types": {}}])
def test_what_is_no_format_is_none(plain):
    assert FrameFormat.stored(plain) is None


def test_mappings_and_arrays_are_no_frames():
    assert FrameFormat.of(COLUMNS) is None
    assert FrameFormat.of(np.zeros((2, 2))) is None


def test_missing_dates_words_and_truths_stay_missing():
    gone = {**COLUMNS, "truth": np.array(["True", ""]), "when": np.array(["", COLUMNS["when"][0]]), "kind": np.array(["", "1"])}
    made = FrameFormat.of(frame()).frame(gone)
    assert made["truth"].tolist() == ["True", ""]
    assert made["when"].isna().tolist() == [True, False]
    assert made["kind"].isna().tolist() == [True, False]


def test_answers_have_every_category_of_what_was_asked_in_its_order():
    sizes = pandas.CategoricalDtype(["small", "large", "unused"], ordered=True)
    made = FrameFormat.of(pandas.DataFrame({"kind": pandas.Series(["large", "small"], dtype=sizes)}))
    assert made.frame({"kind": np.array(["large", "large"])})["kind"].dtype == sizes
    assert list(made.frame({"kind": np.array(["large", "odd"])})["kind"].cat.categories) == ["large", "odd"]
