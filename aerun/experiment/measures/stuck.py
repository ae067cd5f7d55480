"""Is a sensor that hangs told from one that works?"""

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.dataset.sequences.wave_anomalies import stuck
from aerun.metrics import pca
from aerun.metrics.squared_error import of_elements
from aerun.trained import Trained

_STEPS = 10


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return AUROC of telling test windows from copies of them in which the sensor hangs for 10 steps.

    se, by the squared error; distance, by (e - m)^T S^-1 (e - m) of the error e at all steps, m and S those of normal
    validation windows (Malhotra et al. 2016, https://arxiv.org/abs/1607.00148); pca, by the squared error of PCA of the whole
    window with as many numbers. shuffled: the error with codes of other windows over the error; 1 where the decoder ignores the
    code.
    """
    model, data = trained.autoencoder, trained.data
    if model.facts.kind != "sequence" or model.facts.ragged:
        raise AerunError("measures: stuck: needs sequences of one length, such as dataset=sines.")
    x = trained.samples(data.test)
    both = torch.cat([x, stuck(x, _STEPS, trained.seed)])
    baseline = pca.fit(lambda: trained.batches(data.train), model.code_elements)
    errors, normal = ((model(v) - v).flatten(1).double() for v in (both, trained.samples(data.val)))
    away = errors - normal.mean(0)
    precision = torch.linalg.inv(torch.cov(normal.t()) + 1e-6 * torch.eye(normal.shape[1], device=normal.device))
    mixed = of_elements(model.decode(model.encode(x).roll(1, 0)), x).mean()
    return {
        "se": _auroc(errors.square().sum(1)),
        "distance": _auroc(((away @ precision) * away).sum(1)),
        "pca": _auroc(of_elements(baseline(both), both).flatten(1).sum(1)),
        "shuffled": float(mixed / errors[: len(x)].square().mean()),
    }


def _auroc(scores: Tensor) -> float:
    """Return the AUROC of scores whose first half is normal."""
    from sklearn.metrics import roc_auc_score

    half = len(scores) // 2
    return float(roc_auc_score([0] * half + [1] * half, scores.cpu().numpy()))
