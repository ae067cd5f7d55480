"""`aerun experiment [E01 ...]`: what must hold, run and printed against what was obtained."""

import argparse
from pathlib import Path

from aerun.command.parser import Parser
from aerun.core.errors import AerunError
from aerun.core.logs import log_to_terminal
from aerun.core.signals import stop_on_signals
from aerun.core.text import say
from aerun.experiment.catalog import catalog, experiment_files


def run(argv: list[str]) -> int:
    """Return the verb. 0: all that was run holds, 1: something does not, 2: a name that is not one."""
    parser = Parser(
        prog="aerun experiment",
        description="Run experiments and print what they obtained against what must hold. Without names: list them.",
        epilog="example: aerun experiment E01 E06 --short. Images are read from the folder that AERUN_DATA names; "
        "runs whose images are not there are left out and said so.",
    )
    about = "experiments (E08: all its parts), or files of your own, written like those in configs/acceptance"
    parser.add_argument("names", nargs="*", metavar="E01", help=about)
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N-1 instead of the experiment's own")
    parser.add_argument("--short", action="store_true", help="no long runs, and one seed unless --seeds says more")
    control = "run the negative controls instead: settings with which an experiment must not hold. 0: all of them fail"
    parser.add_argument("--control", action="store_true", help=control)
    parser.add_argument("--fresh", action="store_true", help="train again what is there already")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.md", help="write the tables as Markdown too")
    parser.add_argument("--root", type=Path, default=Path("outputs/experiments"), metavar="DIR", help="where the runs go")
    args = parser.parse_args(argv)

    if not (args.names or args.all):
        say("\n".join(f"{name:<5} {line}" for name, line in catalog().items()))
        return 0
    if args.seeds is not None and args.seeds < 1:
        raise AerunError(f"--seeds {args.seeds}: at least one is needed.")
    paths = experiment_files([*catalog(), *args.names] if args.all else args.names)
    return _decide(paths, args)


def _decide(paths: list[Path], args: argparse.Namespace) -> int:
    log_to_terminal()

    # deferred: keeps --help without torch
    from aerun.experiment import table
    from aerun.experiment.plan import read
    from aerun.experiment.verdict import Settings, decide

    stop_on_signals()
    seeds = None if args.seeds is None else range(args.seeds)
    settings = Settings(args.root, seeds, args.short, args.fresh)
    outcomes = []
    experiments = [read(path) for path in paths]
    if args.control:
        experiments = [e.controlled() for e in experiments if e.control is not None or not args.all]
    for experiment in experiments:
        outcomes.append(decide(experiment, settings, say))
        table.show(outcomes[-1])
        if args.control:
            word = "fails, as it must" if outcomes[-1].fails_as_it_must else "DOES NOT FAIL: its checks prove nothing"
            say(f"{experiment.id}: {word}.\n")
    if args.output is not None:
        table.write(outcomes, args.output)
    return 0 if all(o.fails_as_it_must if args.control else o.holds for o in outcomes) else 1
