"""The jobs of a grid one by one in this process, with the settings that the plan has composed.

Hydra's own launcher composes each job again and copies its config several times, which takes longer than a small model trains.
What it leaves behind is the same: the log's place, Hydra's node as a job reads it, the line that names the job.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from aerun.settings.replaced import as_typed
from aerun.sweep.reused import Reusing, note

log = logging.getLogger("hydra._internal.core_plugins.basic_launcher")  # its level is that of Hydra's own launcher

_ELSEWHERE = re.compile(r"\$\{(?!hydra[.:]|aerun_|oc\.env:|now:)")  # an interpolation of what jobs may set
Plain = Mapping[str, Any]


class Here:
    """Does jobs whose settings are known, by their overrides. Make one where `possible` says so."""

    def __init__(self, loader: Reusing, task: TaskFunction, config: DictConfig) -> None:
        self.loader, self.task, self.config = loader, task, config
        self._abouts: dict[tuple[str, ...], DictConfig] = {}

    @staticmethod
    def possible(context: HydraContext, config: DictConfig) -> bool:
        """Return whether nothing of the user's own wants to see what Hydra's launcher does with each job."""
        job = config.hydra.job
        own = job.chdir or job.env_set or config.hydra.output_subdir is not None or context.callbacks.callbacks
        return not own and not any(_ELSEWHERE.search(words) for words in _texts(config.hydra))

    def launch(self, jobs: Sequence[Sequence[str]], first: int, settings: Sequence[Plain]) -> list[JobReturn]:
        """Do the jobs in their order, with their settings; the first has the number `first`."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        log.info(f"Launching {len(jobs)} jobs locally")
        return [self._job(list(typed), first + n, plain) for n, (typed, plain) in enumerate(zip(jobs, settings, strict=True))]

    def _job(self, typed: list[str], number: int, plain: Plain) -> JobReturn:
        log.info(f"\t#{number} : {' '.join(filter_overrides(typed))}")
        done, before = JobReturn(overrides=typed, working_dir=os.getcwd()), HydraConfig.instance().cfg
        try:
            about: Any = self._about(typed, number)
            HydraConfig.instance().cfg = about
            folder = Path(str(about.hydra.sweep.dir), str(about.hydra.sweep.subdir)).absolute()
            about.hydra.runtime.output_dir = str(folder)
            configure_log(about.hydra.job_logging, about.hydra.verbose)
            try:
                done.return_value, done.status = self.task(plain), JobStatus.COMPLETED
            except Exception as e:  # as Hydra's launcher does: what asks for the value raises it
                done.return_value, done.status = e, JobStatus.FAILED
        finally:
            HydraConfig.instance().cfg = before
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return done

    def _about(self, typed: list[str], number: int) -> DictConfig:
        """Return Hydra's node for a job: jobs that choose the same options share it, and each writes itself into it."""
        key = self.loader.choices(self.config, typed)
        if key not in self._abouts:
            same = set(key) <= set(as_typed(self.config.hydra.overrides.task))  # chooses what the sweep itself chooses
            whole = self.config if same else self.loader.load_sweep_config(self.config, typed)
            self._abouts[key] = OmegaConf.masked_copy(whole, "hydra")
            OmegaConf.copy_cache(whole, self._abouts[key])
        about = self._abouts[key]
        OmegaConf.set_readonly(about.hydra, False)
        note(about, typed, self.loader.parsed(typed))
        about.hydra.job.id = about.hydra.job.num = number
        return about


def _texts(node: Any) -> Iterator[str]:
    """Yield all texts in Hydra's node as they are written."""
    plain = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
    if isinstance(plain, dict | list):
        for child in plain.values() if isinstance(plain, dict) else plain:
            yield from _texts(child)
    elif isinstance(plain, str):
        yield plain
