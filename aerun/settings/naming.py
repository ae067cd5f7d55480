"""Names of the folders of runs and sweeps: no two jobs have the same name.

A job's name is its overrides, joined with commas. Characters that a file name should not hold become `_`. A name from which
the overrides could no longer be read, also on a file system that ignores case, ends in eight digits of their hash.
"""

import datetime
import errno
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.settings.labels import ASIDE

_LIMIT = 200  # bytes of a name; 255 are allowed, and time, hash and number are added
_STRANGE = re.compile(r"[^\w=.+-]+")
_PLAIN = re.compile(r"[a-z0-9_=.+-]+")
_WORD = r"[a-z0-9.+-]+"
_LIST = re.compile(rf"[a-z0-9_=.+-]+=\[(?:{_WORD}(?:,{_WORD})*)?\]")  # becomes _A_B_, as nothing else without a hash does
_LIKE_LIST = re.compile(r"=_(?:.*_)?$")


def job_name(overrides: Sequence[str]) -> str:
    """Return the name of a job's folder: no two lists of overrides have the same."""
    own = own_overrides(overrides)
    name = ",".join(_STRANGE.sub("_", o) for o in own) or "default"
    if all(map(_is_readable, own)) and len(name) <= _LIMIT:
        return name
    return f"{_cut(name)}-{_hash(chr(0).join(own))}"


def job_name_before(overrides: Sequence[str]) -> str:
    """Return the name that an earlier aerun 0.1 gave to a job's folder, so that its sweeps can be continued."""
    name = ",".join(_STRANGE.sub("_", o) for o in own_overrides(overrides)) or "default"
    return name if len(name) <= _LIMIT else f"{name[: _LIMIT - 9]}-{_hash(name)}"


def new_folder(parent: str, overrides: Sequence[str] | None, make: bool = True) -> str:
    """Make PARENT/DATE_TIME_OVERRIDES, with -2, -3, ... where that exists, and return it: no other process has it.

    overrides: None for a name that is date and time alone. make: False only returns the name that the folder would have. Raises
    AerunError where the folder cannot be made.
    """
    stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    words = ",".join(_STRANGE.sub("_", o) for o in own_overrides(overrides or ())) or "default"
    name = stamp if overrides is None else f"{stamp}_{words if len(os.fsencode(words)) <= _LIMIT else _cut(words)}"
    number = 1
    while True:
        path = Path(parent) / (name if number == 1 else f"{name}-{number}")
        if not path.exists() if not make else _made(path, "run" if overrides is not None else "sweep"):
            return str(path)
        number += 1


def _made(path: Path, kind: str) -> bool:
    """Return whether the folder was made; False where it existed already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise AerunError(f"cannot make {path}: {path.parent} is a file. {_elsewhere(kind)}") from None
    except OSError as e:
        raise _unmade(path, e, kind) from e
    return True


def _elsewhere(kind: str) -> str:
    return f"Choose another place with hydra.{kind}.dir=DIR."


def _unmade(path: Path, e: OSError, kind: str) -> AerunError:
    long = " (its name is too long for this file system)" if e.errno == errno.ENAMETOOLONG else ""
    return AerunError(f"cannot make {path}: {e.strerror}{long}. {_elsewhere(kind)}")


def own_overrides(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that make a job what it is, without places, tags, notes and loggers."""
    plain = [o.lstrip("+") for o in overrides if not o.startswith(("dataset.root=", "hydra.", "sweep."))]
    return [o for o in plain if re.split(r"[.=]", o.lstrip("~"))[0] not in ASIDE]


def _is_readable(override: str) -> bool:
    """Return whether this override can be read from its part of a name."""
    plain = bool(_PLAIN.fullmatch(override)) and not _LIKE_LIST.search(override)
    return plain or bool(_LIST.fullmatch(override))


def _cut(name: str) -> str:
    """Return the beginning of a name: as many whole letters as leave room for a hash."""
    return os.fsencode(name)[: _LIMIT - 9].decode(errors="ignore")


def _hash(words: str) -> str:
    return hashlib.sha1(os.fsencode(words)).hexdigest()[:8]
