"""A stop in the middle of what is written leaves it whole, and written once."""

import os
import signal
from types import SimpleNamespace

import pytest

from aerun.core.errors import StoppedError
from aerun.core.signals import stop_on_signals, whole
from aerun.trainer.record import Recording


@pytest.fixture
def signals():
    """Signals as a command takes them, and afterwards as they were."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(s) for s in kinds]
    stop_on_signals()
    yield
    for kind, handler in zip(kinds, before, strict=True):
        signal.signal(kind, handler)


def test_rows_are_written_once_where_a_signal_comes_between(signals):
    written = []

    def metrics(rows):
        written.extend(rows)
        os.kill(os.getpid(), signal.SIGTERM)
        written.append("all loggers")

    recording = Recording(SimpleNamespace(metrics=metrics), closes=False)
    recording.rows.append({"epoch": 4})
    with pytest.raises(StoppedError) as stopped:
        recording.write()
    assert stopped.value.code == 143
    recording.on_exception(None, None, stopped.value)
    assert written == [{"epoch": 4}, "all loggers"]


def test_blocks_in_blocks_end_with_the_outer_one_and_elsewhere_a_signal_stops_at_once(signals):
    reached = []

    def write():
        with whole():
            with whole():
                os.kill(os.getpid(), signal.SIGINT)
            reached.append("outer")

    with pytest.raises(StoppedError):
        write()
    assert reached == ["outer"]
    with pytest.raises(StoppedError):
        os.kill(os.getpid(), signal.SIGTERM)
