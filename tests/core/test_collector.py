"""Start-up without the search for cyclic garbage."""

import gc

import pytest

from aerun.core import collector


@pytest.fixture
def fresh(monkeypatch):
    """A process that has loaded no library yet; what is frozen in it is let go afterwards."""
    monkeypatch.delitem(collector.sys.modules, "torch", raising=False)
    yield
    gc.enable()
    gc.unfreeze()


def test_paused_until_it_goes_on(fresh):
    collector.pause()
    assert not gc.isenabled()
    collector.go_on()
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    assert frozen > 0
    collector.go_on()
    assert gc.get_freeze_count() == frozen


def test_a_process_that_has_its_libraries_is_left_alone(monkeypatch):
    monkeypatch.setitem(collector.sys.modules, "torch", object())
    before = gc.get_freeze_count()
    collector.pause()
    assert gc.isenabled()
    collector.go_on()
    assert gc.get_freeze_count() == before
