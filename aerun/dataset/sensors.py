"""Sensors that repeat themselves and are stuck now and then, generated: one long series with labelled events."""

import math
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from aerun.core.checks import at_least, integer, within
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.recorded_steps import RecordedSteps
from aerun.dataset.sequences import windows
from aerun.dataset.splits import Data, Split

_SHORTEST, _LONGEST = 5, 25  # steps for which a sensor is stuck
_APART = 40  # least steps between two of these times


class Sensors(Dataset):
    """x_tf = sin(2 pi t / period + p_f) + noise e_tf, t = 0..steps - 1, f = 0..features - 1, p ~ U(0, 2 pi), e ~ N(0, 1).

    Windows of `window` steps, one every `stride` steps, of the first 70 % of the steps for training, of the next 15 % for
    validation and of the last 15 % for the test. There one sensor at a time is stuck for 5 to 25 steps, at the value of the
    first of them, until a share `stuck` of the steps is; these are of the class anomaly, all others of the class normal. A
    window is an anomaly where one of its steps is. For `evaluate=[events]`. Raises AerunError for splits shorter than a window,
    and where no event fits.
    """

    selects = True
    normal = "normal"

    def __init__(
        self,
        *,
        steps: int,
        window: int,
        stride: int,
        period: float,
        features: int,
        noise: float,
        stuck: float,
        seed: int,
    ) -> None:
        self.steps, self.window = integer("dataset.steps", steps, 20), integer("dataset.window", window, 2)
        self.stride, self.features = integer("dataset.stride", stride, 1), integer("dataset.features", features, 1)
        self.period, self.noise = at_least("dataset.period", period, 2), at_least("dataset.noise", noise, 0)
        self.stuck, self.seed = within("dataset.stuck", stuck, 0, 0.3), integer("dataset.seed", seed, 0)
        self.parts = (0, round(0.7 * steps), round(0.85 * steps), steps)
        shortest = min(np.diff(self.parts).tolist())
        if shortest < window:
            raise AerunError(f"dataset.steps={steps}: leaves {shortest} for validation, less than dataset.window={window}.")
        if self.stuck * (steps - self.parts[2]) <= 0 or steps - self.parts[2] < 2 * _APART + _LONGEST:
            raise AerunError(f"dataset.steps={steps} dataset.stuck={stuck}: leave no room for a sensor that is stuck.")

    def refuse_protocol(self) -> None:
        names = [self.normal] if isinstance(self.normal, str) else self.normal
        if names not in (None, ["normal"]) or self.contamination:
            raise AerunError("dataset=sensors: training steps are normal, and so are those of the class normal; leave it out.")
        self.normal = "normal"

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("normal", "anomaly")

    @property
    def shared_steps(self) -> int:
        return windows.shared_steps(self.window, self.stride)

    @property
    def window_stride(self) -> int:
        return self.stride

    def facts(self) -> Facts:
        return Facts(shape=(self.window, self.features), kind="sequence", unit=1.0, low=None, high=None, classes=2)

    def read(self) -> Data:
        x, label = self._series
        splits = []
        for starts in self._starts():
            cut = windows.Windows(starts, np.full(len(starts), self.window), 0)
            samples = windows.gathered("dataset=sensors", x, cut, self.window)
            splits.append(Split(torch.from_numpy(samples), torch.from_numpy(windows.classes(label, cut, 1))))
        return Data(*splits)

    def validation_starts(self) -> NDArray[np.int64]:
        return self._starts()[1]

    def test_steps(self) -> RecordedSteps:
        x, label = self._series
        first = self.parts[2]
        return RecordedSteps(torch.from_numpy(x[first:]), np.array([0]), np.array([self.steps - first]), label[first:])

    def _starts(self) -> list[NDArray[np.int64]]:
        """Return the first steps of the windows of each split."""
        pairs = zip(self.parts[:-1], self.parts[1:], strict=True)
        return [windows.cut(np.array([a]), np.array([b - a]), self.window, self.stride).first for a, b in pairs]

    @cached_property
    def _series(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the values (steps, features) and the class of each step."""
        g = np.random.default_rng(self.seed)
        phase = g.uniform(0, 2 * math.pi, self.features)
        x = np.sin(2 * math.pi * np.arange(self.steps)[:, None] / self.period + phase)
        x += self.noise * g.normal(size=x.shape)
        label, low = np.zeros(self.steps, dtype=np.int64), self.parts[2]
        wanted = self.stuck * (self.steps - low)
        for first in g.permutation(np.arange(low + _APART, self.steps - _APART - _LONGEST)).tolist():
            if label.sum() >= wanted:
                break
            length, sensor = int(g.integers(_SHORTEST, _LONGEST + 1)), int(g.integers(self.features))
            if not label[first - _APART : first + length + _APART].any():
                x[first : first + length, sensor] = x[first, sensor]
                label[first : first + length] = 1
        return x.astype(np.float32), label
