"""Jobs of a sweep in words."""

from collections.abc import Mapping, Sequence

from aerun.settings.naming import own_overrides

_SHOWN = 3


def listed(names: Sequence[str], separator: str = ", ") -> str:
    """Return the first few names in a line, and how many more there are."""
    more = f"{separator}and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return separator.join(names[:_SHOWN]) + more


def other_settings(planned: Mapping[str, Sequence[str]], before: Mapping[str, Sequence[str]]) -> str:
    """Return the settings in which all new jobs of a command are other than all that it leaves out; empty where in none."""
    new = [typed for name, typed in planned.items() if name not in before]
    gone = [typed for name, typed in before.items() if name not in planned]
    if not new or not gone:
        return ""
    here, there = (set.intersection(*(set(own_overrides(typed)) for typed in jobs)) for jobs in (new, gone))
    differ = sorted(here - there), sorted(there - here)
    return f"{listed(differ[0]) or 'nothing'} here, {listed(differ[1]) or 'nothing'} there" if any(differ) else ""
