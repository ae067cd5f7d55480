"""A run's folder: one self-contained thing, written whole or not at all."""

import datetime
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from aerun.core.errors import AerunError
from aerun.core.files import replace, replaced
from aerun.core.paths import with_absolute_paths
from aerun.core.version import __version__

_PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "torchvision", "tensorboard", "scikit-learn")


class Folder:
    """config.yaml, run.json, facts.json, results.json, metrics.csv, test_errors.npy, events, aerun.log, and more in folders."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, config: Mapping[str, Any], command: str) -> None:
        """Write down what is about to run. AerunError where the folder cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            replace(self.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(with_absolute_paths(config))))
            replace(self.path / "run.json", _json({"command": command, "cwd": os.getcwd(), **surroundings()}))
            self.results({"status": "running", "seed": config["seed"]})
        except OSError as e:
            raise AerunError(
                f"cannot write to {self.path}: {e.strerror or e}. Choose another place with hydra.run.dir=DIR."
            ) from e

    def describe(
        self, facts: Mapping[str, Any], preparation: Mapping[str, Any], reading: Mapping[str, Any] | None = None
    ) -> None:
        """Write down what is known of the data and of how they were read, as plain data, so that the trained model can be built
        and used without them."""
        about = {"facts": facts, "preparation": preparation, **({"reading": reading} if reading else {})}
        replace(self.path / "facts.json", _json(about))

    def config(self) -> dict[str, Any]:
        """The resolved configuration. AerunError where this is no run's folder."""
        path = self.path / "config.yaml"
        try:
            found = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        except FileNotFoundError:
            raise AerunError(f"{self.path}: not a run's folder (no config.yaml in it).") from None
        except Exception as e:
            raise AerunError(f"{path}: damaged: {str(e).splitlines()[0]}") from e
        if not isinstance(found, dict):
            raise AerunError(f"{path}: damaged: not a table of settings.")
        return {str(k): v for k, v in found.items()}

    def holds(self, config: Mapping[str, Any]) -> bool:
        """Is this the folder of a run with this very config?"""
        try:
            return self.config() == OmegaConf.to_container(OmegaConf.create(with_absolute_paths(config)))
        except AerunError:
            return False

    def results(self, values: Mapping[str, Any]) -> None:
        """Replace results.json."""
        replace(self.path / "results.json", _json(values))

    def evaluation(self, values: Mapping[str, Any]) -> None:
        """Replace evaluation.json."""
        replace(self.path / "evaluation.json", _json(values))

    def keep(self, name: str, array: Any) -> None:
        """Write a numpy array as NAME.npy, whole or not at all."""
        import numpy as np

        with replaced(self.path / name) as file:
            np.save(file, array, allow_pickle=False)

    def read(self, name: str = "results.json") -> dict[str, Any]:
        """A JSON file of this folder, empty where there is none."""
        try:
            found = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def about(self) -> dict[str, Any]:
        """Versions, machine, git state and start, as written when the run began."""
        return {k: v for k, v in self.read("run.json").items() if k not in ("command", "cwd")}

    def mark(self, status: str, **values: Any) -> None:
        """Change the status in results.json, keeping the rest; a disk that is full must not hide the first error."""
        try:
            self.results({**self.read(), "status": status, **values})
        except OSError as e:
            print(f"aerun: could not write {self.path / 'results.json'}: {e.strerror}", flush=True)


def surroundings() -> dict[str, Any]:
    """Versions, machine and git state, for whoever repeats the run."""
    versions = {f"versions/{p}": importlib.metadata.version(p) for p in _PACKAGES}
    return {
        "versions/aerun": __version__,
        "versions/python": platform.python_version(),
        **versions,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "git": _git(),
    }


def _git() -> str:
    """Commit of the working directory, `+changes` where the tree differs from it, or `none`."""
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return run.stdout.strip() or "none"


def _json(values: Mapping[str, Any]) -> str:
    """JSON proper: NaN and infinities become null."""
    clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    return json.dumps(clean, indent=1) + "\n"
