"""Configs of a sweep's jobs as Hydra's launcher asks for them: jobs that differ in plain values share one composition."""

import pickle
from collections.abc import Sequence
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from aerun.settings.replaced import as_typed
from aerun.sweep.derived import Base, free_settings, key_of, split


class Reusing:
    """Stands in for Hydra's loader of configs: `load_sweep_config` returns what Hydra's own does; the rest is Hydra's."""

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader: Any = loader
        self._parser = OverridesParser.create(config_loader=loader)
        self._bases: dict[tuple[str, ...], Base | None] = {}
        self._parsed: dict[str, Override] = {}  # most words of a sweep are in many of its jobs
        self._groups: dict[str, bool] = {}
        self._repo: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return the config of a job with these overrides, with Hydra's own node."""
        parsed = self.parsed(sweep_overrides)
        name, fixed = self._open(master_config)
        found = None
        if not any(o.is_hydra_override() for o in parsed):
            found = split(parsed, self._is_choice, lambda rest: self._base(name, fixed, rest))
        if found is None:
            config: DictConfig = self._loader.load_sweep_config(master_config, sweep_overrides)
            return config
        config = pickle.loads(found[0].content)
        for one in found[1]:
            OmegaConf.update(config, key_of(one), one.value())
        note(config, sweep_overrides, parsed)
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config

    def parsed(self, typed: Sequence[str]) -> list[Override]:
        """Return overrides by Hydra's grammar."""
        new = [word for word in dict.fromkeys(typed) if word not in self._parsed]
        self._parsed |= dict(zip(new, self._parser.parse_overrides(new), strict=True))
        return [self._parsed[word] for word in typed]

    def choices(self, master_config: DictConfig, typed: Sequence[str]) -> tuple[str, ...]:
        """Return those overrides that choose options."""
        self._open(master_config)
        return tuple(word for word, one in zip(typed, self.parsed(typed), strict=True) if self._is_choice(one))

    def _open(self, master_config: DictConfig) -> tuple[str, list[str]]:
        """Return the name of the primary config, and the overrides of Hydra's own node; make sure that groups are known."""
        name, fixed = master_config.hydra.job.config_name, as_typed(master_config.hydra.overrides.hydra)
        if self._repo is None:
            self._repo = self._loader._parse_overrides_and_create_caching_repo(name, fixed)[1]
        return name, fixed

    def _is_choice(self, override: Override) -> bool:
        key = key_of(override)
        if key not in self._groups:
            self._groups[key] = self._repo.group_exists(key)
        return self._groups[key] and not isinstance(override.value(), dict)

    def _base(self, name: str, fixed: list[str], rest: Sequence[Override]) -> Base | None:
        words = (*fixed, *(str(o.input_line) for o in rest))
        if words not in self._bases:
            try:
                config = self._loader.load_configuration(name, list(words), RunMode.RUN)
            except HydraException:  # the values may be what is missing
                self._bases[words] = None
            else:
                plain: Any = OmegaConf.to_container(config, resolve=False)
                self._bases[words] = Base(pickle.dumps(config), free_settings(config, plain))
        return self._bases[words]


def note(config: DictConfig, typed: Sequence[str], parsed: Sequence[Override]) -> None:
    """Write down in Hydra's node which overrides the config is of."""
    about = config.hydra.job.config.override_dirname
    with open_dict(config.hydra):
        config.hydra.overrides.task = list(typed)
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=list(parsed), kv_sep=about.kv_sep, item_sep=about.item_sep, exclude_keys=about.exclude_keys
        )
