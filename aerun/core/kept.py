"""Warnings, kept as well as shown."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _Keeper(logging.Handler):
    """A handler that appends each warning's message to a list, once."""

    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.into = into

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if words not in self.into:
            self.into.append(words)


@contextmanager
def kept_warnings(into: list[str]) -> Iterator[None]:
    """Append the warnings that aerun gives inside the block to `into`; they are shown as always."""
    logger, keeper = logging.getLogger("aerun"), _Keeper(into)
    logger.addHandler(keeper)
    try:
        yield
    finally:
        logger.removeHandler(keeper)
