"""A condition on the columns of a table, such as `amount < 100 and kind == 'ok'`: which rows are normal."""

import ast
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from aerun.core.errors import AerunError, nearest
from aerun.dataset.labels import Labels
from aerun.dataset.tables.query_rows import TESTS, Rows, constant
from aerun.formats.frame import Frame
from aerun.formats.number_words import matching

_LONGEST = 2000  # characters: enough for anybody, too few to exhaust the parser
_SHAPE = re.compile(r"\s*(?:not\b|[\w`'\"(.-]).*?(?:<|>|==|!=|\bin\s*[\[(])", re.DOTALL)
_TICKS = re.compile(r"'[^']*'|\"[^\"]*\"|`([^`]+)`")
_ALLOWED = "columns, numbers and 'words', compared by < <= > >= == != in and joined by and, or, not"


def is_query(normal: object) -> bool:
    """Return whether `dataset.normal` compares something, rather than naming classes."""
    return isinstance(normal, str) and _SHAPE.match(normal) is not None


@dataclass(frozen=True)
class Query:
    """A condition on columns that says which rows are normal.

    text: comparisons (< <= > >= == !=, in, not in; chains such as 0 < a < 5) of columns with numbers, 'words' or other columns,
    joined by and, or, not. A column whose name is no plain word stands in `backticks`. Nothing else is understood, and nothing
    is ever executed. A comparison with a missing value neither holds nor fails: where the rest does not decide, the row is
    neither normal nor an anomaly. Dates are compared with dates in ISO 8601 in quotes. Raises AerunError for what is not
    understood.
    """

    text: str

    def __post_init__(self) -> None:
        self._check(self._parsed[0])

    @cached_property
    def _parsed(self) -> tuple[ast.expr, dict[str, str]]:
        """Return the syntax tree, and the column for each name in it."""
        if len(self.text) > _LONGEST:
            raise AerunError(f"dataset.normal={self.text[:40]}...: a query of more than {_LONGEST} characters.")
        names: dict[str, str] = {}

        def plain(match: re.Match[str]) -> str:
            if match[1] is None:
                return match[0]
            return next((n for n, column in names.items() if column == match[1]), None) or _added(names, match[1])

        try:
            tree = ast.parse(_TICKS.sub(plain, self.text).strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
            hint = " Equal is ==." if re.search(r"[^=!<>]=[^=]", self.text) else ""
            raise self._refusal(f"not a query: {_ALLOWED}.{hint}") from e
        return tree, {n.id: names.get(n.id, n.id) for n in ast.walk(tree) if isinstance(n, ast.Name)}

    @property
    def columns(self) -> frozenset[str]:
        """Return the names of the columns that the condition reads."""
        return frozenset(self._parsed[1].values())

    def _refusal(self, why: str) -> AerunError:
        return AerunError(f'dataset.normal="{self.text}": {why}')

    def _check(self, node: ast.expr) -> None:
        """Raise AerunError for anything but conditions."""
        if isinstance(node, ast.BoolOp):
            for part in node.values:
                self._check(part)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self._check(node.operand)
        elif isinstance(node, ast.Compare):
            self._constants(node)
        else:
            raise self._refusal(f"`{ast.unparse(node)}` is no condition; a query is of {_ALLOWED}.")

    def _constants(self, node: ast.Compare) -> None:
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
                    raise self._refusal(f"`{ast.unparse(right)}`: behind `in` stands a list, such as ['a', 'b'].")
            elif type(op) not in TESTS or isinstance(right, ast.List | ast.Tuple | ast.Set):
                raise self._refusal(f"a query is of {_ALLOWED}.")
        for side in (node.left, *node.comparators):
            for one in side.elts if isinstance(side, ast.List | ast.Tuple | ast.Set) else [side]:
                if not isinstance(one, ast.Name) and constant(one) is None:
                    raise self._refusal(f"`{ast.unparse(one)}` is no column, number or 'word'; a query is of {_ALLOWED}.")

    def __call__(self, frame: Frame) -> Labels:
        """Return for every row whether it is normal (0), an anomaly (1), or undecided for a missing value (-1).

        Raises AerunError for unknown columns, for values that cannot be compared, and where all rows that are decided are
        alike.
        """
        for name in sorted(self.columns):
            if matching(name, list(frame.columns)) is None:
                known = list(frame.columns)
                shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
                raise self._refusal(
                    f"{frame.file} has no such column as {name}{nearest(name, known)}; it has {shown}. Words stand in quotes: "
                    f"'{name}'."
                )
        tree, names = self._parsed
        holds, fails = Rows(frame, names, self._refusal).truth(tree)
        if not holds.any() or not fails.any():
            every = not fails.any() and holds.any()
            gone = int((~holds & ~fails).sum())
            rest = f" ({gone} rows lack a value and are undecided)" if gone else ""
            raise self._refusal(f"holds for {'every' if every else 'no'} row of {frame.file}{rest}: nothing to tell apart.")
        return Labels(torch.from_numpy(np.where(holds, 0, np.where(fails, 1, -1))), ("normal", "anomaly"))


def _added(names: dict[str, str], column: str) -> str:
    names[f"column_in_ticks_{len(names)}"] = column
    return f"column_in_ticks_{len(names) - 1}"
