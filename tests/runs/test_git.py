"""The git state of a project is read from its files; nothing that a repository configures is run."""

import os
import subprocess

import pytest

from aerun.runs import git

ME = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false")


def run(where, *words):
    return subprocess.run(["git", *ME, *words], cwd=where, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path):
    """A project with one commit."""
    place = tmp_path / "project"
    (place / "sub").mkdir(parents=True)
    (place / "a.txt").write_text("a\n")
    (place / "sub" / "b.txt").write_text("b\n")
    run(tmp_path, "init", "-q", "project")
    run(place, "add", ".")
    run(place, "commit", "-q", "-m", "start")
    return place


@pytest.mark.parametrize("version", [2, 4])
def test_the_commit_and_whether_anything_differs(project, version):
    run(project, "update-index", f"--index-version={version}")
    head = run(project, "rev-parse", "HEAD")
    assert git.state(project) == git.state(project / "sub") == head
    (project / "new.txt").write_text("not tracked")
    os.utime(project / "a.txt", (0, 0))  # touched, its content the same
    assert git.state(project) == head
    (project / "sub" / "b.txt").write_text("c\n")
    assert git.state(project) == f"{head}+changes"
    run(project, "add", "sub/b.txt")
    assert git.state(project) == f"{head}+changes"
    run(project, "commit", "-q", "-m", "next")
    assert git.state(project) == run(project, "rev-parse", "HEAD")
    (project / "a.txt").unlink()
    assert git.state(project).endswith("+changes")


def test_packed_branches_loose_heads_and_further_trees(project):
    head = run(project, "rev-parse", "HEAD")
    run(project, "worktree", "add", "-q", "../other", "-b", "branch")
    run(project, "pack-refs", "--all")
    assert git.state(project) == git.state(project.parent / "other") == head
    run(project, "checkout", "-q", "--detach")
    assert git.state(project) == head


def test_nothing_of_a_repository_runs(project, tmp_path):
    done = tmp_path / "done"
    script = project / ".git" / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {done}\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "filter.evil.clean", "core.pager", "diff.external"):
        run(project, "config", key, str(script))
    (project / ".gitattributes").write_text("* filter=evil\n")
    (project / "a.txt").write_text("z\n")
    assert git.state(project).endswith("+changes")
    assert not done.exists()


@pytest.mark.parametrize("head", ["", "ref: ../../x", "ref: refs/heads/../../../x", "x" * 10_000, "ref: refs/heads/none", "\0"])
def test_what_is_no_repository_is_none(tmp_path, head):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert git.state(tmp_path) == "none"


@pytest.mark.parametrize(
    "content", [b"", b"DIRC", b"DIRC\0\0\0\2\xff\xff\xff\xff", b"DIRC\0\0\0\2\0\0\0\1" + b"\0" * 30, b"x" * 99]
)
def test_an_index_that_cannot_be_read_is_told(project, content):
    (project / ".git" / "index").write_bytes(content)
    assert git.state(project) == f"{run(project, 'rev-parse', 'HEAD')}+unchecked"


def test_pipes_and_links_are_left_alone(tmp_path):
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git" / "HEAD")
    assert git.state(tmp_path) == "none"
