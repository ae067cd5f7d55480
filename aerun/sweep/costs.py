"""What the jobs of a sweep cost: each shape is measured; of many that differ in sizes alone four, between which others lie."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aerun.bill import past
from aerun.bill.cost import Cost, between, shape_key
from aerun.bill.probe import probe, size_of
from aerun.core.errors import TrainingError, line_of
from aerun.core.text import note
from aerun.train import judged

_MEASURED = 4  # sizes of one structure

Config = Mapping[str, Any]


def cost_of_job(config: Config) -> Cost | None:
    """Return what a job costs, by the bill of its shape, which is made where there is none; None where its training fails."""
    return past.kept(config) or _measured(config)


def costs_of(jobs: Mapping[str, Config], again: bool = True) -> dict[str, Cost]:
    """Return what each of these jobs costs, by name; those that fail in their first steps are left out, which is said.

    again: what was measured here before is measured again, as it may have changed. What the start of a process takes, and its
    first run more than others, is that of this process, which has just started.
    """
    start = time.process_time()
    structures: dict[str, dict[str, Config]] = {}
    for config in jobs.values():
        structures.setdefault(shape_key(config, sizes=False), {})[shape_key(config)] = config
    known: dict[str, Cost] = {}
    for shapes in structures.values():
        known |= _of_structure(shapes, again)
    first = max((cost.first for cost in known.values()), default=0.0)
    known = {key: replace(cost, start=min(cost.start, start), first=first) for key, cost in known.items()}
    for config in {shape_key(config): config for config in jobs.values()}.values():
        if shape_key(config) in known:
            past.keep(config, known[shape_key(config)])
    return {name: known[key] for name, config in jobs.items() if (key := shape_key(config)) in known}


def _of_structure(shapes: Mapping[str, Config], again: bool) -> dict[str, Cost]:
    """Return what each of these shapes costs, which are of one structure; the bills are kept for their jobs."""
    before = {} if again else {key: cost for key, config in shapes.items() if (cost := past.kept(config)) is not None}
    if len(before) == len(shapes):
        return before
    if len(shapes) <= _MEASURED:
        found = {key: before.get(key) or _measured(config) for key, config in shapes.items()}
        return {key: cost for key, cost in found.items() if cost is not None}
    sizes = {key: size_of(dict(config)) for key, config in shapes.items()}
    order = sorted(shapes, key=lambda key: sizes[key].flop)
    chosen = {order[round(i * (len(order) - 1) / (_MEASURED - 1))] for i in range(_MEASURED)}
    measured = {key: cost for key in order if key in chosen and (cost := _measured(shapes[key])) is not None}
    if not measured:
        return {}
    drawn = {key: between(size, list(measured.values())) for key, size in sizes.items() if key not in measured}
    for key, cost in drawn.items():
        past.keep(shapes[key], cost)
    return {**measured, **drawn}


def _measured(config: Config) -> Cost | None:
    try:
        cost = probe(dict(config), judged, in_sweep=True)
    except TrainingError as e:  # which is the job's to tell
        note(f"bill: a job that fails in its first steps is not in it: {line_of(e)}")
        return None
    past.keep(config, cost)
    return cost
