"""Series and sounds in files, cut into samples as the run's own data were."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from aerun.build import dataset_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.paths import config_dir
from aerun.dataset.audio import Audio
from aerun.dataset.sequences.mel import filters
from aerun.dataset.series import Series
from aerun.formats import wav


def series(path: Path, facts: Facts, settings: Mapping[str, Any], reading: Mapping[str, Any]) -> Any:
    """Return samples (n, T, F), NaN behind the last step, read and cut as the run's own. `reading`: what it stored.

    Runs on other sequences read files as dataset=series does with its defaults.
    """
    own: Any = settings
    if not reads_series(settings):
        own = OmegaConf.to_container(OmegaConf.load(config_dir() / "dataset" / "series.yaml"))
        own["missing"] = "cut"
    known = dataset_of({"dataset": {**own, "path": str(path), "test_path": None}}, ("aerun.dataset",))
    assert isinstance(known, Series)
    features = [str(n) for n in reading.get("features") or ()]
    steps, count = facts.stored
    found = known.samples_of(path, features, steps, facts.ragged)
    if found.shape[2] != count:
        raise AerunError(f"{path}: {found.shape[2]} columns of steps, and this run was trained on {count}.")
    return found


def reads_series(settings: Mapping[str, Any]) -> bool:
    """Return whether the run was trained on `dataset=series`."""
    return settings.get("_target_") == f"{Series.__module__}.{Series.__qualname__}"


def sound(path: Path, facts: Facts, settings: Mapping[str, Any]) -> Any:
    """Stretches of a wav file as samples of the form that the run was trained on."""
    if str(settings.get("_target_")) != "aerun.dataset.audio.Audio":
        raise AerunError(f"{path}: a sound, and this run was not trained on sounds.")
    audio = dataset_of({"dataset": {**settings, "path": str(path.parent)}}, ("aerun.dataset",))
    assert isinstance(audio, Audio)
    try:
        with path.open("rb") as file:
            found = wav.read(file)
    except wav.UnreadableError as e:
        raise AerunError(f"{path}: cannot be read: {e}.") from e
    if audio.rate is not None and found.rate != audio.rate:
        raise AerunError(f"{path}: {found.rate} samples a second, and this run was trained on {audio.rate}. Resample it.")
    if len(found.x) < audio.length and not audio.padded:
        raise AerunError(f"{path}: {len(found.x)} samples, and this run reads {audio.length} at a time.")
    bank = torch.zeros(0) if audio.form == "frames" else filters(found.rate, audio.window, audio.mels).float()
    samples = audio._samples(torch.from_numpy(found.x), bank).numpy()
    if samples.shape[1:] != facts.stored:
        raise AerunError(f"{path}: samples of shape {samples.shape[1:]}, and this run was trained on {facts.stored}.")
    return samples
