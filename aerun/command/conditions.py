"""`--condition NAME=VALUE` of a verb: what the model is told of all samples of a call."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np

from aerun.core.errors import AerunError
from aerun.core.text import note
from aerun.formats.frame import Words
from aerun.inference.model import Model


def told_model(model: Model, word: str, args: Namespace) -> Model:
    """Return the model, told what was typed, which is said. A bare NAME is every class in turn, of `generate` and `traverse`.

    args.each is set: the condition whose classes traverse goes through, or nothing. AerunError for what the run is not told.
    """
    typed = _typed(getattr(args, "condition", []))
    bare = [name for name, value in typed.items() if value is None]
    values = {name: value for name, value in typed.items() if value is not None}
    args.each = bare[0] if word == "traverse" and bare else ""
    if bare and word not in ("generate", "traverse"):
        raise AerunError(f"--condition {bare[0]}: of which value? --condition {bare[0]}=VALUE.")
    if len(bare) > 1:
        raise AerunError(f"--condition {bare[1]}: every class of one condition at a time; --condition {bare[1]}=VALUE.")
    told = model.given(**values, **{name: _classes(model, name)[0] for name in bare})
    for name in bare:
        classes = _classes(model, name)
        note(f"{name}, in turn: {', '.join(classes)}")
        told = _in_turn(model, values, name, classes, args) if word == "generate" else model.given(**values)
    if values:
        note(f"the model is told of all samples: {', '.join(f'{k}={v}' for k, v in values.items())}")
    return told


def _typed(words: Sequence[str]) -> dict[str, str | None]:
    """Return NAME -> VALUE of words `NAME=VALUE`, None for a bare `NAME`. AerunError for one that is typed twice."""
    typed: dict[str, str | None] = {}
    for word in words:
        name, sign, value = (part.strip() for part in word.partition("="))
        if not name:
            raise AerunError(f"--condition {word}: of what? --condition NAME=VALUE.")
        if name in typed:
            raise AerunError(f"--condition {word}: {name} is told twice.")
        typed[name] = value if sign else None
    return typed


def _in_turn(model: Model, values: dict[str, str], name: str, classes: tuple[str, ...], args: Namespace) -> Model:
    """Return the model, told each class in turn of so many samples as are wanted."""
    return model.given(**values, **{name: [classes[i % len(classes)] for i in range(args.count)]})


def typed_words(model: Model, n: int) -> dict[str, Words]:
    """Return what the model is told of n samples that have no file, as columns of words."""
    given = model.form.conditions
    return {} if given is None else {k: np.broadcast_to(np.asarray(v, np.str_), (n,)) for k, v in given.values.items()}


def of_file(model: Model, columns: Mapping[str, Words]) -> Model:
    """Return the model, for the samples of a file that says these conditions of each of them, as words."""
    if not columns or model.form.conditions is None:
        return model
    told = copy(model)
    told.form = model.form.of_file(columns)
    return told


def _classes(model: Model, name: str) -> tuple[str, ...]:
    """Return the classes of a condition. AerunError where it has none, or is not told."""
    given = model.form.conditions
    if given is None:
        raise AerunError(f"--condition {name}: this run is told nothing beforehand: it was trained without dataset.condition.")
    place, _ = given.category(name)
    return given.features[place].words
