"""Mistakes in what a verb is given: one line, as everywhere, and no page of usage."""

import pytest

from tests.shell import here


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("encode", "encode: -o/--output is missing."),
        ("show", "show: RUN is missing."),
        ("show run --weights lst", "show: --weights lst: no such choice (nearest: last); one of best, last."),
        ("show run --waights best", "show: --waights: no such flag (nearest: --weights)."),
        ("generate run --count x --output o", "generate: --count x: must be a whole number."),
        (
            "impute run x --seed 1" + 18 * "0" + " -o o",
            f"impute: --seed {10**18}: must be a whole number of at most 18 digits.",
        ),
        ("resume run --epochs", "resume: --epochs: needs a value."),
        ("retrieve run x --index --output o", "retrieve: --index: needs one value or more."),
        ("show a b", "show: b: one word too many."),
    ],
)
def test_one_line(tmp_path, typed, said):
    verb = typed.split()[0]
    told = here(tmp_path, *typed.split())
    assert told == (2, "", f"aerun: error: {said} aerun {verb} --help says what it takes.\n")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--cfg job --package modl", "--package modl: the config has no such part (nearest: model) ("),
        ("--cfg job --package model.nam", "--package model.nam: the config has no such part (nearest: model.name) ("),
        ("--cfg job --package seed hydra.searchpath=[pkg://nothere]", "hydra.searchpath: nothere is not there: pkg://NAME is"),
        ("hydra.searchpath=[file:///nothere]", "hydra.searchpath: /nothere is not there: pkg://NAME is"),
    ],
)
def test_places_of_hydras_that_are_not_there(tmp_path, typed, said):
    told = here(tmp_path, *typed.split())
    assert told.code == 2
    assert told.err.startswith(f"aerun: error: {said}")
    assert told.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
