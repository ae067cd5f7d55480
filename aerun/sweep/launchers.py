"""Where the jobs of a sweep run: here one by one, in processes that share the cores, on a Ray cluster, under Slurm.

The engines are Hydra's launcher plugins. Here is only what they leave open: which of aerun's extras brings them, what they say
and how many threads a job may have.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from hydra.core.plugins import Plugins
from omegaconf import DictConfig

from aerun.core.errors import AerunError, StoppedError
from aerun.settings.plugins import not_found
from aerun.sweep.resources import check
from aerun.sweep.space import whole

_JOBLIB = "hydra/launcher=joblib"
_OWN = {  # kind -> module and class of aerun's own
    "SlurmLauncher": ("submitit_jobs", "SlurmJobs"),
    "LocalLauncher": ("submitit_jobs", "LocalJobs"),
    "RayLauncher": ("ray_jobs", "RayJobs"),
}
ONE_BY_ONE = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


def settings(cfg: DictConfig, jobs: int) -> list[str]:
    """Return overrides with which the chosen launcher does so many jobs.

    AerunError for a launcher that cannot work here.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # Python looks into the working folder else, in every process that a launcher starts
    at_once = _at_once(cfg)
    kind, target = _kind(cfg), str(cfg.hydra.launcher._target_)
    if kind == "RayLauncher":
        at_once = _ray(cfg.hydra.launcher.ray)  # which Ray reads as it is imported
    if kind == "SlurmLauncher" and shutil.which("srun") is None:
        raise AerunError(
            "hydra/launcher=submitit_slurm: no srun here: jobs are sent to Slurm from a machine of its cluster. "
            "hydra/launcher=submitit_local runs them on this one."
        )
    if kind in ("SlurmLauncher", "LocalLauncher"):
        share = None if kind == "SlurmLauncher" else max(1, _cores() // jobs)
        threads = cfg.hydra.launcher.cpus_per_task or share
        if threads:
            os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # jobs inherit it
    _take_over(target, kind)
    return at_once


def _take_over(target: str, kind: str) -> None:
    """Let Hydra make aerun's own launcher, which goes further, where it would make the plugin's."""
    if kind in _OWN:
        module, name = _OWN[kind]
        # Deferred: it needs an extra, which is there where its launcher was found.
        Plugins.instance().class_name_to_class[target] = getattr(import_module(f"aerun.sweep.{module}"), name)


def resources(cfg: DictConfig, jobs: Sequence[Sequence[str]]) -> list[str]:
    """Return in lines how many of these jobs have resources of their own. Raises AerunError where they cannot be given."""
    return check(cfg, _kind(cfg), jobs)


def fused(cfg: DictConfig) -> bool:
    """Return whether jobs are to be trained as one before they are launched.

    Raises AerunError where they cannot be.
    """
    fuse = cfg.sweep.fuse
    if not isinstance(fuse, bool):
        raise AerunError(f"sweep.fuse={fuse}: must be true or false.")
    if fuse and _kind(cfg) not in ("BasicLauncher", "JoblibLauncher"):
        raise AerunError("sweep.fuse=true: trains here, before jobs are launched elsewhere. Leave out hydra/launcher.")
    return fuse


def runs_here(cfg: DictConfig) -> bool:
    """Return whether the jobs run on this machine, with the files that are here."""
    return _kind(cfg) in ("BasicLauncher", "JoblibLauncher", "LocalLauncher")


def runs_by_itself(cfg: DictConfig) -> bool:
    """Return whether the jobs run here as this command starts them, one by one or in processes of its own."""
    return _kind(cfg) in ("BasicLauncher", "JoblibLauncher")


def announcement(cfg: DictConfig, folder: Path, jobs: int) -> str:
    """Return how many jobs run at once and where to look, for a launcher whose jobs say nothing here.

    Empty for the others. jobs: 0 where a search draws them.
    """
    at_once = {
        "LocalLauncher": f"all at once on {_cores()} cores",
        "SlurmLauncher": f"sent to Slurm, at most {cfg.hydra.launcher.get('array_parallelism')} at once",
    }.get(_kind(cfg))
    if at_once is None:
        return ""
    which = f"{jobs} job{'s' * (jobs != 1)}, {at_once}" if jobs else "jobs as they are drawn"
    return f"{which}; what they say is in {folder / '.submitit'}"


@contextmanager
def ended() -> Iterator[None]:
    """See to it that with a sweep its jobs on Ray are over too, however that came about.

    Raises StoppedError where it was stopped.
    """
    if _JOBLIB in sys.argv:
        start_tracker()
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(130) from None
    except SystemExit as e:
        if "ray" not in sys.modules:
            raise
        raise StoppedError(143) from e  # what Ray makes of SIGTERM
    finally:
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown(_exiting_interpreter=True)  # as at exit: it first waits for the last words of its jobs


def start_tracker() -> None:
    """Start the process that tidies up behind joblib's workers, so that it outlives a terminal that is closed.

    A hang-up reaches all processes of a terminal. This one would end before the others, which would start another; that one
    knows nothing of what is tidied up, and says so in tracebacks.
    """
    # deferred: only sweeps with several jobs at once need it
    from joblib.externals.loky.backend.resource_tracker import ensure_running

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ensure_running()
    finally:
        signal.signal(signal.SIGHUP, before)


def _kind(cfg: DictConfig) -> str:
    return str(cfg.hydra.launcher._target_).rpartition(".")[2]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _at_once(cfg: DictConfig) -> list[str]:
    jobs = whole("sweep.jobs", cfg.sweep.jobs)
    if jobs == 1:
        return []
    if str(cfg.hydra.launcher._target_) != ONE_BY_ONE:
        raise AerunError(f"sweep.jobs={jobs}: is for the launcher that comes with aerun; yours has settings of its own.")
    if any(find_spec(name) is None for name in ("hydra_plugins", "hydra_plugins.hydra_joblib_launcher")):
        raise AerunError(f"sweep.jobs={jobs}: {not_found('hydra/launcher/joblib', ())}")
    return [_JOBLIB, f"hydra.launcher.n_jobs={jobs}"]


def _ray(ray: DictConfig) -> list[str]:
    """Return Ray gives each job as many threads as it has `num_cpus` (one)."""
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # else lines of jobs that look alike are held back
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")  # else SIGTERM aborts with a dump of Ray's own stack
    signal.signal(signal.SIGINT, signal.default_int_handler)  # of all exceptions, Ray lets KeyboardInterrupt through
    own = {"logging_level": "error", "include_dashboard": "false"}
    if ray.init.get("address") or os.environ.get("RAY_ADDRESS"):
        own = {"logging_level": "error", "object_store_memory": "null"}  # the plugin's own is refused by a cluster that runs
    return [f"+hydra.launcher.ray.init.{key}={value}" for key, value in own.items() if key not in ray.init]
