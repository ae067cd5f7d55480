"""Which jobs of a sweep train one run with nested codes for many sizes."""

from collections.abc import Sequence

ASKED, SETTINGS = "sweep.nested=true", "reg.terms.nested."


def is_nested(typed: Sequence[str]) -> bool:
    """Return whether a job with these overrides stands for many sizes, so that one of them is then trained by itself."""
    return any(o.startswith(f"{SETTINGS}sizes=") for o in typed) and any(o.lower() == ASKED for o in typed)
