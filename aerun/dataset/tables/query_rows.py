"""For which rows of a table a condition holds."""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.formats.date_words import seconds
from aerun.formats.frame import Column, Frame, Values, moved
from aerun.formats.number_words import is_number

Flags = NDArray[np.bool_]
Truth = tuple[Flags, Flags]  # rows for which it holds, rows for which it does not; neither where a value is missing
Test = Callable[[Any, Any], Flags]

TESTS: dict[type[ast.cmpop], Test] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}


@dataclass(frozen=True)
class Rows:
    """names: the column for each name in the tree. refusal: AerunError around some words."""

    frame: Frame
    names: Mapping[str, str]
    refusal: Callable[[str], AerunError]

    def truth(self, node: ast.expr) -> Truth:
        """Return the truth of a condition that `Query` has checked."""
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(part) for part in node.values]
            return reduce(_both if isinstance(node.op, ast.And) else _either, parts)
        if isinstance(node, ast.UnaryOp):
            return self.truth(node.operand)[::-1]
        assert isinstance(node, ast.Compare)
        sides = [node.left, *node.comparators]
        return reduce(_both, (self._pair(a, op, b) for a, op, b in zip(sides, node.ops, sides[1:], strict=False)))

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Truth:
        if isinstance(right, ast.List | ast.Tuple | ast.Set):
            either = reduce(_either, (self._pair(left, ast.Eq(), one) for one in right.elts))
            return either[::-1] if isinstance(op, ast.NotIn) else either
        if not isinstance(left, ast.Name) and isinstance(right, ast.Name):
            return self._pair(right, _TURNED[type(op)](), left)
        if not isinstance(left, ast.Name):
            raise self.refusal(f"`{ast.unparse(left)}` is compared with no column.")
        names = self.names
        name, column = names[left.id], self.frame.columns[names[left.id]]
        if isinstance(right, ast.Name):
            a, b = self._two(name, column, names[right.id], self.frame.columns[names[right.id]], op)
        else:
            a, b = self._one(name, column, constant(right), op)
        known, holds = ~np.isnan(a) & ~np.isnan(b), TESTS[type(op)](a, b)
        return holds & known, ~holds & known

    def _one(self, name: str, column: Column, value: float | str | None, op: ast.cmpop) -> tuple[Values, Values]:
        """Return a column and a constant as numbers that compare as they do."""
        if isinstance(value, str):
            date = seconds(value)
            times = None if date is None else _times(column)
            if times is not None and date is not None:
                return times, np.array([date])
            if column.kind != "text":
                raise self.refusal(f"column '{name}' holds {column.kind}s, and '{value}' is none.")
            self._unordered(name, op)
            return column.values, np.array([float(column.words.index(value) if value in column.words else -1)])
        numbers = _numbers(column)
        if numbers is None or value is None:
            raise self.refusal(f"column '{name}' holds {'text' if column.kind == 'text' else 'dates'}: write '{value}'.")
        return numbers, np.array([float(value)])

    def _two(self, name: str, a: Column, other: str, b: Column, op: ast.cmpop) -> tuple[Values, Values]:
        for kind in (_numbers, _times):
            if (x := kind(a)) is not None and (y := kind(b)) is not None:
                return x, y
        if a.kind != "text" or b.kind != "text":
            raise self.refusal(f"columns '{name}' and '{other}' hold {a.kind}s and {b.kind}s, which do not compare.")
        self._unordered(name, op)
        places = {word: k for k, word in enumerate(a.words)}
        return a.values, moved(b.values, [places.get(word, -1) for word in b.words])

    def _unordered(self, name: str, op: ast.cmpop) -> None:
        if not isinstance(op, ast.Eq | ast.NotEq):
            raise self.refusal(f"column '{name}' holds text, which is compared by ==, != and in only.")


def constant(node: ast.expr) -> float | str | None:
    """Return the number or the word that stands there, or None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = constant(node.operand)
        return None if number is None or isinstance(number, str) else -number
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, int) and (isinstance(value, bool) or abs(value) > 1 << 1000):
        return None
    return value if isinstance(value, str | int | float) else None


def _both(a: Truth, b: Truth) -> Truth:
    return a[0] & b[0], a[1] | b[1]


def _either(a: Truth, b: Truth) -> Truth:
    return a[0] | b[0], a[1] & b[1]


def _numbers(column: Column) -> Values | None:
    """Return a column of numbers, or of words that all are; else None."""
    if column.kind == "text" and column.words and all(map(is_number, column.words)):
        return moved(column.values, [float(word) for word in column.words])
    return column.values if column.kind == "number" else None


def _times(column: Column) -> Values | None:
    """Return a column of dates, in seconds since 1970; else None."""
    if column.kind == "date":
        return column.values
    times = [s for word in column.words if (s := seconds(word)) is not None]
    return moved(column.values, times) if times and len(times) == len(column.words) else None
