"""One affine map each way."""

from aerun.model.arch.dense import Dense
from aerun.model.arch.layers import Hidden


class Linear(Dense):
    """h = W1 (x - m) + b1, raw = W2 z + b2, m the training mean; `tied`: W2 = W1^T (one shared Parameter).

    With the vector bottleneck and mse its optimum spans the principal subspace: L* = sum_{j>d} ev_j of the training
    covariance. Baldi & Hornik 1989, https://doi.org/10.1016/0893-6080(89)90014-2. With a relu or sigmoid bottleneck it is
    the classic one-layer sparse or contractive autoencoder. Raises AerunError for `tied` with a bottleneck that reads
    more than one feature per unit.
    """

    def __init__(self, *, shape: tuple[int, ...], features: int, latent_dim: int, tied: bool) -> None:
        super().__init__()
        self._build(shape, [], features, latent_dim, Hidden(activation="relu", norm="none", dropout=0.0), tied)
