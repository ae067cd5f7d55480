"""`aerun encode RUN FILE... --output FILE` and the other verbs of a trained model: what they are asked."""

import argparse
from pathlib import Path

from aerun.command.parser import Parser
from aerun.core.collector import go_on
from aerun.core.errors import AerunError
from aerun.core.logs import log_to_terminal
from aerun.core.signals import stop_on_signals
from aerun.core.streams import is_stdout
from aerun.inference.verb import Verb
from aerun.inference.verbs import VERBS

_CONDITION = (
    "of a run with dataset.condition: tell it this of all samples, as label=3; else their columns say it. generate, traverse: "
    "NAME alone is every class in turn"
)
_RAW = "words in csv as they are; else those that a spreadsheet would run begin with an apostrophe, which aerun reads back"


def run(word: str, argv: list[str]) -> int:
    """Run one verb."""
    verb = VERBS[word]
    args = parser(word, verb).parse_intermixed_args(argv)
    log_to_terminal()
    _refuse_same(args)
    # deferred: keeps --help without torch
    from aerun.command.answers import answer_all

    go_on()
    stop_on_signals(interrupt=False)  # so that no half-written file stays
    answer_all(word, verb, args)
    return 0


def parser(word: str, verb: Verb) -> argparse.ArgumentParser:
    """Return the parser of a verb's arguments."""
    parser = Parser(
        prog=f"aerun {word}",
        description=verb.about,
        epilog=f"example: aerun {word} outputs/runs/RUN {verb.example}",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or a sweep's: its best run")
    if verb.reads == "samples":
        what = "what the run was trained on: npy, npz, idx, images, csv, parquet, sounds, text, folders; - is standard input"
        parser.add_argument("files", nargs="+", metavar="FILE", help=what)
    elif verb.reads == "codes":
        parser.add_argument("files", nargs=1, metavar="CODES", help="npz, npy, csv or parquet")
    elif verb.reads == "pairs":
        parser.add_argument("files", nargs=2, metavar="FILE", help="files with equally many samples")
    elif verb.reads == "packed":
        parser.add_argument("files", nargs=1, metavar="FILE", help="what aerun compress wrote")
    any_name = "npz, npy, csv, tsv, jsonl, parquet, xlsx, txt, png or wav; DIR/; - is csv, jsonl:- records, on standard output"
    where = "by any name" if verb.answers == "packed" else any_name
    printed = any(flag == "--top" for flag, _ in verb.flags)
    parser.add_argument(
        "-o", "--output", required=not printed, metavar="FILE", help=f"{where}; html of --map" if printed else where
    )
    for flag, settings in verb.flags:
        parser.add_argument(flag, **settings)
    if verb.reads not in ("nothing", "packed"):
        parser.add_argument("--key", metavar="NAME", help="the array of files that hold several (default: x, or z of codes)")
    if verb.answers != "packed" and verb.reads != "packed":
        parser.add_argument("--raw", action="store_true", help=_RAW)
    if verb.reads in ("samples", "pairs"):
        parser.add_argument("--resize", action="store_true", help="bring images of other sizes to the one of training")
    if verb.reads != "packed" and verb.answers != "packed":
        parser.add_argument("--condition", action="append", default=[], metavar="NAME=VALUE", help=_CONDITION)
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which checkpoint")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    return parser


def _refuse_same(args: argparse.Namespace) -> None:
    """Raise AerunError where the output is one of the inputs."""
    for name in getattr(args, "files", []):
        if (
            name != "-"
            and args.output is not None
            and not is_stdout(args.output)
            and Path(name).exists()
            and Path(args.output).exists()
            and Path(name).samefile(args.output)
        ):
            raise AerunError(f"--output {args.output}: is what is read.")
