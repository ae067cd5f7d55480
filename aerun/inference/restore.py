"""A trained model from its run's folder, which may be a stranger's."""

from collections.abc import Sequence
from pathlib import Path

import torch

from aerun.autoencoder import Autoencoder
from aerun.build import dataset_of, model_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts, facts_from
from aerun.preparation.base import Preparation
from aerun.preparation.stored import restored
from aerun.runs.folder import Folder
from aerun.trained import Trained

TRUSTED = ("aerun", "torch.optim")  # the modules whose classes a stranger's folder may name


def load(path: Path, weights: str = "best", trusted: Sequence[str] | None = TRUSTED) -> Trained:
    """The model that a run left in its folder `path`, with its `best` or `last` weights; no data are read.

    Only classes of the modules `trusted` are built (None: any), and of files only plain data are read. AerunError where the
    folder is not a run's, or is damaged.
    """
    folder = Folder(path)
    cfg = folder.config()
    try:
        dataset = dataset_of(cfg, trusted)
        facts, preparation = _known(folder) or (dataset.facts(), dataset.preparation())
        autoencoder, _ = model_of(cfg, facts, preparation, trusted)
        seed = int(cfg["seed"])
    except (KeyError, TypeError, ValueError) as e:
        raise AerunError(f"{path}: damaged: {type(e).__name__} {e} in its config.yaml or facts.json.") from e
    _fill(autoencoder, path / "checkpoints" / f"{weights}.ckpt")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Trained(autoencoder.to(device).eval(), dataset, device, seed)


def _known(folder: Folder) -> tuple[Facts, Preparation] | None:
    """What the run wrote down of its data; None where it did not, or could not."""
    found = folder.read("facts.json")
    if not found.get("preparation"):
        return None
    return facts_from(found["facts"]), restored(found["preparation"])


def _fill(autoencoder: Autoencoder, path: Path) -> None:
    """Read the weights. AerunError where they are missing, damaged, or another model's."""
    if not path.is_file():
        raise AerunError(f"{path}: there are no such weights: the run was stopped before it wrote any.")
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
        autoencoder.load_state_dict({k.removeprefix("autoencoder."): v for k, v in state.items()})
    except AerunError:
        raise
    except Exception as e:
        raise AerunError(f"{path}: cannot be read as this run's weights: {_line(e)}") from e


def _line(e: Exception) -> str:
    return (str(e) or type(e).__name__).splitlines()[0]
