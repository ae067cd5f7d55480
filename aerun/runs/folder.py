"""A run's folder: one self-contained thing, written whole or not at all."""

import datetime
import json
import math
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from aerun.core.errors import AerunError
from aerun.core.paths import all_paths, path_words, with_absolute_paths
from aerun.core.text import say
from aerun.core.version import __version__
from aerun.runs import files, git, plain
from aerun.runs.in_memory import in_memory
from aerun.settings.auto import as_saved
from aerun.settings.labels import LABELS, labels_of, without_labels

_PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "torchvision", "tensorboard", "scikit-learn")


_OF_THE_RUN = ("format", "command", "cwd", "data", "names", "plan", *LABELS)  # of run.json; the rest is about the machine
CHECKPOINTS = "checkpoints"  # the folder in it that holds them
SUBMITTED = "AERUN_SUBMITTED"  # what this process's job was marked with when a cluster was given it, see sweep.submitted
FORMAT = 1  # of a run's folder, in its run.json; folders of before it was counted have none

# Targets of saved configs that have another name today: old -> new.
RENAMED: dict[str, str] = {}


class Folder:
    """config.yaml, run.json, facts.json, results.json, metrics.csv, test_errors.npy, events, aerun.log, and more in folders."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        """Return the path, so that whatever takes a run's path takes its folder too."""
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Folder({str(self.path)!r})"

    def open(
        self,
        config: Mapping[str, Any],
        command: str,
        data: Mapping[str, Any] | None = None,
        plan: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down what is about to run. AerunError where the folder cannot be written.

        data: their fingerprint. plan: how long it trains, where its settings leave that to the data.
        """
        # Deferred: a list of runs does without YAML.
        from aerun.runs.settings_file import as_yaml

        try:
            labels = self._labels(config)
            files.replace(self.path, "config.yaml", as_yaml(with_absolute_paths(config)))
            about = {"format": FORMAT, "command": command, "cwd": os.getcwd(), "data": data or {}, "plan": dict(plan or {})}
            about["names"] = names_of(config, self.path)
            files.replace(self.path, "run.json", _json({**about, **labels, **surroundings()}))
            self.results({"status": "running", "seed": config["seed"]})
        except OSError as e:
            raise AerunError(
                f"cannot write to {self.path}: {e.strerror or e}. Choose another place with hydra.run.dir=DIR."
            ) from e

    def _labels(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return tags and notes as they are typed, or as they have been changed since in the folder of this very run."""
        now, about = labels_of(config), self.read("run.json")
        if not self.has("config.yaml") or not about.keys() >= set(LABELS) or labels_of(self.config()) != now:
            return now
        return {k: about[k] for k in LABELS}

    def relabel(self, config: Mapping[str, Any]) -> bool:
        """Write down tags and notes of a config where others are typed than when its run began; return whether they are."""
        # Deferred: a list of runs does without YAML.
        from aerun.runs.settings_file import as_yaml

        now, before = labels_of(config), self.config()
        if labels_of(before) == now:
            return False
        files.replace(self.path, "config.yaml", as_yaml({**before, **now}))
        self.write("run.json", {**self.read("run.json"), **now})
        return True

    def describe(
        self, facts: Mapping[str, Any], preparation: Mapping[str, Any], reading: Mapping[str, Any] | None = None
    ) -> None:
        """Write down what is known of the data and of how they were read, as plain data.

        The trained model can be built and used without the data then.
        """
        self.write("facts.json", {"facts": facts, "preparation": preparation, **({"reading": reading} if reading else {})})

    def names(self, about: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return what a list calls the run's data and model, as it wrote them down; older runs did not. about: run.json."""
        names = (self.read("run.json") if about is None else about).get("names")
        if not names or not isinstance(names, dict):
            return names_of(self.config(), self.path)
        return {k: str(v) for k, v in names.items()}

    def config(self) -> dict[str, Any]:
        """Return the resolved configuration, its targets by their names of today.

        Raises AerunError where this is no run's folder, where it is damaged, and where a newer aerun wrote it.
        """
        # Deferred: a list of runs does without YAML.
        from aerun.runs.settings_file import yaml_table

        self.refuse_newer()
        try:
            config = yaml_table(self.path, "config.yaml")
        except (FileNotFoundError, NotADirectoryError):
            raise AerunError(f"{self.path}: not a run's folder (no config.yaml in it).") from None
        return {k: _renamed(v) for k, v in config.items()}

    def refuse_newer(self) -> None:
        """Raise AerunError where a newer aerun wrote this folder."""
        number = self.read("run.json").get("format", FORMAT)
        if type(number) is not int or number > FORMAT:
            raise AerunError(
                f"{self.path}: its format is {number}, and this aerun {__version__} reads formats up to {FORMAT}: a newer "
                "aerun wrote it. Update this one: pip install -U aerun."
            )

    def holds(self, config: Mapping[str, Any]) -> bool:
        """Return whether this is the folder of a run with this very config, whatever its tags and notes."""
        # Deferred: a list of runs does without YAML.
        from aerun.settings.flat import as_plain

        if not self.has("config.yaml"):
            return False
        try:
            before = self.config()
            same = as_saved(config, before)
            return without_labels(before) == as_plain(with_absolute_paths(without_labels(same)))
        except AerunError:
            return False

    def has(self, name: str) -> bool:
        """Return whether there is a file or folder of this name."""
        return self.path.is_dir() and files.exists(self.path, name)

    def results(self, values: Mapping[str, Any]) -> None:
        """Replace results.json."""
        self.write("results.json", values)

    def evaluation(self, values: Mapping[str, Any]) -> None:
        """Replace evaluation.json."""
        self.write("evaluation.json", values)

    def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Replace a JSON file of this folder, whole or not at all."""
        files.replace(self.path, name, _json(values))

    def keep(self, name: str, array: Any) -> None:
        """Write a numpy array as NAME.npy, whole or not at all."""
        import numpy as np

        with self.kept(name) as file:
            np.save(file, array, allow_pickle=False)

    def kept(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file NAME for writing, which takes its place whole or not at all."""
        return files.replaced(self.path, name)

    def read(self, name: str = "results.json") -> dict[str, Any]:
        """Return the table in a JSON file of this folder, empty where there is none. AerunError beyond its bounds."""
        return plain.json_table(self.path, name)

    def broken(self, name: str) -> bool:
        """Return whether a JSON file is here of which no table can be read: cut short, or no JSON."""
        try:
            return self.has(name) and not self.read(name)
        except AerunError:
            return True

    def about(self) -> dict[str, Any]:
        """Return versions, machine, git state and start, as written when the run began."""
        return {k: v for k, v in self.read("run.json").items() if k not in _OF_THE_RUN}

    def planned_epochs(self) -> int | None:
        """Return how many epochs were planned when the run began; None where nothing was: in older folders."""
        plan = self.read("run.json").get("plan")
        epochs = plan.get("epochs") if isinstance(plan, dict) else None
        return epochs if type(epochs) is int and epochs > 0 else None

    def mark(self, status: str, **values: Any) -> None:
        """Change the status in results.json, keeping the rest; a disk that is full must not hide the first error."""
        try:
            self.results({**self.read(), "status": status, **values})
        except OSError as e:
            say(f"aerun: could not write {self.path / 'results.json'}: {e.strerror}")


def names_of(config: Mapping[str, Any], folder: Path | None = None) -> dict[str, str]:
    """Return what a list calls the data and the model of these settings. folder: the run's, which may keep samples itself."""
    data, model = config.get("dataset"), config.get("model")
    data, model = (part if isinstance(part, Mapping) else {} for part in (data, model))
    room = str(data.get("_target_", "")).rpartition(".")[0].rpartition(".")[2]
    where = path_words([Path(p).name for p in all_paths(data.get("path"))])
    own = in_memory(folder, data.get("path")) if folder is not None else ""
    return {"data": own or f"{room} {where}".strip(), "model": str(model.get("name", "?"))}


def _renamed(node: Any) -> Any:
    if isinstance(node, dict):
        renamed = {k: _renamed(v) for k, v in node.items()}
        target = renamed.get("_target_")
        return {**renamed, "_target_": RENAMED[target]} if isinstance(target, str) and target in RENAMED else renamed
    return [_renamed(v) for v in node] if isinstance(node, list) else node


def surroundings() -> dict[str, Any]:
    """Return versions, machine and git state, for whoever repeats the run."""
    return {
        **_installed(),
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "git": git.state(Path.cwd()),
        **({"submitted": json.loads(os.environ[SUBMITTED])} if SUBMITTED in os.environ else {}),
    }


@cache
def _installed() -> dict[str, str]:
    # Deferred: a list of runs does without them.
    import importlib.metadata
    import platform

    return {
        "versions/aerun": __version__,
        "versions/python": platform.python_version(),
        **{f"versions/{p}": importlib.metadata.version(p) for p in _PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _json(values: Mapping[str, Any]) -> str:
    """Return JSON proper: NaN and infinities become null."""
    clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    return json.dumps(clean, indent=1) + "\n"
