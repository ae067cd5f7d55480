"""Categories that may not be meant as such: words that look like numbers or dates, and words that differ in case alone."""

import re
from collections import defaultdict
from collections.abc import Sequence

from aerun.preparation.feature import Feature

_DRESSED = re.compile(r"(?=.*\d)(?=.*[^\w\s])[\d\s.,:;/()+%'’°-]*(?:[eEdD][+-]?\d+)?")
_RANGE = re.compile(r"[<>]?\s*\d+(?:\.\d+)?\s*(?:[-–]\s*\d+(?:\.\d+)?|\+)?")  # 18-25 and 65+ are classes


def unread_numbers(features: Sequence[Feature]) -> dict[str, str]:
    """Return by name an example of each category whose words all look like numbers, dates or times that were not understood."""
    shown = {}
    for feature in features:
        words = feature.words
        if len(words) > 1 and all(map(_DRESSED.fullmatch, words)) and not all(map(_RANGE.fullmatch, words)):
            shown[feature.name] = words[0]
    return shown


def same_but_for_case(features: Sequence[Feature]) -> dict[str, str]:
    """Return by name the first words of a category that differ in upper and lower case alone."""
    shown = {}
    for feature in features:
        alike = defaultdict(list)
        for word in feature.words:
            alike[word.casefold()].append(word)
        if several := next((words for words in alike.values() if len(words) > 1), None):
            shown[feature.name] = " and ".join(f"'{w}'" for w in several)
    return shown
