"""What can be chosen: every group with its options, their settings and their first comment line.

Reads the shipped files, and folders of a user's own where they are given, without Hydra, so it is fast.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from aerun.core.paths import config_dir

ORDER = (
    "model",
    "model/arch",
    "model/bottleneck",
    "model/corruption",
    "model/loss",
    "model/prior",
    "regularizer",
    "dataset",
    "trainer",
    "optimizer",
    "schedule",
    "logger",
    "search",
)
_PACKAGE = re.compile(r"# @package (\S+)")
_ASIDE = ("defaults", "hydra", "_target_")  # What is no setting of a run's.


# Of recipes: {`# family: NAME` in their headers: what it is for}, in the order in which they are listed.
FAMILIES = {
    "plain": "a small code, and nothing else asked of it",
    "sparse": "a large code of which few units are active",
    "activations": "what another network computes, as sparse sums of directions that mean something",
    "denoising": "what was hidden or disturbed is restored",
    "regularized": "codes, or maps to and from them, that are held small or independent",
    "likelihoods and bounds": "a random code with a prior; which likelihood, and how tight a bound on it",
    "posteriors": "a random code whose units depend on one another",
    "geometry": "a random code on a curved space",
    "priors": "a prior that is learned, or that codes follow as a set",
    "disentangling": "a unit for each factor of the data",
    "discrete": "a code of whole numbers or classes, counted in bits",
    "features and critics": "reconstructions judged by more than their elements",
    "clusters": "codes that gather, begun from a trained model",
    "conditions and few labels": "something is known of each sample, or of a few",
    "nested": "one run for every code size",
    "alarms": "what is unusual told by a part of the model itself, beside its error",
}


def catalog() -> dict[str, dict[str, str]]:
    """Return {group: {option: one line about it}}."""
    return {g: {name: summary(path) for name, path in option_files(g).items()} for g in ORDER}


def summary(path: Path) -> str:
    """Return the first comment line of a YAML file that is not a directive."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ").strip()
    return ""


def option_files(group: str, own: Path | None = None) -> dict[str, Path]:
    """Return {option: its file} of a group; own: a folder of the user's options, which come first."""
    roots = [config_dir(), *([] if own is None else [own])]
    return {p.stem: p for root in roots for p in sorted((root / group).glob("*.yaml"))}


def settings_in(path: Path, group: str) -> dict[str, Any]:
    """Return {dotted key, as it is typed: value} of an option's file, or of config.yaml (group: ""), without tables."""
    head = _PACKAGE.match(path.read_text(encoding="utf-8"))
    package = head[1].replace("_global_", "") if head else group.replace("/", ".")
    return {k: v for k, v in _leaves(package, content(path)) if not isinstance(v, Mapping)}


def takes(own: Mapping[str, Any], key: str, value: Any) -> bool:
    """Return whether an option with these settings has this one, in the form of this value: a list, or none."""
    return key in own and isinstance(value, list) == isinstance(own[key], list)


def setting_names() -> list[str]:
    """Return every dotted key of config.yaml and of each option."""
    root = config_dir()
    names = list[str]()
    for path in (p for p in root.rglob("*.yaml") if p.parent.name != "acceptance"):
        group = str(path.parent.relative_to(root))
        head = _PACKAGE.match(path.read_text(encoding="utf-8"))
        package = (head[1] if head else ("" if group == "." else group.replace("/", "."))).replace("_global_", "")
        names += [key for key, _ in _leaves(package, content(path))]
    return names


def content(path: Path) -> Mapping[str, Any]:
    """Return what a YAML file holds; an empty table where it holds none."""
    table = _read(path, path.stat().st_mtime_ns)
    return table if isinstance(table, Mapping) else {}


@cache
def _read(path: Path, changed: int) -> Any:
    # Deferred: `aerun --help` does without it.
    import yaml

    return yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _leaves(package: str, node: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every key below `package` with its value, tables too."""
    for key, value in node.items():
        if key in _ASIDE:
            continue
        path = f"{package}.{key}" if package else str(key)
        yield path, value
        if isinstance(value, Mapping):
            yield from _leaves(path, value)


def chosen_options(typed: Sequence[str], own: Path | None = None) -> dict[str, list[str]]:
    """Return {group: the options that a command line chooses}: its own, its recipe's, and else the defaults.

    Of a list or a sweep all are returned.
    """
    choices = dict(_defaults(content(config_dir() / "config.yaml")))
    asked = dict(_typed(typed))
    for recipe in asked.get("model", choices["model"]):
        if path := option_files("model", own).get(recipe):
            choices.update(_defaults(content(path)))
    return {**choices, **asked}


def _typed(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for word in words:
        group, sign, value = word.lstrip("+").partition("=")
        if sign and group in ORDER:
            yield group, re.findall(r"\w+", value)


def _defaults(node: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the groups and options of a defaults list."""
    for entry in node.get("defaults") or ():
        for key, value in entry.items() if isinstance(entry, Mapping) else ():
            group = str(key).removeprefix("override ").partition("@")[0].strip("/")
            yield group, [str(v) for v in (value if isinstance(value, list) else [value])]


def family(path: Path) -> str:
    """Return the family that a recipe's header names; "" where it names none."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# family:"):
            return line.removeprefix("# family:").strip()
    return ""


def settings_of(path: Path) -> list[str]:
    """Return the lines of an option's file but for the one that says where Hydra puts it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("# @package")]
