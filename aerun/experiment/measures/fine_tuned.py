"""How good an encoder is to start a classifier from."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from aerun.core.errors import AerunError
from aerun.dataset.splits import Split
from aerun.trained import Trained

_EPOCHS, _BATCH, _LR = 20, 128, 3e-4


def measure(trained: Trained) -> dict[str, float]:
    """Return the error of the encoder as the start of a classifier.

    Error: share of test samples misclassified by the encoder with an affine layer on its code, both trained with all labels for
    20 epochs (Adam), at the epoch with the fewest mistakes on the validation split; val_error: that. Rifai et al. 2011,
    https://icml.cc/2011/papers/455_icmlpaper.pdf. Raises AerunError for data without labels.
    """
    data = trained.data
    if data.train.y is None:
        raise AerunError("measures: fine_tuned: needs a data set with labels.")
    model = deepcopy(trained.autoencoder)
    head = nn.Linear(model.code_elements, int(data.train.y.max()) + 1).to(trained.device)
    optimizer = torch.optim.Adam([*model.arch.encoder.parameters(), *head.parameters()], _LR)

    def classify(x: Tensor) -> Tensor:
        scores: Tensor = head(model.encode(x).flatten(1))
        return scores

    def mistakes(split: Split) -> float:
        assert split.y is not None
        with torch.no_grad():
            predicted = torch.cat([classify(x).argmax(1).cpu() for x in trained.batches(split)])
        return float((predicted != split.y).double().mean())

    best = (2.0, 2.0)
    for _ in range(_EPOCHS):
        order = torch.randperm(len(data.train))
        shuffled = data.train.take(order)
        assert shuffled.y is not None
        for x, y in zip(trained.batches(shuffled, _BATCH), shuffled.y.to(trained.device).split(_BATCH), strict=True):
            optimizer.zero_grad()
            cross_entropy(classify(x), y).backward()
            optimizer.step()
        wrong = mistakes(data.val)
        best = (wrong, mistakes(data.test)) if wrong < best[0] else best
    return {"error": best[1], "val_error": best[0]}
