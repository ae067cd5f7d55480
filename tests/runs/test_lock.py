"""One process at a time in a folder, and nothing of others touched to keep it so."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from aerun.core.errors import AerunError
from aerun.runs.lock import LOCK, alone, at_work, claimed
from aerun.sweep.job import clear
from tests.shell import here

HOLD = """
import sys
from pathlib import Path
from aerun.runs.lock import alone
with alone(Path(sys.argv[1])):
    print(1, flush=True)
    input()
"""


@pytest.fixture
def held(tmp_path):
    """A folder in which another process is at work."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], **pipes) as process:
        process.stdout.readline()
        yield tmp_path / "run"
        process.kill()


def test_the_second_process_is_refused_at_once_in_words(held, tmp_path):
    """However it comes: a run, resume, from Python; until the first has ended, however it ends."""
    assert at_work(held)
    with alone(held) as mine:
        assert not mine
    before = {p.name for p in held.iterdir()}
    told = here(tmp_path, "trainer=smoke", "hydra.run.dir=run")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert f"{held}: another process is at work on this run" in told.err
    assert {p.name for p in held.iterdir()} == before


def test_a_lock_goes_with_its_process_and_is_no_one_elses(tmp_path):
    folder = tmp_path / "run"
    assert not at_work(folder)
    assert not folder.exists()
    with claimed(folder):
        assert at_work(folder)
        with claimed(folder), alone(folder) as again:  # claimed again by the same process; nobody else may
            assert not again
        assert at_work(folder)
    assert not at_work(folder)


def test_nothing_is_left_behind_and_a_lock_that_was_removed_keeps_nobody_out(tmp_path):
    with claimed(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert not list(tmp_path.iterdir())
    with alone(tmp_path) as first:
        (tmp_path / LOCK).unlink()
        with alone(tmp_path) as second:
            assert first
            assert second


def test_several_locks_of_one_folder_are_apart(tmp_path):
    with alone(tmp_path, ".a") as a, alone(tmp_path, ".b") as b:
        assert a and b  # noqa: PT018


def _link(path, other):
    path.symlink_to(other)


def _hard_link(path, other):
    os.link(other, path)


def _fifo(path, other):
    os.mkfifo(path)


def _folder(path, other):
    path.mkdir()


@pytest.mark.parametrize("made", [_link, _hard_link, _fifo, _folder])
@pytest.mark.parametrize("use", [lambda folder: claimed(folder).__enter__(), at_work], ids=["claimed", "at_work"])
def test_what_is_no_file_of_the_folder_is_not_opened(tmp_path, made, use):
    other = tmp_path / "other"
    other.write_text("kept")
    folder = tmp_path / "run"
    folder.mkdir()
    made(folder / LOCK, other)
    with pytest.raises(AerunError, match=r"nothing is (read or written|opened) there"):
        use(folder)
    assert other.read_text() == "kept"


def test_a_lock_is_never_written_to_and_outlives_what_is_cleared(tmp_path):
    (tmp_path / LOCK).write_text("something")
    (tmp_path / "results.json").write_text("")
    with claimed(tmp_path):
        clear(tmp_path)
        assert at_work(tmp_path)
    assert (tmp_path / LOCK).read_text() == "something"
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch, caplog, number):
    def refuse(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone(tmp_path) as mine:
        assert mine
    assert "this file system has no locks" in caplog.text


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AerunError, match=r"cannot write to .*run: Not a directory\. Choose another place"):
        claimed(tmp_path / "file" / "run").__enter__()
