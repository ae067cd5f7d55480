"""Mistakes in what a verb is given: one line, as everywhere, and no page of usage."""

import pytest

from tests.shell import here


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("encode", "encode: --output is missing."),
        ("show", "show: RUN is missing."),
        ("show run --weights lst", "show: --weights lst: no such choice (nearest: last); one of best, last."),
        ("show run --waights best", "show: --waights: no such flag (nearest: --weights)."),
        ("generate run --count x --output o", "generate: --count x: must be a whole number."),
        ("resume run --epochs", "resume: --epochs: needs a value."),
        ("retrieve run x --index --output o", "retrieve: --index: needs one value or more."),
        ("show a b", "show: b: one word too many."),
    ],
)
def test_one_line(tmp_path, typed, said):
    verb = typed.split()[0]
    told = here(tmp_path, *typed.split())
    assert told == (2, "", f"aerun: error: {said} aerun {verb} --help says what it takes.\n")
