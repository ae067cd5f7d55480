"""The rules of `aerun score --threshold`. Imports no torch."""

POT, BLOCKS = "pot", "blocks"
RULES = (POT, BLOCKS)


def threshold(word: str) -> float | str:
    """Return the value of --threshold: a number, or the name of a rule. Raises ValueError for what is neither."""
    return word if word in RULES else float(word)
