"""What Hydra says of a command line, in aerun's words: what was typed, what is wrong, what would work."""

import re
from collections.abc import Callable, Iterable

from aerun.core.errors import nearest
from aerun.core.paths import config_dir
from aerun.settings.catalog import ORDER, setting_names
from aerun.settings.plugins import not_found
from aerun.settings.synonyms import own_words, torch_optimizer

UNLIKE = "the config that is read has no such group: one of your own begins with `defaults: [config, _self_]`."
_PRESET = (
    "a preset that chooses options of other groups begins with the line `# @package _global_`, "
    "and its defaults with `override /GROUP: NAME`."
)


def in_own_words(text: str) -> str:
    """Return the words for an error of Hydra's; its own where there are no better ones."""
    for pattern, answer in _ANSWERS.items():
        if match := re.search(pattern, text):
            return answer(match, text)
    return text.partition("Config search path")[0].strip()


def _several(match: re.Match[str], text: str) -> str:
    return f"{match[1]}: several values are a sweep: aerun -m {match[1]}. One list is written KEY=[A,B]."


def _no_primary(match: re.Match[str], text: str) -> str:
    return _no_config(match[1])


def _chosen(match: re.Match[str], text: str) -> str:
    """Answer `+GROUP=NAME` for a group that has its option."""
    group, name = match[1], match[2] if match.re.groups > 1 else "NAME"
    return f"+{group}={name}: the group {group} has its option already: {group}={name} takes another."


def _no_option(match: re.Match[str], text: str) -> str:
    """Answer a choice that is not there."""
    group, _, name = match[1].rpartition("/")
    found = re.search(r"Available options in '[^']+':(.*?)(?:Config search path|$)", text)
    there = found[1].split() if found else []
    if words := not_found(match[1], there):
        return words
    if group == "optimizer" and (choice := torch_optimizer(name)):
        return f"optimizer={name}: is one of torch's: {choice}."
    if group.startswith("experiment/"):
        return f"{group.removeprefix('experiment/')}={name}: {_PRESET}"
    if group == "experiment":
        return _no_preset(name, there)
    if group.startswith("hydra/"):
        return f"{group}={name}: no such option of Hydra's{nearest(name, there)} ({', '.join(sorted(there))})."
    choices = sorted(p.stem for p in (config_dir() / group).glob("*.yaml")) if group else []
    if choices:
        return f"{group}={name}: no such option{nearest(name, choices)} ({group}: {', '.join(choices)})."
    return _no_config(match[1])


def _no_setting(match: re.Match[str], text: str) -> str:
    """Answer a key that is not there."""
    key = match[1]
    if "@" in key:
        return f"{key.partition('@')[0]}: {_PRESET}"
    if key in ORDER:
        return f"{key}: {UNLIKE}"
    if words := _no_term(key, text):
        return words
    if key.startswith("hydra."):
        return f"{key}: no such setting of Hydra's. `aerun --cfg hydra` shows them all, +{key}=VALUE adds one."
    if key == "experiment":
        wanted = re.search(r"experiment=(\S+)", text)
        return _no_preset(wanted[1] if wanted else "", ())
    settings = setting_names()
    if key in settings:
        return f"{key}: a setting of an option that is not chosen here. `aerun --cfg job` shows the settings of what is."
    typed = re.search(rf"use \+{re.escape(key)}=(.*?)(?: Key '|$)", text)
    if own := own_words(key, typed[1] if typed else None):
        return own
    return f"{key}: no such setting or group{nearest(key, [*_groups(), *settings])}. `aerun --cfg job` shows all settings."


def _no_term(key: str, text: str) -> str:
    """Answer a setting of a regularizer that is not chosen; return an empty string for any other key."""
    term, absent = re.match(r"reg\.terms\.(\w+)", key), re.search(r"Key '([^']+)' is not in struct", text)
    if not term or not absent or absent[1] != term[1]:
        return ""
    regularizers = sorted(p.stem for p in (config_dir() / "regularizer").glob("*.yaml"))
    if term[1] not in regularizers:
        return f"{key}: no such regularizer{nearest(term[1], regularizers)} ({', '.join(regularizers)})."
    return f"{key}: this regularizer is not chosen: add regularizer={term[1]}."


def _no_config(name: str) -> str:
    return (
        f"{name}: no such config. --config-name takes a file of the folder of --config-dir. --config-path replaces aerun's "
        "own options; hydra.searchpath=[pkg://aerun.configs] adds them again."
    )


def _no_preset(name: str, there: Iterable[str]) -> str:
    """Return what to do about a preset that is not there. there: those that are."""
    if (config_dir() / "acceptance" / f"{name}.yaml").is_file():
        return f"experiment={name}: this is an experiment of aerun's own: aerun experiment {name}"
    there = sorted(set(there) - {"none"})
    known = f" ({', '.join(there)})" if there else ""
    how = f"a preset is a file experiment/{name or 'NAME'}.yaml in the folder of --config-dir"
    return f"experiment={name}: no such preset{nearest(name, there)}{known}: {how}."


def _ungrammatical(match: re.Match[str], text: str) -> str:
    """Answer what Hydra's grammar, or OmegaConf's, has no place for; the parser's own words say nothing to most people."""
    typed = re.search(r"(?:parsing|merging) override (\S+)", text)
    what = f"{typed[1]}: " if typed else ""
    return f"{what}this cannot be read as KEY=VALUE. A value with special characters is typed in quotes: KEY=\"'VALUE'\"."


def _groups() -> Iterable[str]:
    """Return the config groups, as they are typed."""
    root = config_dir()
    return [str(p.relative_to(root)) for p in root.rglob("*") if p.is_dir()]


_ANSWERS: dict[str, Callable[[re.Match[str], str], str]] = {
    r"Ambiguous value for argument '([^']+)'": _several,
    r"Could not (?:find|load) '([^']+)'": _no_option,
    r"Cannot find primary config '([^']+)'": _no_primary,
    r"of config groups is not supported: '\+{1,2}(\S+?)=([^'\s]*)'": _chosen,
    r"^(\S+) appears more than once in the final defaults list": _chosen,
    r"^Multiple values for (\S+?)\. To override a value use 'override \S+ ([^']+)'": _chosen,
    r"Could not override '([^']+)'": _no_setting,
    r"NoViableAlt|no viable alternative|(?:mismatched|extraneous) input|missing \S+ at '|token recognition": _ungrammatical,
}
