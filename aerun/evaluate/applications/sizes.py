"""What does each code size cost? One nested run's prefixes, against PCA with as many numbers."""

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.evaluate.prefixes import size_errors
from aerun.trained import Trained

WHO = ()  # a row is a size
METRICS = {"se": "", "pca_se": "", "ratio": ""}  # of more numbers less, by nature: no row is the best


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why this model's codes have one size alone."""
    return "" if model.sizes else "its codes have one size. regularizer=nested trains every prefix as a code of its own."


def evaluate(trained: Trained) -> Outcome:
    """Return of each size the squared error of a test sample, that of PCA with as many numbers, and their ratio."""
    mean = float(trained.variance.sum())
    figures = {
        str(size): row
        if pca_is_exact({"pca/se": row["pca_se"], "mean/se": mean})
        else {**row, "ratio": row["se"] / row["pca_se"]}
        for size, row in size_errors(trained).items()
    }
    note = (
        f"{len(trained.data.test):,} test samples, one run: an upper bound on the error of a model of that size alone, since "
        "one decoder serves all. For the size you choose: aerun model.latent_dim=K model.init_from=RUN."
    )
    return Outcome(figures, note, prefix="size")
