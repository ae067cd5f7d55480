"""The first sentence of a run: the answer to what it was asked, beside the baselines that count, on which split and seed."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from aerun.core.text import counted
from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.metrics.conformal import ALPHA, shortage

Figures = Mapping[str, Any]
_SAME = 0.005  # difference of two errors that no one would call better or worse
_CLOSE = 0.005  # of two AUROC
_CLOSE_DB = 0.05
_FEW = 20  # test samples below which a figure says of how many it is
_NAMES = {
    "knn": "kNN on the raw data",
    "pca": "PCA",
    "none": "no model (distance from the mean)",
    "mahalanobis": "Mahalanobis distance on the raw data",
    "median": "a median filter",
    "gaussian": "a Gaussian filter",
    "wiener": "a Wiener filter",
    "moving_average": "a moving average",
    "lmmse": "the best linear estimate",
    "identity": "the noisy input",
    "mean": "the training mean",
    "copy": "the nearest training sample",
}


def verdict(results: Figures) -> str:
    """Return the sentence for the task that results name; for error against PCA where they name none or lack its figures.

    What the model is for and its data have no measure of, `unmeasured`, is said before that.
    """
    said = _TASKS.get(str(results.get("task")))
    return (said(results) if said else "") or f"{results.get('unmeasured') or ''} {plain(results)}".strip()


def plain(results: Figures) -> str:
    """Return `1.62 times better than PCA of the same size (test squared error, seed 0).`, or that it cannot be told."""
    model, baseline = results["test/se"], results["pca/se"]
    told = str(results.get("told", "")).partition(" (")[0] if "pca_plain/se" in results else ""
    pca = f"PCA of the same size{f' that is told {told} too' if told else ''}"
    if pca_is_exact(results):
        error = f"squared error {model:.4g} a sample, {_where(results)}"
        return f"{pca} loses nothing here: reconstruction error is no yardstick for this code size ({error})."
    rests = f"test squared error{_few(results)}, seed {results['seed']}"
    if abs(model / baseline - 1) < _SAME:
        return f"As good as {pca} ({rests})."
    if why := _untold(results):
        return f"Cannot be told from {pca}: {why} (seed {results['seed']})."
    word = "better" if model <= baseline else "worse"
    ratio = max(model, baseline) / max(min(model, baseline), 1e-12)
    return f"{ratio:.2f} times {word} than {pca} ({rests})."


def _untold(results: Figures) -> str:
    """Return why model and PCA cannot be told apart; empty where they can, or where an older run has no interval."""
    ends = [results.get(f"test/against_pca_{end}") for end in ("low", "high")]
    if results.get("samples/test") == 1:
        return f"one test sample says nothing of others; squared errors {results['test/se']:.4g} and {results['pca/se']:.4g}"
    if None in ends or not ends[0] <= 0 <= ends[1]:  # type: ignore[operator]
        return ""
    span = f"{100 * float(ends[0]):+.1f} % to {100 * float(ends[1]):+.1f} %"  # type: ignore[arg-type]
    return f"test squared errors differ by {span}, 95 % over {results['samples/test']:,} test samples"


def _figure(results: Figures, task: str, who: str, metric: str) -> float:
    value = results.get(f"{task}/{who}/{metric}")
    return float(value) if isinstance(value, int | float) else math.nan


def _best(results: Figures, task: str, metric: str, among: tuple[str, ...], sign: int) -> tuple[str, float]:
    """Return the best baseline and its figure; sign 1: more is better. NaN where there is none."""
    figures = [(who, _figure(results, task, who, metric)) for who in among]
    known = [pair for pair in figures if math.isfinite(pair[1])]
    return max(known, key=lambda pair: sign * pair[1]) if known else ("", math.nan)


def _where(results: Figures) -> str:
    return f"test split{_few(results)}, seed {results['seed']}"


def _few(results: Figures) -> str:
    count = results.get("samples/test")
    return f" of {counted(int(count), 'sample')}" if isinstance(count, int | float) and count < _FEW else ""


def _anomaly(results: Figures) -> str:
    own = _figure(results, "anomaly", "model", "auroc")
    if not math.isfinite(own):
        return ""
    who, best = _best(results, "anomaly", "auroc", ("knn", "mahalanobis", "pca", "none"), 1)
    named = [
        f"{_NAMES[w]} {v:.3f}" for w in ("knn", "pca", "none") if math.isfinite(v := _figure(results, "anomaly", w, "auroc"))
    ]
    alarms = _figure(results, "anomaly", "model", "false_alarm")
    found, count = _figure(results, "anomaly", "model", "detected"), _figure(results, "anomaly", "counts", "anomalies")
    finds = f", {found * count:.0f} of {counted(int(count), 'anomaly')} found" if math.isfinite(found * count) else ""
    rate = shortage(int(results.get("samples/val", 0)), ALPHA).rstrip(".") if not found and "samples/val" in results else ""
    rate = rate or f"false alarms {100 * alarms:.1f} %{finds}"
    told = f"Anomalies: AUROC {own:.3f}; {', '.join(named)}; {rate} ({_where(results)})."
    if not math.isfinite(best) or best <= own + _CLOSE:
        idle = _figure(results, "anomaly", "none", "auroc")
        return f"{told} The distance from the mean, without a model, does as well." if idle >= own - _CLOSE else told
    if why := _undecided(results, who):
        return f"{told} Whether {_NAMES[who]} is better cannot be told: {why}."
    return f"{_capital(_NAMES[who])} is better at finding anomalies: AUROC {best:.3f} against {own:.3f}. {told}"


def _undecided(results: Figures, who: str) -> str:
    """Return why this baseline may be no better than the model; empty where it is, or where an older run has no interval."""
    low, high = (_figure(results, "anomaly", who, f"ahead_{end}") for end in ("low", "high"))
    count = _figure(results, "anomaly", "counts", "anomalies")
    if math.isnan(low) or low > 0:
        return ""
    if low <= -1:
        return f"{count:.0f} {'anomaly says' if count == 1 else 'anomalies say'} too little"
    return f"the difference is {low:+.2f} to {high:+.2f}, 95 % over {count:.0f} anomalies"


def _restored(task: str, words: str, nothing: str, draw: str, among: tuple[str, ...]) -> Callable[[Figures], str]:
    """Return the verdict of a task whose figure is psnr in dB. words: what `{}` dB are of. nothing: the row without a model."""

    def said(results: Figures) -> str:
        own, before = (_figure(results, task, who, "psnr") for who in ("model", nothing))
        if not math.isfinite(own):
            return ""
        who, best = _best(results, task, "psnr", among, 1)
        beside = [f"{_apart(own - value)} {_NAMES[name]}" for name, value in ((nothing, before), (who, best)) if value == value]
        told = f"{words.format(f'{own:.1f}')}, {' and '.join(beside)} ({_where(results)}, one draw of the {draw})."
        if before > max(own + _CLOSE_DB, best if math.isfinite(best) else -math.inf):
            who, best = nothing, before
        if math.isfinite(best) and best > own + _CLOSE_DB:
            return f"{_capital(_NAMES[who])} is better: {best:.1f} against {own:.1f} dB. {told}"
        return told

    return said


def _apart(gain: float) -> str:
    if abs(gain) < _CLOSE_DB:
        return "as good as"
    return f"{abs(gain):.1f} dB {'above' if gain > 0 else 'below'}"


def _compression(results: Figures) -> str:
    own, psnr = (_figure(results, "compression", "model", f"fine_{k}") for k in ("bpp", "psnr"))
    if not math.isfinite(own):
        return ""
    told = f"Compression: {own:.3g} bits an element at {psnr:.1f} dB"
    others = {who: _figure(results, "compression", who, "fine_bpp") for who in ("pca", "jpeg", "webp")}
    beside = [f"{_CODECS[who]} takes {bpp / own:.2f} times the bytes" for who, bpp in others.items() if math.isfinite(bpp)]
    if not beside:
        return f"{told}; PCA coding does not reach this quality ({_where(results)}, decoder not counted)."
    smaller = [f"{_CODECS[who]} ({bpp:.3g})" for who, bpp in others.items() if bpp < own]
    need = "needs" if len(smaller) == 1 else "need"
    first = f"{' and '.join(smaller)} {need} fewer bits for the same error. " if smaller else ""
    return f"{first}{told}; for the same error {', '.join(beside)} ({_where(results)}, decoder not counted)."


_CODECS = {"pca": "PCA coding", "jpeg": "JPEG", "webp": "WebP"}


def _held_out(results: Figures) -> str:
    own, alone, one = (_figure(results, "held_out", who, "nats") for who in ("model", "independent", "gaussian"))
    if not math.isfinite(own):
        return ""
    under = f"{alone:.2f}" if math.isfinite(alone) else "infinitely many"
    told = f"Generation: held-out samples take {own:.2f} nats each, {under} under independent elements"
    told += f" and {one:.2f} under one Gaussian" if math.isfinite(one) else ""
    told = f"{told} ({_where(results)}, less is better)."
    who, best = min((("Independent elements", alone), ("One Gaussian", one)), key=lambda p: p[1] if p[1] == p[1] else math.inf)
    if not best < own:
        return told
    return f"{who} describe{'s' * (who == 'One Gaussian')} the test data better: {best:.2f} against {own:.2f} nats. {told}"


def _capital(words: str) -> str:
    return words if words.startswith("kNN") else words[0].upper() + words[1:]


def _imputation(results: Figures) -> str:
    own = _figure(results, "imputation", "model", "rmse_30")
    if not math.isfinite(own):
        return ""
    others = {who: _figure(results, "imputation", who, "rmse_30") for who in _FILLERS}
    beside = ", ".join(f"{_FILLERS[who]} {value:.3g}" for who, value in others.items() if math.isfinite(value))
    told = f"Missing cells: root mean squared error {own:.3g} deviations with 30 % hidden; {beside} ({_where(results)})."
    who, best = _best(results, "imputation", "rmse_30", tuple(_FILLERS), -1)
    if not best < own * (1 - _SAME):
        return told
    return f"{_capital(_FILLERS[who])} fills better: {best:.3g} against {own:.3g}. {told}"


_FILLERS = {
    "gaussian": "one Gaussian (EM)",
    "iterative": "iterated regression",
    "knn": "the mean of five neighbours",
    "mean": "the training mean",
}
_TASKS: Mapping[str, Callable[[Figures], str]] = {
    "anomaly": _anomaly,
    "denoising": _restored(
        "denoising", "Denoising: {} dB", "identity", "noise", ("median", "gaussian", "wiener", "moving_average", "lmmse")
    ),
    "inpainting": _restored("inpainting", "Inpainting: {} dB in what was hidden", "mean", "holes", ("copy", "lmmse")),
    "compression": _compression,
    "held_out": _held_out,
    "imputation": _imputation,
}
