"""How fast a trained model is used: `python scripts/use.py --root DIR` with MNIST in torchvision's layout in DIR.

encode: all 70,000 images from idx files to a file of codes, by the verb in this process, over the encoder alone on batches of
4,096 floats that are in memory already, in turns (median of ratios). start: a verb on one image in a process of its own.
ONNX: preparation, reconstruction, score and verdict of one row by onnxruntime on one thread.
"""

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import aerun
from aerun.command.use import run
from aerun.formats.idx import samples_of
from aerun.inference.model import Model

FILES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
TARGETS = {"encode": 0.8, "start": 4.0, "ONNX": 2.0}


def main() -> int:
    """Exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--root", default=os.environ.get("AERUN_DATA", "data"), help="folder with MNIST in torchvision's layout"
    )
    parser.add_argument("--models", nargs="+", default=["ae", "conv"], help="recipes")
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    raw = Path(args.root).absolute() / "MNIST" / "raw"
    missed = []
    with tempfile.TemporaryDirectory() as place:
        for name in args.models:
            folder = Path(place) / name
            settings = ("trainer=smoke", "trainer.progress=false", "pictures=[]", "dataset=mnist", f"dataset.root={args.root}")
            model = aerun.train(f"model={name}", *settings, folder=folder)
            missed += _told(name, model, [str(raw / f) for f in FILES], args.repeats)
    return 1 if missed else 0


def _told(name: str, model: Model, files: list[str], repeats: int) -> list[str]:
    folder = model.folder.path
    bare, verb = _in_turns(_bare(model, files), _verb(folder, files), repeats)
    ratio = statistics.median(b / v for b, v in zip(bare, verb, strict=True))
    rate = 70_000 / statistics.median(bare)
    start, row = _start(folder, repeats), _row(model)
    print(
        f"{name}: encode {ratio:.2f} of the bare encoder ({rate:,.0f} images/s); start {start:.2f} s; ONNX {row:.3f} ms a row"
    )
    met = {"encode": ratio >= TARGETS["encode"], "start": start <= TARGETS["start"], "ONNX": row <= TARGETS["ONNX"]}
    for what in (k for k, good in met.items() if not good):
        print(f"{name}: {what} misses {TARGETS[what]}")
    return [k for k, good in met.items() if not good]


def _bare(model: Model, files: list[str]) -> Callable[[], None]:
    x = torch.cat([samples_of(Path(f)) for f in files]).reshape(-1, *model.facts.stored)
    x = model.autoencoder.units(x.to(model.device))

    @torch.inference_mode()
    def work() -> None:
        for part in x.split(4096):
            model.autoencoder.encode(part)
        if model.device.type == "cuda":
            torch.cuda.synchronize()

    return work


def _verb(folder: Path, files: list[str]) -> Callable[[], None]:
    def work() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            run("encode", [str(folder), *files, "--output", str(folder / "codes.all.npz")])

    return work


def _in_turns(first: Callable[[], None], second: Callable[[], None], repeats: int) -> tuple[list[float], list[float]]:
    """Return seconds of both, after one turn that does not count."""
    turns = [(_seconds(first), _seconds(second)) for _ in range(repeats + 1)][1:]
    return [a for a, _ in turns], [b for _, b in turns]


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _start(folder: Path, repeats: int) -> float:
    one = folder / "one.npy"
    np.save(one, np.zeros((1, 28, 28), np.uint8))
    words = [sys.executable, "-m", "aerun", "encode", str(folder), str(one), "--output", str(folder / "one.csv")]
    return statistics.median(_seconds(lambda: subprocess.run(words, check=True, capture_output=True)) for _ in range(repeats))


def _row(model: Model) -> float:
    """Return milliseconds, the median of 500."""
    import onnxruntime

    from aerun.inference.export import export

    path = model.folder.path / "model.onnx"
    export(model, path, None)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    x = np.zeros((1, *model.facts.stored), np.float32)
    return 1000 * statistics.median(_seconds(lambda: session.run(["score"], {"samples": x})) for _ in range(500))


if __name__ == "__main__":
    sys.exit(main())
