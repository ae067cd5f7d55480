"""README and documentation: commands are understood and print what is shown, links lead somewhere, words are words."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from aerun.command import VERBS
from aerun.command.help import page
from aerun.core.errors import AerunError
from aerun.settings.overrides import spelt_out
from tests.conftest import built
from tests.docs.pages import PAGES, ROOT, Shown, blocks, differs, files, pasted, shown, write_files, write_own_data
from tests.shell import here

# have tests of their own, or need a cluster
ELSEWHERE = ("docs/guides/data.md", "docs/hydra.md", "docs/experiments.md", "docs/clusters.md")
FAMILIES = tuple(name for name in PAGES if name.startswith("docs/families/"))  # tests/docs/test_families.py
GENERATED = ("docs/reference/options.md", "docs/reference/verbs.md")
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
TYPED = sorted(
    {c for name, text in TEXTS.items() if name not in (*ELSEWHERE, *FAMILIES, *GENERATED) for c in pasted(text)}
    | {s.command for text in TEXTS.values() for s in shown(text) if s.command.startswith("aerun ")}
    | {re.split(r"\s{3,}", line.strip())[0] for line in page().splitlines() if line.startswith("  aerun ")}
)
ON_FILES = {s.command for text in TEXTS.values() if files(text) for s in shown(text)}  # of the page's scripts: run with them
ONLY_TYPED = re.compile(r"--config-dir|logger=wandb")  # in test_commands.py: they need files or a library that may not be there
RUNS = [
    t
    for t in TYPED
    if "=" in t and shlex.split(t)[1] not in (*VERBS, "help") and t not in ON_FILES and not ONLY_TYPED.search(t)
]
ASKED = [t for t in TYPED if shlex.split(t)[1:2] and shlex.split(t)[1] in VERBS]
COMMANDS = {name: [s.command for s in shown(text)] for name, text in TEXTS.items()}
# pages that show the README's first command and no other: they are compared with what it printed there
ALIKE = [name for name, typed in COMMANDS.items() if name != "README.md" and typed == COMMANDS["README.md"][:1]]
REFUSED = {s.command: s.lines for text in TEXTS.values() for s in shown(text) if s.lines[:1] and "error" in s.lines[0]}


@pytest.fixture(scope="module")
def own_data(tmp_path_factory):
    """What commands name in capitals: a table FILE, a folder DIR of images."""
    folder = tmp_path_factory.mktemp("own")
    write_own_data(folder, 40)
    table = f"dataset.path={folder / 'FILE.csv'}"
    return {"dataset.path=FILE": table, "dataset.path=gaps.csv": table, "dataset.path=DIR": f"dataset.path={folder / 'DIR'}"}


_OF_SWEEPS = ("sweep", "sweep.jobs", "sweep.fuse", "sweep.bill", "sweep.budget")


def test_there_are_commands_to_try():
    assert ALIKE == ["docs/index.md"]
    assert len(RUNS) >= 15
    assert len(ASKED) >= 15


@pytest.mark.parametrize("typed", RUNS)
def test_a_training_composes_and_builds(typed, own_data):
    words = [own_data.get(w, w) for w in shlex.split(typed)[1:] if w not in ("-m", "--multirun", "--fresh", "--bill")]
    if any(re.match(r"search[.=]|model\.init_", w) for w in words):
        return  # planned in tests/sweep/test_search.py, run in tests/inference/test_use.py
    words = spelt_out([w for w in words if w.partition("=")[0] not in _OF_SWEEPS])
    first = [re.sub(r"(?<==)([^\[,]+),.*", r"\1", w) for w in words if "range(" not in w]  # of a sweep, its first job
    if typed in REFUSED:
        with pytest.raises(AerunError) as e:
            built(*first)
        assert f"aerun: error: {e.value}".splitlines() == REFUSED[typed]
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built(*first)


@pytest.mark.parametrize("typed", ASKED)
def test_a_verb_is_understood(typed):
    """By its parser: flags exist, words are enough."""
    from scripts.reference import parser_of

    _, verb, *words = shlex.split(typed, comments=True)
    _, strange = parser_of(verb).parse_known_intermixed_args(words)
    assert all(re.match(r"[\w.@/]+=", s) for s in strange)


# -- what is shown is what is printed ------------------------------------------------------------------------------------


def test_what_is_shown_is_told_from_what_is_printed():
    """The comparison itself: places, numbers, times."""
    printed = "data  digits: 1,257\nrun outputs/2026-01-01_00-00-00_x\n2.07 times better, 9.3 s in all\n"
    assert not differs(["data digits: 1,257", "...", "2.0 times better, 12 s in all"], printed)
    assert not differs(["...", "2.07 times ..."], printed)
    assert differs(["...", "3.07 times better, 9 s in all"], printed)
    assert differs(["...", "2.07 times worse, 9 s in all"], printed)
    assert differs(["data digits: 1,257"], printed)
    assert differs(["2.07 times better, 9.3 s in all"], printed)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, text in TEXTS.items() if shown(text) and n not in ALIKE])
def test_a_page_prints_what_it_shows(name, tmp_path, monkeypatch):
    """Every command of its blocks of kind `console`, in their order, in one folder."""
    monkeypatch.setenv("COLUMNS", "160")
    write_files(TEXTS[name], tmp_path)
    for i, one in enumerate(shown(TEXTS[name])):
        printed = typed_in(tmp_path, one)
        alike = ALIKE if name == "README.md" and i == 0 else []
        for where, lines in [(name, one.lines), *((n, shown(TEXTS[n])[0].lines) for n in alike)]:
            assert not (found := differs(lines, printed)), f"{where}: {one.command}\n{found}\n\n{printed}"
    mentioned = pasted(TEXTS[name]) if files(TEXTS[name]) else []
    for command in (c for c in mentioned if not re.search(r"\b(RUN|FILE|DIR)\b", c)):  # in the same folder
        typed_in(tmp_path, Shown(command, []), fails=False)


@contextlib.contextmanager
def importable(folder: Path, place: str) -> Iterator[None]:
    """Let Python find modules of a place in the folder, if there is one, and forget them afterwards."""
    if place:
        sys.path.insert(0, str(folder / place))
    try:
        yield
    finally:
        if place:
            sys.path.remove(str(folder / place))
            for module in (folder / place).glob("*.py"):
                sys.modules.pop(module.stem, None)


def typed_in(folder: Path, one: Shown, fails: bool = True) -> str:
    """Return what a command prints, errors first. fails: it may be one that shows an error."""
    words = shlex.split(one.command)
    if "aerun" in words[:2]:  # with PYTHONPATH=DIR before it
        with importable(folder, words[0].partition("PYTHONPATH=")[2]):
            told = here(folder, *words[words.index("aerun") + 1 :])
        assert fails or told.code == 0, told.err
        return told.err + told.out
    ran = subprocess.run(
        ["sh", "-c", one.command.replace("python ", f"{sys.executable} ", 1)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": "agg"},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr + ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, text in TEXTS.items() if blocks(text, "python")])
def test_python_of_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed = files(TEXTS[name]).values()  # these run where their command stands
    page = {"__name__": "page"}  # a block goes on where the one above it ends
    for block in (b for b in blocks(TEXTS[name], "python") if b not in typed):
        exec(compile(block, name, "exec"), page)


# -- links, words, sizes -------------------------------------------------------------------------------------------------


def anchors(text):
    """Anchors of a page's headings, as code hosts and mkdocs make them of plain words."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", h.replace("`", "")).strip().lower()) for h in heads}


@pytest.mark.parametrize("name", [*PAGES, "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_links_lead_somewhere(name):
    path = ROOT / name
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        assert there.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


def test_every_page_is_in_the_sites_navigation():
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads a YAML with tags for Python objects, which are not needed here."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    nav = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]
    listed = set(re.findall(r"[\w/.-]+\.md", str(nav)))
    assert {f"docs/{page}" for page in listed - {"contributing.md", "security.md", "changelog.md"}} == set(PAGES) - {
        "README.md"
    }


def test_the_readme_is_one_screen():
    assert len((ROOT / "README.md").read_bytes()) <= 8 * 1024


def test_pictures_are_small_and_used():
    used = {(PAGES[n].parent / m).resolve() for n, t in TEXTS.items() for m in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", t)}
    there = set((ROOT / "docs" / "images").glob("*.png"))
    assert used == there
    assert [p.name for p in there if p.stat().st_size > 150_000] == []


def test_what_troubleshooting_quotes_is_said():
    """Each quoted message of a heading is a piece of a message in the code."""
    quoted = re.findall(r'^### "(.*)"$', TEXTS["docs/troubleshooting.md"], re.MULTILINE)
    assert len(quoted) >= 20
    code = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "aerun").rglob("*.py"))
    code = re.sub(r'"\s*\n?\s*f?"', "", code)  # a string that is written in several pieces
    allowed = {"which model/bottleneck=vector does not give", "PCA of the same size loses nothing here"}  # put together
    assert [q for q in quoted if q not in code and q not in allowed] == []


def test_spelling():
    words = ROOT / "docs" / "words.txt"
    files = [str(p) for p in [*PAGES.values(), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]]
    command = [sys.executable, "-m", "codespell_lib", "--builtin", "clear,rare,informal,usage", "-I", str(words), *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
