"""Which options fit a data set: asked of the same checks that a run makes, one option after the other."""

from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf

from aerun.build import Config, build
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.paths import config_dir
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data
from aerun.settings.auto import AUTO
from aerun.settings.catalog import catalog


class Described(Dataset):
    """A data set of which nothing is known but its facts and its normal classes."""

    def __init__(self, *, facts: Facts, chosen: tuple[int, ...] | None) -> None:
        self.known, self.chosen = facts, chosen

    @property
    def normal_classes(self) -> tuple[int, ...] | None:
        return self.chosen

    def facts(self) -> Facts:
        return self.known

    def read(self) -> Data:
        raise AerunError("only the facts of this data set are known.")


def refusal(cfg: Config, facts: Facts, chosen: tuple[int, ...] | None = None) -> tuple[str, list[str]]:
    """Return (why a run of this config on such data is refused, or nothing; the warnings that it would print). chosen.

    The normal classes, where some are.
    """
    described = {"_target_": f"{__name__}.{Described.__name__}", "facts": facts, "chosen": chosen}
    try:
        return "", build({**cfg, "dataset": described}).warnings
    except AerunError as e:
        return str(e), []


def fitting(cfg: Config, facts: Facts) -> dict[str, dict[str, str]]:
    """Map model/loss and model/arch -> option -> why it does not fit, or nothing.

    A loss fits where it does with some arch, an arch where it does with some loss; the rest is as it was chosen.
    """
    losses, archs = (_read(cfg, part) for part in ("loss", "arch"))
    model, rest = cfg["model"], {k: v for k, v in cfg.items() if k != "dataset"} | {"evaluate": []}

    def why(loss: str, arch: str) -> str:
        return refusal({**rest, "model": {**model, "loss": losses[loss], "arch": archs[arch]}}, facts)[0]

    by_loss = {loss: _reason(f"model/loss={loss}", (why(loss, arch) for arch in archs)) for loss in losses}
    good = [loss for loss in losses if not by_loss[loss]] or losses
    by_arch = {arch: _reason(f"model/arch={arch}", (why(loss, arch) for loss in good)) for arch in archs}
    return {"model/loss": by_loss, "model/arch": by_arch}


def _reason(option: str, tried: Iterator[str]) -> str:
    """Return nothing where a try was not refused, else the words that are about the option itself."""
    reasons = []
    for words in tried:
        if not words:
            return ""
        reasons.append(words.partition("\n")[0])
    return next((words for words in reasons if option in words), reasons[0])


def _read(cfg: Config, part: str) -> dict[str, Any]:
    """Map the options of a part of the model to their settings, each read once and as this config resolves it."""
    whole = OmegaConf.create({"model": cfg["model"]})
    found = {}
    for name in catalog()[f"model/{part}"]:
        if name != AUTO:
            whole["model"][part] = OmegaConf.load(config_dir() / "model" / part / f"{name}.yaml")
            found[name] = OmegaConf.to_container(whole["model"][part], resolve=True)
    return found
