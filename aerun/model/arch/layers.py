"""Layers that several archs use."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import orthogonal
from torch.nn.utils.parametrize import register_parametrization

from aerun.core.checks import one_of, within
from aerun.core.errors import AerunError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
}


def silent(inputs: int, outputs: int) -> nn.Linear:
    """Return an affine map that is 0 before it is trained."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class TiedLinear(nn.Module):
    """y = W^T x + b with W shared with `source` (the same Parameter, not a copy) and a bias of its own."""

    def __init__(self, source: nn.Linear) -> None:
        super().__init__()
        self._source = (source,)  # in a tuple, so that its parameters are registered only once, by the source
        self.bias = nn.Parameter(torch.zeros(source.in_features))

    @property
    def weight(self) -> Tensor:
        """Return the matrix that is shared."""
        return self._source[0].weight.t()

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class UnitColumns(nn.Module):
    """W -> W / ||W_j|| along `dim`: every column (dim 0) or row (dim 1) has norm 1, whatever the optimizer does."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, w: Tensor) -> Tensor:
        return functional.normalize(w, dim=self.dim)

    def right_inverse(self, w: Tensor) -> Tensor:
        """Return a stored value whose image is w, where w has unit columns."""
        return w


ATOMS = ("free", "unit", "orthogonal")


def constrain(layer: nn.Linear, atoms: str, tied: bool) -> None:
    """Keep the decoder's atoms of norm 1 or orthonormal, as `atoms` says.

    They are the columns of its matrix, or the rows of the encoder's where `tied`.
    """
    if atoms == "unit":
        register_parametrization(layer, "weight", UnitColumns(1 if tied else 0))
    elif atoms == "orthogonal":
        orthogonal(layer)


class Hidden:
    """What follows each hidden affine map: norm, activation, dropout. Checks its settings once.

    affine: norms learn a scale and a shift.
    """

    def __init__(self, *, activation: str, norm: str, dropout: float, affine: bool = True) -> None:
        self.affine = affine
        self.activation = one_of("model.arch.activation", activation, tuple(ACTIVATIONS))
        self.norm = one_of("model.arch.norm", norm, ("none", "batch", "layer"))
        self.dropout = within("model.arch.dropout", dropout, 0, 0.99)

    def dense(self, width: int) -> list[nn.Module]:
        """Return the modules for features of shape (B, width)."""
        if self.norm == "none":
            return self._modules(None)
        own = self.affine
        return self._modules(
            nn.BatchNorm1d(width, affine=own) if self.norm == "batch" else nn.LayerNorm(width, elementwise_affine=own)
        )

    def image(self, channels: int, axes: int = 2) -> list[nn.Module]:
        """Return the modules for feature maps (B, channels, H, W), or (B, channels, T) for axes=1.

        norm=layer normalizes all elements of a sample together.
        """
        if self.norm == "none":
            return self._modules(None)
        batch, own = nn.BatchNorm1d if axes == 1 else nn.BatchNorm2d, self.affine
        return self._modules(batch(channels, affine=own) if self.norm == "batch" else nn.GroupNorm(1, channels, affine=own))

    def of_encoder(self, bias: bool) -> "Hidden":
        """Return the same for the encoder: where it has no bias, nothing that shifts features may be learned."""
        if bias:
            return self
        return Hidden(activation=self.activation, norm=self.norm, dropout=self.dropout, affine=False)

    def _modules(self, norm: nn.Module | None) -> list[nn.Module]:
        modules = [] if norm is None else [norm]
        modules.append(ACTIVATIONS[self.activation]())
        return [*modules, nn.Dropout(self.dropout)] if self.dropout > 0 else modules

    def logits(self, modules: nn.Sequential) -> nn.Sequential | None:
        """Return those of `modules`, made here, that come before a sigmoid; None where the activation is another one."""
        if self.activation != "sigmoid":
            return None
        return modules[: int(self.norm != "none")]

    def offers(self) -> frozenset[str]:
        """Return {`encode`}, or nothing with batch norm, which couples the samples of a batch."""
        return frozenset() if self.norm == "batch" else frozenset({"encode"})


def widths(key: str, hidden: Sequence[int], least: int = 0) -> list[int]:
    """Return layer sizes as a list of positive integers.

    Raises AerunError where they are not, or where there are fewer than `least`.
    """
    sizes = list(hidden)
    if len(sizes) < least or any(not isinstance(n, int) or n < 1 for n in sizes):
        raise AerunError(f"{key}={sizes}: must be a list of {'at least one ' if least else ''}positive integers.")
    return sizes


def refuse_other_than_sequences(kind: str, shape: tuple[int, ...], arch: str) -> None:
    """Raise AerunError for data that are no sequences (T, F)."""
    if kind not in ("sequence", "text") or len(shape) != 2:
        raise AerunError(
            f"model/arch={arch} needs sequences (T, F); this data set's kind is {kind}, its shape {tuple(shape)}. "
            f"Use model/arch={'conv' if kind == 'image' else 'mlp'}."
        )


def refuse_ragged(ragged: bool, arch: str) -> None:
    """Raise AerunError where samples differ in length and the arch reads a fixed shape."""
    if ragged:
        raise AerunError(f"model/arch={arch} reads samples of one length; this data set's differ. Use model/arch=recurrent.")


def refuse_known(known: int, setting: str) -> None:
    """Raise AerunError for a setting that a decoder cannot have which reads more than the code."""
    if known:
        raise AerunError(
            f"{setting}: the decoder also reads what is known beforehand (dataset.condition) or which units are cut "
            "(reg.terms.nested.tell), which such a matrix has no place for. Leave the setting out."
        )


def refuse_tied(features: int, latent_dim: int, sees_mask: bool) -> None:
    """Raise AerunError where encoder and decoder cannot share weights.

    Tied weights need an encoder that ends in the code itself and begins with the input itself.
    """
    if sees_mask:
        raise AerunError(
            "model.arch.tied=true needs an encoder that reads what the decoder writes, but here it reads a mask too. "
            "Use model.arch.tied=false, or model.corruption.show_mask=false (of missing cells dataset.show_missing=false)."
        )
    if features != latent_dim:
        raise AerunError(
            f"model.arch.tied=true needs an encoder with one output per code unit, but this bottleneck reads {features} for "
            f"{latent_dim} units. Use model.arch.tied=false."
        )
