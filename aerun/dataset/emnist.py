"""EMNIST, read by torchvision."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from aerun.core.checks import one_of
from aerun.core.facts import Facts
from aerun.dataset.vision import Grey

_CLASSES = {"balanced": 47, "digits": 10, "letters": 26}


class Emnist(Grey):
    """Handwritten characters of NIST's Special Database 19, 28 x 28 bytes, upright.

    split: balanced (112,800 + 18,800, 47 classes: digits and letters, alike ones merged), digits (240,000 + 40,000, 10 classes)
    or letters (124,800 + 20,800, 26 classes). Cohen, Afshar, Tapson & van Schaik 2017, https://arxiv.org/abs/1702.05373;
    public domain (NIST).
    """

    reader = "EMNIST"
    shape = (1, 28, 28)

    def __init__(self, *, root: str, download: bool, val: int, binarize: str, split: str, side: int) -> None:
        super().__init__(root=root, download=download, val=val, binarize=binarize, side=side)
        self.part = one_of("dataset.split", split, tuple(_CLASSES))

    def facts(self) -> Facts:
        return replace(super().facts(), classes=_CLASSES[self.part])

    def _open(self, train: bool) -> Any:
        from torchvision import datasets

        source = datasets.EMNIST(str(self.root), split=self.part, train=train, download=self.download)
        first = 1 if self.part == "letters" else 0  # letters count from 1
        return SimpleNamespace(
            data=source.data.transpose(1, 2), targets=source.targets - first
        )  # the files hold transposed images
