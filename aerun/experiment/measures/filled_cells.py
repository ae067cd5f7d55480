"""How well are cells filled in whose values are known, beside imputers fitted to the same rows?"""

import numpy as np
import torch

from aerun.core.errors import AerunError
from aerun.evaluate.imputing import cells, filled
from aerun.metrics.gaussian_em import fit
from aerun.metrics.imputers import imputers
from aerun.trained import Trained

_CODES = 2000  # of a row


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return the mean squared error of hidden cells of test rows, in units of each column's deviation over all their values.

    model, by 2,000 codes a row; mean; knn, scikit-learn's KNNImputer of five neighbours; iterative, its IterativeImputer;
    gaussian, the conditional mean of one Gaussian fitted by EM. All are fitted to the training rows, gaps included, which
    stand in those units from the start, as they do where such figures are published. AerunError for data that hide nothing.
    """
    clean = trained.dataset.clean()
    stored = trained.data.test.x
    if clean is None or not bool((hidden := stored.isnan()).any()):
        raise AerunError("measures: filled_cells: needs data of which cells are hidden, such as dataset=hidden_cells.")
    model = trained.autoencoder
    found = filled(model, cells(model, stored.to(trained.device), torch.zeros_like(hidden).to(trained.device)), _CODES)
    units = clean.test.x.double().std(0, correction=0)
    truth, middle = clean.test.x.double() / units, clean.train.x.double().mean(0) / units
    train = trained.data.train.x.double() / units - middle
    test, seen = stored.double() / units - middle, ~train.isnan()
    holes = test.numpy()
    answers = {
        "model": model.preparation.inverse(found.x_hat.cpu()).double() / units - middle,
        "mean": train.nanmean(0).expand_as(test),
        "gaussian": fit(train, seen).conditional(test, ~hidden)[0],
        **{name: torch.from_numpy(np.asarray(fill(holes))) for name, fill in imputers(train.numpy()).items()},
    }
    errors = {who: float((x - (truth - middle))[hidden].square().mean()) for who, x in answers.items()}
    return {**errors, "ess": float(found.ess.median())}
