"""What `aerun data` reads and says: the data set, its splits and columns, and whether a run would take them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aerun.command import data_fits
from aerun.command.data_columns import columns_of
from aerun.command.data_page import Page, problems_page
from aerun.command.data_problems import command, readable
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.paths import path_words
from aerun.dataset.base import Dataset, validate_data
from aerun.dataset.splits import Data
from aerun.dataset.storage.mapped import sample_rows
from aerun.evaluate import survey as ask
from aerun.evaluate.near import near_words, nearly_equal
from aerun.formats.reading import spoken
from aerun.preparation.feature import Feature

_NO_NAME = re.compile(r"[^\w.()=-]+")  # what a folder's name does without, such as the signs of patterns


def look(cfg: Mapping[str, Any], option: str, typed: Sequence[str], output: Path, dimension: bool) -> int:
    """Read, print and draw; return the exit code.

    Option: the data set's name; typed: the settings; dimension: estimate it. Where it cannot be read as it is, say all that is
    in the way, and a command that would read it.
    """
    dataset, problems, settings = readable(cfg)
    if problems:
        problems_page(option, [p.words for p in problems], command(typed, settings))
        return 2
    facts, data = dataset.facts(), dataset.own_samples(dataset.load())
    broken = _refused(data, facts, option)
    why, warnings = data_fits.refusal(cfg, facts, dataset.normal_classes)
    columns = columns_of(dataset.preparation(), facts.stored[0]) if facts.kind == "table" else ()
    page = Page(option, facts, columns, dataset.class_names)
    _describe(page, dataset, data, facts, columns)
    estimates = ask.dimension(data, facts, dataset.preparation()) if dimension and not broken else None
    page.dimension(estimates, asked=dimension)
    page.fitting(data_fits.fitting(cfg, facts))
    page.verdict([words for words in (broken, why) if words], warnings)
    page.picture(data.train.x, output / _folder(option, cfg) / "samples.png")
    return 2 if broken or why else 0


def _describe(page: Page, dataset: Dataset, data: Data, facts: Facts, columns: Sequence[Feature]) -> None:
    page.splits(ask.survey(data, facts))
    page.near(near_words(nearly_equal(data)) if not facts.tokens else "")
    page.reading(spoken(dataset.stored_reading()))
    if decided := dataset.decisions():
        page.decisions(decided)
    elif columns:
        page.columns(sample_rows(data.train.x))
    if not facts.tokens:
        page.constants(ask.constant(data.train, facts))


def _folder(option: str, cfg: Mapping[str, Any]) -> str:
    """Return the data set's name, and that of the file or folder it is read from."""
    path = cfg["dataset"].get("path")
    return option if path is None else f"{option}-{_NO_NAME.sub('_', Path(path_words(path)).name)}"


def _refused(data: Data, facts: Facts, option: str) -> str:
    """Return why a run refuses the data, or nothing."""
    try:
        validate_data(data, facts, option)
    except AerunError as e:
        return str(e)
    return ""
