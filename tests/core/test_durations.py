"""Durations as they are typed."""

import pytest

from aerun.core.durations import seconds_of
from aerun.core.errors import AerunError


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172800), (45, 45), ("45", 45), ("1 h 5 min", 3900)],
)
def test_a_duration_is_read(words, seconds):
    assert seconds_of("trainer.max_time", words) == seconds


@pytest.mark.parametrize("words", ["", "soon", "10x", "m", "-5m", 0, "0s", "1h30", "5m2h", "1m1m", float("nan"), True, "1h,5m"])
def test_what_is_no_duration_is_refused_by_the_name_of_the_setting(words):
    with pytest.raises(AerunError, match=r"trainer\.max_time=.*: must be a time above zero, such as 90s, 10m, 1h30m or 2d\."):
        seconds_of("trainer.max_time", words)
