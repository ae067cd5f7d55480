"""What each kind of part promises. *A part's need is its signature; its gift is `offers`*, in the words of `vocabulary.py`.

Whatever a user of parts wants to know of one, the part itself answers, by an attribute or a method of the classes here: so
a part that was written elsewhere can do all that ours can.
"""

from aerun.parts.arch import Arch, Level, weights
from aerun.parts.base import Part, option
from aerun.parts.bottleneck import Bottleneck, Discrete
from aerun.parts.corruption import Corruption, Hiding
from aerun.parts.loss import Loss
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
    "Regularizer",
    "Term",
    "option",
    "weights",
]
