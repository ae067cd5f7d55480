"""Patches of two photographs that ship with scikit-learn: real pictures of any size, no download."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split

_WIDTH, _SHARES = 640, (0.7, 0.15, 0.15)  # pixels of both photographs; training, validation and test, from the left
_MOST = int(_WIDTH * _SHARES[1])


class PhotoPatches(Dataset):
    """n patches of `size` x `size` bytes from random places of a temple and a flower (427 x 640), which are the labels.

    Training patches are cut from the left 70 % of both photographs, validation patches from the next 15 %, test patches from
    the rest, so that no pixel is in two splits. grey: one channel instead of three. seed: of the places. Photographs by
    danielbuechele and vultilion, CC BY 2.0. Raises AerunError for a size above 96 and for fewer than 20 patches.
    """

    def __init__(self, *, size: int, n: int, grey: bool, seed: int) -> None:
        self.size, self.n = integer("dataset.size", size, 1), integer("dataset.n", n, 20)
        self.grey, self.seed = grey, integer("dataset.seed", seed, 0)
        if size > _MOST:
            raise AerunError(f"dataset.size={size}: at most {_MOST}, the width of what is left for validation and test.")

    def facts(self) -> Facts:
        shape = (1 if self.grey else 3, self.size, self.size)
        return Facts(shape=shape, kind="image", unit=255.0, low=0.0, high=1.0, classes=2)

    def read(self) -> Data:
        from sklearn.datasets import load_sample_images

        photos = [self._coloured(photo) for photo in load_sample_images().images]
        g = torch.Generator().manual_seed(self.seed)
        counts = [self.n - 2 * round(_SHARES[1] * self.n), *[round(share * self.n) for share in _SHARES[1:]]]
        edges = [round(_WIDTH * sum(_SHARES[:i])) for i in range(4)]
        return Data(*(self._cut(photos, n, edges[i], edges[i + 1], g) for i, n in enumerate(counts)))

    def _coloured(self, photo: NDArray[np.uint8]) -> torch.Tensor:
        """Return the photograph as (C, H, W)."""
        pixels = np.array(Image.fromarray(photo).convert("L" if self.grey else "RGB"))
        return torch.from_numpy(pixels if pixels.ndim == 3 else pixels[..., None]).permute(2, 0, 1)

    def _cut(self, photos: list[torch.Tensor], n: int, left: int, right: int, g: torch.Generator) -> Split:
        """Return n patches from between two columns, `left` and `right`."""
        which = torch.randint(len(photos), (n,), generator=g)
        top = torch.randint(photos[0].shape[1] - self.size + 1, (n,), generator=g)
        side = torch.randint(left, right - self.size + 1, (n,), generator=g)
        places = zip(which.tolist(), top.tolist(), side.tolist(), strict=True)
        return Split(torch.stack([photos[p][:, y : y + self.size, x : x + self.size] for p, y, x in places]), which)
