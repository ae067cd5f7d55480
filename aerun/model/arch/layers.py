"""Layers that several archs are made of."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional

from aerun.checks import one_of, within
from aerun.errors import AerunError

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


class TiedLinear(nn.Module):
    """y = W^T x + b with W shared with `source` (the same Parameter, not a copy) and a bias of its own."""

    def __init__(self, source: nn.Linear) -> None:
        super().__init__()
        self.shared = source.weight
        self.bias = nn.Parameter(source.weight.new_zeros(source.in_features))

    @property
    def weight(self) -> Tensor:
        return self.shared.t()

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class TiedConvTranspose2d(nn.Module):
    """The transpose of a stride-2 convolution, sharing its kernel; own bias, own output padding."""

    def __init__(self, source: nn.Conv2d, output_padding: tuple[int, int]) -> None:
        super().__init__()
        self.shared = source.weight
        self.bias = nn.Parameter(source.weight.new_zeros(source.in_channels))
        self.output_padding = output_padding

    @property
    def weight(self) -> Tensor:
        return self.shared

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv_transpose2d(x, self.shared, self.bias, 2, 1, self.output_padding)


class Hidden:
    """What stands after each hidden affine map: norm, activation, dropout. Checks its settings once."""

    def __init__(self, *, activation: str, norm: str, dropout: float) -> None:
        self.activation = one_of("model.arch.activation", activation, tuple(ACTIVATIONS))
        self.norm = one_of("model.arch.norm", norm, ("none", "batch", "layer"))
        self.dropout = within("model.arch.dropout", dropout, 0, 0.99)

    def dense(self, width: int) -> list[nn.Module]:
        """Modules for features of shape (B, width)."""
        norm = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
        return self._modules(norm[self.norm](width) if self.norm in norm else None)

    def image(self, channels: int) -> list[nn.Module]:
        """Modules for feature maps of shape (B, channels, H, W); `layer` normalizes over all of a sample."""
        norm = {"batch": nn.BatchNorm2d(channels), "layer": nn.GroupNorm(1, channels)}
        return self._modules(norm.get(self.norm))

    def _modules(self, norm: nn.Module | None) -> list[nn.Module]:
        found = [] if norm is None else [norm]
        found.append(ACTIVATIONS[self.activation]())
        return [*found, nn.Dropout(self.dropout)] if self.dropout > 0 else found

    def offers(self) -> frozenset[str]:
        """`encode` as a function of one sample exists unless batch norm couples the samples."""
        return frozenset() if self.norm == "batch" else frozenset({"encode"})


def widths(key: str, hidden: Sequence[int], least: int = 0) -> list[int]:
    """Layer sizes as a list of positive integers, else AerunError."""
    sizes = list(hidden)
    if len(sizes) < least or any(not isinstance(n, int) or n < 1 for n in sizes):
        raise AerunError(f"{key}={sizes}: must be a list of {'at least one ' if least else ''}positive integers.")
    return sizes


def refuse_tied(features: int, latent_dim: int) -> None:
    """Tied weights need an encoder that ends in the code itself."""
    if features != latent_dim:
        raise AerunError(
            f"model.arch.tied=true needs an encoder with one output per code unit, but this bottleneck reads {features} for "
            f"{latent_dim} units. Use model.arch.tied=false."
        )
