"""One affine map in each direction."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import is_parametrized

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.metrics import pca
from aerun.metrics.median import geometric_median, spaced_rows
from aerun.model.arch.dense import Dense
from aerun.model.arch.layers import Hidden, refuse_known
from aerun.model.arch.whitening import Colouring, Whitening

_NORM = 0.1  # of atoms that begin mirrored
_ROWS = 32_768  # whose geometric median is taken


class Linear(Dense):
    """h = W1 (x - m) + b1, raw = W2 z + b2, m the training mean; `tied`: W2 = W1^T (one shared Parameter).

    With the vector bottleneck and mse its optimum spans the principal subspace: L* = sum_{j>d} ev_j of the training
    covariance. Baldi & Hornik 1989, https://doi.org/10.1016/0893-6080(89)90014-2. With a relu or sigmoid bottleneck it is
    the classic one-layer sparse or contractive autoencoder. atoms: columns of W2 free, unit (a dictionary) or orthogonal.
    bias: b1 is there. centre: m is the mean, or the geometric median of at most 32,768 training samples; the output starts at
    the mean in any case. start: as torch draws weights (random), or mirrored: columns of W2 in random directions, of norm 0.1,
    and W1 their transpose, as sparse autoencoders of activations begin; or principal: W1 = V^T and W2 = V, the leading
    principal components of the training samples, so that it is PCA before the first step.
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
        bias: bool,
        centre: str,
        start: str,
    ) -> None:
        super().__init__()
        inner = (latent_dim,) if whiten else shape
        read = {"shape": inner, "ragged": ragged, "sees_mask": sees_mask, "known": known, "given": given, "heads": heads}
        interface = {**read, "features": features, "latent_dim": latent_dim, "bias": bias}
        self._build(interface, [], Hidden(activation="relu", norm="none", dropout=0.0), tied=tied, atoms=atoms)
        self.whiten = self.whitens = whiten
        self.centre = one_of("model.arch.centre", centre, ("mean", "median"))
        unlike = whiten or features != latent_dim or heads > 1 or atoms == "orthogonal"
        if one_of("model.arch.start", start, ("random", "mirrored", "principal")) == "mirrored":
            self._mirror(latent_dim, unlike)
        self.principal, self.units = start == "principal", latent_dim
        if self.principal and (unlike or tied or atoms != "free" or centre != "mean" or self.known or self.sees_mask):
            raise AerunError(
                "model.arch.start=principal: needs an encoder that reads the sample alone about its mean, a decoder that "
                "writes one value per element, one output per code unit, and tied, atoms and whiten as they are by default. "
                "Use model.arch.start=random."
            )
        if whiten and centre == "median":
            raise AerunError("model.arch.whiten=true centres on the mean: use model.arch.centre=mean.")
        if whiten:
            refuse_known(given, "model.arch.whiten=true")
            if heads > 1:
                raise AerunError(f"model.arch.whiten=true: the loss needs {heads} values for each element. Use model/arch=mlp.")
            if sees_mask:
                raise AerunError("model.arch.whiten=true cannot read a mask. Use model.corruption.show_mask=false.")
            self._whiten(shape, latent_dim)

    @torch.no_grad()
    def _mirror(self, latent_dim: int, unlike: bool) -> None:
        """Begin with an encoder that is the decoder's transpose, of atoms of norm 0.1 in random directions."""
        if unlike or self.known or self.sees_mask:
            raise AerunError(
                "model.arch.start=mirrored: needs an encoder that reads the sample alone and a decoder that writes it, one "
                "value per element, one output per code unit, and atoms that are not orthogonal. Use model.arch.start=random."
            )
        encoder, decoder = self.encoder[1], self.decoder[0]
        assert isinstance(encoder, nn.Linear)
        atoms = normalize(torch.randn(latent_dim, encoder.in_features), dim=1)
        if encoder.bias is not None:
            encoder.bias.zero_()
        if is_parametrized(encoder):  # tied: the atoms keep their norm
            encoder.weight = atoms
        else:
            encoder.weight.copy_(_NORM * atoms)
        if is_parametrized(decoder):
            decoder.weight = atoms.t()
        elif isinstance(decoder, nn.Linear):
            decoder.weight.copy_(_NORM * atoms.t())

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
        elif self.principal:
            self._begin_at(pca.fit(samples, self.units))
        elif self.centre == "median":
            rows = spaced_rows(sum(len(x) for x in samples()), _ROWS)
            self.mean.copy_(geometric_median(_taken(samples, rows).flatten(1)).view(self.mean.shape))

    @torch.no_grad()
    def _begin_at(self, principal: pca.Pca) -> None:
        """Begin at PCA; units beyond the components that the samples determine write nothing."""
        encoder, decoder, k = self.encoder[1], self.decoder[0], principal.components.shape[1]
        assert isinstance(encoder, nn.Linear)
        assert isinstance(decoder, nn.Linear)
        for weight, components in ((encoder.weight, principal.components.t()), (decoder.weight.t(), principal.components.t())):
            weight.zero_()
            weight[:k].copy_(components)
        if encoder.bias is not None:
            encoder.bias.zero_()

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


def _taken(samples: Callable[[], Iterator[Tensor]], rows: Tensor) -> Tensor:
    """Return the numbered rows of samples that come in batches."""
    taken, first = [], 0
    for x in samples():
        taken.append(x[rows[(rows >= first) & (rows < first + len(x))] - first])
        first += len(x)
    return torch.cat(taken)
