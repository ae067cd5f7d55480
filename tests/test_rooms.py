"""Imports run one way through the rooms, and no module takes what another keeps to itself."""

import ast
import logging
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import aerun
from aerun.core.paths import config_dir

ROOT = Path(__file__).parents[1]
PACKAGE = Path(aerun.__file__).parent
ROOMS = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}


@cache
def trees():
    """Every module of aerun: its dotted name, and its nodes, which are read once for all tests."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        found.append((name.removesuffix(".__init__"), list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))))
    return found


def test_rooms_import_only_rooms_below_them():
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None) == EXIT_STATUS_SUCCESS
    logging.getLogger("aerun").disabled = False  # import-linter's logging settings silence every logger that is there


def test_no_module_takes_a_private_name_of_another():
    taken = [
        f"{name}: {node.module}.{a.name}"
        for name, nodes in trees()
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aerun")
        for a in node.names
        if a.name.startswith("_") and not a.name.startswith("__")
    ]
    modules = {name: {a.asname or a.name for a in _imported(nodes)} for name, nodes in trees()}
    reached = [
        f"{name}: {ast.unparse(node)}"
        for name, nodes in trees()
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules[name]
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
    ]
    assert not taken + reached


def _imported(nodes):
    """Aliases of aerun's modules in a module."""
    return [
        a
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aerun"
        for a in node.names
    ]


def test_saved_configs_name_modules_that_are_there():
    for path in sorted(config_dir().rglob("*.yaml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "_target_: aerun." in line:
                module, _, _ = line.split("_target_: ")[1].split()[0].rpartition(".")
                assert (PACKAGE.parent / f"{module.replace('.', '/')}.py").is_file(), path


def test_modules_are_in_no_circle():
    names = dict(trees())
    arrows = {name: set() for name in names}
    for name, nodes in names.items():
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "aerun":
                whole = {f"{node.module}.{a.name}" for a in node.names}
                arrows[name] |= (whole & names.keys()) or {node.module}
                arrows[name] |= {node.module} if whole - names.keys() else set()
            elif isinstance(node, ast.Import):
                arrows[name] |= {a.name for a in node.names if a.name in names}
    left = {name: set(to) & names.keys() - {name} for name, to in arrows.items()}
    while ends := [name for name, to in left.items() if not to]:
        left = {name: to.difference(ends) for name, to in left.items() if to}
    assert not left, f"modules that import each other, and what imports those: {sorted(left)}"


# Sounds and series are cut into samples by the data set that the run names, built again from its settings: there is no other.
ARGUED = {("aerun.inference.recordings", f"aerun.dataset.{name}") for name in ("audio", "series")}


def options_of_ours():
    """Modules of the classes that configs/ names."""
    texts = [path.read_text(encoding="utf-8") for path in config_dir().rglob("*.yaml")]
    return {m.group(1) for text in texts for m in re.finditer(r"_target_: (aerun\.[\w.]+)\.\w+", text)}


def test_no_module_knows_an_option_of_another_room():
    """What a part is, it says itself: by an attribute or a method of its base class."""
    ours, known = options_of_ours(), set()
    assert len(ours) > 60
    for name, nodes in trees():
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.module:
                for module in {node.module, *(f"{node.module}.{a.name}" for a in node.names)} & ours:
                    if not f"{name}.".startswith(f"{module.rpartition('.')[0]}."):
                        known.add((name, module))
    assert known == ARGUED


def test_no_module_asks_for_the_name_of_an_option():
    """`option` is for what is told to people, and for log keys."""
    asked = [
        f"{name}:{node.lineno}: {ast.unparse(node)}"
        for name, nodes in trees()
        for node in nodes
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Call) and isinstance(side.func, ast.Name) and side.func.id == "option"
    ]
    assert not asked


def test_public_names_are_there_and_on_the_page_that_lists_them():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(aerun.__all__)
    assert all(getattr(aerun, name) is not None for name in listed)
    assert set(aerun.__all__) <= set(dir(aerun))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = aerun.Nothing


def test_all_that_a_model_and_the_estimators_can_do_is_on_that_page():
    from aerun.sklearn import AnomalyDetector, Autoencoder

    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`model\.(\w+)", text))
    assert told <= set(dir(aerun.Model)) | {"folder", "config"}
    assert {n for n in vars(aerun.Model) if not n.startswith("_")} - {
        "errors_of",
        "mark_errors_of",
        "nearest",
        "reasons_of",
    } <= told
    own = {n for cls in (Autoencoder, AnomalyDetector) for n in vars(cls) if not n.startswith("_") and n != "fit"}
    assert own <= set(re.findall(r"`(\w+)[`(]", text)) | {"set_fit_request", "set_score_request"}


def test_what_contributing_imports_is_public():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    modules = re.findall(r"^(?:from (aerun\S*) import (.*)|import (aerun\.\S*))$", text, re.MULTILINE)
    assert modules
    for module, names, whole in modules:
        assert (module, whole) == ("aerun", "")
        assert set(names.split(", ")) <= set(aerun.__all__)


def test_importing_aerun_imports_no_torch():
    words = "import sys, aerun; from aerun import AerunError; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", words], check=True)


def test_deferred_imports_of_our_own_say_why_start_up_needs_them():
    silent = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                silent += [
                    f"{path.name}:{n}: {lines[n - 1].strip()}" for n in _own_imports(function) if not _says_why(lines, n)
                ]
    assert not silent, "add a line `# deferred: WHY` above the imports, or import at the top"


def _own_imports(function):
    """Lines of a function that import a module of aerun."""
    for node in ast.walk(function):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if any(name.split(".")[0] == "aerun" for name in names):
            yield node.lineno


def _says_why(lines, number):
    """Is there a comment above this block of imports?"""
    above = number - 2
    while lines[above].lstrip().startswith(("from ", "import ")):
        above -= 1
    return lines[above].lstrip().lower().startswith("# deferred: ")


def test_a_job_is_made_and_a_run_is_marked_in_one_place():
    """Whatever starts a run goes through the one pipeline."""
    makers, markers = set(), set()
    for name, nodes in trees():
        for node in nodes:
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Name) and called.id == "Job":
                    makers.add(name)
                if isinstance(called, ast.Attribute) and called.attr == "mark":
                    markers.add(name)
    assert makers == {"aerun.begin"}
    assert markers == {"aerun.runs.status"}
