"""`sweep.nested=true`: one run with nested codes for all code sizes of a grid, then the size to take by itself."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.paths import seen_from
from aerun.core.text import say
from aerun.runs.folder import Folder
from aerun.runs.sizes import SIZE, prefix_choice
from aerun.settings.quoting import in_quotes
from aerun.settings.sources import Jobs
from aerun.sweep.derived import Derived
from aerun.sweep.grid import name_in, read
from aerun.sweep.idle import GridJob, key_of
from aerun.sweep.nested_jobs import ASKED, SETTINGS, is_nested

_NESTED, _REGULARIZER = "nested", "regularizer"


def nested(found: Sequence[GridJob], jobs: Jobs) -> list[GridJob]:
    """Return one job for all jobs that differ in the code size alone: that of the largest, whose prefixes are the others.

    Raises AerunError where the code size is not swept, and for jobs that are nested already or whose weights of regularizers
    are 0.
    """
    groups: dict[tuple[str, ...], list[GridJob]] = {}
    for job in found:
        groups.setdefault(tuple(o for o in job.typed if key_of(o) != SIZE), []).append(job)
    if all(len(_sizes(group)) < 2 for group in groups.values()):
        raise AerunError(f"sweep.nested=true: {SIZE} is not swept: name the code sizes, such as {SIZE}=2,4,8,16.")
    settings = Derived(jobs)
    return [_one(group, settings) if len(_sizes(group)) > 1 else group[0] for group in groups.values()]


def follow_up(folder: Path, jobs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return for each nested job that is complete the job of the size to take, which begins with its weights; say why."""
    more = []
    for typed in jobs:
        path = folder / name_in(folder, typed, read(folder))
        results = Folder(path).read()
        choice = prefix_choice(results) if results.get("status") == "completed" and is_nested(typed) else None
        if choice is not None:
            size, words = choice
            say(f"sweep.nested: {words}. It is trained by itself, from the weights of the nested run.")
            own = [o for o in typed if key_of(o) not in (SIZE, _REGULARIZER) and not o.startswith(SETTINGS)]
            begun = in_quotes(str(seen_from(Path.cwd(), path)))
            more.append([*own, _without_nested(typed), f"{SIZE}={size}", f"model.init_from={begun}"])
    return more


def _without_nested(typed: Sequence[str]) -> str:
    """Return the choice of regularizers of a nested job as it is without the nested term."""
    chosen = next(o for o in typed if key_of(o) == _REGULARIZER).partition("=")[2]
    names = [name for name in chosen.strip("[]").split(",") if name != _NESTED]
    return f"{_REGULARIZER}=" + (f"[{','.join(names)}]" if names[1:] else names[0] if names else "none")


def _sizes(group: Sequence[GridJob]) -> list[int]:
    return sorted({int(job.config["model"]["latent_dim"]) for job in group})


def _one(group: Sequence[GridJob], settings: Derived) -> GridJob:
    sizes = _sizes(group)
    largest = next(job for job in group if job.config["model"]["latent_dim"] == sizes[-1])
    reg: Any = largest.config["reg"]
    terms = list(reg.get("terms") or {})
    if _NESTED in terms:
        raise AerunError("sweep.nested=true: adds regularizer=nested itself: leave it out.")
    weight = float(reg["lambda"]) if terms else 1.0
    if weight == 0:
        raise AerunError("sweep.nested=true: reg.lambda=0 would switch the nested term off too. Leave regularizer out instead.")
    own = [o for o in largest.typed if key_of(o) not in (SIZE, _REGULARIZER)]
    typed = [
        *own,
        *([] if any(o.lower() == ASKED for o in own) else [ASKED]),  # where a config of the user's own asks for it
        f"{SIZE}={sizes[-1]}",
        f"{_REGULARIZER}=[{','.join([*terms, _NESTED])}]",
        f"{SETTINGS}sizes=[{','.join(map(str, sizes))}]",
        *([f"{SETTINGS}weight={1 / weight:g}"] if weight != 1 else []),
    ]
    return replace(largest, typed=tuple(typed), config=settings(typed).plain, idle=())
