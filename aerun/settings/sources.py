"""Where a command's configs are read, and how they are composed.

Hydra's flags for it are --config-dir, --config-path and --config-name.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, open_dict

from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.settings.flags import read_flags
from aerun.settings.replaced import leave_out, replaced

if TYPE_CHECKING:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.hydra import Hydra
    from hydra.core.override_parser.types import Override

_VERSION = "1.3"  # of Hydra's behaviour, as the command asks for it


@dataclass(frozen=True)
class Source:
    """own: a folder of the user's options. path: what is read instead of aerun's own options. name: the primary config."""

    own: str | None = None
    path: str | None = None
    name: str = "config"

    @property
    def shipped(self) -> bool:
        """Return whether nothing of the user's own is read."""
        return self == Source()


def source_of(argv: Sequence[str]) -> Source:
    """Return where the configs of a command line are read. Raises AerunError for a folder that is not there."""
    typed = read_flags(argv)
    if typed.config_dir is not None and not Path(typed.config_dir).is_dir():
        raise AerunError(f"--config-dir {typed.config_dir}: no such folder.")
    return Source(typed.config_dir, typed.config_path, typed.config_name or "config")


def with_whole_path(argv: Sequence[str]) -> list[str]:
    """Return a command line whose --config-path holds from anywhere: Hydra takes it to be relative to aerun's own code."""
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--config-path=") else [word])]
    for at, word in enumerate(words[:-1]):
        if word in ("--config-path", "-cp") and "://" not in words[at + 1]:
            folder = Path(words[at + 1])
            if not folder.is_dir():
                raise AerunError(f"--config-path {folder}: no such folder.")
            words[at + 1] = str(folder.absolute())
    return words


@contextmanager
def composer(source: Source) -> Iterator["Hydra"]:
    """Yield a Hydra that reads from `source`, as the command's does; the process's own is left as it was."""
    from hydra import version
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery
    from hydra.core.global_hydra import GlobalHydra

    version.setbase(_VERSION)
    path = create_config_search_path(source.path if source.path is not None else f"file://{config_dir()}")
    if source.own is not None:
        path.prepend("command-line", f"file://{Path(source.own).resolve()}", SearchPathQuery(provider="schema"))
    state, before = GlobalHydra.instance(), GlobalHydra.instance().hydra
    state.clear()
    try:
        yield Hydra.create_main_hydra2("aerun", path)
    finally:
        state.hydra = before


def composed_from(source: Source, overrides: Sequence[str]) -> DictConfig:
    """Return the config that Hydra composes of these overrides, with Hydra's own node."""
    from hydra.types import RunMode

    with composer(source) as hydra:
        return hydra.compose_config(source.name, list(overrides), RunMode.RUN, with_log_configuration=False, from_shell=False)


class Jobs:
    """Composes many jobs from one source: what a choice of options comes to is composed once, values are put on top."""

    def __init__(self, source: Source, hydra: "Hydra", fixed: Sequence[str]) -> None:
        """Compose from `source`.

        fixed: overrides of every job, such as those of Hydra's own node.
        """
        from hydra.core.override_parser.overrides_parser import OverridesParser

        self._loader: ConfigLoaderImpl = hydra.config_loader  # type: ignore[assignment]
        self._source, self._fixed = source, list(fixed)
        self._repo = self._loader._parse_overrides_and_create_caching_repo(source.name, self._fixed)[1]
        self._parser = OverridesParser.create(config_loader=self._loader)
        self._parsed: dict[str, Override] = {}  # most words of a grid are in many of its jobs
        self._groups: dict[str, bool] = {}  # whether there is such a group
        self._chosen: dict[tuple[str, ...], bytes] = {}
        self.left_out: dict[str, None] = {}  # what was said by `replaced`, each line once

    def parsed(self, overrides: Sequence[str]) -> list["Override"]:
        """Return the overrides by Hydra's grammar; `glob` finds the options of this source."""
        new = [word for word in dict.fromkeys(overrides) if word not in self._parsed]
        self._parsed |= dict(zip(new, self._parser.parse_overrides(new), strict=True))
        return [self._parsed[word] for word in overrides]

    def composed(self, overrides: Sequence[str]) -> tuple[DictConfig, list[str]]:
        """Return the config of one job, and those of its overrides that set what its options do not have.

        These are left out.
        """
        from hydra.errors import HydraException

        parsed = self.parsed(overrides)
        chosen = [o for o in parsed if self.is_choice(o)]
        cfg, idle = self._base([str(o.input_line) for o in chosen]), list[str]()
        for one in parsed:
            if one in chosen:
                continue
            try:
                self._loader._apply_overrides_to_config([one], cfg)
            except HydraException as e:
                if not str(e).startswith("Could not override"):
                    raise
                idle.append(str(one.input_line))
        with open_dict(cfg.hydra):
            cfg.hydra.overrides.task = [str(o.input_line) for o in parsed]
        return cfg, idle

    def is_choice(self, override: "Override") -> bool:
        """Return whether it chooses an option, as Hydra tells this from a setting's value."""
        key = str(override.key_or_group)
        if key not in self._groups:
            self._groups[key] = self._repo.group_exists(key)
        return self._groups[key] and not isinstance(override.value(), dict)

    def _base(self, chosen: Sequence[str]) -> DictConfig:
        # deferred: only sweeps need them
        import pickle

        from hydra.types import RunMode

        key = tuple(chosen)
        if key not in self._chosen:
            words = [*self._fixed, *chosen]
            cfg = self._loader.load_configuration(self._source.name, words, RunMode.RUN, False)
            lines = replaced(cfg.hydra)
            self.left_out |= dict.fromkeys(lines.values())
            leave_out(cfg, cfg.hydra)
            self._chosen[key] = pickle.dumps(cfg)
        return pickle.loads(self._chosen[key])  # a fifth of the time of deepcopy
