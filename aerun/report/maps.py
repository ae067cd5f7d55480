"""`aerun score --map --output PAGE.html`: images under their errors, worst first, or series over time, as one page."""

import base64
import io
from collections.abc import Mapping
from typing import Any

from PIL import Image

from aerun.core.errors import AerunError
from aerun.core.text import counted
from aerun.formats.pictures import overlay
from aerun.formats.writing.base import Array, FileWriter
from aerun.inference.events import COLUMNS
from aerun.inference.maps import SeriesMap
from aerun.pictures.canvas.timeline import timeline
from aerun.report.render import policy, rendered, script, style
from aerun.report.table import Cell, Table

_IMAGES = 200  # on a page
_RED = "Below each image its score. Red: the squared error of a place, summed over channels, the redder the larger;"
_SHADED = "Shaded: the score is above the threshold. Dashed: what the model expects."


class SeriesPage(SeriesMap):
    """The timeline and a table of events."""

    def close(self) -> None:
        picture, left_out = timeline(self.strips)
        pictures = [{"source": _embedded(Image.fromarray(picture)), "words": left_out}]
        rows = [[_cell(event[name]) for name in COLUMNS] for event in self.events]
        heads = [Cell(name, kind="" if all(row[i].kind == "" for row in rows) else "word") for i, name in enumerate(COLUMNS)]
        _write(self, pictures, f"{counted(len(rows), 'event')}", _SHADED, Table(heads, rows))


class ImagePage(FileWriter):
    """The images of the highest scores, each as it is and under its errors."""

    def __init__(self, file: Any, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        self.kept: list[tuple[float, str, Array, Array]] = []
        self.count = 0

    def add(self, arrays: Mapping[str, Array]) -> None:
        if "under" not in arrays or self.about.get("kind") != "image":
            raise AerunError("html holds maps of images and of series by steps, and these are neither.")
        for i, score in enumerate(arrays["score"].tolist()):
            self.count += 1
            name = str(arrays["file"][i]) if "file" in arrays else f"image {self.count}"
            self.kept.append((score, name, arrays["under"][i], arrays["errors"][i]))
        self.kept = sorted(self.kept, key=lambda one: -one[0])[:_IMAGES]

    def close(self) -> None:
        most = max(float(errors.sum(0).max()) for _, _, _, errors in self.kept)
        pictures = [
            {"source": _embedded(overlay(x, errors, most, self.about)), "words": f"{name}: {score:.4g}"}
            for score, name, x, errors in self.kept
        ]
        shown = f"{counted(self.count, 'image')}, the highest score first" + (
            f"; {_IMAGES} are shown" if self.count > _IMAGES else ""
        )
        _write(self, pictures, shown, f"{_RED} all red is {most:.4g}.")


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
