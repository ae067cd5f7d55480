"""Files that cannot be read: a few are left out, counted and named; many are refused."""

import logging
from collections.abc import Mapping

from aerun.core.errors import AerunError
from aerun.dataset.storage.listing import printable

_MOST = 0.01  # share of unreadable files that is tolerated
_NAMED = 10  # files named in one message

log = logging.getLogger("aerun")


class SkippedFiles:
    """The unreadable ones among `total` files of the kind `what`.

    where: the folder, for messages. known: names and reasons from before.
    """

    def __init__(self, where: str, what: str, total: int, known: Mapping[str, str] | None = None) -> None:
        self.where, self.what, self.total = where, what, total
        self.reasons = dict(known or {})

    def add(self, name: str, reason: str) -> None:
        """Add a file. Raise AerunError where more than 1 % are unreadable."""
        self.reasons[name] = reason
        if len(self.reasons) > _MOST * self.total:
            raise AerunError(
                f"{self.where}: more than 1 % of its {self.total} {self.what} cannot be read: {self._named()}. "
                "Mend or remove them."
            )

    def tell(self) -> frozenset[str]:
        """Warn of all unreadable files in one line, and return their names."""
        if self.reasons:
            words = "%s: %d of %d %s cannot be read and are left out: %s."
            log.warning(words, self.where, len(self.reasons), self.total, self.what, self._named())
            log.info("%s: all that are left out: %s", self.where, printable(", ".join(self.reasons)))
        return frozenset(self.reasons)

    def _named(self) -> str:
        more = f" and {len(self.reasons) - _NAMED} more" if len(self.reasons) > _NAMED else ""
        return "; ".join(f"{printable(name)} ({reason})" for name, reason in list(self.reasons.items())[:_NAMED]) + more
