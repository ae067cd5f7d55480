"""Rows of words with planted rules, and counts of groups: `python scripts/table_rules.py [--seeds 3] [--folder DIR]`.

E53: 4 numbers and 6 categories of 3,000 rows, three of which follow from others by a rule. How many of the rules do drawn rows
keep, beside rows of independent columns, and what does a test row cost in nats under the loss mixed, and beside it under
squared error as a Gaussian on one-hots (no likelihood of words: densities have other units, so that only its rules compare)?
E54: 2,000 rows of 100 negative binomial counts in 5 groups, sizes log-normal (deviation 0.7): held-out nats of nb and poisson,
the largest correlation of a code's unit with log size with sizes observed and without, and the label by 10 neighbours of codes.

Exit code 1 where rules are kept by fewer than 0.9 of rows, or nb is not 5 % below poisson, or sizes show in the code.
"""

import argparse
import csv
import sys
from pathlib import Path
from statistics import median

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

import aerun

_EPOCHS = {"rules": 60, "counts": 60}


def rules_table(path: Path, seed: int) -> None:
    """Write the table of E53."""
    g = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["a", "b", "c", "d", "plan", "region", "pay", "tier", "flag", "size"])
        for _ in range(3000):
            plan, region = g.choice(4, p=[0.6, 0.25, 0.1, 0.05]), g.choice(3, p=[0.5, 0.3, 0.2])
            a = g.normal(plan, 0.3)
            b = 2 * a + g.normal(0, 0.5)
            size = int(b > 1.5)
            pay = [0, 0, 1, 2][plan]
            cells = [
                f"plan{plan}",
                f"region{region}",
                f"pay{pay}",
                f"tier{(plan + region) % 3}",
                f"flag{int(plan == 0 and region == 1)}",
            ]
            out.writerow([*(f"{v:.3f}" for v in (a, b, g.normal(), g.exponential())), *cells, f"size{size}"])


def kept(rows: dict[str, np.ndarray]) -> float:
    """Return the share of rows that keep the three rules of E53."""
    plan, region = (np.array([int(w[-1] or -9) if w else -9 for w in rows[k]]) for k in ("plan", "region"))
    pay = rows["pay"] == np.array([f"pay{[0, 0, 1, 2][p]}" if p >= 0 else "" for p in plan])
    tier = rows["tier"] == np.array([f"tier{(p + r) % 3}" for p, r in zip(plan, region, strict=True)])
    flag = rows["flag"] == np.array([f"flag{int(p == 0 and r == 1)}" for p, r in zip(plan, region, strict=True)])
    return float((pay & tier & flag).mean())


def e53(folder: Path, seed: int) -> dict[str, float]:
    """Return the figures of one seed."""
    path = folder / f"rules{seed}.csv"
    rules_table(path, seed)
    words = ("dataset=table", f"dataset.path={path}", "model=vae", "model.latent_dim=8", f"seed={seed}", "optimizer.lr=3e-3")
    words = (*words, "model.arch.hidden=[128,64]", f"trainer.max_epochs={_EPOCHS['rules']}", "pictures=[]")
    mixed = aerun.train(*words, "evaluate=[held_out]", folder=folder / f"mixed{seed}")
    gaussian = aerun.train(*words, "model/loss=gaussian", "evaluate=[]", folder=folder / f"gaussian{seed}")
    with path.open() as file:
        real = list(csv.DictReader(file))
    g = np.random.default_rng(seed)
    alone = {k: np.array([r[k] for r in real])[g.permutation(len(real))] for k in real[0]}
    results = mixed.results
    return {
        "rules, mixed": kept(mixed.generate(3000, seed=seed)),
        "rules, gaussian on one-hots": kept(gaussian.generate(3000, seed=seed)),
        "rules, independent columns": kept(alone),
        "nats, mixed": results["held_out/model/nats"],
        "nats, independent": results["held_out/independent/nats"],
    }


def e54(folder: Path, seed: int) -> dict[str, float]:
    """Return the figures of one seed."""
    g = np.random.default_rng(seed)
    rates = np.exp(g.normal(0, 1, (5, 100)))
    group, size = g.integers(0, 5, 2000), np.exp(g.normal(6, 0.7, 2000))
    mean = size[:, None] * rates[group] / rates[group].sum(1, keepdims=True)
    counts = g.poisson(mean * g.gamma(2, 1 / 2, mean.shape))
    path = folder / f"counts{seed}.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [[*(f"g{i}" for i in range(100)), "group"], *([*r, f"k{k}"] for r, k in zip(counts, group, strict=True))]
        )
    words = (
        "dataset=table",
        f"dataset.path={path}",
        "dataset.prepare=counts",
        "dataset.label=group",
        "model=vae",
        f"seed={seed}",
    )
    words = (
        *words,
        "model.latent_dim=10",
        "model.arch.hidden=[128]",
        "optimizer.lr=3e-3",
        "pictures=[]",
        "evaluate=[held_out]",
    )
    words = (*words, f"trainer.max_epochs={_EPOCHS['counts']}")
    models = {
        "nb": aerun.train(*words, "model/loss=nb", folder=folder / f"nb{seed}"),
        "poisson": aerun.train(*words, "model/loss=poisson", folder=folder / f"poisson{seed}"),
        "nb without size": aerun.train(*words, "model/loss=nb", "model.loss.size=none", folder=folder / f"none{seed}"),
    }
    rows = {f"g{i}": counts[:, i].astype(np.float32) for i in range(100)}
    codes = {name: np.asarray(model.encode(rows)) for name, model in models.items()}
    near = KNeighborsClassifier(10).fit(codes["nb"][:1400], group[:1400]).score(codes["nb"][1400:], group[1400:])
    depth = {k: max(abs(np.corrcoef(z[:, j], np.log(size))[0, 1]) for j in range(z.shape[1])) for k, z in codes.items()}
    return {
        **{f"nats, {k}": models[k].results["held_out/model/nats"] for k in ("nb", "poisson")},
        "label by 10 neighbours of codes": float(near),
        "correlation with log size, nb": float(depth["nb"]),
        "correlation with log size, without size": float(depth["nb without size"]),
    }


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("outputs/table_rules"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found: dict[str, list[float]] = {}
    for seed in range(args.seeds):
        for name, value in {**e53(args.folder, seed), **e54(args.folder, seed)}.items():
            found.setdefault(name, []).append(value)
    for name, values in found.items():
        print(f"{name}: {median(values):.4g} ({min(values):.4g} to {max(values):.4g}, seeds 0 to {args.seeds - 1})")
    better = [a < 0.95 * b for a, b in zip(found["nats, nb"], found["nats, poisson"], strict=True)]
    return int(min(found["rules, mixed"]) < 0.9 or not all(better) or max(found["correlation with log size, nb"]) > 0.2)


if __name__ == "__main__":
    sys.exit(main())
