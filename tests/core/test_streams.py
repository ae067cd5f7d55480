"""A reader that goes away ends no work."""

import os
import subprocess
import sys

import pytest

CODE = """
import sys, os
from aerun.core.streams import outlive_readers, reader_is_gone
outlive_readers(); outlive_readers()
assert not reader_is_gone()
{before}
for i in range(20):
    print("x" * 9999, flush=True)
    print("y", file=sys.stderr)
os.write(1, b"a library's own words")
open({done!r}, "w").write(str(reader_is_gone()))
"""


@pytest.mark.parametrize("unbuffered", ["1", ""])
@pytest.mark.parametrize("gone", [True, False])
def test_work_goes_on_to_its_end(tmp_path, gone, unbuffered):
    code = CODE.format(before="sys.stdin.read()", done=str(tmp_path / "done"))
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, **pipes) as process:
        if gone:
            process.stdout.close()
            process.stderr.close()
            process.stdin.close()
        else:
            out, _ = process.communicate()
            assert out.count(b"x") == 20 * 9999
            assert out.endswith(b"a library's own words")
    assert process.returncode == 0
    assert (tmp_path / "done").read_text() == str(gone)
