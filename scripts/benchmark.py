"""Speed of aerun beside the loops that people write: `python scripts/benchmark.py [--root DIR] [--rounds 3] [--json FILE]`.

Same network, same data, same optimizer and batch size in every way; ways take turns, each in a process of its own; the median
over rounds is shown and only ratios mean anything. Samples per second of whole epochs, validation excluded. Needs MNIST
(`--root` or AERUN_DATA).
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import Tensor, nn

from aerun.build import build
from aerun.core.paths import config_dir
from aerun.dataset.splits import Data, Split
from aerun.trainer.backend import keep_freed_memory
from aerun.trainer.base import Job
from aerun.trainer.turns import Turn

BATCH = 128
SETTINGS = {
    "mlp": ["model=ae", "model.latent_dim=32"],
    "vae": ["model=vae", "model.latent_dim=20", "model.arch.hidden=[400]"],
    "conv": ["model=conv", "model.latent_dim=32"],
}
SMALL = {
    "64-32-8": ["model=ae", "model.latent_dim=8", "model.arch.hidden=[32]"],
    "adversarial": ["model=adversarial", "model.latent_dim=8", "model.arch.hidden=[32]"],
    "recurrent": ["model=recurrent", "dataset=sines", "model.latent_dim=4", "model.arch.hidden=8"],
}
Way = Callable[[], float]


def config(*overrides: str) -> dict:
    """Return a resolved config, as the command line would compose it."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("config", [*overrides, "trainer.progress=false", "schedule=constant"])
        return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def aerun_way(overrides: list[str], data: Data, epochs: int) -> Way:
    """Return aerun as it is: metrics, events, checkpoints, pictures and all; its own count of training time."""

    def run() -> float:
        cfg = config(*overrides, f"trainer.max_epochs={epochs}")
        plan = build(cfg)
        plan.autoencoder.start_from(data.train.x)
        with tempfile.TemporaryDirectory() as folder:
            logging.disable()
            plan.trainer.fit(Job(plan.autoencoder, data, plan.optimizer, plan.schedule, 0, Path(folder), cfg), False)
            rows = (Path(folder) / "metrics.csv").read_text().splitlines()
        column = rows[0].split(",").index("samples_per_second")
        return max(float(r.split(",")[column]) for r in rows[1:])

    return run


def net(overrides: list[str], data: Data) -> nn.Module:
    """Return the same network, bare."""
    plan = build(config(*overrides))
    plan.autoencoder.start_from(data.train.x)
    return plan.autoencoder


def loop(overrides: list[str], data: Data, epochs: int, tuned: bool) -> Way:
    """Return a plain loop over one tensor, batches by index. tuned: fused Adam, oneDNN, heap kept."""

    def run() -> float:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16" if tuned and overrides not in SMALL.values() else "none"
        if tuned:
            keep_freed_memory()
        model = net(overrides, data)
        x, valid = model.units(data.train.x), model.facts.valid(data.train.x)
        weights = list(model.own_parameters())
        optimizer = torch.optim.Adam(weights, 1e-3, fused=tuned)
        turns = [Turn(key, regularizer, model) for key, regularizer in model.opposed().items()]
        best = 0.0
        for _ in range(epochs):
            start = time.perf_counter()
            order = torch.randperm(len(x))
            for first in range(0, len(x), BATCH):
                rows = order[first : first + BATCH]
                batch, real = x[rows], None if valid is None else valid[rows]
                value = model.objective(batch, 1.0, real)
                optimizer.zero_grad()
                value.loss.backward(inputs=weights)
                optimizer.step()
                for turn in turns:
                    turn.take(value.names, batch, real, progress=1.0, factor=1.0, clip=None)
            best = max(best, len(x) / (time.perf_counter() - start))
        return best

    return run


def usual(overrides: list[str], data: Data, root: str, epochs: int) -> Way:
    """Return torchvision dataset + ToTensor + DataLoader + Lightning with self.log and a progress bar's refresh off."""
    import pytorch_lightning as pl
    from torch.utils.data import DataLoader, Subset
    from torchvision import datasets, transforms

    class Usual(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = net(overrides, data)

        def on_train_epoch_start(self) -> None:
            self.started = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            self.rate = max(getattr(self, "rate", 0.0), len(data.train) / (time.perf_counter() - self.started))

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            loss = self.model.objective(batch[0], 1.0).loss
            self.log("train/loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-3)

    def run() -> float:
        torch.backends.mkldnn.matmul.fp32_precision = "none"
        source = datasets.MNIST(root, train=True, transform=transforms.ToTensor())
        loader = DataLoader(Subset(source, range(len(data.train))), BATCH, shuffle=True)
        module = Usual()
        pl.Trainer(
            max_epochs=epochs, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, accelerator="cpu",
        ).fit(module, loader)  # fmt: skip
        return module.rate

    return run


def overhead(overrides: list[str], rounds: int) -> dict[str, float]:
    """Return microseconds a step of a net whose arithmetic is small: aerun minus the bare loop (with the opponent's steps)."""
    data = build(config(*overrides)).dataset.load()
    x = data.train.x
    many = Split(x.repeat(80_000 // len(x), *[1] * (x.ndim - 1)), None)
    tiled = Data(many, data.val, data.test)
    ways = {"bare": loop(overrides, tiled, 1, tuned=True), "aerun": aerun_way(overrides, tiled, 1)}
    steps = [{k: 1e6 * BATCH / way() for k, way in ways.items()} for _ in range(rounds)]
    medians = {k: statistics.median(s[k] for s in steps) for k in ways}
    return {**medians, "overhead": statistics.median(s["aerun"] - s["bare"] for s in steps)}


def start_up(rounds: int) -> dict[str, float]:
    """Return seconds of `aerun` on digits outside its epochs, over importing torch and pytorch_lightning alone."""
    ratios, rows = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as where:
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import torch, pytorch_lightning"], check=True)
            imports = time.perf_counter() - begin
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-m", "aerun"], cwd=where, check=True, capture_output=True)
            whole = time.perf_counter() - begin
            result = json.loads(next(Path(where).glob("outputs/runs/*/results.json")).read_text())
            rows.append((imports, whole - result["seconds/epochs"]))
            ratios.append(rows[-1][1] / imports)
    return {
        "imports": statistics.median(r[0] for r in rows),
        "aerun": statistics.median(r[1] for r in rows),
        "ratio": statistics.median(ratios),
    }


def peak_memory(root: str) -> float:
    """Return GB of resident memory at most, of a two-epoch MNIST run."""
    code = (
        "from aerun.__main__ import main\ntry: main()\n"  # VmHWM and not ru_maxrss, which a child inherits from its parent
        "finally: print('PEAK', next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1])"
    )
    with tempfile.TemporaryDirectory() as where:
        arguments = ["dataset=mnist", f"dataset.root={root}", "model.latent_dim=32", "trainer.max_epochs=2"]
        out = subprocess.run([sys.executable, "-c", code, *arguments], cwd=where, capture_output=True, text=True, check=True)
    return int(out.stdout.rsplit("PEAK", 1)[1]) / 1e6


def contractive(rounds: int) -> dict[str, float]:
    """Return cost of a step with each form of the contractive penalty over the step without, MNIST shapes, code 32."""
    one = ["model/arch=linear", "model/bottleneck=sigmoid"]
    forms = {
        "one layer, closed": (one, ["method=closed"]),
        "one layer, one projection": (one, ["method=projection"]),
        "mlp 512-256, one projection": ([], ["method=projection"]),
        "mlp 512-256, exact": ([], ["method=exact"]),
    }
    costs = {}
    for name, (base, settings) in forms.items():
        penalty = ["regularizer=contractive", *(f"reg.terms.contractive.{s}" for s in settings)]
        plain, penalized = (_stepper([*base, *more]) for more in ([], penalty))
        costs[name] = statistics.median(penalized() / plain() for _ in range(3 * rounds))
    return costs


def _stepper(overrides: list[str]) -> Way:
    """Return seconds a step."""
    model = build(config("dataset=mnist", "model.latent_dim=32", *overrides)).autoencoder
    weights, x = list(model.parameters()), torch.rand(BATCH, 1, 28, 28)
    optimizer = torch.optim.Adam(weights, 1e-3, fused=True)

    def run(steps: int = 10) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            model.objective(x, 1.0).loss.backward(inputs=weights)
            optimizer.step()
        return (time.perf_counter() - start) / steps

    run(3)
    return run


def pythae(python: str, root: str, epochs: int) -> float:
    """Return samples/s of pythae on the MLP, by the interpreter that it is installed for."""
    data = build(config("dataset=mnist", f"dataset.root={root}")).dataset.load()
    with tempfile.TemporaryDirectory() as where:
        numpy.save(f"{where}/images.npy", data.train.x.numpy())
        script = Path(__file__).with_name("pythae_peer.py")
        out = subprocess.run(
            [python, str(script), f"{where}/images.npy", str(epochs)], cwd=where, capture_output=True, text=True, check=True
        )
    return float(out.stdout.rsplit("samples/s", 1)[1])


WAYS = ("plain eager loop", "plain tuned loop", "torchvision + DataLoader + Lightning", "aerun")


def one_way(way: str, name: str, root: str, epochs: int) -> float:
    """Return samples/s of one way, in a process of its own: what one way sets (allocator, backend) must not help another."""
    warnings.simplefilter("ignore")
    logging.disable()
    data = build(config("dataset=mnist", f"dataset.root={root}")).dataset.load()
    overrides = ["dataset=mnist", *SETTINGS[name]]
    if way == "aerun":
        return aerun_way(overrides, data, epochs)()
    if way.startswith("torchvision"):
        return usual(overrides, data, root, epochs)()
    return loop(overrides, data, epochs, tuned=way == "plain tuned loop")()


def measured(name: str, root: str, epochs: int, rounds: int, peer: str | None) -> dict[str, list[float]]:
    """Return every way once a round, in rotation; `peer`: the interpreter that has pythae, for the MLP."""
    ways = (*WAYS, "pythae") if peer and name == "mlp" else WAYS
    rates: dict[str, list[float]] = {k: [] for k in ways}
    for r in range(rounds):
        for way in ways[r % len(ways) :] + ways[: r % len(ways)]:
            if way == "pythae":
                rates[way].append(pythae(str(peer), root, epochs))
                continue
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                rates[way].append(pool.submit(one_way, way, name, root, epochs).result())
    return rates


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("AERUN_DATA", "data"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=["mlp", "vae", "conv", "tiny", "contractive", "start", "memory"])
    parser.add_argument("--pythae", metavar="PYTHON", help="interpreter of an environment with pythae, as one more way")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.ERROR)
    report: dict[str, dict[str, float]] = {}
    for name in (n for n in args.only if n in SETTINGS):
        rates = measured(name, args.root, args.epochs, args.rounds, args.pythae)
        print(f"\n{name}: samples/s, and aerun's ratio to it (median of {args.rounds} paired rounds)")
        report[name] = {}
        for way, values in rates.items():
            ratio = statistics.median(a / b for a, b in zip(rates["aerun"], values, strict=True))
            print(f"  {way:<38}{statistics.median(values):>9,.0f}   {ratio:.2f}")
            report[name] |= {way: statistics.median(values), f"aerun / {way}": ratio}
    if "tiny" in args.only:
        report["tiny"] = {name: overhead(overrides, args.rounds) for name, overrides in SMALL.items()}
        print("\nsmall nets, microseconds a step:")
        for name, figures in report["tiny"].items():
            print(f"  {name:<12}", {k: round(v) for k, v in figures.items()})
    if "contractive" in args.only:
        report["contractive"] = contractive(args.rounds)
        print(
            "\ncontractive penalty, cost of a step over the plain step:",
            {k: round(v, 2) for k, v in report["contractive"].items()},
        )
    if "start" in args.only:
        report["start"] = start_up(args.rounds)
        print("\nstart-up, s:", {k: round(v, 2) for k, v in report["start"].items()})
    if "memory" in args.only:
        report["memory"] = {"peak GB": peak_memory(args.root)}
        print(f"\npeak memory of an MNIST run: {report['memory']['peak GB']:.2f} GB")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
