"""Hydra's launcher of Ray, for jobs with resources of their own, of which one whose worker keeps dying ends no other."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra_plugins.hydra_ray_launcher._launcher_util import launch_job_on_ray, start_ray
from hydra_plugins.hydra_ray_launcher.ray_launcher import RayLauncher
from omegaconf import OmegaConf, open_dict

from aerun.core.text import say
from aerun.settings.explain import explain
from aerun.sweep.resources import resources_of, rules_of

_STORE = 78_643_200  # bytes of the object store of a cluster that is started here: nothing but results of jobs is in it


class RayJobs(RayLauncher):
    """On a Ray cluster, one that is started for the sweep or one that runs."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Hand over the jobs, and return what they came to when all are over."""
        assert self.config is not None
        setup_globals()
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        self.ray_cfg.init.setdefault("object_store_memory", _STORE)
        start_ray(self.ray_cfg.init)
        rules = rules_of(self.config)
        jobs = [self._begun(list(typed), initial_job_idx + n, rules) for n, typed in enumerate(job_overrides)]
        return [_outcome(job, typed) for job, typed in zip(jobs, job_overrides, strict=True)]

    def _begun(self, typed: list[str], number: int, rules: list[dict[str, Any]]) -> Any:
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.task_function is not None
        config = self.hydra_context.config_loader.load_sweep_config(self.config, typed)
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = f"job_id_for_{number}", number
        remote: Any = OmegaConf.merge(self.ray_cfg.remote or {}, resources_of(rules, typed))
        return launch_job_on_ray(self.hydra_context, remote, config, self.task_function, Singleton.get_state())


def _outcome(job: Any, typed: Sequence[str]) -> JobReturn:
    """Return what a job came to; where its worker died more often than Ray starts it again, say so."""
    try:
        found: JobReturn = ray.get(job)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError) as e:
        say(f"{' '.join(typed)}: {explain(e)[1]}")
        return JobReturn(status=JobStatus.COMPLETED, _return_value=math.nan)
    return found
