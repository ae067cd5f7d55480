"""The figures of an epoch, as metrics.csv and TensorBoard name them, and the refusal of those that are no numbers."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import TrainingError


def train_row(autoencoder: Autoencoder, means: Sequence[float], lr: float, rate: float, progress: float) -> dict[str, float]:
    """Return an epoch's figures of training.

    They are the means of the objective's parts over its samples, the learning rate, samples a second, and the weights at
    `progress`.
    """
    row = {f"train/{k}": v for k, v in zip(autoencoder.keys(training=True), means, strict=True)}
    row["lr"] = lr
    row["samples_per_second"] = rate
    for key in autoencoder.terms:
        row[f"effective_lambda/{key}"] = autoencoder.effective_lambda(key, progress)
    return row


def val_row(autoencoder: Autoencoder, means: Sequence[float], mse: float) -> dict[str, float]:
    """Return the means of the parts and of what is watched over the validation split, and the clean error of an element."""
    names = [*autoencoder.keys(training=False), *autoencoder.watch_keys(), "mse"]
    return {f"val/{k}": v for k, v in zip(names, [*means, mse], strict=True)}


def non_finite(values: Tensor, autoencoder: Autoencoder, training: bool, first: int, epoch: int) -> TrainingError | None:
    """Return the error for values (steps, K) from step `first` on that are not finite; None where all are."""
    if math.isfinite(float(values.double().sum())):  # almost always; a sum of finite values may still be beyond all numbers
        return None
    good = torch.isfinite(values)
    if bool(good.all()):
        return None
    row = int((~good.all(1)).nonzero()[0])
    keys = autoencoder.keys(training)
    guilty = [k for k, ok in zip(keys, good[row].tolist(), strict=True) if not ok and k != "loss"]
    parts = " and ".join(autoencoder.densities(guilty))
    return TrainingError(
        f"loss is not finite at step {first + row} (epoch {epoch}): {', '.join(guilty) or 'loss'}"
        f"{f', by the log density of codes under {parts}' if parts else ''}. The last "
        "good checkpoint is kept. Try a lower optimizer.lr, trainer.gradient_clip=1, or a smaller reg.lambda."
    )
