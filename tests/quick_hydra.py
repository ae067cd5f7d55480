"""Hydra with a memory: what it reads and merges for one choice of aerun's options is kept for the process.

Of a composition of 0.1 s, all but the typed values depends on the chosen options alone; thousands of tests choose among a few.
Three of Hydra's functions are remembered, each by everything that it depends on, and every caller gets a copy of its own.
What is new is merged as plain dictionaries, in a tenth of the time that typed nodes take.
Folders of a user's options, which tests write, are read anew each time.
"""

import copy as copy_module
import pickle
from copy import copy
from dataclasses import replace
from types import SimpleNamespace

from hydra._internal import config_loader_impl, defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, ListConfig, OmegaConf

from aerun.core.paths import config_dir

_LASTING = {"hydra": "pkg://hydra.conf", "main": f"file://{config_dir()}", "schema": "structured://"}
_read = ConfigRepository.load_config
_listed = config_loader_impl.create_defaults_list
_merged = ConfigLoaderImpl._compose_config_from_defaults_list
_mapped = defaults_list._create_interpolation_map
_memory = {}


def remember():
    """Give this process's Hydra its memory."""
    ConfigRepository.load_config = _load_config
    ConfigRepository.__deepcopy__ = lambda repo, memo: copy(repo)  # each composition copied all that plugins had registered
    config_loader_impl.create_defaults_list = _create_defaults_list
    defaults_list._create_interpolation_map = _create_interpolation_map
    defaults_list.copy = SimpleNamespace(copy=copy, deepcopy=_entries)
    ConfigLoaderImpl._compose_config_from_defaults_list = _compose_config_from_defaults_list


def forget():
    """Hydra as it is."""
    ConfigRepository.load_config = _read
    del ConfigRepository.__deepcopy__
    config_loader_impl.create_defaults_list = _listed
    defaults_list._create_interpolation_map = _mapped
    defaults_list.copy = copy_module
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


def _create_interpolation_map(overrides, found, self_added):
    """What interpolations in a list of defaults may name, where it has any."""
    return _mapped(overrides, found, self_added) if any(d.is_interpolation() for d in found if not d.is_self()) else None


def _entries(found):
    """A list of defaults of one's own: what is changed of an entry are its fields."""
    return None if found is None else [copy(d) for d in found]


def _merged_in_two(loader, defaults, repo):
    """Hydra's own settings come first and are most of the work, and hardly ever are others chosen."""
    own = next((i for i, d in enumerate(defaults) if not d.config_path.startswith("hydra/")), len(defaults))
    rest, plain = defaults[own:], {}
    for one in rest:
        found = _plain(loader, one, repo)
        if found is None:
            return _merged(loader, defaults, repo)
        merge(plain, found)
    about = plain.pop("hydra", {})
    cfg = _copy(("merged", repr(defaults[:own]), repr(about)), lambda: _with_own(loader, defaults[:own], repo, about))
    for key, node in OmegaConf.create(plain)._content.items():  # all new to it: there is nothing to merge
        node._set_parent(cfg)
        cfg._content[key] = node
    return cfg


def _with_own(loader, own, repo, about):
    cfg = _merged(loader, own, repo)
    cfg.merge_with({"hydra": about} if about else {})
    return cfg


def _plain(loader, one, repo):
    """What a file holds at its place, None where types of its own or marks decide how it is merged."""

    def made():
        cfg = loader._load_single_config(one, repo).config
        return (OmegaConf.to_container(cfg),) if _is_plain(cfg) else ()

    return next(iter(_copy(("plain", repr(one)), made)), None)


def _is_plain(node):
    if isinstance(node, DictConfig | ListConfig):
        if node._is_none() or node._is_missing() or node._is_interpolation() or OmegaConf.get_type(node) not in (dict, list):
            return node._is_none()
        return all(_is_plain(n) for n in (node._content.values() if isinstance(node, DictConfig) else node._content))
    return not node._is_missing()


def merge(into, new):
    """Put settings on others, as Hydra merges plain ones; the dictionaries of `new` stay as they are."""
    for key, value in new.items():
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            merge(into[key], value)
        else:
            into[key] = value
