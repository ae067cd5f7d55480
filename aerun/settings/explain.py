"""Turns an exception into one or two lines and an exit code."""

import errno
import re

from aerun.core.errors import NO_ROOM, AerunError, TrainingError, line_of
from aerun.core.exits import FAILED, WRONG
from aerun.settings.hydra_words import in_own_words

# What OmegaConf puts before the words of an error that is raised while a value such as a folder's name is made.
_OURS = re.compile(r"\bAerunError raised while resolving interpolation: ")
_UNFIT = (PermissionError, FileNotFoundError, NotADirectoryError, FileExistsError)
_NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
# What Hydra warns of where it does not find a place that hydra.searchpath names.
NO_PLACE = r"provider=(.+), path=(.+) is not available"
# What a person can do about a place that takes no more.
_NO_PLACE = {
    **NO_ROOM,
    errno.EROFS: "The file system can only be read. Choose another place with hydra.run.dir=DIR or hydra.sweep.dir=DIR.",
    errno.EIO: "The disk or the network behind it fails.",
}
# The errors of submitit, joblib and Ray for a process that ended without a result.
_ENDED = ("UncompletedJobError", "TerminatedWorkerError", "WorkerCrashedError", "OutOfMemoryError")


def explain(e: Exception) -> tuple[int, str]:
    """Return (exit code, message) of an error."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(e, AerunError):
        return WRONG, str(e)
    if isinstance(e, TrainingError):
        return FAILED, str(e)
    if isinstance(e, UserWarning) and (found := re.match(NO_PLACE, str(e))):
        return (
            WRONG,
            f"hydra.searchpath: {found[2]} is not there: pkg://NAME is a package that can be imported, file://DIR a folder.",
        )
    if words := _broken_file(e):
        return WRONG, words
    if isinstance(e, HydraException | OmegaConfBaseException):
        return WRONG, _named(e) + in_own_words(_OURS.sub("", _chain(e)))
    if isinstance(e, OSError) and e.filename and (isinstance(e, _UNFIT) or e.errno in _NO_NAME):
        return WRONG, f"cannot write or read {e.filename}: {e.strerror}. Choose another place with hydra.run.dir=DIR."
    if isinstance(e, OSError) and e.errno in _NO_PLACE and not isinstance(e, ConnectionError):
        target = f" to {e.filename}" if e.filename else ""
        return (
            FAILED,
            f"cannot write{target}: {e.strerror}. {_NO_PLACE[e.errno]} The same command again goes on with what is there.",
        )
    if isinstance(e, ConnectionError) and "Ray instance" in str(e):
        return (
            WRONG,
            "no Ray cluster runs there. Without an address one is started for the sweep; `ray start --head` starts one.",
        )
    if type(e).__name__ in _ENDED:
        where = re.search(r"with path (\S+)/", str(e))
        look = f" What it said is in {where[1]}." if where else ""
        return (
            1,
            f"a job was ended from outside (killed, cancelled, out of memory?).{look} The same command again goes on with it.",
        )
    return FAILED, f"{type(e).__name__}: {line_of(e)} (HYDRA_FULL_ERROR=1 shows where)"


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
