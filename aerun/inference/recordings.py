"""Series and sounds in files, cut into samples as the run's own data were."""

import logging
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from omegaconf import OmegaConf

from aerun.build import dataset_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.logs import quiet_aerun
from aerun.core.paths import config_dir
from aerun.dataset.audio import Audio
from aerun.dataset.sequences.mel import filters
from aerun.dataset.sequences.recorded import behind
from aerun.dataset.sequences.sampling import GAPS, Opened
from aerun.dataset.sequences.windows import most_frequent
from aerun.dataset.series import Series
from aerun.dataset.telling import LABEL
from aerun.evaluate.step_scores import Way
from aerun.formats import audio as sounds
from aerun.formats.frame import Words
from aerun.inference.steps import StepSeries
from aerun.inference.travelling import beside_windows, columns_beside

_LARGE = 16 << 20  # bytes of a file from which on it is read in pieces
_ELEMENTS = 1 << 19  # values of a piece

log = logging.getLogger("aerun")


def series(
    path: Path, facts: Facts, settings: Mapping[str, Any], reading: Mapping[str, Any]
) -> tuple[Any, dict[str, Words], dict[str, Words]]:
    """Return samples (n, T, F), NaN behind the last step, read and cut as the run's own data were.

    Beside them stand what travels with them, and their label where the file has it, as in training that of most of their steps.

    reading: what the run stored of how it read them. For runs on other sequences, files are read as dataset=series reads them
    by default.
    """
    dataset = _dataset(path, settings)
    steps, count = facts.stored
    samples, cut, opened = dataset.samples_of(path, features_of(reading), steps, facts.ragged, reading)
    if samples.shape[2] != count:
        raise AerunError(f"{path}: {samples.shape[2]} columns of steps, and this run was trained on {count}.")
    label = _label(dataset, opened)
    told = {} if label is None else {LABEL: most_frequent(label, cut)}
    return samples, beside_windows(opened, cut, dataset.layout.group, _travelling(opened, settings)), told


def step_series(path: Path, facts: Facts, settings: Mapping[str, Any], reading: Mapping[str, Any], way: Way) -> StepSeries:
    """Return the steps of a file of series, and the windows that judge them."""
    dataset = _dataset(path, settings)
    return _step_series(path, dataset, dataset.steps_of(path, features_of(reading), reading), facts, settings, reading, way)


def is_streamed(path: Path, settings: Mapping[str, Any], reading: Mapping[str, Any]) -> bool:
    """Return whether a file is large, and one series whose steps can be scored piece by piece, see `streamed`."""
    return has_windows(settings) and bool(features_of(reading)) and _dataset(path, settings).is_streamed(path, _LARGE)


def streamed(
    path: Path, facts: Facts, settings: Mapping[str, Any], reading: Mapping[str, Any], way: Way
) -> Iterator[StepSeries]:
    """Yield the steps of a file in pieces: each is asked for once all windows that cover it are there.

    What is kept of the past is what the windows of later steps need, and the steps that a mean of scores looks back to.
    """
    dataset, names, window = _dataset(path, settings), features_of(reading), facts.stored[0]
    rows, past, known, dropped = max(_ELEMENTS // facts.stored[1], 8 * (window + way.smooth)), None, 0, 0
    coming, gone = dataset.step_pieces(path, names, reading, rows), 0
    recording = next(coming, None)
    while recording is not None:
        following = next(coming, None)
        whole = recording if past is None else behind(past, recording)
        with quiet_aerun():  # said once, at the end
            opened = dataset.opened(whole, names, path)
        series = _step_series(path, dataset, opened, facts, settings, reading, way)
        last = (len(series), len(series))
        ready, keep = last if following is None else series.settled(way, window, dataset.sampling.stride, fills=False)
        asked = replace(series, known=known, ready=ready, dropped=dropped)
        gone += int(np.isnan(opened.x[asked.rows]).sum())
        yield replace(asked, beside={n: words[asked.rows] for n, words in asked.beside.items()})
        past = replace(whole, frame=whole.frame.part(slice(keep, None), f"{path}, from row {dropped + keep + 1} on"))
        known, dropped, recording = ready - keep, dropped + keep, following
    if gone and dataset.sampling.missing in GAPS:
        log.warning(
            "%s: %d values are missing, read as in training (dataset.missing=%s).", path, gone, dataset.sampling.missing
        )


def _step_series(
    path: Path,
    dataset: Series,
    opened: Opened,
    facts: Facts,
    settings: Mapping[str, Any],
    reading: Mapping[str, Any],
    way: Way,
) -> StepSeries:
    if opened.x.shape[1] != facts.stored[1]:
        raise AerunError(f"{path}: {opened.x.shape[1]} columns of steps, and this run was trained on {facts.stored[1]}.")
    starts, tails = way.starts(opened.first, opened.count, facts.stored[0], dataset.sampling.stride)
    frame, names = opened.recording.frame, features_of(reading)
    beside = {n: w for n in _travelling(opened, settings) if (w := frame.written(n)) is not None}
    names = names or [f"f{i + 1}" for i in range(opened.x.shape[1])]
    time, group = dataset.sampling.time, dataset.layout.group
    return StepSeries(str(path), opened, tuple(names), starts, tails, beside, time, group, _label(dataset, opened))


def _label(dataset: Series, opened: Opened) -> Words | None:
    """Return the label of each step (N,) that the file says; None where it says none."""
    return opened.words(dataset.sampling.label or opened.recording.label)


def _travelling(opened: Opened, settings: Mapping[str, Any]) -> list[str]:
    """Return the columns that travel, the class that the file's layout names among them."""
    own = opened.recording.label
    return list(dict.fromkeys([*columns_beside(settings), *([] if own is None else [own])]))


def features_of(reading: Mapping[str, Any]) -> list[str]:
    """Return the channels that a run wrote down; empty of a run that did not."""
    return [str(n) for n in reading.get("features") or ()]


def has_windows(settings: Mapping[str, Any]) -> bool:
    """Return whether the run was trained on windows of series."""
    return reads_series(settings) and settings.get("window") is not None


def _dataset(path: Path, settings: Mapping[str, Any]) -> Series:
    own: Any = settings
    if not reads_series(settings):
        own = OmegaConf.to_container(OmegaConf.load(config_dir() / "dataset" / "series.yaml"))
        own["missing"] = "cut"
    dataset = dataset_of({"dataset": {**own, "path": str(path), "test_path": None}}, ())
    assert isinstance(dataset, Series)
    return dataset


def reads_series(settings: Mapping[str, Any]) -> bool:
    """Return whether the run was trained on `dataset=series`."""
    return settings.get("_target_") == f"{Series.__module__}.{Series.__qualname__}"


def is_archive(path: Path, settings: Mapping[str, Any]) -> bool:
    """Return whether this is an archive of sounds and the run was trained on sounds."""
    return is_audio(settings) and path.is_file() and tarfile.is_tarfile(path)


def is_audio(settings: Mapping[str, Any]) -> bool:
    """Return whether the run was trained on `dataset=audio`."""
    return settings.get("_target_") == f"{Audio.__module__}.{Audio.__qualname__}"


def archive(path: Path, facts: Facts, settings: Mapping[str, Any], reading: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name and the samples of each sound in an archive, in the order of names in which training took them."""
    for name, file in sounds.packed(path):
        yield f"{path}: {name}", _stretches(f"{path}: {name}", file, facts, settings, reading)


def sound(path: Path, facts: Facts, settings: Mapping[str, Any], reading: Mapping[str, Any]) -> Any:
    """Return the stretches of a sound file as samples of the form that the run was trained on."""
    if not is_audio(settings):
        raise AerunError(f"{path}: a sound, and this run was not trained on sounds.")
    with path.open("rb") as file:
        return _stretches(str(path), file, facts, settings, reading)


def _stretches(name: str, file: BinaryIO, facts: Facts, settings: Mapping[str, Any], reading: Mapping[str, Any]) -> Any:
    """Return samples (n, *S) of a sound.

    A sound that is shorter than one sample gives none, as in training, and a warning.
    """
    audio = dataset_of({"dataset": {**settings, "path": str(Path.cwd())}}, ())
    assert isinstance(audio, Audio)
    try:
        recording = sounds.read(file)
    except sounds.UnreadableError as e:
        raise AerunError(f"{name}: cannot be read: {e}.") from e
    if recording.channels > 1:
        log.warning("%s: its %d channels are mixed to their mean.", name, recording.channels)
    if recording.peak > 1:
        log.warning("%s: goes beyond full scale (up to %.3g) and is cut off there.", name, recording.peak)
    rate = audio.rate or reading.get("rate")
    if rate is not None and recording.rate != rate:
        raise AerunError(f"{name}: {recording.rate} samples a second, and this run was trained on {rate}. Resample it.")
    if len(recording.x) < audio.length and not audio.padded:
        log.warning("%s: %d sound samples, and this run reads %d at a time: left out.", name, len(recording.x), audio.length)
        return np.empty((0, *facts.stored), np.float32)
    bank = torch.zeros(0) if audio.form == "frames" else filters(recording.rate, audio.window, audio.mels).float()
    samples = audio.samples_of(torch.from_numpy(recording.x), bank).numpy()
    if samples.shape[1:] != facts.stored:
        raise AerunError(f"{name}: samples of shape {samples.shape[1:]}, and this run was trained on {facts.stored}.")
    return samples
