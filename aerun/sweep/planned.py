"""What stands in for Hydra's own sweeper: it does the jobs that the plan has composed and checked, and no others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from aerun.runs import files
from aerun.settings.plugins import register_module
from aerun.sweep.grid import HYDRAS
from aerun.sweep.here import Here
from aerun.sweep.launchers import ONE_BY_ONE
from aerun.sweep.reused import Reusing

GRID = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
_PLACE = "hydra_plugins._aerun_grid"  # Hydra makes plugins of that package only, but a file there would act in every program


class Planned(Sweeper):
    """Launches the planned jobs in their order, in batches of hydra.sweeper.max_batch_size."""

    __module__ = _PLACE
    jobs: ClassVar[list[list[str]]] = []
    followed: ClassVar[list[list[str]]] = []  # further jobs, which follow from what these came to
    settings: ClassVar[dict[tuple[str, ...], Mapping[str, Any]]] = {}  # those that the plan has composed, by overrides
    later: ClassVar[Callable[[Path], list[list[str]]] | None] = None  # returns them for the sweep's folder

    def __init__(self, max_batch_size: int | None, params: Any = None) -> None:
        self.max_batch_size = max_batch_size
        self.launcher: Launcher | None = None
        self.here: Here | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Set up as every sweeper is."""
        self.config = config
        if str(config.hydra.launcher._target_) == ONE_BY_ONE:  # others send what they are given to other processes
            loader = Reusing(hydra_context.config_loader)
            hydra_context = HydraContext(cast(ConfigLoader, loader), hydra_context.callbacks)
            self.here = Here(loader, task_function, config) if Here.possible(hydra_context, config) else None
        self.launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        """Do the planned jobs; a launcher's error ends the sweep."""
        assert self.launcher is not None
        assert self.config is not None
        files.replace(Path(self.config.hydra.sweep.dir), HYDRAS, OmegaConf.to_yaml(self.config))
        returns = self._launched(0)
        if Planned.later is not None:
            Planned.followed = Planned.later(Path(self.config.hydra.sweep.dir))
            planned = len(self.jobs)
            self.jobs.extend(self.followed)
            returns += self._launched(planned)
        return returns

    def _launched(self, start: int) -> list[Any]:
        """Do the jobs from this one on."""
        assert self.launcher is not None
        returns: list[Any] = []
        size = self.max_batch_size or max(1, len(self.jobs) - start)
        for first in range(start, len(self.jobs), size):
            some = self.jobs[first : first + size]
            known = [self.settings[tuple(job)] for job in some if tuple(job) in self.settings]
            if self.here is not None and len(known) == len(some):
                returns.append(self.here.launch(some, first, known))
            else:
                returns.append(self.launcher.launch(some, first))
            for one in returns[-1]:
                _ = one.return_value  # raises what ended the job
        return returns


def register(jobs: Mapping[tuple[str, ...], Mapping[str, Any]], later: Callable[[Path], list[list[str]]] | None = None) -> str:
    """Make the sweeper known to this process's Hydra, with these jobs to do; return its name there.

    jobs: their overrides and settings. later: what returns jobs to do after them.
    """
    register_module(_PLACE, __name__)
    Planned.followed, Planned.settings = [], dict(jobs)
    Planned.jobs, Planned.later = [list(job) for job in jobs], staticmethod(later) if later else None
    Plugins.instance().register(Planned)
    return f"{_PLACE}.{Planned.__name__}"
