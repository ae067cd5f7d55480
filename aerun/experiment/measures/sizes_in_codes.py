"""How much of the size of rows of counts is in a code, and how much of their group?"""

import torch

from aerun.core.errors import AerunError
from aerun.metrics.neighbours import nearest
from aerun.trained import Trained

_NEAR = 10


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return what test rows' codes say of size and label.

    correlation: the largest |r| of a unit of the code with log size. labels: the share of test rows of which most of the 10
    training rows with the nearest codes have the label. AerunError for data that are no labelled counts.
    """
    train, test = trained.data.train, trained.data.test
    if trained.autoencoder.loss.density != "counts" or test.y is None or train.y is None:
        raise AerunError("measures: sizes_in_codes: needs counts with a label, such as dataset=counts model/loss=nb.")
    codes, known = trained.codes(test).double().cpu(), trained.codes(train).double().cpu()
    sizes = trained.autoencoder.facts.own(test.x).double().sum(1).cpu().log()
    together = torch.corrcoef(torch.cat([sizes[:, None], codes], 1).t())[0, 1:]
    guesses = train.y.long().cpu()[nearest(codes, known, _NEAR).cpu()].mode(1).values
    return {
        "correlation": float(together.nan_to_num(0).abs().max()),
        "labels": float((guesses == test.y.long().cpu()).double().mean()),
    }
