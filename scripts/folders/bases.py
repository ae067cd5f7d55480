"""The sound runs whose copies are damaged, and the commands that are typed for them."""

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import aerun
from aerun.__main__ import main
from aerun.command import board
from aerun.core.text import shown

SHORT = ("model.arch.hidden=[8]", "trainer.max_epochs=2", "trainer.progress=false", "pictures=[]", "optimizer.lr=1e-3")
RUNS = {
    "denoising": ("model=denoising", "model/corruption=masking", "dataset=array", "dataset.path=data/x.npy"),
    "inpainting": ("model=inpainting", "model/arch=mlp", "dataset=digits"),
    "compression": ("model=compression", "model/corruption=masking", "dataset=digits", "model/arch=mlp"),
    "vae": (
        "model=vae",
        "model/corruption=masking",
        "model/loss=mse",
        "model.latent_dim=2",
        "dataset=table",
        "dataset.path=data/t.csv",
    ),
}
PACKED = "packed.aez"


def make(place: Path) -> None:
    """Train the runs in `place`, one folder each, with the data that they and the verbs read beside them."""
    _data(place / "data")
    for name, overrides in RUNS.items():
        typed(place, *overrides, *SHORT, f"hydra.run.dir={name}/run")
        where = place / name
        shutil.copytree(place / "data", where / "data")
        x = "data/t.csv" if name == "vae" else "data/x.npy"
        shutil.copy(where / x, where / f"x{Path(x).suffix}")
        table = name == "vae"
        np.save(where / "mask.npy", np.random.default_rng(1).random((60, 3 + 1) if table else (40, 1, 8, 8)) > 0.7)
        typed(where, "compress", "run", _x(name), "--output", PACKED)
        typed(where, "encode", "run", _x(name), "--output", "z.npz")
        typed(where, "evaluate", "run", "--ask", "reconstruction", "--pictures", "curves")
        typed(where, "report", "run")
        for i, path in enumerate(sorted((where / "run").glob("events.*"), key=lambda p: (p.stat().st_size, p.name))):
            path.rename(path.with_name(f"events.out.tfevents.{i:010d}.there.1.{i}"))


def _x(name: str) -> str:
    return "x.csv" if name == "vae" else "x.npy"


def _data(place: Path) -> None:
    place.mkdir()
    g = np.random.default_rng(0)
    np.save(place / "x.npy", g.uniform(0, 16, (40, 1, 8, 8)).astype(np.float32))
    lines = [
        "a,b,c,kind",
        *(f"{a:.3f},{b:.3f},{c:.3f},{'ab'[i % 9 == 0]}" for i, (a, b, c) in enumerate(g.normal(size=(60, 3)))),
    ]
    (place / "t.csv").write_text("\n".join(lines) + "\n")


def typed(place: Path, *words: str) -> None:
    """Type a command in `place`. Raises RuntimeError where it fails."""
    code, out = tell(place, main, words)
    if code:
        raise RuntimeError(f"{words}: {out}")


def tell(place: Path, action: Callable[[], object], words: tuple[str, ...] = ()) -> tuple[int, str]:
    """Return the exit code and all that was printed."""
    before, said, code = (os.getcwd(), sys.argv), io.StringIO(), 0
    os.chdir(place)
    os.environ.pop("HYDRA_FULL_ERROR", None)  # which the command before this one may have left
    sys.argv = ["aerun", *words]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            action()
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(bool(e.code))
    finally:
        os.chdir(before[0])
        sys.argv = before[1]
    return code, said.getvalue()


def _loaded() -> None:
    """Load the run as Python code would, and use it."""
    x = (
        np.load("x.npy")
        if Path("x.npy").exists()
        else np.genfromtxt("x.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    )
    table = x if x.dtype.names is None else {name: x[name] for name in x.dtype.names}
    try:
        aerun.load("run").encode(table)
    except (aerun.AerunError, ValueError) as e:
        sys.stderr.write(f"aerun: error: {shown(str(e))}\n")
        sys.exit(2)


def _board() -> None:
    """Look at the folder as `aerun board` does before it serves it."""
    try:
        board.runs(Path("run"))
    except aerun.AerunError as e:
        sys.stderr.write(f"aerun: error: {shown(str(e))}\n")
        sys.exit(2)


LOADER = "load"
VERBS: dict[str, tuple[str, ...]] = {
    "encode": ("encode", "run", "X", "--output", "out/z.npz"),
    "decode": ("decode", "run", "z.npz", "--output", "out/x.npz"),
    "reconstruct": ("reconstruct", "run", "X", "--output", "out/x.csv"),
    "denoise": ("denoise", "run", "X", "--output", "out/x.npz"),
    "inpaint": ("inpaint", "run", "X", "--mask", "mask.npy", "--output", "out/x.npz"),
    "generate": ("generate", "run", "--count", "3", "--sampler", "gaussian", "--output", "out/g.npz"),
    "interpolate": ("interpolate", "run", "X", "X", "--steps", "3", "--output", "out/i.npz"),
    "traverse": ("traverse", "run", "X", "--unit", "0", "--output", "out/t.npz"),
    "score": ("score", "run", "X", "--output", "out/s.csv"),
    "retrieve": ("retrieve", "run", "X", "--index", "X", "--k", "2", "--output", "out/r.csv"),
    "compress": ("compress", "run", "X", "--output", "out/p.aez"),
    "decompress": ("decompress", "run", PACKED, "--output", "out/x.npz"),
    "features": ("features", "run", "X", "-o", "out/u.json"),
    "export": ("export", "run", "--output", "out/m.safetensors"),
    "show": ("show", "run"),
    "evaluate": ("evaluate", "run", "--ask", "reconstruction"),
    "resume": ("resume", "run", "--epochs", "3"),
    "compare": ("compare", "run"),
    "report": ("report", "run", "--output", "out/report.html"),
    "board": (),
    "warm start": (
        "model=ae",
        "model.init_from=run",
        "dataset=array",
        "dataset.path=data/x.npy",
        *SHORT[:1],
        "trainer=smoke",
        "pictures=[]",
        "trainer.progress=false",
        "hydra.run.dir=out/new",
    ),
}
READS_DATA = ("resume", "evaluate")  # from where config.yaml says; they print it first


def enter(verb: str, place: Path, base: str) -> tuple[int, str]:
    """Go in by the loader or a verb. Return the exit code and all that was printed."""
    actions = {LOADER: _loaded, "board": _board}
    words = tuple(_x(base) if w == "X" else w for w in VERBS.get(verb, ()))
    return tell(place, actions.get(verb, main), words)
