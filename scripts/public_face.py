"""An extension of griffe: the page of the Python API shows the function `aerun.train`, not the module of that name."""

from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).resolve().parents[1]


class PublicFace(griffe.Extension):
    """Puts the functions of `aerun/__init__.py` in front of submodules."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Replace members of the package that are both by the functions."""
        if pkg.name != "aerun":
            return
        alone = griffe.load("aerun", submodules=False, search_paths=[str(ROOT)])
        for name, function in alone.functions.items():
            pkg.set_member(name, function)
