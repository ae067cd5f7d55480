"""One affine map in each direction."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize
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
STARTS = ("random", "mirrored", "data", "silent", "principal")


class Linear(Dense):
    """h = W1 (x - m) + b1, raw = W2 z + b2, m the training mean; `tied`: W2 = W1^T (one shared Parameter).

    With the vector bottleneck and mse its optimum spans the principal subspace: L* = sum_{j>d} ev_j of the training
    covariance. Baldi & Hornik 1989, https://doi.org/10.1016/0893-6080(89)90014-2. With a relu or sigmoid bottleneck it is
    the classic one-layer sparse or contractive autoencoder. atoms: columns of W2 free, unit (a dictionary) or orthogonal.
    bias: b1 is there. centre: m is the mean, or the geometric median of at most 32,768 training samples; the output starts at
    the mean in any case. start: as torch draws weights (random), or mirrored: columns of W2 in random directions, of norm 0.1,
    and W1 their transpose, as sparse autoencoders of activations begin; data: the same with atoms of norm 1 in the directions
    of random training samples from m, so that nearly all are used from the first step on; silent: W2 = 0 and W1 of unit rows
    in random directions, as transcoders do; or principal: W1 = V^T and W2 = V, the leading principal components of the
    training samples, so that it is PCA before the first step. skip: of pairs (`dataset.target`), raw = W2 z + Ws (x - m) + b2,
    Ws from 0 on.
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
        source: int = 0,
        features: int,
        latent_dim: int,
        tied: bool,
        atoms: str,
        whiten: bool,
        bias: bool,
        centre: str,
        start: str,
        skip: bool,
    ) -> None:
        super().__init__()
        inner = (latent_dim,) if whiten else shape
        read = {"shape": inner, "ragged": ragged, "sees_mask": sees_mask, "known": known, "given": given, "heads": heads}
        interface = {**read, "source": source, "features": features, "latent_dim": latent_dim, "bias": bias}
        if skip:
            _refuse_skip(source, given, atoms)
            self.skip, interface["latent_dim"] = source, latent_dim + source
        self._build(interface, [], Hidden(activation="relu", norm="none", dropout=0.0), tied=tied, atoms=atoms)
        self.whiten = self.whitens = whiten
        self.centre = one_of("model.arch.centre", centre, ("mean", "median"))
        self.start, self.draw, self.units = one_of("model.arch.start", start, STARTS), 0, latent_dim
        unlike = whiten or features != latent_dim or heads > 1 or atoms == "orthogonal" or source > 0
        if start == "data":
            self.draw = int(torch.randint(2**31, (), device="cpu"))  # which samples
        if start in ("mirrored", "data"):
            self._mirror(latent_dim, unlike)
        elif start == "silent":
            self._silence(whiten or tied or atoms != "free")
        elif self.skip:
            nn.init.zeros_(self.decoder[0].get_parameter("weight")[:, : self.skip])
        self.principal = start == "principal"
        if self.principal and (unlike or tied or atoms != "free" or centre != "mean" or self.known or self.sees_mask):
            raise AerunError(
                "model.arch.start=principal: needs an encoder that reads the sample alone about its mean, a decoder that "
                "writes one value per element, one output per code unit, and tied, atoms and whiten as they are by default. "
                "Use model.arch.start=random."
            )
        if whiten and source:
            raise AerunError("model.arch.whiten=true with dataset.target: whitens what it writes. Use model.arch.whiten=false.")
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
    def _silence(self, unlike: bool) -> None:
        """Begin with an encoder of unit rows in random directions and a decoder of 0, which gives the mean of training."""
        if unlike:
            words = "model.arch.tied=false, atoms=free and whiten=false"
            raise AerunError(f"model.arch.start=silent: the decoder begins at 0, which needs {words}.")
        encoder = self.encoder[1]
        assert isinstance(encoder, nn.Linear)
        encoder.weight.copy_(normalize(torch.randn_like(encoder.weight), dim=1))
        if encoder.bias is not None:
            encoder.bias.zero_()
        self.decoder[0].get_parameter("weight").zero_()

    @torch.no_grad()
    def _mirror(self, latent_dim: int, unlike: bool) -> None:
        """Begin with an encoder that is the decoder's transpose, of atoms of norm 0.1 in random directions."""
        if unlike or self.known or self.sees_mask:
            raise AerunError(
                f"model.arch.start={self.start}: needs an encoder that reads the sample alone and a decoder that writes it, "
                "one value per element, one output per code unit, and no orthogonal atoms. Use model.arch.start=random."
            )
        encoder = self.encoder[1]
        assert isinstance(encoder, nn.Linear)
        atoms = normalize(torch.randn(latent_dim, encoder.in_features), dim=1)
        if encoder.bias is not None:
            encoder.bias.zero_()
        self._point(atoms, _NORM)

    @torch.no_grad()
    def _point(self, atoms: Tensor, norm: float) -> None:
        """Let atoms (d, D) of norm 1 be the decoder's columns and the encoder's rows, times `norm` where they are free."""
        encoder, decoder = self.encoder[1], self.decoder[0]
        assert isinstance(encoder, nn.Linear)
        if is_parametrized(encoder):  # tied: the atoms keep their norm
            encoder.weight = atoms
        else:
            encoder.weight.copy_(norm * atoms)
        if is_parametrized(decoder):
            decoder.weight = atoms.t()
        elif isinstance(decoder, nn.Linear):
            decoder.weight.copy_(norm * atoms.t())

    def _whiten(self, shape: tuple[int, ...], k: int) -> None:
        """Put the fixed whitening maps around the affine ones."""
        whitening = Whitening(int(torch.Size(shape).numel()), k)
        self.mean = torch.zeros(shape)
        self.encoder = nn.Sequential(nn.Flatten(), whitening, self.encoder[1])
        self.decoder = nn.Sequential(self.decoder[0], Colouring(whitening), nn.Unflatten(1, shape))
        self.levels = ()

    def decode_held(self, z: Tensor) -> Tensor | None:
        if self.whiten:
            return None
        last: Any = self.decoder[0]
        return self._placed(self.decoder[1](linear(z, last.weight.detach(), last.bias.detach())))

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
            read = self.mean.flatten()[: self.source or None]
            read.copy_(geometric_median(_taken(samples, rows).flatten(1)[:, : len(read)]))
        if self.start == "data":
            self._point(self._of_data(samples), 1.0)

    def _of_data(self, samples: Callable[[], Iterator[Tensor]]) -> Tensor:
        """Return the directions of random training samples from the centre, (d, D), and random ones where there are too few."""
        encoder = self.encoder[1]
        assert isinstance(encoder, nn.Linear)
        g, count = torch.Generator().manual_seed(self.draw), sum(len(x) for x in samples())
        order = torch.randperm(count, generator=g)[: encoder.out_features]
        rows, back = order.sort()
        found = torch.randn(encoder.out_features, encoder.in_features, generator=g).to(self.mean)
        chosen = _taken(samples, rows).flatten(1).to(self.mean) - self.mean.flatten()
        there = chosen.norm(dim=1) > 0
        found[back[there.cpu()]] = chosen[there]
        return normalize(found, dim=1)

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


def _refuse_skip(source: int, given: int, atoms: str) -> None:
    """Raise AerunError where a map past the code means nothing."""
    words = ""
    if not source:
        words = "the skip copies the input: it reconstructs what it reads. Use model.arch.skip=false, or dataset.target."
    elif given:
        words = "the decoder is also told dataset.condition. Use one of them."
    elif atoms != "free":
        words = "the constraint would hold for it as well. Use model.arch.atoms=free."
    if words:
        raise AerunError(f"model.arch.skip=true: {words}")


def _taken(samples: Callable[[], Iterator[Tensor]], rows: Tensor) -> Tensor:
    """Return the numbered rows of samples that come in batches."""
    taken, first = [], 0
    for x in samples():
        taken.append(x[rows[(rows >= first) & (rows < first + len(x))] - first])
        first += len(x)
    return torch.cat(taken)
