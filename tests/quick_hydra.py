"""Hydra with a memory: what it reads and merges for one choice of aerun's options is kept for the process.

Of a composition of 0.1 s, all but the typed values depends on the chosen options alone; thousands of tests choose among a few.
Three of Hydra's functions are remembered, each by everything that it depends on, and every caller gets a copy of its own.
Folders of a user's options, which tests write, are read anew each time.
"""

from copy import copy, deepcopy
from dataclasses import replace

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository

from aerun.core.paths import config_dir

_LASTING = {"hydra": "pkg://hydra.conf", "main": f"file://{config_dir()}", "schema": "structured://"}
_read = ConfigRepository.load_config
_listed = config_loader_impl.create_defaults_list
_merged = ConfigLoaderImpl._compose_config_from_defaults_list
_memory = {}
_MOST = 500  # things remembered: 0.3 MB for a whole config


def remember():
    """Give this process's Hydra its memory."""
    ConfigRepository.__deepcopy__ = lambda repo, memo: copy(repo)  # each composition copied all that plugins had registered
    ConfigRepository.load_config = _load_config
    config_loader_impl.create_defaults_list = _create_defaults_list
    ConfigLoaderImpl._compose_config_from_defaults_list = _compose_config_from_defaults_list


def forget():
    """Hydra as it is."""
    del ConfigRepository.__deepcopy__
    ConfigRepository.load_config = _read
    config_loader_impl.create_defaults_list = _listed
    ConfigLoaderImpl._compose_config_from_defaults_list = _merged


def _lasts(repo):
    """Are all sources of configs such that nobody changes them in a test?"""
    return all(_LASTING.get(s.provider) == f"{s.scheme()}://{s.path}" for s in repo.get_sources())


def _kept(key, make):
    if key not in _memory:
        if len(_memory) > _MOST:
            _memory.clear()
        _memory[key] = make()
    return _memory[key]


def _load_config(repo, config_path):
    if not _lasts(repo):
        return _read(repo, config_path)
    return deepcopy(_kept(("read", config_path), lambda: _read(repo, config_path)))


def _create_defaults_list(repo, config_name, overrides_list, prepend_hydra, skip_missing):
    """The options chosen decide it; typed values ride along."""
    if not _lasts(repo):
        return _listed(repo, config_name, overrides_list, prepend_hydra, skip_missing)
    values = [o for o in overrides_list if not o.is_sweep_override() and _is_value(o, repo)]
    choices = [o for o in overrides_list if o not in values]
    key = ("listed", config_name, *(o.input_line for o in choices), prepend_hydra, skip_missing)
    found = _kept(key, lambda: _listed(repo, config_name, choices, prepend_hydra, skip_missing))
    return replace(found, config_overrides=values, overrides=copy(found.overrides))


def _is_value(override, repo):
    """As Hydra tells a setting's value from a choice of an option."""
    return isinstance(override.value(), dict) or not repo.group_exists(override.key_or_group)


def _compose_config_from_defaults_list(loader, defaults, repo):
    if not _lasts(repo):
        return _merged(loader, defaults, repo)
    return deepcopy(_kept(("merged", repr(defaults)), lambda: _merged(loader, defaults, repo)))
