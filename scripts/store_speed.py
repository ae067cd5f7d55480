"""A store of activations beside the same rows in memory: `python scripts/store_speed.py [--width 256] [--rows 200000] ...`.

Both are trained on by a top-k dictionary in one process, in turns, epoch by epoch with their own orders of samples, and
the median over rounds of the ratio of their rows a second (of this process's own time) is told: training as it is, and
reading and gathering alone. A store
of contexts of one row has the rows of validation and test between those of training, which is the hardest case; `--context 128`
is the usual one. The file is written just before, so that it is in the system's cache, as one is that fits there. With
`--gigabytes 16` the file is as long as that and empty but for its header, and what is told is how much memory reading it takes.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import Tensor

import aerun
from aerun.autoencoder import Autoencoder
from aerun.build import build
from aerun.core.paths import config_dir
from aerun.trainer.batches import Batches
from aerun.trainer.ranks import Ranks


def main() -> None:
    """Print one row for each of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("width", 256), ("rows", 60_000), ("context", 128), ("units", 512), ("batch", 256), ("steps", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", default="float16", choices=("float16", "float32"))
    parser.add_argument("--gigabytes", type=float, help="of a store that is longer than memory; only its memory is told")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.npy"
        if args.gigabytes:
            bounded(path, args)
        else:
            compared(path, args)


def compared(path: Path, args: argparse.Namespace) -> None:
    """Print rows a second of both, and their ratio."""
    rows = args.rows // args.context * args.context
    np.save(path, np.random.default_rng(0).normal(size=(rows, args.width)).astype(args.dtype))
    x, step = plan(path, args)
    sources = {"store": x, "memory": x[:]}
    for what, act in (("training", step), ("reading", lambda batch: batch.sum())):
        rates: dict[str, list[float]] = {name: [] for name in sources}
        for number in range(args.rounds + 1):
            for name, source in sources.items():
                rate = epoch(source, args, number, act)
                if number:  # the first one warms up
                    rates[name].append(rate)
        ratio = [a / b for a, b in zip(rates["store"], rates["memory"], strict=True)]
        told = ", ".join(f"{name} {statistics.median(values):,.0f}" for name, values in rates.items())
        spread = f"{min(ratio):.2f} to {max(ratio):.2f}"
        print(f"{what}: rows a second, {told}; ratio {statistics.median(ratio):.3f} ({spread} in {len(ratio)} rounds)")


def plan(path: Path, args: argparse.Namespace) -> tuple[Tensor, "Step"]:
    """Return the training rows of a store, and a step of training."""
    own = ["model=sae_topk", "dataset=activations", f"dataset.path={path}", f"dataset.context={args.context}"]
    own += [f"model.latent_dim={args.units}", "model.bottleneck.k=32"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        made = build(OmegaConf.to_container(compose("config", own), resolve=True))  # type: ignore[arg-type]
    x = made.dataset.load().train.x
    made.autoencoder.start_from(x[:4096])
    return x, Step(made.autoencoder)


class Step:
    """A step of training."""

    def __init__(self, model: Autoencoder) -> None:
        self.model = model.train()
        self.optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def __call__(self, stored: Tensor) -> None:
        value = self.model.objective(self.model.units(stored), progress=0.5)
        self.optimizer.zero_grad()
        value.loss.backward()
        self.optimizer.step()


def epoch(x: Tensor, args: argparse.Namespace, number: int, act: Callable[[Tensor], object]) -> float:
    """Return the rows a second of an epoch, at most so many steps of it; drawing its order is no part."""
    ranks = Ranks(0, 1)
    batches = Batches(x, batch_size=args.batch, per_call=1, seed=0, drop_last=True, limit=args.steps, ranks=ranks)
    batches.sampler.set_epoch(number)
    calls = iter(batches)
    first = next(calls)
    begin, done = time.process_time(), 0
    for call in (first, *calls):
        for stored in call:
            act(stored)
            done += len(stored)
    return done / (time.process_time() - begin)


def bounded(path: Path, args: argparse.Namespace) -> None:
    """Print by how much reading a long store makes the process grow."""
    rows = int(args.gigabytes * 2**30 / args.width / np.dtype(args.dtype).itemsize) // args.context * args.context
    np.lib.format.open_memmap(path, "w+", args.dtype, (rows, args.width))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    x, _ = plan(path, args)
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rate = epoch(x, args, 0, lambda batch: batch.sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = f"{(begun - before) / 1024:,.0f} MB to open it and fit the start, {(peak - begun) / 1024:,.0f} MB more to read"
    print(
        f"{path.stat().st_size / 2**30:.1f} GB, {rows:,} rows: {grown} {args.steps * args.batch:,} rows, {rate:,.0f} a second"
    )


if __name__ == "__main__":
    print(f"aerun {aerun.__version__}, torch {torch.__version__}")
    main()
