"""Series and sounds in files, cut into samples as the run's own data were."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.audio import Audio
from aerun.dataset.sequences import recorded, windows
from aerun.dataset.sequences.mel import filters
from aerun.dataset.sequences.recorded import Recorded
from aerun.dataset.sequences.series_files import Layout
from aerun.dataset.tables.partition import moments
from aerun.formats import audio as sounds
from aerun.formats.reading import Reading
from aerun.formats.tables import read_table

log = logging.getLogger("aerun")

_ROLES = ("group", "time", "label", "anomaly", "split")


def series(path: Path, facts: Facts, settings: Mapping[str, Any]) -> Any:
    """Samples (n, T, F), NaN behind the last step. Columns that were no features in training are none here either."""
    found = _recorded(path, settings)
    roles = {str(settings[k]) for k in _ROLES if settings.get(k) is not None} | {"class"}
    names = [n for n in found.frame.columns if n not in roles]
    steps, features = facts.stored
    if len(names) != features:
        raise AerunError(
            f"{path}: {len(names)} columns of steps ({', '.join(names[:8])}), and this run was trained on {features}."
        )
    for name in names:
        recorded.refuse_words(found.where, name, found.frame.columns[name])
    x = np.stack([found.frame.columns[n].values for n in names], 1)
    at = settings.get("time")
    time = moments(found.frame, str(at)) if at is not None and at in found.frame.columns else np.arange(len(x))
    order = np.lexsort((time, found.series))
    x, ids = x[order], found.series[order]
    change = np.concatenate([[True], np.diff(ids) != 0])
    first, count = windows.pieces(change, np.isfinite(x).min(axis=1))
    window = settings.get("window") if settings.get("window") is not None or facts.ragged else steps
    if window is None and len(count) and count.max() > steps:
        raise AerunError(f"{path}: a series of {count.max()} steps, and the longest of training had {steps}.")
    cut = windows.cut(first, count, window, int(settings.get("stride") or window or 1))
    if not len(cut.first):
        raise AerunError(f"{path}: no series is as long as the {steps} steps of a sample.")
    return windows.gathered(str(path), x.astype(np.float32), cut, steps)


def _recorded(path: Path, settings: Mapping[str, Any]) -> Recorded:
    reading = Reading(
        str(settings.get("delimiter", "auto")),
        str(settings.get("header", "auto")).lower(),
        str(settings.get("encoding", "utf-8")),
        frozenset(str(settings[k]) for k in ("label", "anomaly", "split", "group") if settings.get(k) is not None),
        frozenset([settings["drop"]] if isinstance(settings.get("drop"), str) else settings.get("drop") or ()),
        loose=True,
    )
    wide, group = settings.get("layout") == "wide", settings.get("group")
    if path.suffix.lower() == ".ts":
        return Layout(reading, wide, None, {}, None).read("FILE", path)
    frame = read_table("FILE", path, reading)
    group = str(group) if group is not None and group in frame.columns else None
    roles = [str(settings[k]) for k in _ROLES if settings.get(k) in frame.columns]
    return recorded.wide(frame, group, roles) if wide else recorded.long(frame, group)


def sound(path: Path, facts: Facts, settings: Mapping[str, Any]) -> Any:
    """Stretches of a sound file as samples of the form that the run was trained on."""
    if str(settings.get("_target_")) != "aerun.dataset.audio.Audio":
        raise AerunError(f"{path}: a sound, and this run was not trained on sounds.")
    about = {k: v for k, v in settings.items() if k not in ("_target_", "epochs", "normal", "contamination", "path")}
    audio = Audio(path=str(path.parent), **about)
    try:
        with path.open("rb") as file:
            found = sounds.read(file)
    except sounds.UnreadableError as e:
        raise AerunError(f"{path}: cannot be read: {e}.") from e
    if found.peak > 1:
        log.warning("%s: goes beyond full scale (up to %.3g) and is cut off there.", path, found.peak)
    if audio.rate is not None and found.rate != audio.rate:
        raise AerunError(f"{path}: {found.rate} samples a second, and this run was trained on {audio.rate}. Resample it.")
    if len(found.x) < audio.length and not audio.padded:
        raise AerunError(f"{path}: {len(found.x)} samples, and this run reads {audio.length} at a time.")
    bank = torch.zeros(0) if audio.form == "frames" else filters(found.rate, audio.window, audio.mels).float()
    samples = audio._samples(torch.from_numpy(found.x), bank).numpy()
    if samples.shape[1:] != facts.stored:
        raise AerunError(f"{path}: samples of shape {samples.shape[1:]}, and this run was trained on {facts.stored}.")
    return samples
