"""Turns an exception into one or two lines and an exit code."""

import errno
import re
from collections.abc import Iterable

from aerun.core.errors import AerunError, TrainingError, nearest
from aerun.core.paths import config_dir
from aerun.settings.catalog import ORDER, setting_names
from aerun.settings.plugins import not_found
from aerun.settings.synonyms import own_words, torch_optimizer

# What OmegaConf puts before the words of an error that is raised while a value such as a folder's name is made.
_OURS = re.compile(r"\bAerunError raised while resolving interpolation: ")
# What a person can do about a place that takes no more.
_NO_PLACE = {
    errno.ENOSPC: "The disk is full, or has no room for more files (df, df -i). Make room, or choose another place.",
    errno.EDQUOT: "The quota is used up. Make room, or choose another place.",
    errno.EROFS: "The file system can only be read. Choose another place with hydra.run.dir=DIR or hydra.sweep.dir=DIR.",
    errno.EIO: "The disk or the network behind it fails.",
}
UNLIKE = "the config that is read has no such group: one of your own begins with `defaults: [config, _self_]`."
_PRESET = (
    "a preset that chooses options of other groups begins with the line `# @package _global_`, "
    "and its defaults with `override /GROUP: NAME`."
)
# The errors of submitit, joblib and Ray for a process that ended without a result.
_ENDED = ("UncompletedJobError", "TerminatedWorkerError", "WorkerCrashedError", "OutOfMemoryError")


def explain(e: Exception) -> tuple[int, str]:
    """Return (exit code, message) of an error. 2: the command is wrong; 1: the run failed."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(e, AerunError):
        return 2, str(e)
    if isinstance(e, TrainingError):
        return 1, str(e)
    if words := _broken_file(e):
        return 2, words
    if isinstance(e, HydraException | OmegaConfBaseException):
        return 2, _named(e) + _hydra(_OURS.sub("", _chain(e)))
    if isinstance(e, PermissionError | FileNotFoundError | NotADirectoryError) and e.filename:
        return 2, f"cannot write or read {e.filename}: {e.strerror}. Choose another place with hydra.run.dir=DIR."
    if isinstance(e, OSError) and e.errno in _NO_PLACE and not isinstance(e, ConnectionError):
        target = f" to {e.filename}" if e.filename else ""
        return 1, f"cannot write{target}: {e.strerror}. {_NO_PLACE[e.errno]} The same command again goes on with what is there."
    if isinstance(e, ConnectionError) and "Ray instance" in str(e):
        return (
            2,
            "no Ray cluster runs there. Without an address one is started for the sweep; `ray start --head` starts one.",
        )
    if type(e).__name__ in _ENDED:
        where = re.search(r"with path (\S+)/", str(e))
        look = f" What it said is in {where[1]}." if where else ""
        return (
            1,
            f"a job was ended from outside (killed, cancelled, out of memory?).{look} The same command again goes on with it.",
        )
    return 1, f"{type(e).__name__}: {e} (HYDRA_FULL_ERROR=1 shows where)"


def _broken_file(e: Exception) -> str:
    """Return what is wrong with a config of the user's own that cannot be read; empty for any other error."""
    # deferred: only for whoever has such a file
    from yaml import MarkedYAMLError

    if isinstance(e, MarkedYAMLError) and e.problem_mark is not None:
        mark = e.problem_mark
        return f"{mark.name}, line {mark.line + 1}: this is not YAML: {e.problem}."
    if isinstance(e, UnicodeDecodeError) and (file := _opened(e)):
        return f"{file}: this is not UTF-8 (byte {e.start}): save it as UTF-8."
    return ""


def _opened(e: Exception) -> str:
    """Return the config file that Hydra was reading when `e` was raised; empty where it was reading none."""
    place, file = e.__traceback__, ""
    while place is not None:
        if place.tb_frame.f_globals.get("__name__") == "hydra._internal.core_plugins.file_config_source":
            file = str(place.tb_frame.f_locals.get("full_path", ""))
        place = place.tb_next
    return file


def _named(e: Exception) -> str:
    """Return the setting whose interpolation fails, in front of the words about it; empty for any other error."""
    from omegaconf.errors import InterpolationResolutionError

    if not isinstance(e, InterpolationResolutionError) or _OURS.search(str(e)):
        return ""
    key = str(getattr(e, "full_key", None) or "hydra")
    return "" if key.startswith("hydra") else f"{key}: "  # a run's folder is named after what was typed


def _chain(e: BaseException | None) -> str:
    lines: list[str] = []
    while e is not None:
        for line in str(e).strip().splitlines():
            line = line.strip()
            if line and line not in lines and not line.startswith(("full_key:", "object_type=", "reference_type=")):
                lines.append(line)
        e = e.__cause__
    return " ".join(lines)


def _hydra(text: str) -> str:
    if match := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{match[1]}: several values are a sweep: aerun -m {match[1]}. One list is written KEY=[A,B]."
    if match := re.search(r"Could not (?:find|load) '([^']+)'", text):
        path = match[1]
        group, _, name = path.rpartition("/")
        there = re.search(r"Available options in '[^']+':(.*?)(?:Config search path|$)", text)
        if words := not_found(path, there[1].split() if there else ()):
            return words
        if group == "optimizer" and (choice := torch_optimizer(name)):
            return f"optimizer={name}: is one of torch's: {choice}."
        if group.startswith("experiment/"):
            return f"{group.removeprefix('experiment/')}={name}: {_PRESET}"
        if group == "experiment":
            return _no_preset(name, there[1].split() if there else ())
        if group.startswith("hydra/"):
            options = there[1].split() if there else []
            return f"{group}={name}: no such option of Hydra's{nearest(name, options)} ({', '.join(sorted(options))})."
        choices = sorted(p.stem for p in (config_dir() / group).glob("*.yaml")) if group else []
        if choices:
            return f"{group}={name}: no such option{nearest(name, choices)} ({group}: {', '.join(choices)})."
        return _no_config(path)
    if match := re.search(r"Cannot find primary config '([^']+)'", text):
        return _no_config(match[1])
    if match := re.search(r"(?:of config groups is not supported: '|^)\+{1,2}(\S+?)=([^'\s]*)'", text):
        return f"{match[1]} is a group, one option of which is chosen already: {match[1]}={match[2]} takes another."
    if match := re.search(r"^(\S+) appears more than once in the final defaults list", text):
        return f"+{match[1]}: an option of the group {match[1]} is chosen already: {match[1]}=NAME takes another."
    if match := re.search(r"^Multiple values for (\S+?)\. To override a value use 'override \S+ ([^']+)'", text):
        return f"+{match[1]}={match[2]}: the group {match[1]} has its option already: {match[1]}={match[2]} takes another."
    if match := re.search(r"Could not override '([^']+)'", text):
        key = match[1]
        if "@" in key and ".yaml" not in key:
            return f"{key.partition('@')[0]}: {_PRESET}"
        if key in ORDER:
            return f"{key}: {UNLIKE}"
        term, absent = re.match(r"reg\.terms\.(\w+)", key), re.search(r"Key '([^']+)' is not in struct", text)
        if term and absent and absent[1] == term[1]:
            regularizers = sorted(p.stem for p in (config_dir() / "regularizer").glob("*.yaml"))
            if term[1] not in regularizers:
                return f"{key}: no such regularizer{nearest(term[1], regularizers)} ({', '.join(regularizers)})."
            return f"{key}: this regularizer is not chosen: add regularizer={term[1]}."
        if key.startswith("hydra."):
            return f"{key}: no such setting of Hydra's. `aerun --cfg hydra` shows them all, +{key}=VALUE adds one."
        if key == "experiment":
            wanted = re.search(r"experiment=(\S+)", text)
            return _no_preset(wanted[1] if wanted else "", ())
        settings = setting_names()
        if key in settings:
            return f"{key}: a setting of an option that is not chosen here. `aerun --cfg job` shows the settings of what is."
        typed = re.search(rf"use \+{re.escape(key)}=(.*?)(?: Key '|$)", text)
        if words := own_words(key, typed[1] if typed else None):
            return words
        return f"{key}: no such setting or group{nearest(key, [*_groups(), *settings])}. `aerun --cfg job` shows all settings."
    return text.partition("Config search path")[0].strip()


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


def _groups() -> Iterable[str]:
    """Return the config groups, as they are typed."""
    root = config_dir()
    return [str(p.relative_to(root)) for p in root.rglob("*") if p.is_dir()]
