"""SVHN, read by torchvision."""

from types import SimpleNamespace
from typing import Any

from aerun.dataset.vision import Vision


class Svhn(Vision):
    """Street view house numbers: 73,257 + 26,032 colour images of 3 x 32 x 32 bytes around a digit, 10 classes.

    Netzer et al. 2011, http://ufldl.stanford.edu/housenumbers; for non-commercial use.
    """

    reader = "SVHN"
    shape = (3, 32, 32)

    def _open(self, train: bool) -> Any:
        from torchvision import datasets

        source = datasets.SVHN(str(self.root), split="train" if train else "test", download=self.download)
        return SimpleNamespace(
            data=source.data.transpose(0, 2, 3, 1), targets=source.labels
        )  # channels last, as others give them
