"""Hydra with a memory: what it reads and merges for one choice of aerun's options is kept for the process.

Of a composition of 0.1 s, all but the typed values depends on the chosen options alone; thousands of tests choose among a few.
Three of Hydra's functions are remembered, each by everything that it depends on, and every caller gets a copy of its own.
Folders of a user's options, which tests write, are read anew each time.
"""

import pickle
from copy import copy
from dataclasses import replace

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_store import ConfigStore

from aerun.core.paths import config_dir

_LASTING = {"hydra": "pkg://hydra.conf", "main": f"file://{config_dir()}", "schema": "structured://"}
_read = ConfigRepository.load_config
_listed = config_loader_impl.create_defaults_list
_merged = ConfigLoaderImpl._compose_config_from_defaults_list
_memory = {}


def remember():
    """Give this process's Hydra its memory."""
    ConfigRepository.load_config = _load_config
    ConfigRepository.__deepcopy__ = lambda repo, memo: copy(repo)  # each composition copied all that plugins had registered
    config_loader_impl.create_defaults_list = _create_defaults_list
    ConfigLoaderImpl._compose_config_from_defaults_list = _compose_config_from_defaults_list


def forget():
    """Hydra as it is."""
    ConfigRepository.load_config = _read
    del ConfigRepository.__deepcopy__
    config_loader_impl.create_defaults_list = _listed
    ConfigLoaderImpl._compose_config_from_defaults_list = _merged


def _lasts(repo):
    """Are all sources of configs such that nobody changes them in a test?"""
    return all(_LASTING.get(s.provider) == f"{s.scheme()}://{s.path}" for s in repo.get_sources())


def _copy(key, make):
    """What is remembered under a key, as it was; what is not there is looked for again."""
    groups = ConfigStore.instance().repo["hydra"]
    key = (*key, *groups["launcher"], *groups["sweeper"])  # a test may take an installed plugin away
    if key in _memory:
        return pickle.loads(_memory[key])  # 1 ms, where deepcopy takes 6
    found = make()
    if found is not None:
        _memory[key] = pickle.dumps(found)
    return found


def _load_config(repo, config_path):
    if not _lasts(repo):
        return _read(repo, config_path)
    return _copy(("read", config_path), lambda: _read(repo, config_path))


def _create_defaults_list(repo, config_name, overrides_list, prepend_hydra, skip_missing):
    """The options chosen decide it; typed values ride along."""
    if not _lasts(repo):
        return _listed(repo, config_name, overrides_list, prepend_hydra, skip_missing)
    values = [o for o in overrides_list if not o.is_sweep_override() and _is_value(o, repo)]
    choices = [o for o in overrides_list if not any(o is v for v in values)]
    key = ("listed", config_name, prepend_hydra, skip_missing, *(o.input_line for o in choices))
    found = _copy(key, lambda: _listed(repo, config_name, choices, prepend_hydra, skip_missing))
    return replace(found, config_overrides=values)


def _is_value(override, repo):
    """As Hydra tells a setting's value from a choice of an option."""
    return isinstance(override.value(), dict) or not repo.group_exists(override.key_or_group)


def _compose_config_from_defaults_list(loader, defaults, repo):
    if not _lasts(repo):
        return _merged(loader, defaults, repo)
    return _copy(("merged", repr(defaults)), lambda: _merged_in_two(loader, defaults, repo))


def _merged_in_two(loader, defaults, repo):
    """Hydra's own settings come first and are most of the work, and hardly ever are others chosen."""
    own = next((i for i, d in enumerate(defaults) if not d.config_path.startswith("hydra/")), len(defaults))
    cfg = _copy(("merged", repr(defaults[:own])), lambda: _merged(loader, defaults[:own], repo))
    cfg.merge_with(_merged(loader, defaults[own:], repo))
    return cfg
