"""A table of numbers and words, some of which follow from others by rules."""

import numpy as np
from numpy.typing import NDArray

from aerun.dataset.tables.drawn import DrawnTable, words
from aerun.formats.frame import Column, Frame

_PLANS, _REGIONS = (0.6, 0.25, 0.1, 0.05), (0.5, 0.3, 0.2)
_PAYS = np.array([0, 0, 1, 2])  # what each plan pays by
_LARGE = 1.5  # b above it is large


class Rules(DrawnTable):
    """4 numbers and 6 categories. plan and region are drawn, and three columns follow from them by a rule each.

    pay is what the plan pays by; tier = (plan + region) mod 3; flag is set where plan is 0 and region is 1. a ~ N(plan, .09),
    b ~ N(2 a, .25), and size says whether b is above 1.5; c is Gaussian and d exponential, by themselves. A row that was made
    up keeps the rules or breaks them: that is one figure that no metric of single columns or of pairs shows.
    """

    def frame(self) -> Frame:
        g, n = self.chance, self.n
        plan, region = g.choice(4, n, p=_PLANS), g.choice(3, n, p=_REGIONS)
        a = g.normal(plan, 0.3)
        b = g.normal(2 * a, 0.5)
        numbers = {"a": a, "b": b, "c": g.normal(size=n), "d": g.exponential(size=n)}
        codes = {"plan": (plan, 4), "region": (region, 3), "pay": (_PAYS[plan], 3), "tier": ((plan + region) % 3, 3)}
        codes |= {"flag": (((plan == 0) & (region == 1)).astype(int), 2), "size": ((b > _LARGE).astype(int), 2)}
        columns = {k: Column("number", v) for k, v in numbers.items()}
        return Frame({**columns, **{k: words(k, c, count) for k, (c, count) in codes.items()}}, (("rules", n),))

    def lawful(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        at = {f.name: i for i, f in enumerate(self.known.features)}
        spoken = {f.name: np.array([int(word[-1]) for word in f.words]) for f in self.known.features if f.words}
        found = {k: np.where(rows[:, at[k]] >= 0, v[rows[:, at[k]].astype(int).clip(0)], -9) for k, v in spoken.items()}
        plan, region = found["plan"], found["region"]
        known = (plan >= 0) & (region >= 0)
        pay = found["pay"] == _PAYS[plan.clip(0)]
        tier, flag = found["tier"] == (plan + region) % 3, found["flag"] == ((plan == 0) & (region == 1))
        return np.asarray(known & pay & tier & flag)
