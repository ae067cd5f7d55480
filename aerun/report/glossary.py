"""What the abbreviations of a page mean. A page explains those that it uses."""

import re
from collections.abc import Iterable, Mapping

_TERMS = {
    "squared error": "Sum over the elements of a sample of (sample - reconstruction)², mean over samples; in the units that "
    "the model sees, squared. Per element: divided by the number of elements.",
    "PSNR": "Peak signal-to-noise ratio, 10 log10(range² / mean squared error), in decibels (dB). Higher is better.",
    "fraction of variance unexplained": "Squared error over that of the training mean: 0 is perfect, 1 as bad as the mean.",
    "PCA": "Principal component analysis with as many components as the code has numbers: the best linear reconstruction.",
    "intrinsic dimension": "How many numbers the data need locally, estimated from distances between codes of the largest size "
    "(maximum likelihood, Levina & Bickel 2004).",
    "effective rank": "How many directions a code uses: exp of the entropy of its covariance's "
    "eigenvalues (Roy & Vetterli 2007).",
    "dead units": "Share, from 0 to 1, of the code's units that are zero for every sample.",
    "L0": "Mean number of units of a code that are not zero.",
    "KL": "Kullback-Leibler divergence of the posterior from the prior.",
    "nats": "Units of information to base e; 1 nat is 1.44 bits.",
    "AUROC": "Area under the ROC curve: chance that an anomaly scores higher than a normal sample. 0.5 is guessing.",
    "auprc": "Area under the precision-recall curve. The share of anomalies is guessing.",
    "ssim": "Structural similarity of images, at most 1. Higher is better.",
    "identity": "The noisy input, left as it is.",
    "lmmse": "The linear filter with the least mean squared error.",
    "knn": "Distance to the nearest training samples.",
    "mahalanobis": "Distance to the mean of training samples, in units of their covariance.",
    "objective": "The figure that a run returns to its sweep, and that ranks settings.",
}


def terms(words: Iterable[str]) -> Mapping[str, str]:
    """Return those terms, with what they mean, that are in these words."""
    text = "\n".join(words)
    return {term: meaning for term, meaning in _TERMS.items() if re.search(rf"\b{term}\b", text)}
