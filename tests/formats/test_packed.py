"""Numbers that are kept in few bytes come back as they were."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aerun.formats.packed import Packed

SIGNALLING = np.array([0x7FF0000000000001], dtype=np.uint64).view(np.float64)


@settings(deadline=None)  # the machine may be busy
@example(SIGNALLING)
@example(np.append(SIGNALLING, [1.5, np.pi]))
@given(arrays(np.float64, st.integers(0, 200), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_any_numbers_come_back_as_they_were(values):
    assert np.array_equal(Packed(values).values(), values, equal_nan=True)


@given(st.lists(st.decimals(-200_000, 200_000, places=4, allow_nan=False) | st.just(np.nan), min_size=1, max_size=200))
def test_decimal_numbers_of_nine_digits_take_at_most_four_bytes_and_come_back(decimals):
    values = np.array([float(d) for d in decimals])
    packed = Packed(values)
    assert np.array_equal(packed.values(), values, equal_nan=True)
    assert packed.nbytes <= 4 * len(values)


@pytest.mark.parametrize(("values", "size"), [([1, 0, np.nan], 1), ([300, 0.5], 2), ([2**-20, 2.0**90], 4), ([np.pi], 8)])
def test_the_fewest_bytes_are_taken(values, size):
    assert Packed(np.array(values, dtype=np.float64)).nbytes == size * len(values)
