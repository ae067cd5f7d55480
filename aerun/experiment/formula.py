"""Formulas of checks: figures in braces, numbers, + - * / and parentheses. Nothing else is understood, and nothing is run."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping

from aerun.core.errors import AerunError, nearest

_REFERENCE = re.compile(r"\{([^{}]*)\}")
_PLAIN = re.compile(r"[\d\s.+\-*/()]*")
_TWO: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ONE: dict[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}

Figures = Mapping[str, Mapping[str, float]]


def references(formula: str) -> list[tuple[str, str]]:
    """Return (run, figure) of each `{run.figure}`; AerunError for anything that is not a formula."""
    pairs = []
    for inside in _REFERENCE.findall(formula):
        run, dot, figure = inside.partition(".")
        if not (run and dot and figure):
            raise AerunError(f"{formula}: {{{inside}}} is no figure; figures are written {{RUN.FIGURE}}.")
        pairs.append((run, figure))
    _parsed(formula)
    return pairs


def value(formula: str, figures: Figures) -> float:
    """Return the formula over `figures[run][figure]`; NaN where it divides by zero. AerunError for unknown figures."""
    numbers = [_figure(formula, run, figure, figures) for run, figure in references(formula)]
    try:
        return _value(_parsed(formula), iter(numbers).__next__)
    except ZeroDivisionError:
        return math.nan


def _figure(formula: str, run: str, figure: str, figures: Figures) -> float:
    if run not in figures:
        raise AerunError(f"{formula}: no run {run}{nearest(run, figures)}.")
    if figure not in figures[run]:
        raise AerunError(f"{formula}: run {run} has no figure {figure}{nearest(figure, figures[run])}.")
    return float(figures[run][figure])


def _parsed(formula: str) -> ast.expr:
    """Return the tree of a formula, figures replaced by the name `_`, in order."""
    bare = _REFERENCE.sub(" ", formula)
    refused = AerunError(f"{formula}: not a formula: only {{RUN.FIGURE}}, numbers, + - * / and parentheses.")
    if not _PLAIN.fullmatch(bare):
        raise refused
    try:
        tree = ast.parse(_REFERENCE.sub(" _ ", formula).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise refused from e
    if not all(isinstance(node, _ALLOWED) for node in ast.walk(tree)):
        raise refused
    return tree


_ALLOWED = (ast.BinOp, ast.UnaryOp, ast.Constant, ast.Name, ast.Load, *_TWO, *_ONE)


def _value(node: ast.expr, figure: Callable[[], float]) -> float:
    """Return left before right, so that figures come in the order in which they are written."""
    if isinstance(node, ast.BinOp):
        left = _value(node.left, figure)
        return _TWO[type(node.op)](left, _value(node.right, figure))
    if isinstance(node, ast.UnaryOp):
        return _ONE[type(node.op)](_value(node.operand, figure))
    return float(node.value) if isinstance(node, ast.Constant) else figure()  # type: ignore[arg-type]
