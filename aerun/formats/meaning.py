"""What the cells of columns mean, decided over all of them: numbers and their decimal sign, dates and their order, or words."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aerun.formats.cell_words import moment_of, number_of, spelt
from aerun.formats.codes import code_among, is_literal
from aerun.formats.column import MOST, Cells
from aerun.formats.date_words import ORDERS, seconds
from aerun.formats.frame import Column
from aerun.formats.number_words import decimal_of, is_number, undressed
from aerun.formats.plain_cells import Moment
from aerun.formats.problems import Problem, UnclearError, unclear

log = logging.getLogger("aerun")

_LOOKED = 20_000  # different words of a column that are asked for their decimal sign or their order
_FEW = 3  # alien words that may stand for missing values
_CODES = 12  # different numbers beside words that a column of classes may have, as in 1, 2, 3 and unknown


@dataclass(frozen=True)
class Style:
    """decimal: point or comma. order: of day and month where a date could be two, dmy or mdy, or empty: nothing says."""

    decimal: str
    order: str


def style_of(columns: Sequence[Cells], decimal: str, dates: str) -> Style:
    """Return the style of a whole file. UnclearError where its cells show two decimal signs, or none where it matters."""
    worded = [c for c in columns if c.worded and c.format != "text" and not c.given_up]
    sign = decimal if decimal != "auto" else _decimal(columns, worded)
    return Style(sign, dates if dates != "auto" else _order(worded))


def _words(cells: Cells) -> list[str]:
    return [w for w in islice(cells.words, _LOOKED) if isinstance(w, str)]


def _decimal(columns: Sequence[Cells], worded: Sequence[Cells]) -> str:
    """Return the decimal sign of the cells that are numbers by one sign alone, in columns most of whose words are numbers."""
    shown: dict[str, tuple[str, str]] = {}
    for cells in worded:
        if cells.settled and cells.settled.kind == "date":
            continue
        signs = {w: decimal_of(undressed(w)[1]) for w in _words(cells)}
        known = {w: s for w, s in signs.items() if s is not None}
        if 2 * len(known) < len(signs):
            continue
        for word, sign in known.items():
            if sign:
                shown.setdefault(sign, (cells.name, word))
    for cells in columns if shown else ():
        if cells.point:
            shown.setdefault(".", (cells.name, cells.point))
    if "." in shown and "," in shown:
        (a, point), (b, comma) = shown["."], shown[","]
        raise unclear(
            f"{columns[0].file}: '{point}' in column '{a}' has a decimal point and '{comma}' in column '{b}' a decimal comma: "
            "dataset.decimal=. or dataset.decimal=',' says which is meant; dataset.drop=[...] leaves a column out.",
            decimal=".",
        )
    if "either" in shown and "." not in shown and "," not in shown:
        name, word = shown["either"]
        plain = word.replace(",", "").replace(".", "")
        sign = "," if "," in word else "."
        other = {",": ".", ".": ","}[sign]
        raise unclear(
            f"{columns[0].file}: column '{name}': '{word}' is {plain} or {word.replace(',', '.')}: nothing in the file says "
            f"which. dataset.decimal='{other}' for thousands, dataset.decimal='{sign}' for a decimal sign.",
            decimal=other,
        )
    return "," if "," in shown else "."


def _order(worded: Sequence[Cells]) -> str:
    """Return the order in which some word of the file is a date and in the other order none.

    Empty where both orders occur, or neither.
    """
    orders = set()
    for cells in worded:
        if cells.settled and cells.settled.kind == "date" and cells.settled.detail:
            orders.add(cells.settled.detail)
        for word in _words(cells):
            if is_number(word):
                continue
            read = {o for o in ORDERS if seconds(word, o) is not None}
            if len(read) == 1:
                orders |= read
    return orders.pop() if len(orders) == 1 else ""


def column_of(cells: Cells, style: Style) -> tuple[Column, str]:
    """Return the column and its format. UnclearError for cells that are not what the others are, or what the format says."""
    kind, _, detail = cells.format.partition(" ")
    if cells.given_up:
        raise _no_classes(cells)
    if kind == "text":
        return _text(cells), "text"
    if not kind and (code := _code(cells)):
        _tell(cells, code)
        cells.turn_into_words()
        return _text(cells), "text"
    if not cells.worded:
        return Column("number", cells.numbers()), "number"
    if kind != "date":
        numbers = {w: number_of(w, style.decimal) for w in cells.words}
        if kind == "number" or (all(numbers.values()) and not _settled(cells, "date")):
            return _numbers(cells, numbers, style, detail if kind else None)
    order = detail or (cells.settled.detail if cells.settled else "") or style.order
    dates = _dates(cells, order)
    if dates is not None:
        return dates, _date_format(cells, order)
    if kind == "date":
        _refuse(cells, {w for w in cells.words if moment_of(w, order) is None}, "a date")
    _refuse_mixed(cells, {w for w, n in numbers.items() if n is None}, style)
    if cells.settled:
        _refuse(cells, set(cells.words), f"a {cells.settled.kind}, as others are")
    _tell_literals(cells)
    return _text(cells), "text"


def _code(cells: Cells) -> str | None:
    """Return a cell that shows that the column holds codes in digits; None where it does not, or was said to hold numbers."""
    if not cells.codes or cells.settled or (not cells.whole and cells.plain_numbers()):
        return None
    return code_among(cells.words)


def _tell(cells: Cells, code: str) -> None:
    log.warning(
        "%s: column '%s' is read as words: numbers would not keep '%s' as it is. dataset.numeric=[%s] makes it numbers.",
        cells.file,
        cells.name,
        code,
        cells.name,
    )


def _tell_literals(cells: Cells) -> None:
    """Log where words would be numbers in a program, as 1_000 and 0x10 would, and are words in a table."""
    if literals := [w for w in cells.words if isinstance(w, str) and is_literal(w)]:
        words = "%s: column '%s' is read as words: '%s' is a number in programs, not in tables."
        log.warning(words, cells.file, cells.name, literals[0])


def _text(cells: Cells) -> Column:
    """Return words as they are; two spellings of typed cells may be one word."""
    words = [spelt(w) for w in cells.words]
    places = {w: i for i, w in enumerate(dict.fromkeys(words))}
    return Column("text", cells.values([places[w] for w in words]), tuple(places))


def _settled(cells: Cells, kind: str) -> bool:
    """Return whether cells of the column are kept as dates, or as numbers."""
    return cells.settled is not None and cells.settled.kind == kind


def _no_classes(cells: Cells) -> UnclearError:
    name, words = cells.name, list(cells.words)
    digits = f", dataset.numeric=[{name}] reads numbers" if code_among(words) is not None else ""
    return unclear(
        f"{cells.file}: column '{name}' holds more than {MOST} different words, such as '{spelt(words[0])}': not classes. "
        f"dataset.drop=[{name}] leaves it out, dataset.id={name} names rows by it, dataset.categorical=[{name}] keeps "
        f"words{digits}.",
        drop=[name],
    )


def _numbers(cells: Cells, numbers: dict[Any, tuple[float, str] | None], style: Style, sign: str | None) -> tuple[Column, str]:
    alien = {w for w, n in numbers.items() if n is None}
    if alien:
        _refuse(cells, alien, "a number")
    if style.decimal == "," and cells.dotted:
        _refuse_dotted(cells)
    signs = {n[1] for w, n in numbers.items() if n is not None and isinstance(w, str)} | (
        {""} if cells.plain_numbers() else set()
    )
    signs |= {cells.settled.detail} if cells.settled and cells.count_settled() else set()
    shown = signs - {""}
    wrong = len(shown) > 1 or ("%" in shown and "" in signs) or (sign is not None and bool(shown) and shown != {sign})
    wrong = wrong or (sign == "%" and "" in signs and (bool(cells.settled) or any(isinstance(w, str) for w in cells.words)))
    if wrong:
        known = {**numbers, **({cells.settled.example: (0.0, cells.settled.detail)} if cells.settled else {})}
        words = ", ".join(f"'{next(w for w, n in known.items() if n is not None and n[1] == s)}'" for s in sorted(shown))
        _refuse_units(cells, words, "" in signs, sign)
    values = cells.numbers([n[0] for n in numbers.values() if n is not None])
    return Column("number", values), f"number {shown.pop()}" if shown else f"number {sign}" if sign else "number"


def _refuse_units(cells: Cells, words: str, plain: bool, sign: str | None) -> None:
    """Raise UnclearError for a column of several units, or of others than it had in training (sign, where that is known)."""
    shown = " and ".join([*([words] if words else []), *(["numbers without a unit"] if plain else [])])
    where = f"{cells.file}: column '{cells.name}'"
    if cells.format:
        raise unclear(f"{where} holds {shown}; in training it held numbers {f'in {sign}' if sign else 'without a unit'}.")
    hint = f"Write all in one, or dataset.drop=[{cells.name}]."
    raise unclear(f"{where} mixes units: {shown}. {hint}", drop=[cells.name])


def _refuse_dotted(cells: Cells) -> None:
    raise unclear(
        f"{cells.file}: column '{cells.name}' holds numbers with a point, and the file has decimal commas: "
        "dataset.decimal=',' reads points as thousands.",
        decimal=",",
    )


def _dates(cells: Cells, order: str) -> Column | None:
    """Return a column all of whose words are dates; None where some is none.

    Raises UnclearError where day and month could be either.
    """
    if cells.plain_numbers() or _settled(cells, "number") or not (cells.words or cells.settled):
        return None
    orders = [order] if order else list(ORDERS)
    read = {o: [moment_of(w, o) for w in cells.words] for o in orders}
    whole = [o for o, moments in read.items() if None not in moments]
    if not whole:
        return None
    if len(whole) == 2 and read["dmy"] != read["mdy"]:
        place = next(i for i, (a, b) in enumerate(zip(read["dmy"], read["mdy"], strict=True)) if a != b)
        row, word = cells.first({place})
        raise unclear(
            f"{cells.file}: column '{cells.name}', row {row + 1}: '{word}' has its day or its month first, and no other date "
            "says which: dataset.dates=dmy or dataset.dates=mdy.",
            dates="dmy",
        )
    return Column("date", cells.values([s for s in read[whole[0]] if s is not None]))


def _date_format(cells: Cells, order: str) -> str:
    """Return `date`, with the order where words need one."""
    if cells.settled and cells.settled.detail:
        return f"date {cells.settled.detail}"
    words = [w for w in cells.words if isinstance(w, str)]
    if all(seconds(w) is not None for w in words):
        return "date"
    return f"date {order or next(o for o in ORDERS if all(seconds(w, o) is not None for w in words))}"


def _refuse_mixed(cells: Cells, alien: set[Any], style: Style) -> None:
    """Raise UnclearError where most cells are numbers, or dates, and some are not."""
    places = cells.words
    kept, dated = cells.count_settled(), _settled(cells, "date")
    words = cells.count(places[w] for w in alien) + kept * dated
    numbers = cells.plain_numbers() + cells.count(places.values()) + kept - words
    if cells.plain_numbers() or numbers >= words or len(places) - len(alien) > _CODES:
        _refuse(cells, alien, "a number, as others are", dated)
    _refuse_two_orders(cells)
    strange = {w for w in cells.words if all(moment_of(w, o) is None for o in ([style.order] if style.order else ORDERS))}
    odd = cells.count(places[w] for w in strange)
    if cells.count(places.values()) + kept * dated > 2 * odd:
        _refuse(cells, strange, "a date, as others are")
    typed = {w for w in cells.words if isinstance(w, Moment)}
    if typed and len(typed) < len(places):
        _refuse(cells, set(places) - typed, "a date, as others are")


def _refuse_two_orders(cells: Cells) -> None:
    """Raise UnclearError where every word is a date, and one order of day and month does not read them all."""
    orders = {w: [o for o in ORDERS if moment_of(w, o) is not None] for w in cells.words}
    first, other = ([w for w, known in orders.items() if known == [o]] for o in ORDERS)
    if _settled(cells, "date") and cells.settled is not None and cells.settled.detail:
        (first if cells.settled.detail == "dmy" else other).append(cells.settled.example)
    if all(orders.values()) and first and other:
        raise unclear(
            f"{cells.file}: column '{cells.name}': '{first[0]}' has its day first and '{other[0]}' its month. Write all in one "
            f"order, or dataset.drop=[{cells.name}].",
            drop=[cells.name],
        )


def _refuse(cells: Cells, alien: set[Any], what: str, also_settled: bool = False) -> Any:
    """Raise UnclearError for the first cell that is one of the words; also_settled: or a date in place of its word."""
    row, word = cells.first({cells.words[w] for w in alien}, also_settled)
    name = cells.name
    few = [spelt(w) for w in alien] if len(alien) <= _FEW and cells.format == "" and not also_settled else []
    gone = f"dataset.missing_words=[auto,{','.join(few)}] for no value, " if few else ""
    settings = {} if cells.format else {"missing_words": ["auto", *few]} if few else {"drop": [name]}
    hint = f" Mend it, or {gone}dataset.categorical=[{name}] for classes, or dataset.drop=[{name}]." if not cells.format else ""
    suffix = "" if not cells.format else ", as in training"
    words = f"{cells.file}: column '{name}', row {row + 1}: '{spelt(word)}' is not {what}{suffix}.{hint}"
    raise UnclearError([Problem(words, settings)])
