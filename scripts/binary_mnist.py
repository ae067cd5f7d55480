"""Six bounds and priors on binary MNIST, and their order beside the published one: `python scripts/binary_mnist.py`.

VAE, IWAE, MIWAE, PIWAE, CIWAE and VAMP, one setting each, one seed, 28 x 28 pixels drawn anew in every batch. Printed: the
held-out negative log-likelihood by importance sampling of every fifth test image (drawn once), its paired difference to the
VAE with the standard error over images, CPU seconds, pythae's figure, and the rank correlation of both orders.

Budget of the defaults: 6 epochs of a VAE, from which each of the six begins (model.init_from) and goes on for 3 epochs by its
own bound: about 7 minutes of one core in all. Published are runs from scratch (IWAE 3,280, VAMP 2,000 epochs): the figures lie
nats above theirs, and what is compared is the order. A run that is there already in --folder is not made again. Exit code 1
where a model is not better than the VAE, as all published ones are.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from scipy.stats import kendalltau, spearmanr
from torch import Tensor

import aerun
from aerun.core.seeding import seed_all
from aerun.dataset.splits import Split
from aerun.evaluate.likelihood import log_likelihood
from aerun.inference.loading import trained
from aerun.runs.folder import Folder

# https://github.com/clementchadebec/benchmark_VAE, examples/scripts/reproducibility, in nats. Not like for like: vae, iwae and
# vamp are of images that were drawn once, each of its own network; the others of images drawn anew.
PUBLISHED = {"vae": 89.78, "iwae": 86.82, "vamp": 85.79, "miwae": 85.09, "ciwae": 84.74, "piwae": 84.58}
COMMON = [
    "dataset=mnist",
    "dataset.binarize=dynamic",
    "model.latent_dim=50",
    "model.arch.hidden=[200,200]",
    "optimizer.lr=2e-3",
    "pictures=[]",
]
_EVERY, _ROWS = 5, 50  # every fifth test image; so many at a time


def settings(codes: int, groups: int) -> dict[str, list[str]]:
    """Return what is typed for each model: as many codes a sample for all that weight them, the groups a divisor of them."""
    one = [f"reg.terms.iwae.samples={codes}"]
    many = [f"reg.terms.iwae.samples={codes // groups}", f"reg.terms.iwae.groups={groups}"]
    return {
        "vae": ["model=vae"],
        "iwae": ["model=iwae", *one],
        "miwae": ["model=miwae", *many],
        "ciwae": ["model=ciwae", *one],
        "vamp": ["model=vae", "model/prior=vamp"],
        "piwae": ["model=piwae", *many],
    }


def nats(folder: Path, draws: int) -> Tensor:
    """Return -log p(x) of test images (n,), by importance sampling."""
    model, _ = trained(folder)
    seed_all(0)
    pairs = model.known_batches(Split(model.data.test.x[::_EVERY], None), _ROWS)
    return torch.cat([-log_likelihood(model.autoencoder, x, draws, **beside) for x, beside in pairs])


def train(name: str, typed: list[str], epochs: int, args: argparse.Namespace) -> float:
    """Train a model where it is not there yet; return the CPU seconds that this took."""
    began = time.process_time()
    more = [f"trainer.max_epochs={epochs}", f"seed={args.seed}", "evaluate=[]", "logger={}", "trainer.progress=false"]
    if Folder(args.folder / name).read().get("status") != "completed":
        aerun.train(*typed, *COMMON, *more, folder=args.folder / name)
    return time.process_time() - began


def figures(name: str, typed: list[str], args: argparse.Namespace) -> tuple[Tensor, float]:
    """Return the nats of a model, and the CPU seconds of its training."""
    spent = train(name, [*typed, f"model.init_from={args.folder / 'start'}"], args.epochs, args)
    kept = args.folder / name / f"nats_{args.draws}.json"
    if not kept.exists():
        kept.write_text(json.dumps({"cpu": spent, "nats": nats(args.folder / name, args.draws).tolist()}))
    read = json.loads(kept.read_text())
    return torch.tensor(read["nats"], dtype=torch.float64), read["cpu"]


def told(name: str, less: Tensor, nll: float, cpu: float, typed: list[str]) -> str:
    """Return the line of one model; less (n,): its nats less those of the VAE, image by image."""
    error = float(less.std()) / len(less) ** 0.5
    published = f"published {PUBLISHED[name]:.2f}, {PUBLISHED[name] - PUBLISHED['vae']:+.2f}"
    ours = f"{name:6} {nll:7.2f} nats, {float(less.mean()):+6.2f} +- {error:.2f} to vae"
    return f"{ours}; {published}; {cpu:.0f} s of CPU: aerun {' '.join(typed)}"


def arguments() -> argparse.Namespace:
    """Return what was typed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("outputs/binary_mnist"))
    parser.add_argument("--start", type=int, default=6, help="epochs of the VAE from which all begin")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each")
    parser.add_argument("--codes", type=int, default=9, help="codes a sample of the importance-weighted ones")
    parser.add_argument("--groups", type=int, default=3, help="of miwae and piwae")
    parser.add_argument("--draws", type=int, default=200, help="codes a test image of the likelihood")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> int:
    """Train, print; return the exit code."""
    args = arguments()
    train("start", ["model=vae"], args.start, args)
    found: dict[str, Tensor] = {}
    for name, typed in settings(args.codes, args.groups).items():
        found[name], cpu = figures(name, typed, args)
        print(told(name, found[name] - found["vae"], float(found[name].mean()), cpu, typed), flush=True)
    means = {name: float(values.mean()) for name, values in found.items()}
    print("ours      " + " > ".join(sorted(means, key=lambda n: -means[n])))
    print("published " + " > ".join(sorted(means, key=lambda n: -PUBLISHED[n])))
    ours, theirs = list(means.values()), [PUBLISHED[n] for n in means]
    print(f"rank correlation: {spearmanr(ours, theirs)[0]:.2f} (Spearman), {kendalltau(ours, theirs)[0]:.2f} (Kendall)")
    worse = [name for name in means if name != "vae" and means[name] >= means["vae"]]
    print(f"not better than vae: {', '.join(worse) or 'none'}")
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
