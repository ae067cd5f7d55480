"""How often a code that learned classes from few labels says the wrong one."""

import torch

from aerun.core.errors import AerunError
from aerun.trained import Trained


def measure(trained: Trained) -> dict[str, float]:
    """Return error: the share of test samples whose likeliest class is not their own.

    AerunError where no term has taught the code the classes of the data.
    """
    test, told = trained.data.test, trained.autoencoder.preparation.told
    if told is None or test.y is None or not any(t.regularizer.infers for t in trained.autoencoder.terms.values()):
        raise AerunError("measures: few_labels: needs a code that is taught classes: regularizer=m2 or label.")
    said = trained.codes(test)[:, -(told.size - told.nullable) :].argmax(1)
    wrong = said.cpu() != test.y.cpu()
    return {"error": float(wrong.to(torch.float64).mean())}
