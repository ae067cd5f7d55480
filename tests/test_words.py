"""Words that whoever reads the code next relies on: what docstrings of functions begin with, and that there are any."""

import ast
import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import aerun

PACKAGE = Path(aerun.__file__).parent
# The first word of a function's docstring says what it does. A new verb is a word more here.
VERBS = frozenset(
    """
    Add Answer Append Apply Ask Begin Bring Build Call Centre Change Close Compose Compute Copy Count Cut Do Draw Drop End
    Escape Fill Freeze Go Hand Ignore Import Join Keep Learn Leave Let Limit Load Log Make Map Mark Move Name Open Print Put
    Raise Read Record Release Remove Replace Report Restore Return Round Run Say See Seed Set Settle Show Silence Start Stop
    Sum Suppress Take Test Train Treat Try Turn Update Wait Warn Write Yield
    """.split()  # noqa: SIM905 - a list of 200 is harder to read
)


def functions():
    """Every function of aerun with its file and docstring."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path.relative_to(PACKAGE), node, ast.get_docstring(node)


def test_docstrings_of_functions_begin_with_a_verb():
    strange = [
        f"{path}:{node.name}: {text.splitlines()[0]}"
        for path, node, text in functions()
        if text and text.split()[0].rstrip(".,:;") not in VERBS
    ]
    assert not strange


def test_public_methods_say_what_they_do_or_take_the_place_of_one_that_does():
    silent = []
    for module in pkgutil.walk_packages([str(PACKAGE)], "aerun."):
        if module.name.endswith("__main__"):
            continue
        for cls in vars(import_module(module.name)).values():
            if inspect.isclass(cls) and cls.__module__ == module.name and not cls.__name__.startswith("_"):
                silent += [f"{module.name}.{cls.__name__}.{name}" for name in _undocumented(cls)]
    assert not silent


def _undocumented(cls):
    """Public methods of a class without a docstring, which no base class has either."""
    for name, value in vars(cls).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not name.startswith("_") and inspect.isfunction(function) and not function.__doc__:
            inherited = [base for base in cls.__mro__[1:] if name in vars(base)]
            if not inherited:
                yield name
