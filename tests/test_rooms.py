"""Imports run one way through the rooms, and no module takes what another keeps to itself."""

import ast
from pathlib import Path

import aerun
from aerun.core.paths import config_dir

ROOT = Path(__file__).parents[1]
PACKAGE = Path(aerun.__file__).parent
ROOMS = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}


def trees():
    """Every module of aerun by its dotted name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        yield name.removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


def test_rooms_import_only_rooms_below_them():
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None) == EXIT_STATUS_SUCCESS


def test_no_module_takes_a_private_name_of_another():
    taken = [
        f"{name}: {node.module}.{a.name}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aerun")
        for a in node.names
        if a.name.startswith("_") and not a.name.startswith("__")
    ]
    modules = {name: {a.asname or a.name for a in _imported(tree)} for name, tree in trees()}
    reached = [
        f"{name}: {ast.unparse(node)}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules[name]
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
    ]
    assert not taken + reached


def _imported(tree):
    """Aliases of aerun's modules in a module."""
    return [
        a
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aerun"
        for a in node.names
    ]


def test_saved_configs_name_modules_that_are_there():
    for path in sorted(config_dir().rglob("*.yaml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "_target_: aerun." in line:
                module, _, _ = line.split("_target_: ")[1].split()[0].rpartition(".")
                assert (PACKAGE.parent / f"{module.replace('.', '/')}.py").is_file(), path


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
    return lines[above].lstrip().startswith("# deferred: ")


def test_a_job_is_made_and_a_run_is_marked_in_one_place():
    """Whatever starts a run goes through the one pipeline."""
    makers, markers = set(), set()
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Name) and called.id == "Job":
                    makers.add(name)
                if isinstance(called, ast.Attribute) and called.attr == "mark":
                    markers.add(name)
    assert makers == {"aerun.train"}
    assert markers == {"aerun.runs.status"}
