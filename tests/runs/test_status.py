"""What ends a run early, in words and in its folder."""

import errno

import pytest

from aerun.core.errors import TrainingError
from aerun.runs.folder import Folder
from aerun.runs.status import Clock, marked


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_place_that_is_full_is_told_and_what_to_do(tmp_path, number):
    folder = Folder(tmp_path)
    folder.write("results.json", {"status": "running"})
    wrapped = RuntimeError("unexpected pos 135552 vs 135504")  # as torch's writer has it
    wrapped.__cause__ = OSError(number, "full")
    words = r"cannot write to .*Make room.*The same command again goes on"
    with pytest.raises(TrainingError, match=words), marked([folder], Clock([folder], resume=False)):
        raise wrapped
    assert folder.read()["status"] == "failed"
    assert "Make room" in folder.read()["error"]


def test_any_other_error_stays_what_it_is(tmp_path):
    folder = Folder(tmp_path)
    folder.write("results.json", {"status": "running"})
    with pytest.raises(OSError, match="broken"), marked([folder], Clock([folder], resume=False)):
        raise OSError(errno.EBADF, "broken")
    assert folder.read()["error"].startswith("OSError: ")
