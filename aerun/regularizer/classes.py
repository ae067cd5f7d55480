"""What the terms share that teach a code classes which are known of few samples."""

import torch
from torch import Tensor

from aerun.core.checks import within
from aerun.core.errors import AerunError


def of_one_group(name: str, log_classes: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return log q(y|x) (B, K), y (B, K) one-hot (all 0 where it is unknown), and where it is known, (B,) of 0 and 1.

    log_classes (B, G, K, *grid); c (B, K + 1): y, and 1 where it is unknown. AerunError, which names the regularizer, where the
    code has no group of as many classes.
    """
    classes = c.shape[1] - 1
    if log_classes.ndim != 3:
        raise AerunError(f"regularizer={name} needs codes that are vectors: choose a model/arch without a grid.")
    if log_classes.shape[1:] != (1, classes):
        groups, own = log_classes.shape[1:]
        raise AerunError(
            f"regularizer={name}: {classes} classes are told, and the code has {groups} group{'s' if groups > 1 else ''} of "
            f"{own}: model.bottleneck.classes={classes}, and room for one group."
        )
    return log_classes[:, 0], c[:, :-1], 1 - c[:, -1]


def share_known(name: str, c: Tensor) -> Tensor:
    """Return N_lab / N of samples of which c (n, K + 1) is known. AerunError, which names the regularizer, for none."""
    share = 1 - c[:, -1].double().mean()
    if not share > 0:
        raise AerunError(f"regularizer={name}: the class of no training sample is known.")
    return share


def share_of_batches(name: str, known: float) -> float:
    """Return the setting `known` of a regularizer. AerunError for what is no share below 1."""
    if within(f"reg.terms.{name}.known", known, 0, 1) == 1:
        raise AerunError(f"reg.terms.{name}.known=1: leaves no place for samples whose class is not known: 0.25, say.")
    return known


def weights(share: Tensor, known: float) -> tuple[Tensor, Tensor]:
    """Return weights of samples whose class is known, and of others, that make up for how often they are drawn.

    share: of known ones in the data. known: the share of a batch that are draws of them, where that is more.
    """
    drawn = torch.where(share < known, known + (1 - known) * share, share)
    return share / drawn, ((1 - share) / (1 - drawn)).nan_to_num(1.0)


@torch.no_grad()
def accuracy(log_classes: Tensor, c: Tensor) -> Tensor:
    """Return the share of samples whose likeliest class is the right one, of those whose class is known; a scalar."""
    known = 1 - c[:, -1]
    right = (log_classes[:, 0].argmax(1) == c[:, :-1].argmax(1)).to(known) * known
    return right.sum() / known.sum()
