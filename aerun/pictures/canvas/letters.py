"""The letters of pictures that are put together from pixels: DejaVu Sans, which has those of most alphabets."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont


@cache
def font(size: int = 11) -> ImageFont.FreeTypeFont:
    """Return the font that ships with matplotlib, which is found without being imported: that takes a second."""
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    return ImageFont.truetype(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size)
