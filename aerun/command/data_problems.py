"""All that keeps a data set from being read, named at once, with one command that would read it."""

from collections.abc import Mapping, Sequence
from typing import Any

from aerun.api import written
from aerun.build import dataset_of
from aerun.core.errors import AerunError
from aerun.dataset.base import Dataset
from aerun.formats.problems import Problem, UnclearError
from aerun.settings.shells import command_line

_ROUNDS = 12  # kinds of problems that may hide behind each other


def readable(cfg: Mapping[str, Any]) -> tuple[Dataset, list[Problem], dict[str, Any]]:
    """Return the data set as far as it can be read, every problem on the way, and the settings of `dataset` that mend them.

    Each problem is mended by its own settings, and the data are read again, until nothing is unclear. AerunError for what no
    setting would mend, with the problems before it.
    """
    problems: list[Problem] = []
    settings: dict[str, Any] = {}
    for _ in range(_ROUNDS):
        node = dict(cfg["dataset"])
        try:
            dataset = dataset_of({**cfg, "dataset": {**node, **settings}})
            dataset.facts()
            return dataset, problems, settings
        except UnclearError as e:
            problems += e.problems
            before = dict(settings)
            for problem in e.problems:
                _add(settings, _free(problem, {**node, **settings}), node)
            if settings == before:
                raise
        except AerunError as e:
            raise AerunError("\n".join([*(p.words for p in problems), str(e)])) from e
    raise AerunError("\n".join(p.words for p in problems))


def _free(problem: Problem, node: Mapping[str, Any]) -> Mapping[str, Any]:
    taken = any(not isinstance(value, list) and node.get(key) is not None for key, value in problem.settings.items())
    return problem.otherwise if taken and problem.otherwise else problem.settings


def _add(settings: dict[str, Any], more: Mapping[str, Any], node: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, list):
            now = settings.get(key, node.get(key))
            kept = list(now) if isinstance(now, list | tuple) else []
            settings[key] = [*kept, *(v for v in value if v not in kept)]
        else:
            settings[key] = value


def command(typed: Sequence[str], settings: Mapping[str, Any]) -> str:
    """Return the command line that reads the data: what was typed, with these settings of `dataset`."""
    kept = [w for w in typed if w.partition("=")[0].lstrip("+") not in {f"dataset.{k}" for k in settings}]
    return command_line(["aerun", "data", *kept, *written({f"dataset__{k}": v for k, v in settings.items()})])
