"""Which axes of an array are what: by their lengths, and by the names of the array and its file; else the user is asked."""

import logging
import re
from pathlib import Path

from aerun.core.errors import AerunError

_ASPECT = 4  # an image's longer side over its shorter one, up to which three axes are taken for images
_NAMES = {"first": re.compile(r"nchw|chw|channels?[-_ ]?first"), "last": re.compile(r"nhwc|hwc|channels?[-_ ]?last")}

log = logging.getLogger("aerun")


def kind_of(path: Path, shape: tuple[int, ...], kind: str) -> str:
    """Return `kind`, or the kind that the axes imply: two are a table (n, D), four are images.

    Three are images (n, H, W) where H = W, or where the longer side is at most four times the shorter and both have four
    pixels; else they may as well be sequences (n, T, F), and the user is asked. Raises AerunError where axes and kind do not
    fit.
    """
    if kind == "auto" and len(shape) in (2, 4):
        return "table" if len(shape) == 2 else "image"
    if kind == "auto" and len(shape) == 3:
        short, long = sorted(shape[1:])
        if short == long or (short >= _ASPECT and long <= _ASPECT * short):
            return "image"
        raise AerunError(
            f"{path}: an array of shape {shape}: images (n, H, W) or sequences (n, T, F)? Say dataset.kind=image or "
            "dataset.kind=sequence."
        )
    if kind == "auto":
        raise AerunError(f"{path}: an array of shape {shape}; samples are (n, D), (n, H, W) or (n, C, H, W).")
    if len(shape) not in {"table": (2,), "image": (3, 4), "sequence": (2, 3)}[kind]:
        axes = {"table": "(n, D)", "image": "(n, H, W) or (n, C, H, W)", "sequence": "(n, T) or (n, T, F)"}[kind]
        raise AerunError(f"dataset.kind={kind}: needs an array of shape {axes}; {path} holds {shape}.")
    return kind


def channels_last(path: Path, name: str | None, shape: tuple[int, ...], channels: str) -> bool:
    """Return whether images of four axes have their channels last; `channels` (first or last) decides where it is set.

    Else names decide (nchw, hwc, channels_last, ... in the array's or the file's name), then lengths: of two neighbouring axes
    that are equal, the third is the channels; or the first or last axis is at most three quarters as long as each of the
    others, which is logged where it is more than half. Raises AerunError where nothing decides: the user then has to say which
    axis it is.
    """
    if channels != "auto":
        return channels == "last"
    named = [k for k, words in _NAMES.items() if any(words.search(w.lower()) for w in (name or "", path.stem))]
    if len(named) == 1:
        log.warning("%s: channels are %s, as the name says (dataset.channels=first or last says otherwise).", path, named[0])
        return named[0] == "last"
    a, b, c = shape[1:]
    if (a == b) != (b == c):
        return a == b
    for axis, others, last in ((a, min(b, c), False), (c, min(a, b), True)):
        if 4 * axis <= 3 * others:
            if 2 * axis > others:
                words = (
                    "%s: images of shape %d x %d x %d: the %s axis is taken for the channels (dataset.channels=%s otherwise)."
                )
                log.warning(words, path, a, b, c, *(("last", "first") if last else ("first", "last")))
            return last
    raise AerunError(
        f"{path}: images of shape {a} x {b} x {c}: which axis are the channels? Say dataset.channels=first ({a} channels of "
        f"{b} x {c}) or dataset.channels=last ({c} channels of {a} x {b})."
    )
