"""Hydra's launchers of submitit, for jobs with resources of their own, which know under which code and settings they begin."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import BaseSubmititLauncher, LocalLauncher, SlurmLauncher
from omegaconf import OmegaConf

from aerun.core.text import say
from aerun.settings.explain import explain
from aerun.settings.overrides import resolved
from aerun.sweep import submitted
from aerun.sweep.resources import resources_of, rules_of
from aerun.sweep.reused import Reusing

_OF_EXECUTOR = "max_num_timeout"


class _Jobs(BaseSubmititLauncher):
    """Hands over jobs of the same resources as one array; a job that is killed ends no other."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Hand over the jobs, and return what they came to when all are over."""
        assert self.config is not None
        assert self.hydra_context is not None
        folder = Path(str(self.config.hydra.sweep.dir))
        folder.mkdir(parents=True, exist_ok=True)
        if "mode" in self.config.hydra.sweep:
            os.chmod(folder, int(str(self.config.hydra.sweep.mode), 8))
        rules, arrays = rules_of(self.config), dict[str, list[int]]()
        for number, typed in enumerate(job_overrides):
            arrays.setdefault(repr(resources_of(rules, typed)), []).append(number)
        jobs: dict[int, Any] = {}
        loader = Reusing(self.hydra_context.config_loader)
        for numbers in arrays.values():
            executor = self._executor(resources_of(rules, job_overrides[numbers[0]]))
            given = [self._given(list(job_overrides[n]), initial_job_idx + n, loader) for n in numbers]
            jobs |= dict(zip(numbers, executor.map_array(self, *zip(*given, strict=True)), strict=True))
        return [_outcome(jobs[number], typed) for number, typed in enumerate(job_overrides)]

    def _executor(self, resources: dict[str, Any]) -> Any:
        """Return what hands jobs with these resources to the cluster."""
        import submitit

        params = {**self.params, **resources}
        own = {f"{self._EXECUTOR}_{_OF_EXECUTOR}": params.pop(_OF_EXECUTOR)} if _OF_EXECUTOR in params else {}
        executor = submitit.AutoExecutor(folder=params.pop("submitit_folder"), cluster=self._EXECUTOR, **own)
        shared = {str(k) for k in OmegaConf.structured(BaseQueueConf)}
        executor.update_parameters(**{k if k in shared else f"{self._EXECUTOR}_{k}": v for k, v in params.items()})
        return executor

    def _given(self, typed: list[str], number: int, loader: Reusing) -> tuple[Any, ...]:
        """Return what a job is called with: as by Hydra's launcher, and what it is marked with."""
        assert self.config is not None
        mark = submitted.mark_of(resolved(loader.load_sweep_config(self.config, typed)))
        return typed, "hydra.sweep.dir", number, f"job_id_for_{number}", Singleton.get_state(), mark

    def __call__(self, *given: Any) -> JobReturn:
        """Do a job, in the process that the cluster has started for it."""
        submitted.begin(given[-1])
        found: JobReturn = super().__call__(*given[:-1])
        return found


def _outcome(job: Any, typed: Sequence[str]) -> JobReturn:
    """Return what a job came to; where its process was ended from outside, say so."""
    import submitit

    try:
        found: JobReturn = job.results()[0]
    except submitit.core.utils.UncompletedJobError as e:
        say(f"{' '.join(typed)}: {explain(e)[1]}")
        return JobReturn(status=JobStatus.COMPLETED, _return_value=math.nan)
    return found


class SlurmJobs(_Jobs, SlurmLauncher):
    """Under Slurm."""


class LocalJobs(_Jobs, LocalLauncher):
    """In processes of this machine."""
