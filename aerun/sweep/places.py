"""The folders of a grid's jobs: named by their overrides, or as hydra.sweep.subdir of the user's own says."""

from collections.abc import Sequence
from pathlib import Path, PurePath

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from aerun.core.errors import AerunError
from aerun.settings.naming import own_overrides
from aerun.settings.sources import Jobs
from aerun.sweep.grid import name_in, read
from aerun.sweep.idle import GridJob

_OURS = "${aerun_job_name:${hydra:overrides.task},${hydra.sweep.dir}}"  # as config.yaml has it
SUBDIR = f"hydra.sweep.subdir='{_OURS}'"  # a job finds its folder by its overrides in sweep.json


def names_of(jobs: Jobs, grid: Sequence[GridJob], cfg: DictConfig, folder: Path) -> dict[str, GridJob]:
    """Map the name of a job's folder in the sweep's to the job.

    A job that is written down in this folder has the name that it has there. Raises AerunError where two jobs would share one.
    """
    known, typed = read(folder), str(OmegaConf.to_container(cfg.hydra.sweep, resolve=False)["subdir"])  # type: ignore[call-overload,index]
    before = {tuple(own_overrides(overrides)): name for name, overrides in (known.jobs if known else {}).items()}
    named: dict[str, GridJob] = {}
    for number, job in enumerate(grid):
        own, written = typed != _OURS, before.get(tuple(own_overrides(job.typed)))
        name = written or (_own(jobs, job, number, folder) if own else name_in(folder, job.typed, known))
        if name in named or (own and written is None and name in before.values()):
            raise AerunError(
                f"hydra.sweep.subdir={typed}: two jobs would share the folder {name}. "
                "${hydra:job.num} or ${hydra:job.override_dirname} tells the jobs of one sweep apart."
            )
        named[name] = job
    return named


def _own(jobs: Jobs, job: GridJob, number: int, folder: Path) -> str:
    """Return the folder that the user's own hydra.sweep.subdir comes to for a job."""
    cfg, _ = jobs.composed(job.typed)
    about = cfg.hydra.job.config.override_dirname
    with open_dict(cfg.hydra):
        cfg.hydra.job.num, cfg.hydra.job.id = number, f"{cfg.hydra.job.name}_{number}"
        cfg.hydra.overrides.task = list(job.typed)
        cfg.hydra.sweep.dir = str(folder.absolute())
        cfg.hydra.job.override_dirname = get_overrides_dirname(
            jobs.parsed(job.typed), about.exclude_keys, about.item_sep, about.kv_sep
        )
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(cfg)
    try:
        name = str(cfg.hydra.sweep.subdir)
    finally:
        HydraConfig.instance().cfg = before
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise AerunError(f"hydra.sweep.subdir={name}: a folder in the sweep's; hydra.sweep.dir=DIR puts the sweep elsewhere.")
    return str(path)
