"""Which experiments there are. Reads text only, so it answers at once."""

import re
from collections.abc import Sequence
from pathlib import Path

from aerun.core.errors import AerunError, nearest
from aerun.core.paths import config_dir
from aerun.settings.catalog import summary

_FOLDER = "acceptance"


def catalog() -> dict[str, str]:
    """Map id -> its one line."""
    return {path.stem.upper(): summary(path) for path in sorted((config_dir() / _FOLDER).glob("*.yaml"))}


def experiment_files(names: Sequence[str]) -> list[Path]:
    """Return the files of these experiments, in the catalog's order.

    E08 stands for E08A and E08B, and what ends in .yaml for itself. AerunError, with the nearest, for a name that is neither.
    """
    ids, wanted, own = list(catalog()), set[str](), list[Path]()
    for name in names:
        old = Path(name)
        if old.parent.name == "experiment" and not old.is_file():  # where aerun's own were kept before
            name = old.stem if old.stem.upper() in ids else name
        hits = [i for i in ids if re.fullmatch(f"{re.escape(name.upper())}[A-Z]?", i)]
        if name.endswith(".yaml") and Path(name).is_file():
            own.append(Path(name))
        elif not hits:
            raise AerunError(f"{name}: no such experiment{nearest(name.upper(), ids)} (experiments: {', '.join(ids)}).")
        wanted.update(hits)
    return [*(config_dir() / _FOLDER / f"{i.lower()}.yaml" for i in ids if i in wanted), *own]
