"""The parser of a verb's words: mistakes in one line, as everywhere, instead of a page of usage."""

import argparse
import re
from typing import NoReturn

from aerun.core.errors import AerunError, nearest

_NUMBERS = {
    "int": "a whole number",
    "float": "a number",
    "_positive": "a positive number",
    "seed": "a whole number of at most 18 digits",
    "threshold": "a number, pot or blocks",
}
_COUNTS = {"one": "a value", "at least one": "one value or more", "at most one": "one value at most"}


class Parser(argparse.ArgumentParser):
    """Raises AerunError for words that the verb does not take."""

    def error(self, message: str) -> NoReturn:
        """Raise AerunError that says what was typed, what is wrong and what would work."""
        raise AerunError(f"{self.prog.partition(' ')[2]}: {self._words(message)} {self.prog} --help says what it takes.")

    def _words(self, message: str) -> str:
        if found := re.fullmatch(r"unrecognized arguments: (.+)", message, re.DOTALL):
            return self._unknown(found[1].split()[0])
        if found := re.fullmatch(r"the following arguments are required: (.+)", message):
            return f"{found[1]} {'are' if ',' in found[1] else 'is'} missing."
        if found := re.fullmatch(r"argument ([^:]+): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL):
            names = [name.strip().strip("'") for name in found[3].split(",")]
            return f"{found[1]} {found[2]}: no such choice{nearest(found[2], names)}; one of {', '.join(names)}."
        if found := re.fullmatch(r"argument ([^:]+): invalid (\w+) value: '(.*)'", message, re.DOTALL):
            return f"{found[1]} {found[3]}: must be {_NUMBERS.get(found[2], 'another kind of value')}."
        if found := re.fullmatch(r"argument ([^:]+): expected (.+) arguments?", message):
            return f"{found[1]}: needs {_COUNTS.get(found[2], f'{found[2]} values')}."
        return f"{message.removeprefix('argument ').rstrip('.')}."

    def _unknown(self, word: str) -> str:
        """Return what is wrong with a word that nothing takes."""
        if not word.startswith("-"):
            return f"{word}: one word too many."
        flag = word.partition("=")[0]
        return f"{flag}: no such flag{nearest(flag, [f for f in self._option_string_actions if f.startswith('--')])}."
