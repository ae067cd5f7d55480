"""`aerun encode RUN FILE... --output FILE` and the other verbs of a trained model."""

import argparse
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.core.errors import AerunError
from aerun.inference.verbs import VERBS, Verb

if TYPE_CHECKING:
    from aerun.formats.writing import Writer
    from aerun.inference.model import Model
    from aerun.inference.reading import Piece, Reader


def run(word: str, argv: list[str]) -> int:
    """One verb."""
    verb = VERBS[word]
    args = _parser(word, verb).parse_intermixed_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)

    from aerun.inference.loading import load

    model = load(args.run, args.weights, args.trust)
    from aerun.formats.writing import written
    from aerun.inference import notes
    from aerun.inference.reading import Reader

    settings = model.config.get("dataset")
    reader = Reader(
        model.form,
        settings if isinstance(settings, dict) else {},
        model.rows,
        getattr(args, "key", None),
        getattr(args, "resize", False),
    )
    _refuse_same(args)
    done, about, kind = 0, _about(model), None
    model.form.quiet, counted = True, list[Any]()  # said once, at the end
    if verb.answers == "packed":
        from aerun.inference.compressed_file import Packed, Packer

        args.packer, kind = Packer.of(model, args.step), Packed
        about["head"] = args.packer.head()
    with written(args.output, about, kind) as writer:
        for piece in _pieces(verb, args, model, reader):
            done += _answer(verb, args, model, piece, writer, counted)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{done:,} samples")
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    if model.form.rule is not None and (line := model.form.rule.line(notes.together(counted))):
        logging.getLogger("aerun").warning(line)
    if args.output != "-":
        print(f"{args.output}: {done:,} {'sample' if done == 1 else 'samples'}, {word} by {model.name}")
    if verb.answers == "packed":
        print(_size(args, model, done))
    return 0


def _size(args: argparse.Namespace, model: "Model", done: int) -> str:
    """How small the file is, and whether anything was lost."""
    size = Path(args.output).expanduser().stat().st_size
    bits = f"{size:,} bytes, {8 * size / done:.4g} bits a sample, {8 * size / done / model.facts.size:.3g} an element"
    if args.packer.rounding.steps is None:
        return f"{bits}; codes kept exactly"
    return f"{bits}; codes rounded to {args.step or 0.1:g} standard deviations of training codes"


def _parser(word: str, verb: Verb) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"aerun {word}",
        description=verb.about,
        epilog=f"example: aerun {word} outputs/runs/RUN {verb.example}",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or a sweep's: its best run")
    if verb.reads == "samples":
        what = "what the run was trained on: npy, npz, idx, images, csv, parquet, wav, text, folders; - is standard input"
        parser.add_argument("files", nargs="+", metavar="FILE", help=what)
    elif verb.reads == "codes":
        parser.add_argument("files", nargs=1, metavar="CODES", help="npz, npy, csv or parquet")
    elif verb.reads == "pairs":
        parser.add_argument("files", nargs=2, metavar="FILE", help="files with equally many samples")
    elif verb.reads == "packed":
        parser.add_argument("files", nargs=1, metavar="FILE", help="what aerun compress wrote")
    any_name = "npz, npy, csv, tsv, parquet, txt, png or wav; DIR/; - is csv"
    where = "by any name" if verb.answers == "packed" else any_name
    parser.add_argument("--output", required=True, metavar="FILE", help=where)
    for flag, settings in verb.flags:
        parser.add_argument(flag, **settings)
    if verb.reads not in ("nothing", "packed"):
        parser.add_argument("--key", metavar="NAME", help="the array of files that hold several (default: x, or z of codes)")
    if verb.reads in ("samples", "pairs"):
        parser.add_argument("--resize", action="store_true", help="bring images of other sizes to the one of training")
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which checkpoint")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    return parser


def _refuse_same(args: argparse.Namespace) -> None:
    """AerunError where the output is one of the inputs."""
    for name in getattr(args, "files", []):
        if (
            name != "-"
            and args.output != "-"
            and Path(name).exists()
            and Path(args.output).exists()
            and Path(name).samefile(args.output)
        ):
            raise AerunError(f"--output {args.output}: is what is read.")


def _about(model: "Model") -> dict[str, Any]:
    """What pictures and sounds need to know."""
    facts, settings = model.facts, model.config.get("dataset") or {}
    low, high = (None if v is None else v * facts.unit for v in (facts.low, facts.high))
    return {"kind": facts.kind, "low": low, "high": high, "rate": settings.get("rate")}


def _pieces(verb: Verb, args: argparse.Namespace, model: "Model", reader: "Reader") -> Iterator["Piece"]:
    from aerun.inference.reading import Piece

    if verb.reads == "nothing":
        yield Piece(None, "", 1)
    elif verb.reads == "codes":
        from aerun.inference.code_files import codes_of

        yield from codes_of(Path(args.files[0]), args.key, model.rows)
    elif verb.reads == "pairs":
        yield _pair(args, reader)
    elif verb.reads == "packed":
        yield from _unpacked(args.files[0], model)
    else:
        if "index" in args:
            args.search = _search(model, reader, args)
        yield from reader.pieces(args.files)


def _unpacked(name: str, model: "Model") -> Iterator["Piece"]:
    from aerun.inference.compressed_file import pieces
    from aerun.inference.reading import Piece

    path, first = Path(name).expanduser(), 1
    try:
        with path.open("rb") as file:
            for n, x in pieces(model, file, name):
                yield Piece(x, name, first)
                first += n
    except OSError as e:
        raise AerunError(f"{name}: cannot be read: {e.strerror or e}.") from e


def _pair(args: argparse.Namespace, reader: "Reader") -> "Piece":
    from aerun.inference.reading import Piece, join_samples

    sides = [join_samples([p.x for p in reader.pieces([name])]) for name in args.files]
    return Piece(tuple(sides), " and ".join(args.files), 1)


def _search(model: "Model", reader: "Reader", args: argparse.Namespace) -> Any:
    """Places and distances for queries, the index encoded once."""
    import torch

    stored = (model.form.to_stored(piece.x)[0] for piece in reader.pieces(args.index))
    base = torch.cat([model.codes_of(part) for part in stored])
    if not 1 <= args.k <= len(base):
        raise AerunError(f"--k {args.k}: the index holds {len(base)} samples.")

    def search(x: Any) -> tuple[Any, Any]:
        asked, way = model.form.to_stored(x)
        return model.nearest(base, model.codes_of(asked), args.k, args.metric, way)

    return search


def _answer(verb: Verb, args: argparse.Namespace, model: "Model", piece: "Piece", writer: "Writer", counted: list[Any]) -> int:
    import numpy as np

    if "mask" in args:
        from aerun.inference.mask_files import Masks

        args.masks = getattr(args, "masks", None) or Masks(args.mask, model.form)
        args.hidden = args.masks.next(len(piece))
    try:
        noted = [model.form.notes(x) for x in _sides(verb, piece)]
        found = verb.run(model, piece.x, args)
    except AerunError as e:
        where = piece.file if piece.first == 1 else f"{piece.file}, from sample {piece.first} on"
        raise AerunError(f"{where}: {e}" if piece.file and not str(e).startswith(piece.file) else str(e)) from e
    arrays = {k: np.asarray(v) for k, v in found.items()}
    counted += [n.counts() for n in noted if n is not None]
    if verb.answers in ("rows", "codes") and model.form.named:  # beside each row, what is unusual in it
        arrays |= {k: v for n in noted if n is not None for k, v in n.rows().items()}
    if verb.answers == "packed":
        writer.add(arrays)
        return len(piece)
    count = len(next(iter(arrays.values())))
    if piece.names:
        arrays = {**({} if _is_picture(args.output) else {"file": np.asarray(piece.names)}), **arrays}
    writer.add({k: v for k, v in arrays.items() if k != "file" or not args.output.endswith((".npy", ".txt"))})
    return count


def _sides(verb: Verb, piece: "Piece") -> tuple[Any, ...]:
    """The samples of a piece."""
    return {"pairs": piece.x, "samples": (piece.x,)}.get(verb.reads, ())


def _is_picture(output: str) -> bool:
    return output.endswith((".png", ".wav", "/"))
