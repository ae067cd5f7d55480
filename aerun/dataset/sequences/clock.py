"""Local times: a zone for those without an offset, and what a clock that was set back looks like."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.formats.frame import Column, Values

Numbers = NDArray[np.int64]
_OFFSET = re.compile(r"(Z|[+-]\d\d(:?\d\d)?)\s*$", re.IGNORECASE)
_START = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR, _DAY = 3600.0, 86400.0


def zone_of(name: str | None) -> ZoneInfo | None:
    """Return the zone that `dataset.zone` names. Raise AerunError where there is none of that name."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as e:
        raise AerunError(f"dataset.zone={name}: no such time zone; a name as Europe/Berlin, America/New_York or UTC.") from e


def is_local(column: Column) -> NDArray[np.bool_]:
    """Return which rows hold a date without an offset from UTC; numbers never do."""
    if column.kind == "number":
        return np.zeros(len(column.values), dtype=np.bool_)
    if column.kind != "text":
        return np.ones(len(column.values), dtype=np.bool_)
    bare = np.array([":" in w and not _OFFSET.search(w.partition(":")[2]) for w in column.words])
    return bare[column.values.astype(np.int64)]


def in_zone(times: Values, local: NDArray[np.bool_], series: Numbers, zone: ZoneInfo) -> Values:
    """Return local times (N,), written as if they were UTC, in seconds of UTC; NaN for one that the clock skips.

    Of an hour that the clock shows twice, the second time that a series reaches a moment, in the order of the rows, is the
    later.
    """
    utc, seen = times.copy(), set[tuple[int, float]]()
    cache = {moment: _both(moment, zone) for moment in np.unique(times[local]).tolist()}
    for row in np.flatnonzero(local).tolist():
        moment = float(times[row])
        first, second = cache[moment]
        key = (int(series[row]), moment)
        utc[row] = second if key in seen else first
        if second > first:
            seen.add(key)
    return utc


def _both(moment: float, zone: ZoneInfo) -> tuple[float, float]:
    """Return the two moments that a clock's time may stand for, nearly always the same; NaN where it is set forward over it."""
    clock = (_START + timedelta(seconds=moment)).replace(tzinfo=zone)
    first, second = (clock.replace(fold=fold).timestamp() for fold in (0, 1))
    return (first, second) if second >= first else (np.nan, np.nan)


def set_back(repeated: Values) -> bool:
    """Return whether moments (n,) that occur twice look like a clock that was set back.

    That is the case where they lie on one or two days a year, within two hours.
    """
    days = np.floor(repeated / _DAY)
    if not len(days):
        return False
    years = (days.max() - days.min()) / 365 + 1
    spans = [np.ptp(repeated[days == day]) for day in np.unique(days)]
    return len(spans) <= 2 * years and max(spans) < 2 * _HOUR
