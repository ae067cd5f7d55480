"""Which clusters of a mixture come back in reconstructions and in samples."""

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.dataset.splits import Split
from aerun.trained import Trained

_POINTS, _NEAR, _ENOUGH = 2500, 3.0, 20


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return modes: clusters captured by the reconstructions of 2,500 test points; quality.

    Share of them within 3 standard deviations of a centre. sampled_modes, sampled_quality: of 2,500 decoded draws from the
    prior, where the code has one.
    """
    model, test = trained.autoencoder, trained.data.test
    figures = coverage(trained, model(trained.samples(Split(test.x[:_POINTS], None))))
    x = trained.samples(Split(test.x[:1], None)).expand(_POINTS, -1)
    if "prior" in model.offers:
        drawn = coverage(trained, model.decode(model.code_pass(x)["prior"].sample()))
        figures.update({f"sampled_{k}": v for k, v in drawn.items()})
    return figures


def coverage(trained: Trained, points: Tensor) -> dict[str, float]:
    """Return a cluster is captured if at least 20 of the points (2500, 2) lie within 3 standard deviations of its centre.

    Srivastava et al. 2017, https://arxiv.org/abs/1705.07761. AerunError for data whose clusters are not known.
    """
    known = trained.dataset.clusters()
    if known is None:
        raise AerunError("measures: modes: needs data of known clusters, such as dataset=mixture.")
    distance, nearest = torch.cdist(points, known.centres.to(points)).min(1)
    close = distance <= _NEAR * known.deviation
    counts = torch.bincount(nearest[close], minlength=len(known.centres))
    return {"modes": int((counts >= _ENOUGH).sum()), "quality": float(close.float().mean())}
