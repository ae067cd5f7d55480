"""What does each code size cost? One nested run's prefixes, against PCA with as many numbers."""

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.evaluate.prefixes import group_of, size_errors
from aerun.trained import Trained

WHO = ()  # a row is a size
METRICS = {"se": "", "pca_se": "", "ratio": "", "bits": ""}  # of more numbers less, by nature: no row is the best


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why this model's codes have one size alone."""
    return "" if model.sizes else "its codes have one size. regularizer=nested trains every prefix as a code of its own."


def evaluate(trained: Trained) -> Outcome:
    """Return of each size the squared error of a test sample, that of PCA with as many numbers, and their ratio.

    Of the stages of a discrete code, which is cut into these, the bits of a sample in place of PCA's error.
    """
    mean = float(trained.variance.sum())
    figures = {
        str(size): row
        if "pca_se" not in row or pca_is_exact({"pca/se": row["pca_se"], "mean/se": mean})
        else {**row, "ratio": row["se"] / row["pca_se"]}
        for size, row in size_errors(trained).items()
    }
    stages = trained.autoencoder.bottleneck.piece != "unit"
    choose = "model.bottleneck.stages=K" if stages else "model.latent_dim=K"
    note = (
        f"{len(trained.data.test):,} test samples, one run: an upper bound on the error of a model of that size alone, since "
        f"one decoder serves all. For the size you choose: aerun {choose} model.init_from=RUN."
    )
    return Outcome(figures, note, prefix=group_of(trained.autoencoder))
