"""`aerun data dataset=...`: what a run would read, looked at before anything is trained on it."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.core.errors import AerunError
from aerun.settings.overrides import config_of, resolved

if TYPE_CHECKING:
    from aerun.core.facts import Facts
    from aerun.dataset.splits import Data


def run(argv: list[str]) -> int:
    """The verb. 0: such a run would start; 2: it would be refused."""
    parser = argparse.ArgumentParser(
        prog="aerun data",
        description="Read what a run with these settings would read, and say what there is to know about it: shape, range, "
        "missing values, classes, duplicates, leaks between splits, constant elements, intrinsic dimension, and which losses "
        "and archs fit. A page of samples is drawn into outputs/data.",
        epilog="example: aerun data dataset=images dataset.path=DIR dataset.size=64. Exit code 2: the run would be refused.",
    )
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="as for a run: dataset=NAME, dataset.KEY=VALUE, ...")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder with options of your own")
    parser.add_argument("--no-dimension", action="store_true", help="do not estimate the intrinsic dimension (some seconds)")
    parser.add_argument("--output", type=Path, default=Path("outputs/data"), metavar="DIR", help="where the picture goes")
    args = parser.parse_args(argv)
    for word in args.settings:
        if "=" not in word:
            raise AerunError(f"{word}: a setting is given as KEY=VALUE, such as dataset=mnist; see aerun data --help.")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)

    cfg, option = composed(args.settings, args.config_dir)

    from aerun.command import data_fits
    from aerun.command.data_columns import columns_of
    from aerun.command.data_page import Page, problems_page
    from aerun.command.data_problems import command, readable
    from aerun.dataset.storage.mapped import sample_rows
    from aerun.evaluate.survey import constant, dimension, survey

    dataset, problems, settings = readable(cfg)
    if problems:
        problems_page(option, [p.words for p in problems], command(args.settings, settings))
        return 2
    facts, data = dataset.facts(), dataset.load()
    broken = _refused(data, facts, option)
    why, warnings = data_fits.refusal(cfg, facts, dataset.normal_classes)
    columns = columns_of(dataset.preparation(), facts.stored[0]) if facts.kind == "table" else ()
    page = Page(option, facts, columns, dataset.class_names)
    page.splits(survey(data, facts))
    if decided := dataset.decisions():
        page.decisions(decided)
    elif columns:
        page.columns(sample_rows(data.train.x))
    if not facts.tokens:
        page.constants(constant(data.train, facts))
    found = None if args.no_dimension or broken else dimension(data, facts, dataset.preparation())
    page.dimension(found, asked=not args.no_dimension)
    page.fitting(data_fits.fitting(cfg, facts))
    page.verdict([words for words in (broken, why) if words], warnings)
    page.picture(data.train.x, args.output / _folder(option, cfg) / "samples.png")
    return 2 if broken or why else 0


def _folder(option: str, cfg: Mapping[str, Any]) -> str:
    """The data set's name, and that of the file or folder it is read from."""
    path = cfg["dataset"].get("path")
    return option if path is None else f"{option}-{Path(path).name}"


def _refused(data: "Data", facts: "Facts", option: str) -> str:
    """Why a run refuses the data, or nothing."""
    from aerun.dataset.base import validate_data

    try:
        validate_data(data, facts, option)
    except AerunError as e:
        return str(e)
    return ""


def composed(settings: Sequence[str], folder: Path | None) -> tuple[dict[str, Any], str]:
    """The resolved config of a command line, and the data set's name in it."""
    if folder is not None and not folder.is_dir():
        raise AerunError(f"--config-dir {folder}: no such folder.")
    cfg = config_of(settings, folder)
    option = str(cfg.hydra.runtime.choices["dataset"])
    return resolved(cfg), option
