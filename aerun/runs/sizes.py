"""Which size of code a sweep recommends, and why. And which settings nothing beats in two figures at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.runs.comparison import Difference, difference
from aerun.runs.figures import higher_is_better, require_figures
from aerun.runs.groups import Group, Run, natural

SIZE = "model.latent_dim"
_KEPT = 0.95  # of the variance that the best size explains
_CLEARLY = 0.995  # of an error, below which another one is called better


@dataclass(frozen=True)
class Sized:
    """A size of the code, its runs, and how their test errors differ from those of the best size (None: it is the best)."""

    size: float
    group: Group
    behind: Difference | None

    @property
    def error(self) -> float:
        """Return the mean squared error of a test sample."""
        return self.group.mean("test/se")

    @property
    def pca(self) -> float:
        """Return the same of PCA with as many numbers; NaN where that loses nothing, which is no yardstick."""
        figures = {key: self.group.mean(key) for key in ("pca/se", "mean/se")}
        return math.nan if pca_is_exact(figures) else figures["pca/se"]

    @property
    def near(self) -> bool:
        """Return whether its error is within one standard error of the best's."""
        return self.behind is None or self.behind.share <= self.behind.spread


@dataclass(frozen=True)
class Sizes:
    """Sizes of one choice of the other settings, in order. others: that choice in words, empty where nothing else was swept."""

    sizes: Sequence[Sized]
    others: str = ""

    @property
    def recommended(self) -> Sized:
        """Return the smallest size whose error is within one standard error of the best's.

        The one-standard-error rule (Breiman et al. 1984, Classification and Regression Trees, 3.4.3), of paired differences.
        """
        return next(one for one in self.sizes if one.near)

    @property
    def best(self) -> Sized:
        """Return the size of the least error."""
        return min(self.sizes, key=lambda one: one.error)

    @property
    def dimension(self) -> float:
        """Return the intrinsic dimension of the data as the codes of the largest size show it; NaN where it is not known."""
        return self.sizes[-1].group.mean("codes/dimension_mle")

    def words(self) -> str:
        """Return the recommendation and its reasons."""
        where = f" ({self.others})" if self.others else ""
        if self.recommended is self.sizes[-1]:
            return f"Which size{where}: {self._unfinished()}{self._reasons(self._enough())}"
        one = self.recommended
        return f"Which size{where}: {one.size:g} numbers, {self._why(one)}{self._reasons(one)}"

    def _why(self, one: Sized) -> str:
        if one.behind is None:
            below = [s for s in self.sizes if s.size < one.size]
            smaller = f"; {below[-1].size:g} has {_more(below[-1].error / one.error - 1)}" if below else ""
            return f"of the least test error: larger ones gain nothing{smaller}."
        d = one.behind
        one_seed = " (one seed: seeds did not vary)" if d.seeds == 1 else ""
        return (
            f"the smallest whose test error is within one standard error of the best, that of {self.best.size:g}: "
            f"{100 * d.share:+.1f} %, standard error {100 * d.spread:.1f} % over {d.units}{one_seed}."
        )

    def _unfinished(self) -> str:
        last, before, one = self.sizes[-1], self.sizes[-2], self._enough()
        fall = f"{100 * (1 - last.error / before.error):.2g} % from {before.size:g} to {last.size:g}"
        fall += "" if before.behind is None or before.behind.significant else " (not told from zero)"
        more = f"larger ones may be better still{self._larger(last)}"
        pca = last.pca
        if pca < _CLEARLY * last.error:  # a code that PCA uses better lacks training, not numbers
            more = f"{more}, but PCA of {last.size:g} is better ({pca:.4g} against {last.error:.4g}): train longer first"
        if one is last:
            return f"the test error still falls at the largest tried, {fall}: {more}."
        share = f"{one.size:g} numbers keep {100 * self._share(one):.3g} % of the variance that {last.size:g} keep"
        return f"{share}. The test error still falls at the largest tried, {fall}: {more}."

    def _larger(self, last: Sized) -> str:
        """Return the next size to try in brackets, below the number of the data's own features; empty where there is none."""
        features = last.group.mean("features")
        size = 2 * last.size if math.isnan(features) else min(2 * last.size, features - 1)
        return f" ({SIZE}={size:g})" if size > last.size else ""

    def _enough(self) -> Sized:
        """Return the smallest size that keeps 95 % of the variance that the best keeps."""
        return next(one for one in self.sizes if self._share(one) >= _KEPT or one is self.best)

    def _share(self, one: Sized) -> float:
        mean = self.sizes[0].group.mean("mean/se")
        return (mean - one.error) / (mean - self.best.error) if mean > self.best.error else 1.0

    def _reasons(self, one: Sized) -> str:
        pca = one.pca
        reasons = []
        if math.isfinite(pca) and not (one is self.sizes[-1] and pca < _CLEARLY * one.error):  # said already
            better = " is better, so train longer or try other settings" if pca < _CLEARLY * one.error else ""
            reasons.append(f"PCA of {one.size:g}{better}: test error {pca:.4g} against {one.error:.4g}")
        if math.isfinite(self.dimension):
            reasons.append(f"the data's intrinsic dimension is about {self.dimension:.1f}")
        found = [(s.size, s.group.mean("anomaly/model/auroc")) for s in self.sizes]
        if all(math.isfinite(auroc) for _, auroc in found):
            each = ", ".join(f"{auroc:.3f} with {size:g}" for size, auroc in found)
            reasons.append(f"the test split holds anomalies, which need not be rebuilt: their AUROC is {each}")
        text = "; ".join(reasons)
        return f" {text[0].upper()}{text[1:]}." if text else ""


def _more(share: float) -> str:
    return f"{100 * share:.1f} % more"


def sizes_of(groups: Sequence[Group], keys: Sequence[str]) -> Sizes | None:
    """Return what is known of the sizes of the code, for the choice of other settings that has the least test error.

    None where fewer than two sizes were swept, or their test errors are not of the same samples.
    """
    if SIZE not in keys:
        return None
    at = list(keys).index(SIZE)
    sized = [(size, group) for group in groups if (size := number(group.settings[at])) and math.isfinite(group.mean("test/se"))]
    if not sized:
        return None
    best = min(sized, key=lambda pair: pair[1].mean("test/se"))[1]
    mine = sorted(((s, g) for s, g in sized if _rest(g, at) == _rest(best, at)), key=lambda pair: pair[0])
    behind = {id(g): difference(g, best, len(mine)) for _, g in mine if g is not best}
    if len(mine) < 2 or None in behind.values():
        return None
    others = " ".join(f"{k}={v}" for i, (k, v) in enumerate(zip(keys, best.settings, strict=True)) if i != at)
    return Sizes([Sized(s, g, behind.get(id(g))) for s, g in mine], others)


def _rest(group: Group, at: int) -> tuple[str, ...]:
    return group.settings[:at] + group.settings[at + 1 :]


def number(word: str) -> float | None:
    """Return the number that a setting's value is; None where it is none."""
    (first, *more) = natural(word) or ((1, 0.0, ""),)
    return first[1] if not more and first[0] == 0 and math.isfinite(first[1]) else None


def _prefix_sizes(results: Mapping[str, Any]) -> list[int]:
    """Return the sizes of a nested code, in order; empty for other codes."""
    return sorted(int(k.split("/")[1]) for k in results if k.startswith("size/") and k.endswith("/se"))


def prefixes_of(group: Group) -> dict[int, tuple[float, float]]:
    """Return size -> (test error of the prefixes of that size, that of PCA), means over seeds, of nested codes; else empty."""
    sizes = sorted({size for run in group.runs for size in _prefix_sizes(run.results)})
    found = {size: (group.mean(f"size/{size}/se"), group.mean(f"size/{size}/pca_se")) for size in sizes}
    return {size: pair for size, pair in found.items() if math.isfinite(pair[0])}


def prefix_choice(results: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return the size to take of a nested code, and why; None where the run has no sizes.

    The smallest whose test error is within one standard error (paired, over test samples) of the best's; where that is the
    whole code, the smallest that keeps 95 % of the variance that the whole code keeps.
    """
    sizes = _prefix_sizes(results)
    if not sizes:
        return None
    error = {k: float(results[f"size/{k}/se"]) for k in sizes}
    best = min(sizes, key=error.__getitem__)
    near = next(k for k in sizes if k == best or results[f"size/{k}/behind"] <= results[f"size/{k}/spread"])
    if near != sizes[-1]:
        return near, f"{near} numbers, the smallest whose test error is within one standard error of the best, that of {best}"
    mean = float(results["mean/se"])
    kept = {k: (mean - error[k]) / (mean - error[best]) if mean > error[best] else 1.0 for k in sizes}
    enough = next(k for k in sizes if kept[k] >= _KEPT or k == best)
    if enough == best:
        return best, f"{best} numbers, the most there are: no smaller size keeps {_KEPT:.0%} of the variance that they keep"
    share = f"{100 * kept[enough]:.3g} % of the variance that {best} keep"
    return enough, f"{enough} numbers keep {share}, whose test error is the least"


def prefix_words(group: Group) -> str:
    """Return the error of each size of nested codes in one line; empty for others."""
    if not (found := prefixes_of(group)):
        return ""
    each = ", ".join(f"{size}: {se:.4g} (PCA {pca:.4g})" for size, (se, pca) in found.items())
    return f"test error of each size of its nested code: {each}; an upper bound on a model of that size alone"


def front(groups: Sequence[Group], first: str, second: str) -> list[Group]:
    """Return the groups that no other beats in both figures, by being as good in one and better in the other, best first."""
    signs = [-1 if higher_is_better(key) else 1 for key in (first, second)]
    places = [(g, tuple(sign * g.mean(k) for sign, k in zip(signs, (first, second), strict=True))) for g in groups]
    known = [(g, p) for g, p in places if all(map(math.isfinite, p))]
    kept = [(g, p) for g, p in known if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for _, q in known)]
    return [g for g, _ in sorted(kept, key=lambda pair: pair[1])]


def front_of(asked: tuple[str, str] | None, runs: Sequence[Run]) -> tuple[str, str] | None:
    """Return the two figures that --front names; without it the first two objectives of the runs, where all have two.

    Raises AerunError for one that no run has.
    """
    if asked is not None:
        first, second = require_figures(asked, runs)
        return first, second
    own = {run.objectives[:2] for run in runs if run.complete}
    (both,) = own if len(own) == 1 else ((),)
    return (both[0], both[1]) if len(both) == 2 else None
