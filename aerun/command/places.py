"""Where a run and a job of a sweep go unless they are told: the two resolvers that config.yaml names."""

import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from aerun.settings.naming import new_folder
from aerun.settings.replaced import as_typed
from aerun.sweep.grid import name_in


def register() -> None:
    """Let OmegaConf find the two resolvers."""
    OmegaConf.register_new_resolver("aerun_new_folder", _run_folder, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("aerun_job_name", _job_folder, replace=True)


def _run_folder(parent: str, overrides: Sequence[str]) -> str:
    """Return a run's folder, made where the command is to run: `--cfg` and `--info` only ask what it would be called."""
    looks = {"--cfg", "-c", "--info", "-i"}.intersection(word.partition("=")[0] for word in sys.argv[1:])
    return new_folder(parent, as_typed(overrides), make=not looks)


def _job_folder(overrides: Sequence[str], sweep: str | None = None) -> str:
    """Return the name of a job's folder: a folder is called what was typed, whatever an interpolation comes to."""
    return name_in(Path(sweep or "."), as_typed(overrides))
