"""`aerun score --map --output PAGE.html`: images under their errors, worst first, or series over time, as one page."""

import base64
import io
from pathlib import PurePath
from typing import Any

from PIL import Image

from aerun.core.text import counted
from aerun.formats.writing.base import FileWriter
from aerun.inference.events import columns_of
from aerun.inference.maps import RED, ImageMap, SeriesMap
from aerun.pictures.canvas.timeline import timeline
from aerun.report.render import policy, rendered, script, style
from aerun.report.table import Cell, Table

_SHADED = "Shaded: the score is above the threshold. Dashed: what the model expects."


class SeriesPage(SeriesMap):
    """The timeline and a table of events."""

    def close(self) -> None:
        picture, left_out = timeline(self.strips)
        pictures = [{"source": _embedded(Image.fromarray(picture)), "words": left_out, "name": left_out, "score": ""}]
        names = list(self.events[0]) if self.events else columns_of(None)
        rows = [[_cell(event[name]) for name in names] for event in self.events]
        heads = [Cell(name, kind="" if all(row[i].kind == "" for row in rows) else "word") for i, name in enumerate(names)]
        _write(self, pictures, f"{counted(len(rows), 'event')}", _SHADED, Table(heads, rows))


class ImagePage(ImageMap):
    """The images of the highest scores under their errors, each above its score and its name."""

    def close(self) -> None:
        drawn, most = self.drawn()
        pictures = [
            {
                "source": _embedded(picture),
                "words": one.name,
                "name": PurePath(one.name).name,
                "score": f"{one.score:.4g}{', an alarm' if one.alarm else ''}",
                "alarm": one.alarm,
            }
            for one, picture in zip(self.kept, drawn, strict=True)
        ]
        _write(self, pictures, self.answer, f"Below each image its score. {RED} {most:.4g}.")


def _write(writer: FileWriter, pictures: Any, answer: str, legend: str, events: Table | None = None) -> None:
    page = rendered(
        "map.html.j2",
        {},
        name=f"Scores by {writer.about['model']}",
        policy=policy(),
        style=style(),
        script=script(),
        answer=answer,
        pictures=pictures,
        legend=legend,
        events=events,
    )
    writer.file.write(page.encode())


def _cell(value: Any) -> Cell:
    number = isinstance(value, int | float)
    words = f"{value:.4g}" if isinstance(value, float) else str(value)
    return Cell(words, str(value), "" if number else "word", words)


def _embedded(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
