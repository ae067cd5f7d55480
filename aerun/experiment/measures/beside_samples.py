"""Do codes help a classifier that has few labels, where it reads them beside the samples themselves?"""

import torch

from aerun.core.errors import AerunError
from aerun.metrics.few_labels import drawn, logistic
from aerun.trained import Trained

_LABELS, _DRAWS, _SEED = 50, 20, 20063


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return raw: the accuracy on test samples of logistic regression on samples, with 50 labels; both: on [sample, code].

    The labels are as many of each class as 50 over the classes, drawn 20 times from the training split, the same for both; the
    figures are means. Codes are scaled to the samples' mean square. AerunError for data with fewer labels.
    """
    train, test = trained.data.train, trained.data.test
    if train.y is None or test.y is None:
        raise AerunError("measures: beside_samples: needs labels.")
    y, truth, g = train.y.long().cpu(), test.y.long().cpu().numpy(), torch.Generator().manual_seed(_SEED)
    classes, sizes = y.unique(return_counts=True)
    each = _LABELS // len(classes)
    if int(sizes.min()) < each:
        raise AerunError(f"measures: beside_samples: needs {each} training samples of each class.")
    samples, codes = (
        [trained.flat(s).double().cpu() for s in (train, test)],
        [trained.codes(s).double().cpu() for s in (train, test)],
    )
    scale = (samples[0].var(0).sum() / codes[0].var(0).sum().clamp_min(1e-12)).sqrt()
    spaces = {"raw": samples, "both": [torch.cat([x, scale * z], 1) for x, z in zip(samples, codes, strict=True)]}
    found: dict[str, list[float]] = {who: [] for who in spaces}
    for _ in range(_DRAWS):
        rows = drawn(y, classes, each, g).flatten()
        for who, (known, asked) in spaces.items():
            found[who].append(logistic(known[rows].numpy(), y[rows].numpy(), asked.numpy(), truth))
    return {who: sum(values) / len(values) for who, values in found.items()}
