"""Sweeps of many small runs: `python scripts/sweeps.py [--baseline COMMIT] [--rounds 2] [--json FILE] [WORD ...]`.

MLP members are the digits net 64-32-8 for 50 epochs of 10 steps, one by one, two at a time and fused; conv and GRU members are
few and small, one by one and with sweep.fuse=true, which leaves them one by one where that is faster; sizes are five sizes of
the code, one by one, as one nested run after which the size to take is trained by itself (sweep.nested=true), and that run
alone, which gives the curve. With
--baseline the code of COMMIT does the same beside the code as it stands. Each way is a command of its own, as it is typed, with
one thread; the ways take turns, and the fastest round of each counts. `whole` is the command from start to end, `cpu` its
processors' seconds, which neighbours on the machine disturb less, `training` the runs' own time in fit. Ratios are to `one by
one` of the baseline, or of the code as it stands without one. `bmm` is training alone: the same shapes and steps, multiplied by
hand as stacked matrices. WORDs are added to every command, such as pictures=[].
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NETS = {
    "mlp": ["model.arch.hidden=[32]", "model.latent_dim=8", "trainer.max_epochs=50"],
    "conv": ["model=conv", "dataset=digits", "model.latent_dim=8", "trainer.max_epochs=2"],
    "sizes": ["model.arch.hidden=[512,256]", "trainer.max_epochs=50"],
    "gru": ["model=recurrent", "model.arch.cell=gru", "dataset=sines", "dataset.n=300", "trainer.max_epochs=2"],
}
FEW = 4  # members of the slower nets
SIZES = "model.latent_dim=2,4,8,16,32"
BMM = """
import sys, time, torch
members, steps, batch = map(int, sys.argv[1:])
torch.manual_seed(0)
sizes = [64, 32, 8, 32, 64]
pairs = list(zip(sizes, sizes[1:]))
weights = [(torch.randn(members, a, b) / a ** 0.5).requires_grad_() for a, b in pairs]
biases = [torch.zeros(members, 1, b, requires_grad=True) for _, b in pairs]
adam = torch.optim.Adam([*weights, *biases], fused=True)
data = torch.rand(1257, 64)
began = time.perf_counter()
for _ in range(steps):
    x = data[torch.randint(len(data), (members, batch))]
    h = x
    for n, (w, b) in enumerate(zip(weights, biases)):
        h = torch.baddbmm(b, h, w)
        h = h.relu() if n in (0, 2) else h
    adam.zero_grad()
    ((h - x) ** 2).sum(2).mean(1).sum().backward()
    adam.step()
print(time.perf_counter() - began)
"""
Seconds = dict[str, float]


def ways(net: str, members: int) -> dict[str, list[str]]:
    """Return the ways in which so many members of a net are trained: name -> words of the command."""
    if net == "sizes":
        alone = ["model.latent_dim=32", "regularizer=nested", "reg.terms.nested.sizes=[2,4,8,16]"]
        both = {"sizes, 5 one by one": [SIZES], "sizes, nested": [SIZES, "sweep.nested=true"], "sizes, the curve": alone}
        return {name: [*NETS[net], *words] for name, words in both.items()}
    seeds = f"seed=range({members})"
    both = {f"{net}, {members} one by one": [seeds], f"{net}, {members} fused": [seeds, "sweep.fuse=true"]}
    if net == "mlp":
        both[f"{net}, {members} sweep.jobs=2"] = [seeds, "sweep.jobs=2"]
    return {name: [*NETS[net], *words] for name, words in both.items()}


def measured(words: Sequence[str], tree: Path) -> Seconds:
    """Return the seconds of a command that the code in `tree` answers: of the whole, of processors, in training."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tree)}
    with tempfile.TemporaryDirectory() as folder:
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-P", "-m", "aerun", "-m", "sweep=s", "trainer.progress=false", *words]
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        whole, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        results = [json.loads(p.read_text()) for p in Path(folder, "outputs", "sweeps", "s").glob("*/results.json")]
    cpu = sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
    return {"whole": whole, "cpu": cpu, "training": sum(f["seconds/epochs"] for f in results)}


def by_hand(members: int, steps: int) -> float:
    """Return the seconds of as many steps of all members as stacked matrices."""
    words = [sys.executable, "-c", BMM, str(members), str(steps), "128"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return float(subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout)


@contextmanager
def trees(baseline: str | None) -> Iterator[dict[str, Path]]:
    """Yield the code that is measured: as it stands, and that of the baseline in a working tree that is removed again."""
    if baseline is None:
        yield {"now": ROOT}
        return
    with tempfile.TemporaryDirectory() as work:
        before = Path(work) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", before, baseline], cwd=ROOT, check=True, capture_output=True)
        try:
            yield {baseline: before, "now": ROOT}
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baseline", metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--members", type=int, default=32)
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("words", nargs="*", metavar="WORD")
    args = parser.parse_args()
    best: dict[str, dict[str, Seconds]] = {}
    hand = float("inf")
    with trees(args.baseline) as code:
        for number in range(args.rounds):
            for net in args.nets:
                for name, words in ways(net, args.members if net == "mlp" else FEW).items():
                    for when, tree in code.items():
                        seconds = measured([*words, *args.words], tree)
                        was = best.setdefault(name, {}).get(when, seconds)
                        best[name][when] = {k: min(was[k], seconds[k]) for k in seconds}
                        print(f"round {number + 1}, {name}, {when}: {seconds['whole']:.1f} s", file=sys.stderr, flush=True)
            hand = min(hand, by_hand(args.members, 500))
    show(best, next(iter(code)), hand, args.members)
    if args.json:
        args.json.write_text(json.dumps({"ways": best, "bmm": hand}, indent=1) + "\n")


def show(best: dict[str, dict[str, Seconds]], first: str, hand: float, members: int) -> None:
    """Print a row for each way and code, with its ratios to one by one of the first code, and the rows of bmm."""
    print(f"{'':24}{'code':>10}" + "".join(f"{k:>10}{'ratio':>7}" for k in ("whole", "cpu", "training")))
    for name, codes in best.items():
        base = best[next(k for k in best if k.startswith(name.partition(",")[0]) and k.endswith("one by one"))][first]
        for when, seconds in codes.items():
            print(f"{name:24}{when:>10}" + "".join(f"{v:10.1f}{v / base[k]:7.2f}" for k, v in seconds.items()))
    print(f"bmm, {members} members, 500 steps: {hand:.1f} s of training")


if __name__ == "__main__":
    main()
