"""One affine map in each direction."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from aerun.core.errors import AerunError
from aerun.model.arch.dense import Dense
from aerun.model.arch.layers import Hidden, refuse_known
from aerun.model.arch.whitening import Colouring, Whitening


class Linear(Dense):
    """h = W1 (x - m) + b1, raw = W2 z + b2, m the training mean; `tied`: W2 = W1^T (one shared Parameter).

    With the vector bottleneck and mse its optimum spans the principal subspace: L* = sum_{j>d} ev_j of the training
    covariance. Baldi & Hornik 1989, https://doi.org/10.1016/0893-6080(89)90014-2. With a relu or sigmoid bottleneck it is
    the classic one-layer sparse or contractive autoencoder. atoms: columns of W2 free, unit (a dictionary) or orthogonal.
    bias: b1 is there.
    whiten: the maps act on the d leading principal components scaled to variance 1, which independent component analysis
    needs; W1 and W2 are then d x d. Raises AerunError for `tied` with a bottleneck that reads more than one feature per
    unit, and for `whiten` with a mask as input or with more units than the data have directions.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        ragged: bool,
        sees_mask: bool,
        known: int = 0,
        given: int = 0,
        heads: int = 1,
        features: int,
        latent_dim: int,
        tied: bool,
        atoms: str,
        whiten: bool,
        bias: bool = True,
    ) -> None:
        super().__init__()
        inner = (latent_dim,) if whiten else shape
        read = {"shape": inner, "ragged": ragged, "sees_mask": sees_mask, "known": known, "given": given, "heads": heads}
        interface = {**read, "features": features, "latent_dim": latent_dim, "bias": bias}
        self._build(interface, [], Hidden(activation="relu", norm="none", dropout=0.0), tied=tied, atoms=atoms)
        self.whiten = self.whitens = whiten
        if whiten:
            refuse_known(given, "model.arch.whiten=true")
            if heads > 1:
                raise AerunError(f"model.arch.whiten=true: the loss needs {heads} values for each element. Use model/arch=mlp.")
            if sees_mask:
                raise AerunError("model.arch.whiten=true cannot read a mask. Use model.corruption.show_mask=false.")
            self._whiten(shape, latent_dim)

    def _whiten(self, shape: tuple[int, ...], k: int) -> None:
        """Put the fixed whitening maps around the affine ones."""
        whitening = Whitening(int(torch.Size(shape).numel()), k)
        self.mean = torch.zeros(shape)
        self.encoder = nn.Sequential(nn.Flatten(), whitening, self.encoder[1])
        self.decoder = nn.Sequential(self.decoder[0], Colouring(whitening), nn.Unflatten(1, shape))
        self.levels = ()

    @torch.no_grad()
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        if not self.whiten:
            super().start_from(mean, raw_mean)
            return
        self.mean.copy_(mean)
        self.decoder[1].get_buffer("mean").copy_(raw_mean.flatten())

    def prepare(self, samples: Callable[[], Iterator[Tensor]]) -> None:
        if isinstance(self.encoder[1], Whitening):
            self.encoder[1].learn(samples)

    def encoder_weights(self) -> list[Tensor]:
        (w,) = super().encoder_weights()
        if not isinstance(self.encoder[1], Whitening):
            return [w]
        return [w / self.encoder[1].deviations @ self.encoder[1].components.t()]

    def decoder_weights(self) -> list[Tensor]:
        (w,) = super().decoder_weights()
        if not isinstance(self.encoder[1], Whitening):
            return [w]
        return [self.encoder[1].components @ (self.encoder[1].deviations[:, None] * w)]
