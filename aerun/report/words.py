"""What was asked and what came out, in sentences."""

import math
from collections.abc import Sequence

from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.report.names import typed
from aerun.runs.comparison import difference
from aerun.runs.figures import cell
from aerun.runs.groups import Group, Run, natural, short
from aerun.runs.sizes import Sizes

_MOST = 8  # values that are named
_NOTES = 5  # on the data


def question(groups: Sequence[Group], keys: Sequence[str], runs: Sequence[Run]) -> str:
    """Return what was swept, in words.

    Such as `What was swept: model (ae, vae), model.latent_dim (2, 8); seeds 0, 1, 2. 12 of 12 runs are complete.`
    """
    swept = []
    for key in keys:
        values = sorted({run.setting(key) for run in runs}, key=natural)
        more = f", ... {len(values)} values" if len(values) > _MOST else ""
        swept.append(f"{key} ({', '.join(map(short, values[:_MOST]))}{more})")
    seeds = sorted({run.seed for run in runs if run.config})  # without one, it was refused before it began
    what = f"What was swept: {', '.join(swept)}" if swept else "Nothing was swept but the seed"
    data = sorted({str(g.runs[0].config.get("dataset._target_", "")).split(".")[-2:][0] for g in groups} - {""})
    what += f"; data: {', '.join(data)}" if data else ""
    return f"{what}; seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}. {_complete(runs)}"


def _complete(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        return "One run, complete."
    done, pruned = sum(run.complete for run in runs), sum(run.pruned for run in runs)
    stopped = f", {pruned} {'was' if pruned == 1 else 'were'} pruned" if pruned else ""
    return f"{done} of {len(runs)} runs {'is' if done == 1 else 'are'} complete{stopped}."


def answer(groups: Sequence[Group], keys: Sequence[str], sort: str, name: str, sizes: Sizes | None, settings: int) -> list[str]:
    """Return which size to take, the best setting by a figure, how it stands to PCA, and how sure it is that it is the best.

    name: what the figure is called. sizes: those that were swept. settings: how many the best was chosen among.
    """
    best = groups[0]
    n = len(best.runs)
    figure = f"{cell(best, sort)} ({n} seed{'s' * (n > 1)})"
    said = [f"Best by {name}: {typed(best, keys)}, {figure}." if groups[1:] else f"{name}: {figure}.", _against_pca(best)]
    if len(groups) == n == 1:
        said = [str(v) for v in [best.runs[0].results.get("verdict")] if v] + said
    if groups[1:]:
        comparison = difference(best, groups[1], settings)
        second = typed(groups[1], keys)
        said.append(
            comparison.words("The best", second)
            if comparison
            else f"Next: {second}; its test errors are not of the same samples."
        )
    if min(len(g.runs) for g in groups) < 3:
        who = "Some settings have" if groups[1:] else "There are"
        said.append(f"{who} fewer than three seeds: what one run gains, the next may lose.")
    return [*([sizes.words()] if sizes else []), *said, *_of_the_data(groups)]


def _of_the_data(groups: Sequence[Group]) -> list[str]:
    """Return what runs told of their data: leaks, and what reading changed or left out."""
    notes = dict.fromkeys(str(n) for g in groups for r in g.runs for n in r.results.get("notes") or ())
    ordered = sorted(notes, key=lambda n: not n.startswith("leak"))
    more = [f"{len(ordered) - _NOTES} more notes on the data stand in results.json."] if len(ordered) > _NOTES else []
    return [f"Data: {note}" for note in ordered[:_NOTES]] + more


def _against_pca(group: Group) -> str:
    figures = {f"{who}/se": group.mean(f"{who}/se") for who in ("test", "pca", "mean")}
    model, pca = figures["test/se"], figures["pca/se"]
    if math.isnan(pca) or pca_is_exact(figures):
        return (
            f"Its test squared error is {model:.4g} a sample; PCA of the same size loses nothing, so that is no yardstick here."
        )
    word = "lower" if model < pca else "higher"
    share = f"{100 * abs(1 - model / pca):.0f} % {word}"
    return f"Its test squared error is {model:.4g} a sample, {share} than that of PCA of the same size ({pca:.4g})."
