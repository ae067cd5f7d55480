"""How a model looks in Python: in one line, as a card of a notebook, and drawn."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError
from aerun.evaluate.scores import errors
from aerun.inference.card import page, svg
from aerun.inference.columns import of_columns
from aerun.inference.history import LOSS, History, drawing
from aerun.inference.runner import Runner
from aerun.runs.figures import main_figure
from aerun.runs.folder import names_of

PLOTS = ("history", "codes", "reconstructions")
_PREFIXES = 4  # sizes of a nested code that are drawn beside all of it


def _sizes(model: Runner) -> str:
    facts = model.facts
    if facts.kind == "table":
        return f"{facts.stored[0]} columns"
    shape = " x ".join(map(str, facts.stored)) + (" at most" if facts.ragged else "")
    return f"text of {shape}" if facts.tokens else f"{facts.kind}s of {shape}"


def _data(model: Runner) -> str:
    folder = model.folder
    names = folder.names() if folder.path.is_dir() else names_of(model.config)  # that of an estimator may be gone
    name = names["data"]
    return name if name.startswith("X (") and model.facts.kind == "table" else f"{name}, {_sizes(model)}"


def _code(model: Runner) -> str:
    return " x ".join(map(str, model.code_shape))


def _measure(results: dict[str, Any]) -> str:
    """Return the main figure of a run, beside PCA's where it is the test error; its status where there is none."""
    key = main_figure(results)
    if key is None:
        return str(results.get("status", "no results"))
    pca = results.get("pca/se")
    beside = f" (PCA {pca:.4g})" if key == "test/se" and isinstance(pca, int | float) else ""
    return f"{key} {results[key]:.4g}{beside}"


def line(model: Runner, name: str, results: dict[str, Any]) -> str:
    """Return recipe, data, code size, main figure and folder in one line."""
    where = f", {model.folder.path}" if model.folder.path.is_dir() else ""
    return f"<aerun.Model {name}: {_data(model)} -> code of {_code(model)}, {_measure(results)}{where}>"


def card(model: Runner, name: str, results: dict[str, Any], history: History) -> str:
    """Return the card of a model: data, model, verdict and the curves of its loss."""
    counts = [f"{results[k]:,} {k.partition('/')[2]}" for k in ("samples/train", "samples/val", "samples/test") if k in results]
    weights = sum(p.numel() for p in model.autoencoder.own_parameters())
    rows = [
        ("data", _data(model)),
        ("samples", ", ".join(counts) or "not recorded"),
        ("model", f"{name}, code of {_code(model)}, {weights:,} parameters"),
        ("result", _measure(results)),
    ]
    if model.folder.path.is_dir():
        rows.append(("folder", str(model.folder.path)))
    curves = {k: history[k] for k in LOSS if k in history}
    return page(f"aerun {name}", rows, svg(curves, history.best), str(results.get("verdict") or ""))


def plot(model: Runner, history: History, what: str, x: Any, labels: Any, samples: int, ax: Any) -> Any:
    """See `Model.plot`."""
    if not isinstance(what, str):
        raise AerunError("plot: first what is drawn, then the samples: plot('reconstructions', x) or plot('codes', x).")
    if one_of("what", what, PLOTS) == "history":
        if not history:
            raise AerunError("plot: this run has no metrics.csv.")
        return history.plot(ax=ax)
    if x is None:
        raise AerunError(f"plot: {what} of which samples? plot('{what}', x).")
    stored, _ = model.form.to_stored(x)
    if what == "reconstructions":
        return _reconstructions(model, stored, integer("samples", samples, 1), ax)
    if labels is not None and len(labels) != len(stored):
        raise AerunError(f"plot: {len(labels)} labels for {len(stored)} samples.")
    return drawing().codes(model.codes_of(stored).flatten(1).double().numpy(), labels, ax)


def _reconstructions(model: Runner, stored: Tensor, samples: int, ax: Any) -> Any:
    facts = model.facts
    if facts.kind == "table":
        names = [f.name for f in model.form.features] or [f"f{i + 1}" for i in range(facts.stored[0])]
        parts = model.in_batches(lambda part, _: _of_columns(model, part), stored, None)
        return drawing().columns(parts.double().numpy(), names, ax)
    if ax is not None:
        raise AerunError(f"plot: reconstructions of {facts.kind}s are several panels: leave ax out.")
    few = stored[:samples]
    if facts.tokens:
        return drawing().lines(_symbols(few, facts.tokens), _symbols(model.rebuilt(few), facts.tokens))
    x, x_hat = model.units(few), model.over_samples(lambda u, beside: model.autoencoder(u, **beside), few)
    if facts.kind == "image":
        return drawing().images(x.cpu(), x_hat, facts, _of_prefixes(model, few))
    valid = facts.valid(few)
    lengths = [x.shape[1]] * len(x) if valid is None else valid.sum(1).tolist()
    return drawing().series(np.asarray(x.double().cpu()), np.asarray(x_hat.double()), lengths)


def _symbols(numbers: Tensor, tokens: Sequence[str]) -> list[list[str]]:
    """Return the symbols of each line by their numbers (n, T), which are negative behind its end."""
    return [[tokens[i] for i in line if i >= 0] for line in numbers.tolist()]


def _of_prefixes(model: Runner, stored: Tensor) -> dict[str, Tensor]:
    """Return the reconstructions from the first units of nested codes, by words for their number, but from all of them."""
    own = model.autoencoder

    def first(u: Tensor, beside: dict[str, Tensor], size: int) -> Tensor:
        return own.decode(own.first_of(own.features(u, **beside), size), **beside, like=u)

    sizes = own.sizes[:-1][-_PREFIXES:]
    return {f"first {size}": model.over_samples(partial(first, size=size), stored) for size in sizes}


def _of_columns(model: Runner, part: Tensor) -> Tensor:
    own = errors(model.autoencoder, part)
    return of_columns(own, model.form.preparation) if model.form.features else own
