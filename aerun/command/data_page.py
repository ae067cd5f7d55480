"""What `aerun data` prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from torch import Tensor

from aerun.command.data_columns import described, histograms
from aerun.core.console import Console, styled
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.storage.mapped import sample_rows
from aerun.dataset.tables.decisions import Decision
from aerun.evaluate.survey import Dimension, Seen
from aerun.pictures.canvas.samples import own_scales, page, wanted
from aerun.preparation.feature import Feature

_SPLITS = ("training", "validation", "test")
_COLUMNS = 60  # of a file that are shown one by one
_FEW = 12  # classes, columns or elements that are named one by one


class Page:
    """Written to the terminal part by part. columns: of a table. classes: their names."""

    def __init__(self, option: str, facts: Facts, columns: Sequence[Feature], classes: Sequence[str]) -> None:
        self.option, self.facts, self.features, self.names = option, facts, columns, classes
        self.console = Console(wide=110)
        sides = " x ".join(map(str, facts.stored))
        what = f"{facts.kind}, {sides}" + (f" -> {' x '.join(map(str, facts.shape))} to the model" if self._other() else "")
        self.console.print(f"{option}: {what}", style="bold")

    def _other(self) -> bool:
        return self.facts.stored != self.facts.shape

    def _say(self, name: str, words: str) -> None:
        self.console.say(styled(f"{name:<11}", "bold"), words)

    def splits(self, seen: Sequence[Seen]) -> None:
        """Print one row a split, then what is wrong with them."""
        table, ends = Table(), () if self.features else ("lowest", "highest")  # of a table each column has its own
        table.add_column("split")
        for column in ("samples", *ends, "missing", "infinite", "repeated", "also in training"):
            table.add_column(column, justify="right")
        for i, (name, s) in enumerate(zip(_SPLITS, seen, strict=True)):
            figures = (int(s.missing.sum()), s.infinite, s.repeated, s.shared)
            counts = [f"{n:,}" if n else "-" for n in figures]
            span = (f"{s.low:g}", f"{s.high:g}") if ends else ()
            table.add_row(name, f"{s.n:,}", *span, *(counts if i else [*counts[:3], ""]))
        self.console.print(table)
        self._range()
        self._lengths(seen)
        self._missing(seen)
        self._classes(seen)
        if leaks := [f"{s.shared:,} {name}" for name, s in zip(_SPLITS, seen, strict=True) if s.shared]:
            self._say(
                "leak", f"{' and '.join(leaks)} samples are equal to training samples: errors on them are not of unseen data."
            )

    def near(self, words: str) -> None:
        """Print which samples are nearly equal to training samples, where there are any."""
        if words:
            self._say("leak", words)

    def _range(self) -> None:
        f = self.facts
        if f.tokens:
            self._say("symbols", f"{len(f.tokens)}, stored as their numbers, -1 behind the end; 0 is {f.tokens[0]!r}")
            return
        bounds = "without bounds" if f.low is None or f.high is None else f"in [{f.low:g}, {f.high:g}]"
        divided = f", stored values divided by {f.unit:g}" if f.unit != 1 else ""
        prepared = " behind the preparation" if f.prepared_from is not None else ""
        self._say("range", f"the model sees values {bounds}{prepared}{divided}{'; drawn as 0 or 1' if f.binarize else ''}")

    def _lengths(self, seen: Sequence[Seen]) -> None:
        per_split = [s.lengths for s in seen if s.lengths is not None]
        if per_split:
            lengths = torch.cat(per_split).double()
            low, middle, high = (float(v) for v in (lengths.min(), lengths.median(), lengths.max()))
            self._say(
                "lengths", f"{low:g} to {high:g} steps, median {middle:g}; {int((lengths == 0).sum())} samples without any"
            )

    def _missing(self, seen: Sequence[Seen]) -> None:
        gaps = torch.stack([s.missing for s in seen]).sum(0)
        if self.facts.kind == "table" and bool(gaps.any()):
            order = gaps.flatten().argsort(descending=True).tolist()
            worst = [f"{self._name(i)} ({int(gaps.flatten()[i])})" for i in order if gaps.flatten()[i]]
            self._say("missing", _listed(worst, "columns"))

    def _name(self, place: int) -> str:
        return self.features[place].name

    def reading(self, words: str) -> None:
        """Print how the file was read, where there is something to say."""
        if words:
            self._say("reading", words)

    def columns(self, stored: Tensor) -> None:
        """Print what the columns of a table's training rows hold."""
        descriptions = [described(f, stored[:, i]) for i, f in enumerate(self.features[:_FEW])]
        more = f" and {len(self.features) - _FEW} more" if len(self.features) > _FEW else ""
        self._say("columns", "; ".join(descriptions) + more)

    def decisions(self, columns: Sequence[Decision]) -> None:
        """Print one row a column of a file: its kind, and why."""
        table = Table()
        for column in ("column", "kind", "why"):
            table.add_column(column, overflow="fold")
        for column in ("missing", "distinct", "example"):
            table.add_column(column, justify="right")
        for d in columns[:_COLUMNS]:
            counts = (f"{d.missing:,}" if d.missing else "-", f"{d.distinct:,}")
            table.add_row(d.name, d.kind, d.why, *counts, d.example[:30])
        self.console.print(table)
        if len(columns) > _COLUMNS:
            self._say("columns", f"and {len(columns) - _COLUMNS} more")

    def _classes(self, seen: Sequence[Seen]) -> None:
        if seen[0].classes is None:
            self._say("classes", "none: no labels")
            return
        for name, s in zip(_SPLITS, seen, strict=True):
            assert s.classes is not None
            shares = s.classes.tolist()
            named = [self.names[k] if k < len(self.names) else str(k) for k in range(len(shares))]
            each = ", ".join(f"{name}: {n:,}" for name, n in zip(named, shares, strict=True))
            short = f"{len(shares)} classes of {min(shares):,} to {max(shares):,} samples"
            self._say("classes" if s is seen[0] else "", f"{name:<10} {each if len(shares) <= _FEW else short}")
        if sum(n > 0 for n in seen[0].classes.tolist()) == 1:
            self._say("", "the training split is of one class")

    def constants(self, same: Tensor) -> None:
        """Print which elements never change in training."""
        where, kind = same.flatten().nonzero().flatten().tolist(), self.facts.kind
        what = {"table": "columns", "sequence": "features"}.get(kind, "elements")
        named = [self._name(i) if kind == "table" else str(i) for i in where]
        shown = f": {', '.join(named)}" if 0 < len(where) <= _FEW and kind != "image" else ""
        self._say("constant", f"{len(where):,} of {same.numel():,} {what} have one value in all training samples{shown}")

    def dimension(self, estimates: Dimension | None, asked: bool) -> None:
        """Print the estimates, and the code sizes that they suggest."""
        if estimates is None:
            reason = "text has none that distances would show" if self.facts.tokens else "too few different training samples"
            self._say("dimension", f"not estimated: {reason if asked else 'not asked for'}")
            return
        low, high = estimates.codes(self.facts.size)
        self._say(
            "dimension",
            f"TwoNN {estimates.two_nn:.1f}, MLE {estimates.likelihood:.1f} (intrinsic, of {estimates.rows:,} training samples; "
            f"{self.facts.size:,} numbers each). Try model.latent_dim={low}{f' to {high}' if high > low else ''}.",
        )
        if estimates.unsure:
            self._say("", "too few samples to tell, or the estimates would be alike: take the range as a first guess")

    def fitting(self, by_group: Mapping[str, Mapping[str, str]]) -> None:
        """Print which losses and archs fit, and why the others do not."""
        for group, reasons in by_group.items():
            fit = [option for option, why in reasons.items() if not why]
            self._say("losses" if group == "model/loss" else "archs", f"that fit: {', '.join(fit) or 'none'}")
            for option, why in reasons.items():
                if why:
                    self._say("", f"not {option}: {why}")

    def verdict(self, refusals: Sequence[str], warnings: Sequence[str]) -> None:
        """Say whether such a run would start."""
        for words in warnings:
            self._say("warning", words)
        for words in refusals:
            self._say("refused", words)
        if not refusals:
            self._say("run", "would start with these settings")

    def picture(self, x: Tensor, path: Path) -> None:
        """Draw samples into a file, of tables the spread of each column; write them out where they are text."""
        if self.facts.tokens:
            for row in x[:5].tolist():
                self._say("sample", ("" if max(map(len, self.facts.tokens[1:])) == 1 else " ").join(self._symbols(row)))
            return
        from PIL import Image

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(self._drawn(x)).save(path)
        except OSError as e:
            raise AerunError(f"cannot write {path}: {e.strerror or e}. Choose another place with --output DIR.") from e
        scales = ": each feature on its own scale, from its lowest to its highest value here" if own_scales(self.facts) else ""
        self._say("picture", f"{path}{scales}")

    def _drawn(self, x: Tensor) -> NDArray[np.uint8]:
        if self.facts.kind == "table":
            return histograms(sample_rows(x), self.features)
        return page(x[: wanted(self.facts)], self.facts)

    def _symbols(self, row: Sequence[int]) -> list[str]:
        return [self.facts.tokens[i] for i in row if i >= 0]


def problems_page(option: str, problems: Sequence[str], command: str) -> None:
    """Print what keeps a data set from being read, and a command that would read it."""
    console = Console(wide=110)
    console.print(f"{option}: cannot be read as it is", style="bold")
    for words in problems:
        console.say(styled(f"{'refused':<11}", "bold"), words)
    console.say(styled(f"{'reads':<11}", "bold"), command)


def _listed(named: Sequence[str], what: str) -> str:
    more = f" and {len(named) - _FEW} more {what}" if len(named) > _FEW else ""
    return ", ".join(named[:_FEW]) + more
