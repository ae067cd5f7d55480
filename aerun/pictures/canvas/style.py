"""One style for all charts. matplotlib is imported when the first one is drawn, and without a window system.

Colours: Okabe & Ito 2008, https://jfly.uni-koeln.de/color/, told apart by colour-blind readers; cividis for amounts (Nunez,
Anderton & Renslow 2018, https://doi.org/10.1371/journal.pone.0199239).
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, "#000000", GREY)
MARKERS = ("o", "^", "s", "v", "D", "P", "X", "*")
AMOUNT = "cividis"

_DPI = 110
_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}


@contextmanager
def chart(
    rows: int = 1, columns: int = 1, width: float = 4.2, height: float = 3.2, fonts: Mapping[str, Any] | None = None
) -> Iterator[tuple["Figure", list["Axes"]]]:
    """Yield a figure of rows x columns panels, each width x height inches, and its axes in reading order.

    fonts: settings of matplotlib in place of those of the common style. Draw it before the block ends. The user's own settings
    of matplotlib do not reach it, and matplotlib's remarks about its font cache do not reach the user.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    own: Any = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")} | _RC | dict(fonts or {})
    with matplotlib.rc_context(own):
        figure = Figure(figsize=(columns * width, rows * height), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def log(ax: "Axes", side: str) -> None:
    """Make the side x or y logarithmic, with plain numbers.

    Even ones below a decade, then 1, 2 and 5 of each decade, of many decades the 1 alone.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    ax.set(**{f"{side}scale": "log"})
    axis = ax.xaxis if side == "x" else ax.yaxis
    low, high = axis.get_view_interval()
    many = LogLocator(subs=(1.0,) if high > 500 * low else (1.0, 2.0, 5.0))
    axis.set_major_locator(MaxNLocator(5) if high < 10 * low else many)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def whole(ax: "Axes") -> None:
    """Put whole numbers along x."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def bins(samples: int) -> int:
    """Return bins of a histogram: 15 to 60, more for more samples."""
    return max(15, min(60, round(1.5 * samples**0.5)))


def pixels(figure: "Figure") -> Pixels:
    """Return (H, W, 3) bytes."""
    canvas: Any = figure.canvas
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
