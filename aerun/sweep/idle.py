"""Settings that some jobs of a grid do not have, such as reg.lambda of a model without regularizer: once, or an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aerun.core.errors import AerunError

POLICIES = ("once", "error")


@dataclass(frozen=True)
class GridJob:
    """A job of a grid: its overrides, its resolved config, and those overrides that nothing in it uses.

    chosen: those that choose options. error: why it cannot be composed; it has no config then.
    """

    typed: tuple[str, ...]
    config: Mapping[str, Any]
    idle: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    error: str = ""


def key_of(override: str) -> str:
    """Return the setting that an override changes."""
    return override.lstrip("+~").partition("=")[0]


def unused(jobs: Sequence[GridJob]) -> set[str]:
    """Return the settings that no job uses: mistakes, whatever sweep.idle is."""
    composed = [job for job in jobs if not job.error]
    keys = {key_of(o) for job in composed for o in job.idle}
    return {k for k in keys if all(k in map(key_of, job.idle) for job in composed)}


def once(jobs: Sequence[GridJob]) -> list[GridJob]:
    """Return the jobs without what they do not use; those that are then the same are one."""
    kept: dict[tuple[str, ...], GridJob] = {}
    for job in jobs:
        typed = tuple(o for o in job.typed if o not in job.idle)
        kept.setdefault(typed, replace(job, typed=typed))
    return list(kept.values())


def table(jobs: Sequence[GridJob], policy: str) -> list[str]:
    """Return a table of which jobs use the settings that not all use, in lines; none where all use all."""
    keys = dict.fromkeys(key_of(o) for job in jobs for o in job.idle)
    names = names_of(jobs)
    wide = max(map(len, names), default=0)
    lines = list[str]()
    for key in keys:
        lines.append(f"{key}: not every job of this sweep has this setting (sweep.idle={policy})")
        for name in dict.fromkeys(names):
            same = [job for job, its in zip(jobs, names, strict=True) if its == name]
            lines.append(f"  {name:<{wide}}  {_use(key, same, policy)}")
    return lines


def lacking(jobs: Sequence[GridJob]) -> dict[str, list[str]]:
    """Return the settings that not all jobs use, and the choices of the jobs that do not."""
    pairs = [(key_of(o), name) for job, name in zip(jobs, names_of(jobs), strict=True) for o in job.idle]
    return {key: list(dict.fromkeys(name for k, name in pairs if k == key)) for key in dict.fromkeys(k for k, _ in pairs)}


def refuse(jobs: Sequence[GridJob]) -> None:
    """Raise AerunError where some jobs do not use a setting."""
    if lines := table(jobs, "error"):
        raise AerunError("\n".join([*lines, "Sweep these models one after the other, or sweep.idle=once runs such jobs once."]))


def names_of(jobs: Sequence[GridJob]) -> list[str]:
    """Return for each job the choices of options that not all jobs have, in a line; all that is typed where there are none."""
    shared = set.intersection(*(set(job.chosen) for job in jobs)) if jobs else set()
    return [" ".join(o for o in job.chosen if o not in shared) or " ".join(job.typed) for job in jobs]


def _use(key: str, jobs: Sequence[GridJob], policy: str) -> str:
    before, after = len(jobs), len(once(jobs))
    count = f"{after} job{'s' * (after != 1)}"
    if not any(key in map(key_of, job.idle) for job in jobs):
        return f"uses it     {count}"
    fewer = f" instead of {before}" if after < before and policy == "once" else ""
    return f"without it  {count}{fewer}"
