"""Symbols of texts."""

UNKNOWN = {"characters": "\N{REPLACEMENT CHARACTER}", "words": "<unknown>"}
"""Symbol 0 of each kind of tokens: every one that the training lines do not hold."""
