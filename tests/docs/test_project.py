"""What a project of this kind has: declared dependencies, types for its users, and files that say how to take part."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
SHIPPED_WITH = {
    "lightning_fabric": "pytorch-lightning",
    "hydra_plugins": "hydra-core",
    "griffe": "mkdocstrings",
    "nbformat": "nbclient",
}  # modules that come with a distribution of another name
ASKED_FOR = {"umap", "pythae", "benchmark"}  # named in a message where they are missing; scripts import each other
TYPES_ONLY = {"typing_extensions"}


def names(requirements):
    """Return the names of distributions, in small letters, extras and bounds aside."""
    return {re.split(r"[\[<>=!~; ]", r)[0].lower().replace("_", "-") for r in requirements}


def imported(*folders):
    """Return the top-level names that a folder's modules import, each with one module that does."""
    found = {}
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            found |= {m.partition(".")[0]: str(path.relative_to(ROOT)) for m in modules}
    ours = {"aerun", "configs", "tests", "scripts", *(p.stem for p in (ROOT / "scripts").iterdir())}
    return {k: v for k, v in found.items() if k not in sys.stdlib_module_names and k not in ours}


def undeclared(modules, declared):
    homes = packages_distributions()
    return {
        module: path
        for module, path in modules.items()
        if module not in ASKED_FOR | TYPES_ONLY
        and not {d.lower().replace("_", "-") for d in [*homes.get(module, []), SHIPPED_WITH.get(module, module)]} & declared
    }


def test_what_the_package_imports_is_declared():
    optional = {r for extra, rs in EXTRAS.items() if extra not in ("test", "docs") for r in rs}
    assert not undeclared(imported("aerun"), names([*PROJECT["dependencies"], *optional]))


def test_what_tests_and_scripts_import_is_declared():
    own = {"entropy", "logcosh", "skip", "moons"}  # parts that CONTRIBUTING.md spells out
    everything = {r for rs in EXTRAS.values() for r in rs}
    found = undeclared(imported("tests", "scripts"), names([*PROJECT["dependencies"], *everything]))
    assert {k: v for k, v in found.items() if k not in own} == {}


def test_every_dependency_has_a_lower_bound():
    loose = [r for rs in [PROJECT["dependencies"], *EXTRAS.values()] for r in rs if not re.search(r">=|==", r)]
    assert [r for r in loose if not r.startswith("aerun[")] == []


def test_users_get_types():
    assert (ROOT / "aerun" / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_classifiers_name_the_versions_of_python():
    low, high = map(int, re.findall(r"3\.(\d+)", PROJECT["requires-python"]))
    classified = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert classified == [f"3.{n}" for n in range(low, high)]


def test_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".pre-commit-config.yaml", ".github/ISSUE_TEMPLATE/config.yml"])
def test_yaml_of_services_is_read(path):
    assert isinstance(yaml.safe_load((ROOT / path).read_text()), dict)


def test_the_workflow_calls_what_decides():
    assert "bash .ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


def test_no_address_is_invented():
    """Nobody knows yet where the project will live: no file of it names a home page, an author or an address."""
    assert not {"urls", "authors", "maintainers"} & set(PROJECT)
    for name in ("CITATION.cff", "CODE_OF_CONDUCT.md", "Dockerfile", ".github/workflows/ci.yml", "pyproject.toml"):
        assert not re.search(r"https?://|\w@\w+\.\w", (ROOT / name).read_text()), name


def test_the_source_archive_is_whole():
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    missing = [p for p in included if not (ROOT / p.lstrip("/")).exists()]
    assert missing in ([], ["/.gitignore"])
    assert {"/docs", "/CONTRIBUTING.md", "/tests", "/.ci"} <= set(included)
