"""Which matrices a penalty on weights reads."""

from collections.abc import Sequence

from torch import Tensor

from aerun.core.errors import AerunError

OF = ("both", "encoder", "decoder")


def select_matrices(key: str, of: str, encoder: Sequence[Tensor], decoder: Sequence[Tensor]) -> list[Tensor]:
    """Return the matrices and kernels that `of` names, each once.

    A tied decoder's are views of the encoder's and are left out. of: encoder, decoder, both, or code (the decoder's first
    alone). Raises AerunError where there are none.
    """
    matrices = {"encoder": encoder, "decoder": decoder, "both": [*encoder, *decoder], "code": decoder[:1]}[of]
    if not matrices:
        raise AerunError(f"{key}.of={of}: this model.arch has no such weight matrix. Choose another {key}.of or another arch.")
    once: dict[tuple[int, int], Tensor] = {}
    for w in matrices:
        once.setdefault((w.data_ptr(), w.numel()), w)
    return list(once.values())
