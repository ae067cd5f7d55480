"""The page of `aerun features`: every unit of a code, searched and sorted, with the samples that it is on for."""

import json
from typing import Any

from markupsafe import Markup

from aerun.core.text import counted
from aerun.report.render import policy, rendered, script, style

_SCRIPT = "units.js"


def units_page(answer: dict[str, Any]) -> str:
    """Return the page of what `inference.unit_survey` found."""
    units = answer["units"]
    shown = sum("top" in u for u in units)
    lines = [
        f"{counted(answer['samples_read'], 'sample')}, {counted(len(units), 'unit')}: {answer['l0']:.4g} of them are on for a "
        f"sample on average, {answer['never_on']:,} never are."
    ]
    if shown < len(units):
        lines.append(f"Samples are shown of {shown:,} units; --units shows others.")
    if answer["places"]:
        lines.append("A unit has a value at each of several places; here it is the one that is furthest from 0.")
    if not answer["atoms"].startswith("in units"):
        lines.append(f"No atoms: {answer['atoms']}.")
    return rendered(
        "units.html.j2",
        {},
        name=f"Units of {answer['model']}",
        policy=policy(script(_SCRIPT)),
        style=style(),
        script=script(_SCRIPT),
        lines=lines,
        content=embedded(answer),
    )


def embedded(content: Any) -> Markup:
    """Return plain data as JSON that may stand in a page: nothing in it ends the element that it is in."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
