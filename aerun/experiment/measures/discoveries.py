"""How many of the anomalies that `score --fdr 0.1` finds are false?"""

import numpy as np
import torch

from aerun.core.errors import AerunError
from aerun.dataset.normal import anomalies
from aerun.evaluate.scores import score
from aerun.metrics.conformal import discoveries, p_values
from aerun.trained import Trained

_Q, _SPLITS = 0.1, 20


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return what is found by the error among test samples, over 20 random partitions of the normal samples held out.

    Normal samples of the validation and the test split are drawn into as many calibration samples and new ones as there are of
    each; all anomalies of the test split are new. false: the mean share of normal samples among those found, 0 where none is;
    deviation: that of this mean; found: the mean share of anomalies found; fewest: samples found in a partition at the least.
    """
    normal = trained.dataset.normal_classes
    if normal is None:
        raise AerunError("measures: discoveries: needs dataset.normal.")
    val, test = (
        torch.cat([score(trained.exact, part) for part in trained.exact_batches(split)]).double().cpu().numpy()
        for split in (trained.data.val, trained.data.test)
    )
    truth = anomalies(trained.data.test, normal).numpy()
    held, odd = np.concatenate([val, test[~truth]]), test[truth]
    shares, powers, counts = [], [], []
    for seed in range(_SPLITS):
        order = np.random.default_rng([trained.seed, seed]).permutation(held)
        calibration, new = order[: len(val)], order[len(val) :]
        found = discoveries(p_values(calibration, np.concatenate([new, odd])), _Q)
        shares.append(found[: len(new)].sum() / max(1, found.sum()))
        powers.append(found[len(new) :].mean())
        counts.append(found.sum())
    return {
        "false": float(np.mean(shares)),
        "deviation": float(np.std(shares, ddof=1) / _SPLITS**0.5),
        "found": float(np.mean(powers)),
        "fewest": float(min(counts)),
    }
