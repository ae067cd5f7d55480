"""`aerun features RUN FILE...`: what each unit of a code is on for."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.command.parser import Parser
from aerun.core.errors import AerunError
from aerun.core.files import refuse_folder, replace
from aerun.core.logs import log_to_terminal
from aerun.core.text import counted, note, say

if TYPE_CHECKING:
    from aerun.inference.model import Model

_ALL, _SUFFIXES = "all", (".html", ".json")


def run(argv: list[str]) -> int:
    """Return the verb."""
    args = _parser().parse_intermixed_args(argv)
    log_to_terminal()
    outputs = [_output(name) for name in args.output]
    units = _numbers(args.units)
    if args.top < 1:
        raise AerunError(f"--top {args.top}: how many samples of each unit, from 1.")
    if args.vocabulary is not None and args.logits is None:
        raise AerunError(f"--vocabulary {args.vocabulary}: names the columns of --logits FILE, which is not there.")
    # deferred: keeps --help without torch
    from aerun.command.conditions import told_model
    from aerun.inference.loading import load

    model = told_model(load(args.run, args.weights, args.trust), "features", args)
    answer = _answer(model, units, args)
    for path in outputs:
        _write(path, answer)
        say(f"{path}: {counted(len(answer['units']), 'unit')} of {counted(answer['samples_read'], 'sample')}")
    return 0


def _answer(model: "Model", units: list[int] | None, args: argparse.Namespace) -> dict[str, Any]:
    # deferred: keeps --help without torch
    from aerun.command.conditions import of_file
    from aerun.inference.atoms import Atoms, Outputs
    from aerun.inference.reading import Reader
    from aerun.inference.unit_survey import DEFAULT, survey

    total = model.code_shape[0]
    shown = list(range(min(total, DEFAULT))) if args.units is None else list(range(total)) if units is None else units
    if args.units is None and total > DEFAULT:
        note(f"samples are shown of units 0 to {DEFAULT - 1}, and all {total:,} are counted; --units all shows all.")
    atoms = Atoms(model)
    outputs = None if args.logits is None else Outputs(args.logits, args.vocabulary, atoms)
    reader = Reader(model.form, model.config.get("dataset") or {}, model.rows, args.key, args.resize, model.reading)
    model.form.quiet = True
    found = survey(model, args.files, reader, shown, args.top, args.words, of_file)
    return found.answer(atoms, outputs)


def _numbers(words: list[str] | None) -> list[int] | None:
    """Return the units that are asked for, each once; None: all."""
    if words is None or words == [_ALL]:
        return None
    wrong = next((w for w in words if not w.isdecimal()), None)
    if wrong is not None:
        raise AerunError(f"--units {wrong}: numbers of units, from 0, or {_ALL}.")
    return list(dict.fromkeys(int(w) for w in words))


def _output(name: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix.lower() not in _SUFFIXES:
        raise AerunError(f"--output {name}: a page (.html) or data (.json).")
    refuse_folder(path)
    if not path.parent.is_dir():
        raise AerunError(f"--output {name}: there is no folder {path.parent}.")
    return path


def _write(path: Path, answer: dict[str, Any]) -> None:
    # deferred: keeps --help without templates
    from aerun.report.units import units_page

    page = path.suffix.lower() == ".html"
    try:
        replace(path, units_page(answer) if page else json.dumps(answer, ensure_ascii=False, indent=1) + "\n")
    except OSError as e:
        raise AerunError(f"--output {path}: {e.strerror or e}.") from e


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun features",
        description="What each unit of a code is on for: on how many samples (a value that is not 0), its highest samples and "
        "some from its whole range, and, of a decoder that is one affine map, its atom, the nearest others, and what it adds "
        "to outputs. Files are read once, however large; what is kept are the samples that are shown.",
        epilog="example: aerun features outputs/runs/RUN samples.npy --output units.html",
    )
    what = "what the run was trained on, such as shards of activations, images, tables, text; folders; - is standard input"
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or a sweep's: its best run")
    parser.add_argument("files", nargs="+", metavar="FILE", help=what)
    about = "a page (.html) that is searched, without anything from elsewhere, or the same as data (.json); may be repeated"
    parser.add_argument("-o", "--output", required=True, action="append", metavar="FILE", help=about)
    about = "numbers of units whose samples are shown, from 0, or all (default: the first 256); all are counted"
    parser.add_argument("--units", nargs="+", metavar="J", help=about)
    parser.add_argument("--top", type=int, default=20, metavar="N", help="highest samples of each unit (default: 20)")
    about = "a matrix (D, V), npy or the like, through which atoms act on V outputs, such as an unembedding on logits of tokens"
    parser.add_argument("--logits", metavar="FILE", help=about)
    parser.add_argument("--vocabulary", metavar="FILE", help="names of these outputs, a line each")
    about = (
        "of activations: a line of text for each context of FILE..., in order, a word for each position; shown beside samples"
    )
    parser.add_argument("--words", metavar="FILE", help=about)
    parser.add_argument("--key", metavar="NAME", help="the array of files that hold several (default: x)")
    parser.add_argument("--resize", action="store_true", help="bring images of other sizes to the one of training")
    about = "of a run with dataset.condition: tell it this of all samples, as label=3; else their columns say it"
    parser.add_argument("--condition", action="append", default=[], metavar="NAME=VALUE", help=about)
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which checkpoint")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    return parser
