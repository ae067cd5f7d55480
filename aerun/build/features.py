"""Layers that terms have of other runs, or of files of weights: `features: RUN` and `features: FILE`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from aerun.build.behind import head_of, matrix_of, tensors_of
from aerun.build.from_run import autoencoder_of
from aerun.build.maker import Maker
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.parts import Regularizer
from aerun.preparation.base import Preparation, Unchanged
from aerun.preparation.norm import Norm
from aerun.preparation.pair import Pair
from aerun.preparation.stored import plain
from aerun.regularizer.stack import TAP, told
from aerun.regularizer.vgg import vgg_of
from aerun.runs.checkpoint import run_folder
from aerun.runs.folder import Folder
from aerun.settings.borrowed import borrowed, with_networks
from aerun.settings.targets import own_modules


class Borrowed(NamedTuple):
    """Layers in words, their weights, and what is to be said of them."""

    words: list[str]
    weights: dict[str, Tensor]
    warnings: list[str]


def with_borrowed(
    cfg: dict[str, Any], facts: Facts, preparation: Preparation, make: Maker
) -> tuple[dict[str, Any], dict[str, Borrowed]]:
    """Return the config with the layers that terms have of runs and of files in words, and these layers by the term's name.

    Raises AerunError for a run or a file that is not there, is damaged, or has no layers for these samples.
    """
    found = {}
    for key, source in borrowed(cfg).items():
        cls: type[Regularizer] = make.named(f"reg.terms.{key}", cfg["reg"]["terms"][key])
        if cls.borrows:
            try:
                if not source.strip():
                    raise AerunError("names no run. Choose a run's folder, a file of weights, or features=random.")
                found[key] = _found(cls, cfg["reg"]["terms"][key], Path(source).expanduser(), facts, preparation)
                if cfg["reg"]["terms"][key].get("network") not in (None, found[key].words):
                    raise AerunError("has other layers than when this run began. `aerun resume` goes on with those.")
            except AerunError as e:
                raise AerunError(f"reg.terms.{key}.features={source}: {e}") from e
    return with_networks(cfg, {key: b.words for key, b in found.items()}), found


def _found(cls: type[Regularizer], node: Mapping[str, Any], source: Path, facts: Facts, preparation: Preparation) -> Borrowed:
    """Return what a term has of a run or a file: layers of an encoder, or what stands behind activations."""
    if cls.borrowed_as == "layers":
        return _borrowed(source, facts, preparation)
    if len(facts.shape) != 1 or not isinstance(preparation, Unchanged | Norm | Pair):
        words = "vectors with one scale (dataset=activations), and not the columns of a table or what is drawn from pixels"
        raise AerunError(f"goes on from {words}.")
    if not source.is_file():
        raise AerunError("there is no such file.")
    made = head_of(source, facts, str(node.get("activation"))) if cls.borrowed_as == "head" else matrix_of(source, facts)
    return Borrowed(*made, [])


def _borrowed(source: Path, facts: Facts, preparation: Preparation) -> Borrowed:
    if facts.kind == "text":
        raise AerunError("needs numbers, and text is made of symbols. Use regularizer=kl.")
    if source.is_dir():
        return Borrowed(*_of_run(source, facts, preparation), [])
    if source.is_file():
        return _of_file(source, facts)
    raise AerunError("there is no such run's folder or file of weights (nothing is downloaded). features=random needs neither.")


def _of_run(source: Path, facts: Facts, preparation: Preparation) -> tuple[list[str], dict[str, Tensor]]:
    """Return the hidden layers of the encoder in a run's folder, which may be a stranger's: it builds no class of its own."""
    folder = Folder(run_folder(source))
    cfg = folder.config()
    if modules := own_modules(cfg):
        raise AerunError(f"has parts of {', '.join(modules)}, which are not built here. Choose a run of aerun's own parts.")
    theirs = autoencoder_of(folder, cfg, "best", ())
    _refuse_other(theirs.facts, facts)
    if _without_told(theirs.preparation) != _without_told(preparation):
        raise AerunError("that run prepares its samples in another way. Choose one of the same data set and settings of it.")
    if theirs.arch.sees_mask or theirs.arch.known:
        more = "which elements are hidden" if theirs.arch.sees_mask else "what is known of a sample beforehand"
        raise AerunError(f"its encoder also reads {more}. Choose a run whose encoder reads the samples alone.")
    return told(theirs.arch.encoder, theirs.arch.mean)


def _refuse_other(theirs: Facts, ours: Facts) -> None:
    """Raise AerunError where two runs work on samples of different shapes, kinds or ranges."""
    for word, there, here in (
        ("shape", theirs.shape, ours.shape),
        ("kind", theirs.kind, ours.kind),
        ("range", (theirs.low, theirs.high), (ours.low, ours.high)),
    ):
        if there != here:
            raise AerunError(f"reads samples of {word} {there}, and here it is {here}. Choose a run on data like these.")


def _without_told(preparation: Preparation) -> dict[str, Any]:
    return {k: v for k, v in plain(preparation).items() if k != "told"}


def _of_file(source: Path, facts: Facts) -> Borrowed:
    """Return the convolutions of a VGG network whose state_dict a file holds; of the file only tensors are read."""
    if facts.kind != "image" or facts.shape[0] not in (1, 3) or facts.low is None or facts.high is None:
        raise AerunError(
            f"weights of torchvision's are for images of 1 or 3 channels between known bounds, and samples are of kind "
            f"{facts.kind} and shape {facts.shape} here. Use features=random or a run on data like these."
        )
    state = tensors_of(source, "a state_dict, of tensors alone", " Choose a run's folder, or weights.")
    if not isinstance(state, Mapping):
        raise AerunError(f"holds no state_dict but {type(state).__name__}.")
    name, words, weights = vgg_of(state, facts.shape, facts.low, facts.high)
    grey = ", each read as three equal channels," if facts.shape[0] == 1 else ""
    sides = " x ".join(map(str, facts.shape[1:]))
    said = f"features={source}: {name}; images of {sides} pixels{grey} reach {words.count(TAP)} of its 5 stages."
    return Borrowed(words, weights, [said])
