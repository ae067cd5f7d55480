"""`aerun show RUN`: what a run is, in one screen."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.command.parser import Parser
from aerun.core.paths import path_words
from aerun.core.text import say, shown_line
from aerun.inference.verbs import VERBS
from aerun.settings.labels import LABELS
from aerun.settings.shells import retyped

if TYPE_CHECKING:
    from aerun.inference.model import Model


def run(argv: list[str]) -> int:
    """Return the verb."""
    parser = Parser(
        prog="aerun show",
        description="What a run is, in one screen: its command, its model, its data, its figures, and what can be asked of it.",
        epilog="example: aerun show outputs/runs/RUN",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or a sweep's: its best run")
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which checkpoint")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help="build classes of this package too")
    args = parser.parse_args(argv)

    # deferred: keeps --help without torch
    from aerun.inference.loading import load

    model = load(args.run, args.weights, args.trust)
    for name, line in _lines(model):
        say(f"{name:<10} {shown_line(line)}")
    return 0


def _lines(model: "Model") -> list[tuple[str, str]]:
    """Name and content of each line."""
    # deferred: keeps --help without torch
    from aerun.compose import option
    from aerun.formats.reading import spoken
    from aerun.runs.fingerprint import files_in_words, words

    ae, facts, about = model.autoencoder, model.facts, model.folder.read("run.json")
    span = "unbounded" if facts.low is None else f"{facts.low * facts.unit:g} to {(facts.high or 0) * facts.unit:g}"
    shape = " x ".join(map(str, facts.stored)) + (" at most" if facts.ragged else "")
    terms = [f"{k} (weight {ae.weight(k, None):g})" for k in ae.terms] or ["none"]
    parts = (f"{room}={option(part)}" for room, part in ae.chosen_parts().items())
    weights = sum(p.numel() for p in ae.own_parameters())
    return [
        ("run", str(model.folder.path)),
        ("command", retyped(str(about.get("command", "unknown")))),
        *((k, ", ".join(v) if isinstance(v, list) else str(v)) for k in LABELS if (v := about.get(k))),
        ("model", f"{model.name}: {', '.join(parts)}"),
        ("regularizer", ", ".join(terms)),
        ("code", f"{' x '.join(map(str, model.code_shape))} numbers; {weights:,} parameters"),
        ("data", f"{facts.kind} {shape}, {span} ({_data(model)})"),
        ("content", words(about["data"]) if about.get("data") else "not recorded: made by an older aerun"),
        *([("files", files)] if (files := files_in_words(about.get("data") or {})) else []),
        *([("reading", words_read)] if (words_read := spoken(model.reading)) else []),
        *([("told", str(told))] if (told := model.results.get("told")) else []),
        *_figures(model.results),
        ("asks", f"aerun {', '.join(_fitting(model))} {model.folder.path} ..."),
    ]


def _data(model: "Model") -> str:
    settings = model.config.get("dataset") or {}
    name = str(settings.get("_target_", "")).rpartition(".")[0].rpartition(".")[2]
    return f"{name} {path_words(settings['path'])}" if settings.get("path") else name


_ERRORS = (("SE", "test/se"), ("PCA", "pca/se"), ("PCA that is told nothing", "pca_plain/se"), ("mean", "mean/se"))


def _figures(results: dict[str, Any]) -> list[tuple[str, str]]:
    if results.get("status") != "completed":
        return [("status", str(results.get("status", "unknown")))]
    rows = [
        (
            "status",
            f"completed {results.get('started', '')}, {results.get('epochs')} epochs, aerun {results.get('versions/aerun')}",
        )
    ]
    figures = [
        f"{name} {results[key]:.4g}"
        for name, key in (
            ("SE", "test/se"),
            ("PCA", "pca/se"),
            ("PCA that is told nothing", "pca_plain/se"),
            ("mean", "mean/se"),
        )
        if isinstance(results.get(key), int | float)
    ]
    return [*rows, ("test", f"squared error per sample: {', '.join(figures)}")]


def _fitting(model: "Model") -> list[str]:
    """Return verbs that make sense for this run."""
    # deferred: keeps --help without torch
    from aerun.inference.support import unsupported_reason

    return [v for v in (*VERBS, "export") if not unsupported_reason(v, model.autoencoder)]
