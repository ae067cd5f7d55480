"""L1 sparsity of the code."""

from torch import Tensor

from aerun.parts import Regularizer
from aerun.vocabulary import wide


class L1(Regularizer):
    """Omega_i = sum_j |z_ij| * ||W_j||_2 with W_j the j-th column of the decoder's first matrix; (B, d, *grid) -> (B,).

    A spatial code is summed over its places too; W_j is then all of the first kernel that unit j is multiplied with.

    Plain L1 (`norm_weighted: false`, Omega_i = sum_j |z_ij|) is fooled by shrinking the code and growing the decoder:
    the penalty falls and the code is no sparser. Weighting by the column norm removes that way out: the penalty is
    unchanged by z -> c z, W -> W / c, and equals plain L1 on unit-norm columns. It acts on activations, not on weights
    as weight_l1 would. With several decoder layers the first matrix alone is weighted. Of a code that decides apart which
    units are on, the `gate` takes the place of z (Rajamanoharan et al. 2024, https://arxiv.org/abs/2404.16014).
    Ng 2011, https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf; norm weighting: Conerly et al. 2024,
    https://transformer-circuits.pub/2024/april-update/index.html
    """

    shrinks_code = True
    not_fooled = "reg.terms.l1.norm_weighted=true"

    def __init__(self, *, norm_weighted: bool) -> None:
        super().__init__()
        self.norm_weighted = norm_weighted
        self.shrinks_code = not norm_weighted

    def forward(self, z: Tensor, decoder_weights: list[Tensor], gate: Tensor | None = None) -> Tensor:
        size = wide(z if gate is None else gate).abs()
        if self.norm_weighted:
            norms = wide(decoder_weights[0]).transpose(0, 1).flatten(1).norm(dim=1)  # (d,)
            size = size * norms.reshape(-1, *[1] * (z.ndim - 2))
        return size.flatten(1).sum(1)
