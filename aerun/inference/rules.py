"""The rules of `aerun score --threshold`, and of --seed. Imports no torch."""

POT, BLOCKS = "pot", "blocks"
RULES = (POT, BLOCKS)


def threshold(word: str) -> float | str:
    """Return the value of --threshold: a number, or the name of a rule. Raises ValueError for what is neither."""
    return word if word in RULES else float(word)


def seed(word: str) -> int:
    """Return the value of --seed. Raises ValueError for what is no whole number, or more than 64 bits hold."""
    if abs(number := int(word)) >= 10**18:
        raise ValueError(word)
    return number
