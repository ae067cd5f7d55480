"""One affine map each way."""

from aerun.model.arch.dense import Dense
from aerun.model.arch.layers import Hidden


class Linear(Dense):
    """h = W1 (x - m) + b1, raw = W2 z + b2, m the training mean; `tied`: W2 = W1^T (one shared Parameter).

    With the vector bottleneck and mse its optimum spans the principal subspace: L* = sum_{j>d} ev_j of the training
    covariance. Baldi & Hornik 1989, https://doi.org/10.1016/0893-6080(89)90014-2. With a relu or sigmoid bottleneck it is
    the classic one-layer sparse or contractive autoencoder. atoms: columns of W2 free, unit (a dictionary) or orthogonal.
    Raises AerunError for `tied` with a bottleneck that reads more than one feature per unit.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        ragged: bool,
        sees_mask: bool,
        features: int,
        latent_dim: int,
        tied: bool,
        atoms: str,
    ) -> None:
        super().__init__()
        given = {"shape": shape, "ragged": ragged, "sees_mask": sees_mask, "features": features, "latent_dim": latent_dim}
        self._build(given, [], Hidden(activation="relu", norm="none", dropout=0.0), tied=tied, atoms=atoms)
