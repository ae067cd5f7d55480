"""Multi-layer perceptron, hourglass and mirrored."""

from collections.abc import Sequence

from aerun.model.arch.dense import Dense
from aerun.model.arch.layers import Hidden, widths


class Mlp(Dense):
    """D - hidden - F | d - reversed hidden - D; each hidden layer: affine, norm, activation, dropout.

    `tied`: each decoder matrix is the transpose of its mirror image in the encoder (one shared Parameter, own bias).
    atoms: columns of the decoder's first matrix free, unit or orthogonal. bias: the encoder's maps have one; without, its norms
    learn neither scale nor shift.
    Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647. Raises AerunError for sizes that are not
    positive integers and for `tied` with a bottleneck that reads more than one feature per unit.
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
        hidden: Sequence[int],
        activation: str,
        norm: str,
        dropout: float,
        tied: bool,
        atoms: str,
        bias: bool,
    ) -> None:
        super().__init__()
        after = Hidden(activation=activation, norm=norm, dropout=dropout)
        read = {"shape": shape, "ragged": ragged, "sees_mask": sees_mask, "known": known, "given": given, "heads": heads}
        interface = {**read, "source": source, "features": features, "latent_dim": latent_dim, "bias": bias}
        self._build(interface, widths("model.arch.hidden", hidden), after, tied=tied, atoms=atoms)
