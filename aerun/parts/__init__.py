"""The contract of each kind of part: its signature says what it needs, `offers` what it provides, in the vocabulary's names.

All that the users of a part need to know about it is an attribute or a method of the classes here, so a part that was
written elsewhere can do all that aerun's own parts can.
"""

from aerun.parts.arch import Arch, Level, weights
from aerun.parts.base import Part, option
from aerun.parts.bottleneck import Bottleneck, Discrete, Thresholded
from aerun.parts.corruption import Corruption, Hiding
from aerun.parts.loss import Loss
from aerun.parts.prior import Prior
from aerun.parts.regularizer import Opposed, Regularizer, Term

__all__ = [
    "Arch",
    "Bottleneck",
    "Corruption",
    "Discrete",
    "Hiding",
    "Level",
    "Loss",
    "Opposed",
    "Part",
    "Prior",
    "Regularizer",
    "Term",
    "Thresholded",
    "option",
    "weights",
]
