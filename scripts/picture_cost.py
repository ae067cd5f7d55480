"""What the default pictures cost: `python scripts/picture_cost.py [--root DIR] [--epochs 10] [--rounds 3]`.

The same MNIST run with and without its default pictures, in turns, each in a process of its own on two threads. Seconds of
processor time, which other work on the machine changes little; the ratio is to stay under 0.2. Needs MNIST (`--root` or
AERUN_DATA).
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile


def seconds(root: str, epochs: int, pictures: str) -> float:
    """Return processor time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    settings = ["dataset=mnist", f"dataset.root={root}", "model.latent_dim=32", f"trainer.max_epochs={epochs}"]
    with tempfile.TemporaryDirectory() as where:
        command = [sys.executable, "-m", "aerun", *settings, f"pictures={pictures}", "trainer.progress=false"]
        environment = {"OMP_NUM_THREADS": "2", **os.environ}
        subprocess.run(command, cwd=where, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.environ.get("AERUN_DATA", "data"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    ratios = []
    for _ in range(args.rounds):
        plain, drawn = (seconds(args.root, args.epochs, pictures) for pictures in ("[]", "default"))
        ratios.append(drawn / plain - 1)
        print(f"{args.epochs} epochs: {plain:.1f} s without pictures, {drawn:.1f} s with: {ratios[-1]:+.1%}", flush=True)
    print(f"median {statistics.median(ratios):+.1%}")


if __name__ == "__main__":
    main()
