"""A transformer on patches of a sequence."""

import torch
from torch import Tensor, nn

from aerun.core.checks import integer, one_of, within
from aerun.core.errors import AerunError
from aerun.model.arch.attention import AttentionBlock, MeanToken, Patches, Positions, Repeated, Unpatched
from aerun.model.arch.conv_layers import Swap
from aerun.model.arch.layers import refuse_other_than_sequences, refuse_ragged
from aerun.parts import Arch


class Patch(Arch):
    """x (B, T, F) -> ceil(T / patch) patches -> tokens, an affine map of each plus its position -> blocks -> code; and back.

    A block is x + attention(norm(x)), then x + mlp(norm(x)). Nie et al. 2023, https://arxiv.org/abs/2211.14730; masked patches
    (`model/corruption=patches`, `model/loss=emphasized`) are He et al. 2022's, https://arxiv.org/abs/2111.06377.

    code: mean, an affine map of the mean token, h (B, F); tokens, of each token, h (B, F, P). The decoder reads the code at
    every position (mean) or each place at its own, adds positions, and writes the patches. Steps that fill up the last patch
    are cut off before anything is judged.

    The input is centred per channel, and not scaled by sample: that would hide a level that is unusual. Raises AerunError for
    data that are no sequences, for samples of varying length, and where `attention_heads` does not divide `width`.
    """

    offers = frozenset({"encode"})

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        kind: str,
        ragged: bool,
        sees_mask: bool,
        known: int = 0,
        features: int,
        latent_dim: int,
        patch: int,
        width: int,
        attention_heads: int,
        layers: int,
        code: str,
        dropout: float,
    ) -> None:
        super().__init__()
        refuse_other_than_sequences(kind, shape, "patch")
        refuse_ragged(ragged, "patch")
        steps, channels = shape
        size = integer("model.arch.patch", patch, 1)
        if size > steps:
            raise AerunError(f"model.arch.patch={size}: a sample has {steps} steps.")
        wide = integer("model.arch.width", width, 1)
        number = integer("model.arch.attention_heads", attention_heads, 1)
        if wide % number:
            raise AerunError(f"model.arch.width={wide}: must be a multiple of model.arch.attention_heads={number}.")
        depth, p = integer("model.arch.layers", layers, 1), within("model.arch.dropout", dropout, 0, 0.99)
        mean = one_of("model.arch.code", code, ("mean", "tokens")) == "mean"
        self.sees_mask, self.known = sees_mask, known
        self.register_buffer("mean", torch.zeros(channels))
        cut = Patches(size, steps)
        self.grid = () if mean else (cut.count,)

        def blocks() -> list[nn.Module]:
            return [*(AttentionBlock(wide, number, p) for _ in range(depth)), nn.LayerNorm(wide)]

        read = size * (channels * (1 + sees_mask) + known)
        ends = [MeanToken(), nn.Linear(wide, features)] if mean else [nn.Linear(wide, features), Swap()]
        self.encoder = nn.Sequential(cut, nn.Linear(read, wide), Positions(cut.count, wide), *blocks(), *ends)
        first = [nn.Linear(latent_dim, wide), Repeated(cut.count)] if mean else [Swap(), nn.Linear(latent_dim, wide)]
        last = [nn.Linear(wide, size * channels), Unpatched(size, steps)]
        self.decoder = nn.Sequential(*first, Positions(cut.count, wide), *blocks(), *last)

    @torch.no_grad()
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        self.mean.copy_(mean.mean(0))
        bias = self.decoder[-2].get_parameter("bias")
        bias.copy_(raw_mean.mean(0).repeat(len(bias) // raw_mean.shape[1]))

    def encoder_weights(self) -> list[Tensor]:
        return [p for p in self.encoder.parameters() if p.ndim >= 2]

    def decoder_weights(self) -> list[Tensor]:
        return [p for p in self.decoder.parameters() if p.ndim >= 2]
