"""The pictures of README and documentation, made from real runs: `python scripts/docs_pictures.py [NAME ...]`.

Runs are trained into a folder of their own (--work; what is complete there is used again), then shown in headless Chromium and
photographed into docs/images. A picture is a function below with `@picture`, and takes the folder with its runs.
"""

import argparse
import contextlib
import io
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from tests.browser import CHROMIUM, Page, page
from tests.docs.pages import shown, write_files
from tests.shell import start

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
_LARGEST = 150_000  # bytes of a PNG
PICTURES: dict[str, Callable[[Path], Image.Image]] = {}
_CLOSE = "document.querySelector('[aria-label=\"Toggle settings side pane\"],.settings-button')?.click()"  # of the settings
SWEEP = "-m sweep=sizes sweep.fuse=true model=ae,vae model.latent_dim=2,4,8,16 seed=0,1,2"


def picture(make: Callable[[Path], Image.Image]) -> Callable[[Path], Image.Image]:
    """Add a function that makes docs/images/NAME.png, NAME its own name."""
    PICTURES[make.__name__] = make
    return make


@picture
def dashboard(work: Path) -> Image.Image:
    """Return runs of a sweep in TensorBoard: curves of their errors, and reconstructions as training went."""
    command(work, SWEEP)
    with board(work / "outputs" / "sweeps" / "sizes") as url, page(1500, 760) as tab:
        for _ in range(3):  # the first load of a page may stay blank while the browser is starting
            tab.go(f"{url}?runFilter=16%2Cseed%3D0&tagFilter=%5EError%2FMSE%7Creconstructions&smoothing=0#timeseries")
            if tab.until(lambda: tab.count("CANVAS", "e.width > 100") >= 2, seconds=30):
                break
        tab.ask(_CLOSE)
        return photograph(tab, 4)


@picture
def report(work: Path) -> Image.Image:
    """Return the head of the page of a sweep."""
    command(work, SWEEP)
    command(work, "report outputs/sweeps/sizes")
    with page(1200, 1000) as tab:
        tab.go((work / "outputs" / "sweeps" / "sizes" / "report.html").as_uri())
        tab.until(lambda: bool(tab.words()))
        return photograph(tab).crop((0, 0, 1185, 745))


@picture
def table_errors(work: Path) -> Image.Image:
    """Return the errors of the tutorial's table, normal and anomalous, with the threshold."""
    return drawn(tutorial(work, "table") / "cells" / "pictures" / "errors.png")


@picture
def images_map(work: Path) -> Image.Image:
    """Return the tutorial's scratched images under their errors."""
    return drawn(tutorial(work, "images") / "map.png")


@picture
def series_timeline(work: Path) -> Image.Image:
    """Return the tutorial's sensors over time, with what is expected of them and the score."""
    return drawn(tutorial(work, "series") / "time.png")


@picture
def sweep_figure(work: Path) -> Image.Image:
    """Return the tutorial's figure for a paper."""
    return drawn(tutorial(work, "sweep") / "figures" / "test_error_model_latent_dim.png")


@picture
def parts_bits(work: Path) -> Image.Image:
    """Return the tutorial's histograms of codes with and without a regularizer of one's own."""
    return drawn(tutorial(work, "parts") / "bits.png")


def tutorial(work: Path, name: str) -> Path:
    """Return the folder in which every command of a tutorial was typed, in its order."""
    text = (IMAGES.parent / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    folder = work / name
    if folder.exists():
        return folder
    folder.mkdir()
    write_files(text, folder)
    for one in (one for one in shown(text) if not one.lines[:1] or "error" not in one.lines[0]):
        program, _, rest = one.command.partition(" ")
        if program == "aerun":
            command(folder, rest)
        elif program.startswith("PYTHONPATH="):
            command(folder, rest.partition(" ")[2], path=folder / program.partition("=")[2])
        else:
            subprocess.run([sys.executable, *shlex.split(rest)], cwd=folder, check=True)
    return folder


def drawn(path: Path) -> Image.Image:
    """Return a picture that aerun has drawn, on white."""
    image = Image.open(path).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def command(work: Path, line: str, path: Path | None = None) -> str:
    """Type `aerun LINE` in the folder, `path` in front of Python's, and return what it printed. Stop where it fails."""
    process = start(work, *shlex.split(line), path=path)
    out, err = process.communicate()
    if process.returncode:
        raise SystemExit(f"aerun {line}\n{err}")
    return out


@contextlib.contextmanager
def board(folder: Path) -> Iterator[str]:
    """Yield the address of a TensorBoard on the runs of a folder."""
    process = start(folder, "board", ".")
    try:
        assert process.stdout is not None
        yield next(word for word in process.stdout.readline().split() if word.startswith("http"))
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=30)
        process.kill()


def photograph(tab: Page, seconds: float = 2) -> Image.Image:
    """Return what the tab shows once it has come to rest."""
    time.sleep(seconds)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "seen.png"
        tab.picture(path)
        return Image.open(io.BytesIO(path.read_bytes())).convert("RGB")


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG of at most 150 kB: with fewer colours, and smaller, as far as needed."""
    for scale in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5):
        small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
        small.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= _LARGEST:
            return
    raise SystemExit(f"{path}: {path.stat().st_size:,} bytes, and more than {_LARGEST:,} is too much for a page")


def main() -> int:
    """Make the pictures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}; default: all")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where the runs are; default: removed afterwards")
    args = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("there is no Chromium on this machine")
    with tempfile.TemporaryDirectory() as place:
        work = args.work or Path(place)
        work.mkdir(parents=True, exist_ok=True)
        IMAGES.mkdir(exist_ok=True)
        for name in args.names or PICTURES:
            save(PICTURES[name](work.resolve()), IMAGES / f"{name}.png")
            print(IMAGES / f"{name}.png", (IMAGES / f"{name}.png").stat().st_size, "bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
