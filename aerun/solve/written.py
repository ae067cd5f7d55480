"""A plan as files that aerun runs: presets `experiment/pca.yaml` and `experiment/plan.yaml`, each line with its reason."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aerun.core.files import replaced
from aerun.settings.catalog import catalog
from aerun.settings.shells import in_shell
from aerun.solve.plan import Plan
from aerun.solve.rules import Line

PCA, NETWORKS = "pca", "plan"  # presets
PCA_RUN, SWEEP, ENDED = (
    "pca",
    "networks",
    "best,ended_early",
)  # folders of the run, of the sweep, and of a job that was ended early
_WIDE = 34  # columns before a reason


def presets(plan: Plan, folder: Path) -> dict[str, str]:
    """Return the text of each preset of a plan, by its name. folder: where its runs go."""
    where, texts = in_shell(str(folder)), {}
    if plan.linear:
        head = [f"PCA as a run, for --for {plan.task}", f"aerun --config-dir {where} experiment={PCA}"]
        texts[PCA] = _preset(plan.linear, head, f"run: {{dir: {json.dumps(str(folder / PCA_RUN))}}}")
    if plan.networks:
        head = [f"Networks for --for {plan.task}", f"aerun -m --config-dir {where} experiment={NETWORKS} sweep.budget=TIME"]
        texts[NETWORKS] = _preset(plan.networks, head, f"sweep: {{dir: {json.dumps(str(folder / SWEEP))}}}")
    return texts


def save(texts: dict[str, str], folder: Path) -> None:
    """Write presets into the folder `experiment` of `folder`."""
    (folder / "experiment").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with replaced(folder / "experiment" / f"{name}.yaml") as file:
            file.write(text.encode())


def is_there(folder: Path, name: str) -> bool:
    """Return whether a preset is in a plan's folder."""
    return (folder / "experiment" / f"{name}.yaml").is_file()


def _preset(lines: Sequence[Line], head: Sequence[str], hydra: str) -> str:
    groups = catalog()
    chosen = [line for line in lines if line.key in groups and len(line.values) == 1]
    tried = [line for line in lines if len(line.values) > 1]
    settings = [line for line in lines if line not in chosen and line not in tried]
    text = ["# @package _global_", *(f"# {words}" for words in head), "defaults:"]
    text += [_reasoned(f"  - override /{line.key}: {line.value}", line) for line in chosen]
    text += ["hydra:", f"  {hydra}"]
    if tried:
        text += ["  sweeper:", "    params:  # every combination is a job"]
        text += [_reasoned(f"      {line.key}: {json.dumps(line.value)}", line) for line in tried]
    return "\n".join([*text, *_tree(settings), ""])


def _tree(lines: Sequence[Line]) -> list[str]:
    """Return settings as nested tables, each with its reason."""
    tree: dict[str, Any] = {}
    for line in lines:
        *above, last = line.key.split(".")
        node = tree
        for key in above:
            node = node.setdefault(key, {})
        node[last] = line
    return _branch(tree, "")


def _branch(tree: dict[str, Any], indent: str) -> list[str]:
    text = []
    for key, node in tree.items():
        if isinstance(node, Line):
            text.append(_reasoned(f"{indent}{key}: {node.value}", node))
        else:
            text += [f"{indent}{key}:", *_branch(node, f"{indent}  ")]
    return text


def _reasoned(words: str, line: Line) -> str:
    return f"{words:<{_WIDE}}  # {' '.join(line.because.split())}"
