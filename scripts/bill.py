"""E66: are bills right? Held-out configurations, each billed and then run; the times of the CPU are compared.

python scripts/bill.py [--count 30] [--seed 0] [--most 15] [--output FILE.md]

Each configuration is drawn at random among models, data, sizes, batches and lengths, billed from a few steps as by `--bill`,
and trained to its end in the same process, so that both times are without the import of libraries. As in a command, garbage is
not searched for among what libraries made as they were imported, which takes half a second wherever it falls. What past runs
correct is corrected as for a user: run after run, from nothing. Processor time is compared, as others may be at work on the
machine; `seconds by the clock` are told beside it for what they are worth.
"""

import argparse
import gc
import math
import os
import random
import statistics
import tempfile
import time
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from aerun.bill import past
from aerun.bill.probe import probe, quiet
from aerun.settings.overrides import config_of, resolved
from aerun.train import judged, train

DEEP, FLAT = ("ae", "denoising", "vae", "sigma_vae", "wae", "beta_vae"), ("sparse", "topk", "overcomplete", "linear")
_FEWEST = 3  # epochs


class Row(NamedTuple):
    """One configuration: what it is, its factor to either side, CPU seconds predicted and true, and those by the clock."""

    words: str
    reach: float
    predicted: float
    cpu: float
    seconds: float

    @property
    def ratio(self) -> float:
        """Return true over predicted."""
        return self.cpu / self.predicted

    @property
    def inside(self) -> bool:
        """Return whether the truth lies between low and high."""
        return 1 / self.reach <= self.ratio <= self.reach


def drawn(rng: random.Random) -> list[str]:
    """Return the words of a configuration."""
    kind = rng.choices(("flat", "conv", "recurrent", "table"), (5, 2, 1, 2))[0]
    batch = f"trainer.batch_size={rng.choice((32, 64, 128, 256))}"
    epochs = f"trainer.max_epochs={rng.choice((5, 10, 20, 40, 80))}"
    if kind == "conv":
        return ["model=conv", f"model.latent_dim={rng.choice((4, 8, 16))}", batch, epochs]
    if kind == "recurrent":
        return ["model=recurrent", "dataset=sines", f"dataset.n={rng.choice((200, 500))}", batch, epochs]
    width = rng.choice((16, 32, 64, 128, 256, 512))
    hidden = f"model.arch.hidden=[{','.join([str(width)] * rng.choice((1, 2)))}]"
    if kind == "table":
        return ["dataset=wine", f"model.latent_dim={rng.choice((2, 4))}", hidden, batch, epochs]
    model = rng.choice((*DEEP, *FLAT))
    return [
        f"model={model}",
        f"model.latent_dim={rng.choice((16, 32, 48))}",
        *([hidden] if model in DEEP else []),
        batch,
        epochs,
    ]


def measured(words: list[str], most: float, folder: Path) -> Row:
    """Return a configuration's bill beside the truth; its epochs are fewer where it would take more than `most` seconds."""
    cfg = resolved(config_of([*words, "trainer.progress=false"]))
    cost = probe(cfg, judged)
    if cost.cpu() > most:
        fewer = max(_FEWEST, math.floor(cost.size.epochs * most / cost.cpu()))
        words = [o for o in words if not o.startswith("trainer.max_epochs=")] + [f"trainer.max_epochs={fewer}"]
        cfg = resolved(config_of([*words, "trainer.progress=false"]))
        cost = probe(cfg, judged)
    known = past.learned()
    past.keep(cfg, cost)
    cpu, wall = time.process_time(), time.perf_counter()
    with quiet():
        train(cfg, folder, "aerun")
    took = time.process_time() - cpu, time.perf_counter() - wall
    return Row(" ".join(words), known.reach, cost.cpu() * known.factor, *took)


def table(rows: list[Row]) -> str:
    """Return the figures as Markdown."""
    logs = [abs(math.log(row.ratio)) for row in rows]
    shares: dict[str, Any] = {
        "between low and high (75 to 90 % wanted)": statistics.fmean(row.inside for row in rows),
        "within 20 %": statistics.fmean(log <= math.log(1.2) for log in logs),
    }
    lines = [
        "| configuration | predicted | CPU | by the clock | true / predicted | low to high |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        between = f"{row.predicted / row.reach:.2f} to {row.predicted * row.reach:.2f}"
        lines.append(
            f"| `{row.words}` | {row.predicted:.2f} s | {row.cpu:.2f} s | {row.seconds:.1f} s | {row.ratio:.2f} | {between} |"
        )
    lines += [
        "",
        f"{len(rows)} configurations, {sum(row.cpu for row in rows):.0f} s of CPU in runs, load {os.getloadavg()[0]:.1f}:",
    ]
    lines += [f"- {name}: {share:.0%}" for name, share in shares.items()]
    middle = statistics.median(logs)
    return "\n".join([*lines, f"- median of |log(true / predicted)|: {middle:.3f}, log 1.2 is {math.log(1.2):.3f}"])


def main() -> None:
    """Draw, bill, run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=float, default=15.0, help="seconds of the CPU of a run")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    output = args.output.resolve() if args.output else None
    rng, rows = random.Random(args.seed), list[Row]()
    with tempfile.TemporaryDirectory() as place, chdir(place):
        with redirect_stdout(StringIO()):
            measured(["trainer.max_epochs=3"], args.most, Path("warm-up"))  # imports
        gc.collect()
        gc.freeze()
        past_file = past.PLACE / past.PAST
        past_file.unlink(missing_ok=True)
        while len(rows) < args.count:
            gc.collect()  # a command has nothing of another run
            rows.append(measured(drawn(rng), args.most, Path(f"run{len(rows)}")))
            print(f"{len(rows)}: {rows[-1].ratio:.2f} {rows[-1].cpu:.1f} s {rows[-1].words}", flush=True)
            if output:
                output.write_text(table(rows) + "\n", encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
