"""CelebA, found and checked by torchvision."""

import urllib.error
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from aerun.core.checks import one_of
from aerun.core.errors import AerunError, nearest
from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.images import size_of
from aerun.dataset.splits import Data
from aerun.dataset.storage import decoded, image_store
from aerun.dataset.storage.image_store import gigabytes
from aerun.dataset.storage.listing import Listing, scan
from aerun.formats.images import Shape


class Celeba(Dataset):
    """Faces of celebrities, aligned: 162,770 + 19,867 + 19,962 colour images of 178 x 218, brought to `size`.

    crop: center keeps the middle 178 x 178 of a square size, none stretches. attribute: one of the 40, such as Smiling, as the
    label (0 or 1); null: no labels. memory, cache: as for dataset=images. Liu, Luo, Wang & Tang 2015,
    https://arxiv.org/abs/1411.7766; for non-commercial research. Raises AerunError where files are missing or damaged.
    """

    selects = True

    def __init__(
        self,
        *,
        root: str,
        download: bool,
        size: int | Sequence[int],
        crop: str,
        attribute: str | None,
        memory: float | None,
        cache: str | None,
    ) -> None:
        self.root, self.download = Path(root).expanduser(), download
        self.size = size_of(size) or (64, 64)
        self.crop = one_of("dataset.crop", crop, ("center", "none")) == "center"
        self.attribute, self.memory, self.cache = attribute, gigabytes(memory), cache
        self.where = f"dataset=celeba dataset.root={root}"

    def facts(self) -> Facts:
        classes = None if self.attribute is None else 2
        return Facts(shape=(3, *self.size), kind="image", unit=255.0, low=0.0, high=1.0, classes=classes)

    def read(self) -> Data:
        folder = self.root / "celeba" / "img_align_celeba"
        source = self._source
        files, _ = scan(folder, frozenset({".jpg"}))
        number = {file.name: i for i, file in enumerate(files)}
        missing = [name for name in source.filename if name not in number]
        if missing:
            raise AerunError(f"{self.where}: {len(missing)} of its images are not in {folder}, such as {missing[0]}.")
        place = torch.tensor([number[name] for name in source.filename])
        part = self._partition(source.filename)
        labels = None if self.attribute is None else self._labels(source)[place.argsort()]
        listing = Listing(labels, self.class_names, (place[part == 0], place[part == 1], place[part == 2]))
        kept = listing.only(self.normal_classes, self.contamination)
        shape = Shape(3, *self.size, resize=True, crop=self.crop, guessed=False)
        return image_store.load(decoded.Images(folder, files, kept, shape, self.where), self.memory, self.cache)

    @property
    def class_names(self) -> tuple[str, ...]:
        return () if self.attribute is None else ("no", "yes")

    @cached_property
    def _source(self) -> Any:
        from torchvision import datasets

        try:
            return datasets.CelebA(str(self.root), split="all", download=self.download)
        except (RuntimeError, ImportError, urllib.error.URLError, OSError, ValueError) as e:
            if "not found" in str(e).lower() and not self.download:
                raise AerunError(
                    f"{self.where}: CelebA is not there, or not whole. Give the folder that holds celeba/, in "
                    "torchvision's layout, or dataset.download=true (1.4 GB; needs the package gdown)."
                ) from e
            line = (str(e).strip() or type(e).__name__).splitlines()[0]
            raise AerunError(f"{self.where}: cannot fetch or read CelebA: {line}") from e

    def _partition(self, names: Sequence[str]) -> torch.Tensor:
        """Return the split of each image: 0 for training, 1 for validation, 2 for test."""
        path = self.root / "celeba" / "list_eval_partition.txt"
        part = dict(line.split() for line in path.read_text().splitlines())
        return torch.tensor([int(part[name]) for name in names])

    def _labels(self, source: Any) -> torch.Tensor:
        """Return the labels (n,) in torchvision's order."""
        names = [name for name in source.attr_names if name]
        if self.attribute not in names:
            raise AerunError(
                f"dataset.attribute={self.attribute}: no such{nearest(str(self.attribute), names)}; {', '.join(names)}."
            )
        column: torch.Tensor = source.attr[:, names.index(self.attribute)]
        return column
