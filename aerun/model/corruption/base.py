"""A check that corruptions for certain kinds of data share."""

from aerun.core.errors import AerunError


def refuse_kind(option: str, kind: str, allowed: tuple[str, ...], why: str) -> None:
    """Raise AerunError where the data's kind is not one of `allowed`."""
    if kind not in allowed:
        raise AerunError(
            f"model/corruption={option} needs data of kind {' or '.join(allowed)}, {why}; this data set's kind is {kind}. "
            "Use model/corruption=masking."
        )
