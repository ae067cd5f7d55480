"""Whether samples that are asked for by their class are of it."""

import torch

from aerun.core.errors import AerunError
from aerun.evaluate.features import features
from aerun.trained import Trained

_EACH = 200  # samples of each class


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return share: of 200 draws of each class, at 0.5 made black or white, those that a classifier gives that class.

    The classifier is the small one of `evaluate.features`, trained on the training split; test: the share of the test split
    that it gets right, in the same way. AerunError for a model that is not told the label, and for
    data without a range of 0 to 1.
    """
    model, facts = trained.autoencoder, trained.autoencoder.facts
    if model.told is None or not trained.dataset.label_told or "prior" not in model.offers:
        raise AerunError("measures: named: needs a model with a prior that is told the label: dataset.condition=label.")
    if (facts.low, facts.high) != (0.0, 1.0):
        raise AerunError("measures: named: needs images between 0 and 1.")
    classify = features(trained).classify
    assert classify is not None
    wanted = torch.arange(len(model.told.features[0].words), device=trained.device).repeat_interleave(_EACH)
    c = model.told(wanted[:, None].float())
    like = c.new_zeros(len(c), model.bottleneck.latent_dim, *model.arch.grid)
    x = model.decode(model.prior_codes(like, c=c), c=c)
    test = trained.data.test
    assert test.y is not None
    right = (classify((x > 0.5).to(x.dtype)).argmax(1) == wanted).double().mean()
    known = torch.cat([classify((x > 0.5).to(x.dtype)).argmax(1).cpu() for x in trained.batches(test)])
    return {"share": float(right), "test": float((known == test.y).double().mean())}
