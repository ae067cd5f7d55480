"""Data sets that torchvision reads: the same file layout, the same download."""

import contextlib
import os
import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from aerun.compose import option
from aerun.core.checks import at_least, one_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split, split

_HALF = 128
_SIDES = (28, 14, 7)
_DRAW_SEED = 20081  # the draw of binarized images belongs to the data set, not to the run


class Vision(Dataset):
    """`root` is the folder that torchvision calls root. `val` of the training images are held out for validation.

    Raises AerunError where the files are missing and `download` is false, are damaged, or cannot be fetched.
    """

    reader: str
    shape: tuple[int, int, int]

    def __init__(self, *, root: str, download: bool, val: int) -> None:
        self.root, self.download = Path(root).expanduser(), download
        self.val = int(at_least("dataset.val", val, 1))

    def facts(self) -> Facts:
        return Facts(shape=self.shape, kind="image", unit=255.0, low=0.0, high=1.0, classes=10)

    def read(self) -> Data:
        whole, test = self._read(train=True), self._read(train=False)
        if self.val >= len(whole):
            raise AerunError(f"dataset.val={self.val}: only {len(whole)} training images are there.")
        train, val = split(whole, self.val / len(whole))
        return Data(train, val, test)

    def _read(self, train: bool) -> Split:
        name = type(self).__name__
        here = f"dataset={option(self)} dataset.root={self.root}"
        try:
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                source: Any = self._open(train)
        except RuntimeError as e:
            if "not found" in str(e).lower() and not self.download:
                raise AerunError(
                    f"{here}: {name} is not there. Give the folder that holds it, or dataset.download=true."
                ) from e
            fetched = "downloading" in str(e).lower()
            doing = f"cannot fetch {name} (no network?)" if fetched else f"cannot read {name}"
            raise AerunError(f"{here}: {doing}: {_first_line(e)}") from e
        except (urllib.error.URLError, OSError, ValueError, EOFError, KeyError, AssertionError) as e:
            doing = "cannot fetch or read" if self.download else "cannot read"
            raise AerunError(f"{here}: {doing} {name} (missing, truncated or no network): {_first_line(e)}") from e
        x = _as_bytes(source.data, self.shape)
        y = torch.as_tensor(source.targets)
        if len(x) != len(y) or not len(x):
            raise AerunError(f"{here}: {name} holds {len(x)} images and {len(y)} labels: the files are damaged.")
        return Split(x, y)

    def _open(self, train: bool) -> Any:
        from torchvision import datasets

        return getattr(datasets, self.reader)(str(self.root), train=train, download=self.download)


class Grey(Vision):
    """Images of 28 x 28, or of `side` 14 or 7: means of 2 x 2 or 4 x 4 of their pixels.

    Grey values are as they are (`binarize: none`), or probabilities of a pixel being on, drawn as 0 or 255. static: each image
    is drawn once, the same way in every run. dynamic: validation and test images are drawn so, training images anew in every
    batch. Salakhutdinov & Murray 2008, https://doi.org/10.1145/1390156.1390266. threshold: bytes from 128 on are on, without a
    draw. Figures of the four are not comparable with each other.
    """

    def __init__(self, *, root: str, download: bool, val: int, binarize: str, side: int) -> None:
        super().__init__(root=root, download=download, val=val)
        if side not in _SIDES:
            raise AerunError(f"dataset.side={side}: one of {', '.join(map(str, _SIDES))}.")
        self.side = side
        self.binarize = one_of("dataset.binarize", binarize, ("none", "static", "dynamic", "threshold"))

    def facts(self) -> Facts:
        facts = replace(super().facts(), binarize=self.binarize == "dynamic")
        return replace(facts, shape=(1, self.side, self.side))

    def read(self) -> Data:
        grey = super().read()
        if self.side < self.shape[1]:
            grey = Data(*(replace(part, x=_shrunk(part.x, self.side)) for part in (grey.train, grey.val, grey.test)))
        if self.binarize == "none":
            return grey
        if self.binarize == "threshold":
            return Data(*(replace(p, x=(p.x >= _HALF).to(torch.uint8) * 255) for p in (grey.train, grey.val, grey.test)))
        train = grey.train if self.binarize == "dynamic" else _drawn(grey.train, 0)
        return Data(train, _drawn(grey.val, 1), _drawn(grey.test, 2))

    def unavailable(self) -> str:
        """Return why the set cannot be read here, or nothing. The files are not opened, and nothing is downloaded."""
        if (self.root / self.reader / "raw").is_dir():
            return ""
        return f"{self.reader} is not in {self.root}: set AERUN_DATA to the folder that holds it"


def _shrunk(x: Tensor, side: int) -> Tensor:
    """Return bytes (n, 1, side, side): means over squares of those (n, 1, S, S), rounded."""
    width = x.shape[-1] // side
    return torch.cat([avg_pool2d(part.float(), width).round().to(torch.uint8) for part in x.split(8192)])


def _drawn(samples: Split, stream: int) -> Split:
    """Return each byte b as 255 with probability b / 255, else 0; always the same draw."""
    g = torch.Generator().manual_seed(_DRAW_SEED + stream)
    parts = [torch.bernoulli(x / 255, generator=g).to(torch.uint8) * 255 for x in samples.x.split(8192)]
    return Split(torch.cat(parts), samples.y)


def _as_bytes(data: Any, shape: tuple[int, int, int]) -> Tensor:
    """Return torchvision's array (n, H, W) or (n, H, W, C) as bytes (n, C, H, W)."""
    x = torch.as_tensor(data)
    x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)
    return x.contiguous()


def _first_line(e: BaseException) -> str:
    return (str(e).strip() or type(e).__name__).splitlines()[0].rstrip(":")
