"""Imports run one way through the rooms, and no module takes what another keeps to itself."""

import ast
import logging
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
    logging.getLogger("aerun").disabled = False  # import-linter's logging settings silence every logger that is there


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
