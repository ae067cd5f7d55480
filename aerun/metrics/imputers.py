"""What others fill missing cells with."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Imputer = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def imputers(holes: NDArray[np.float64]) -> dict[str, Imputer]:
    """Return scikit-learn's imputers, fitted to rows (n, D) with NaN in gaps: five neighbours, iterated Bayesian ridge."""
    # Deferred: scikit-learn takes a second to import.
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the next import possible
    from sklearn.impute import IterativeImputer, KNNImputer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        made = {
            "knn": KNNImputer(n_neighbors=5, keep_empty_features=True).fit(holes),
            "iterative": IterativeImputer(random_state=0, keep_empty_features=True).fit(holes),
        }
    return {name: imputer.transform for name, imputer in made.items()}
