"""What codes of sequences say of their class, against statistics over the steps."""

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.dataset.splits import Split
from aerun.trained import Trained


def measure(trained: Trained) -> dict[str, float]:
    """Return accuracy: of logistic regression on codes, fitted on training and validation samples, on the test split.

    statistics: of the same on PCA, with as many numbers, of each feature's mean and standard deviation over the steps.

    AerunError for data that are no sequences or have no labels.
    """
    data, facts = trained.data, trained.autoencoder.facts
    if facts.kind != "sequence" or data.train.y is None or data.val.y is None or data.test.y is None:
        raise AerunError("measures: pooled: needs sequences with labels, such as dataset=japanese_vowels.")
    known = Split(torch.cat([data.train.x, data.val.x]), torch.cat([data.train.y, data.val.y]))
    codes = [trained.codes(split).cpu() for split in (known, data.test)]
    statistics = [torch.cat([_statistics(x, valid) for x, valid in trained.valid_batches(s)]) for s in (known, data.test)]
    assert known.y is not None
    size = codes[0].shape[1]
    return {
        "accuracy": _accuracy(codes, known.y, data.test.y, size),
        "statistics": _accuracy([s.cpu() for s in statistics], known.y, data.test.y, size),
    }


def _statistics(x: Tensor, valid: Tensor | None) -> Tensor:
    """Map (B, T, F) -> mean and standard deviation over real steps, (B, 2 F)."""
    weight = torch.ones_like(x) if valid is None else valid[..., None].to(x.dtype).expand_as(x)
    mean = (x * weight).sum(1) / weight.sum(1)
    variance = ((x - mean[:, None]).square() * weight).sum(1) / weight.sum(1)
    return torch.cat([mean, variance.sqrt()], 1)


def _accuracy(features: list[Tensor], y: Tensor, y_test: Tensor, size: int) -> float:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    components = PCA(min(size, features[0].shape[1]), random_state=0)
    model = make_pipeline(StandardScaler(), components, StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(features[0].numpy(), y.numpy())
    return float(model.score(features[1].numpy(), y_test.numpy()))
