"""`--condition NAME=VALUE` of a verb: what the model is told of all samples of a call."""

from argparse import Namespace

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.frame import Words
from aerun.inference.given import typed_conditions
from aerun.inference.model import Model


def told_model(model: Model, word: str, args: Namespace) -> Model:
    """Return the model, told what was typed. A bare NAME is every class in turn, which `generate` and `traverse` understand.

    args.each is set: whether traverse goes through classes. AerunError for what the run is not told.
    """
    typed = typed_conditions(getattr(args, "condition", []))
    bare = [name for name, value in typed.items() if value is None]
    args.each = word == "traverse" and bool(bare)
    values = {name: value for name, value in typed.items() if value is not None}
    if bare and word not in ("generate", "traverse"):
        raise AerunError(f"--condition {bare[0]}: of which value? --condition {bare[0]}=VALUE.")
    model = model.given(**values, **{name: _first(model, name) for name in bare})
    if bare and word == "generate":
        classes = _classes(model, bare[0])
        return model.given(**values, **{bare[0]: [classes[i % len(classes)] for i in range(args.count)]})
    return model


def typed_words(model: Model, n: int) -> dict[str, Words]:
    """Return what the model is told of n samples that have no file, as columns of words."""
    given = model.form.conditions
    return {} if given is None else {k: np.broadcast_to(np.asarray(v, np.str_), (n,)) for k, v in given.values.items()}


def _classes(model: Model, name: str) -> tuple[str, ...]:
    """Return the classes of a condition. AerunError where it has none, or is not told."""
    told = model.autoencoder.told
    known = () if told is None else told.features
    found = [f for f in known if f.name == name or len(known) == 1]
    if not found:
        names = ", ".join(f.name for f in known)
        raise AerunError(f"--condition {name}: this run is told {names or 'nothing beforehand: train with dataset.condition'}.")
    if not found[0].words:
        raise AerunError(f"--condition {name}: is a number, which has no classes to go through: --condition {name}=VALUE.")
    return found[0].words


def _first(model: Model, name: str) -> str:
    return _classes(model, name)[0]
