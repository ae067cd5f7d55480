"""What a verb of a trained model does: read piece by piece, answer, write."""

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aerun.command import follow
from aerun.command.conditions import of_file, told_model, typed_words
from aerun.core.errors import AerunError
from aerun.core.kept import kept_warnings
from aerun.core.streams import is_stdout
from aerun.core.text import note, say
from aerun.formats.writing.base import Nothing, Writer
from aerun.formats.writing.output import Kind, written
from aerun.inference import notes
from aerun.inference.beside import Beside, has_columns_beside
from aerun.inference.code_files import codes_of
from aerun.inference.compressed_file import Packer, pieces
from aerun.inference.judged import ERROR
from aerun.inference.loading import load
from aerun.inference.maps import ImagePng, TimelinePng
from aerun.inference.mask_files import Masks
from aerun.inference.model import Model
from aerun.inference.packed_format import Packed
from aerun.inference.reading import Piece, Reader, join_samples
from aerun.inference.recordings import has_windows
from aerun.inference.rules import BLOCKS
from aerun.inference.scoring import Scoring, noted_of
from aerun.inference.steps import StepSeries
from aerun.inference.travelling import Travelling, beside_pairs
from aerun.inference.verb import Verb
from aerun.inference.verdicts import remarks
from aerun.report.maps import ImagePage, SeriesPage

log = logging.getLogger("aerun")

_MAPS: dict[str, dict[str, Kind]] = {
    ".html": {"steps": SeriesPage, "samples": ImagePage},
    ".png": {"steps": TimelinePng, "samples": ImagePng},
}


def answer_all(word: str, verb: Verb, args: argparse.Namespace) -> None:
    """Answer for every sample of the files, and say how many there were."""
    model, said = _judging(told_model(load(args.run, args.weights, args.trust), word, args), word, args)
    about, scoring = _about(model), _scoring(word, args, model)
    kind = scoring.kind if scoring else None
    about["raw"] = verb.reads == "packed" or getattr(args, "raw", False)  # what was compressed comes back as it was
    if verb.answers == "packed":
        args.packer, kind = Packer.of(model, args.step, args.prior, args.data), Packed
        about["start"] = args.packer.start
    output = args.output or "-"
    done, reader, lines = 0, _reader(model, args, verb, scoring), list[str]()
    if scoring and args.follow:
        for line in said:
            note(line)
        follow.answer(follow.Following(model, verb, args, reader, scoring), about)
        return
    model.form.quiet, counted = True, list[notes.Counts]()  # said once, at the end
    beside = Beside(output, verb.answers in ("rows", "codes") and model.form.named and has_columns_beside(output))
    travelling = Travelling(output)
    asides = Asides(counted, beside, travelling)
    with kept_warnings(beside.told), _opened(args.output, about, kind) as writer:
        sink = scoring.onto(writer) if scoring else writer
        for piece in _pieces(verb, args, model, reader):
            done += _answer(verb, args, model, piece, sink, asides, scoring)
            _show(f"\r{done:,} samples")
        if scoring:
            lines = scoring.end()
            if blank := sum(asides.blank):
                log.warning("score: rows without a value that could be judged: %d; a score near 0 says nothing there.", blank)
    _show("\r\033[K")
    for line in said:
        note(line)
    if line := model.form.line(counted, filled=word in ("inpaint", "impute")):
        note(line)
    if (path := beside.write()) is not None:
        note(f"{path}: what is to be said of them, such as cells that were missing, unseen or out of range")
    _tell_end(word, args, model, done, scoring.unit if scoring else "samples")
    for line in lines:
        (note if is_stdout(args.output) else say)(line)


def _judging(model: Model, word: str, args: argparse.Namespace) -> tuple[Model, list[str]]:
    """Return the model with the score that `aerun score` asks for, and what is to be said of it once it has scored."""
    if word != "score":
        return model, []
    other_way = args.online or args.smooth is not None or (args.threshold == BLOCKS and not args.windows)
    if other_way and has_windows(model.config.get("dataset") or {}):
        smooth = max(1, model.facts.stored[0] // 4) if args.smooth == 0 else args.smooth or 1
        model = model.by_steps(smooth, args.online, args.data)
    if args.by == ERROR and not args.others:
        return model, []
    others = [told_model(load(run, args.weights, args.trust), word, args).by(args.by, args.data) for run in args.others]
    model = model.by(args.by, args.data)
    said = []
    if others:
        said.append(
            f"score: 1 less the mean of the p-values of {len(others) + 1} runs. A p-value is twice that mean, which holds "
            "however they depend on each other: verdicts are careful."
        )
        model = model.together(*others)
    if args.top is not None or args.map:
        said.append("where a score comes from is told of the squared error, not of this score.")
    return model, said


def _tell_end(word: str, args: argparse.Namespace, model: Model, done: int, unit: str) -> None:
    """Say how many rows an output has, and how small it is where that was asked for."""
    if args.output is not None and not is_stdout(args.output):
        say(f"{args.output}: {done:,} {unit[:-1] if done == 1 else unit}, {word} by {model.name}")
    if "tally" in args:
        for line in args.tally.lines(model.autoencoder):
            note(line)
    if "packer" in args:
        say(_size(args, model, done))


@dataclass(frozen=True)
class Asides:
    """What is said beside the answers: counts of unusual cells, the file beside the output, and columns that travel.

    blank: how many rows of each piece hold nothing.
    """

    counted: list[notes.Counts]
    beside: Beside
    travelling: Travelling
    blank: list[int] = field(default_factory=list)


def _opened(output: str | None, about: dict[str, Any], kind: Kind | None) -> AbstractContextManager[Writer]:
    """Return a writer; one that writes nothing where no output is asked for."""
    return nullcontext(Nothing(about)) if output is None else written(output, about, kind)


def _scoring(word: str, args: argparse.Namespace, model: Model) -> Scoring | None:
    """Return what a call of `aerun score` does beside its rows; None for other verbs. Say first what verdicts go by."""
    if word != "score":
        return None
    kinds = _MAPS.get(Path(str(args.output)).suffix.lower(), {})
    scoring = Scoring(model, args, kinds)
    for line in remarks(model, args):
        note(line)
    return scoring


def _show(words: str) -> None:
    """Show on a terminal how far it is."""
    if sys.stderr.isatty():
        sys.stderr.write(words)


def _reader(model: Model, args: argparse.Namespace, verb: Verb, scoring: Scoring | None) -> Reader:
    settings = model.config.get("dataset")
    own = settings if isinstance(settings, dict) else {}
    steps = getattr(args, "steps", False) is True
    return Reader(
        model.form,
        own,
        model.rows,
        getattr(args, "key", None),
        getattr(args, "resize", False),
        model.reading,
        steps,
        model.way,
        verb.keeps_cells,
        scoring is not None and scoring.needs_whole,
    )


def _size(args: argparse.Namespace, model: Model, done: int) -> str:
    """Return how small the file is, and whether anything was lost."""
    size = Path(args.output).expanduser().stat().st_size
    bits = f"{size:,} bytes, {8 * size / done:.4g} bits a sample, {8 * size / done / model.facts.size:.3g} an element"
    if args.packer.prior is not None:
        name, sampler = args.packer.prior
        weights = sum(v.numel() for v in sampler.arrays().values())
        return (
            f"{bits}; codes kept exactly, coded by {name}, whose own {weights:,} numbers stay in the run's folder, not counted"
        )
    if args.packer.rounding.steps is None:
        return f"{bits}; codes kept exactly"
    return f"{bits}; codes rounded to {args.step or 0.1:g} standard deviations of training codes"


def _about(model: Model) -> dict[str, Any]:
    """Return what pictures and sounds need to know."""
    facts, settings = model.facts, model.config.get("dataset") or {}
    low, high = (None if v is None else v * facts.unit for v in (facts.low, facts.high))
    return {"kind": facts.kind, "low": low, "high": high, "rate": settings.get("rate"), "model": model.name}


def _pieces(verb: Verb, args: argparse.Namespace, model: Model, reader: Reader) -> Iterator[Piece]:
    if verb.reads == "nothing":
        yield Piece(None, "", 1, beside=typed_words(model, args.count))
    elif verb.reads == "codes":
        yield from codes_of(Path(args.files[0]), args.key, model.rows, model.form.told_names)
    elif verb.reads == "pairs":
        yield _pair(args, reader)
    elif verb.reads == "packed":
        yield from _unpacked(args.files[0], model)
    else:
        if "index" in args:
            args.search = _search(model, reader, args)
        yield from reader.pieces(args.files)


def _unpacked(name: str, model: Model) -> Iterator[Piece]:
    path, first = Path(name).expanduser(), 1
    try:
        with path.open("rb") as file:
            for n, x in pieces(model, file, name):
                yield Piece(x, name, first)
                first += n
    except OSError as e:
        raise AerunError(f"{name}: cannot be read: {e.strerror or e}.") from e


def _pair(args: argparse.Namespace, reader: Reader) -> Piece:
    sides = [list(reader.pieces([name])) for name in args.files]
    samples = tuple(join_samples([p.x for p in side]) for side in sides)
    beside = beside_pairs(*([p.beside for p in side] for side in sides))
    return Piece(samples, " and ".join(args.files), 1, beside=beside)


def _search(model: Model, reader: Reader, args: argparse.Namespace) -> Any:
    """Return what finds places and distances for queries, and ids where the index has them; it is encoded once."""
    codes, ids, key = list[torch.Tensor](), list[Any](), str(reader.settings.get("id"))
    for piece in reader.pieces(args.index):
        own = of_file(model, piece.told)
        codes.append(own.codes_of(own.form.to_stored(piece.x)[0]))
        ids.append(piece.beside.get(key, np.full(len(piece), "")))
    base, named = torch.cat(codes), np.concatenate(ids)
    if not 1 <= args.k <= len(base):
        raise AerunError(f"--k {args.k}: the index holds {len(base)} samples.")

    def search(x: Any) -> dict[str, Any]:
        asked, layout = model.form.to_stored(x)
        places, far = model.nearest(base, model.codes_of(asked), args.k, args.metric, layout)
        known = {f"near_{key}": named[np.asarray(places)]} if (named != "").any() else {}
        return {"place": places, "distance": far, **known}

    return search


def _answer(
    verb: Verb,
    args: argparse.Namespace,
    model: Model,
    piece: Piece,
    sink: Any,
    asides: Asides,
    scoring: Scoring | None,
) -> int:
    if "mask" in args:
        args.masks = getattr(args, "masks", None) or Masks(args.mask, model.form)
        args.hidden = args.masks.next(len(piece))
    try:
        noted = [n for x in _sides(verb, piece) if (n := noted_of(model, x)) is not None]
        outputs = verb.run(of_file(model, piece.told), piece.x, args)
    except AerunError as e:
        where = piece.file if piece.first == 1 else f"{piece.file}, from sample {piece.first} on"
        raise AerunError(f"{where}: {e}" if piece.file and not str(e).startswith(piece.file) else str(e)) from e
    arrays = {k: np.asarray(v) for k, v in outputs.items()}
    asides.counted.extend(n.counts() for n in noted)
    asides.blank.extend(n.blank for n in noted)
    asides.beside.add(noted)
    if asides.beside.in_rows:  # beside each row, what is unusual in it
        arrays |= {k: v for n in noted for k, v in n.rows().items()}
    if verb.answers == "packed":
        sink.add(arrays)
        return len(piece)
    count = len(next(iter(arrays.values())))
    if scoring:
        scoring.take(piece, arrays)
    times = count // len(piece) if verb.keeps_cells else 1  # of draws each row stands there several times
    beside = {k: np.repeat(v, times) for k, v in piece.beside.items()} if times > 1 else piece.beside
    arrays = asides.travelling.join(beside, arrays, count)
    if piece.names or (isinstance(piece.x, StepSeries) and len(args.files) > 1):
        names = np.asarray(piece.names or [piece.file] * count)
        arrays = {**({} if _is_picture(args.output) else {"file": names}), **arrays}
    sink.add({k: v for k, v in arrays.items() if k != "file" or not str(args.output).endswith((".npy", ".txt"))})
    return count


def _sides(verb: Verb, piece: Piece) -> tuple[Any, ...]:
    """Return the samples of a piece."""
    return {"pairs": piece.x, "samples": (piece.x,)}.get(verb.reads, ())


def _is_picture(output: str | None) -> bool:
    return output is not None and output.endswith((".png", ".wav", "/"))
