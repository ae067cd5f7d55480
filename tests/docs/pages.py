"""The pages that people read: where they are, which commands they show, and what they say is printed."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGES = {str(p.relative_to(ROOT)): p for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]}
_BLOCK = re.compile(r"^( *)```([\w-]*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_SPOKEN = re.compile(r"`(aerun \S+ [^`\n]+)`(?=[\s.,;:)])")  # a lone verb is a mention
_FILE = re.compile(r"^`(\S+\.(?:py|yaml))`:\n\n```(?:python|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")


class Shown(NamedTuple):
    """A command, and the lines that it is said to print (none: nothing is said about it)."""

    command: str
    lines: list[str]


def blocks(text: str, kind: str) -> list[str]:
    """Return the content of each fenced block of a kind, without its indent."""
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, k, body in _BLOCK.findall(text) if k == kind]


def files(text: str) -> dict[str, str]:
    """Return the files that a page says to write: name and content."""
    return dict(_FILE.findall(text))


def write_files(text: str, folder: Path) -> None:
    """Write the files of a page into a folder."""
    for name, content in files(text).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def shown(text: str) -> list[Shown]:
    """Return what blocks of kind `console` show, in order."""
    found: list[Shown] = []
    for line in (line for block in blocks(text, "console") for line in block.splitlines()):
        if line.startswith("$ "):
            found.append(Shown(line[2:], []))
        else:
            found[-1].lines.append(line)
    return found


def pasted(text: str) -> list[str]:
    """Return the commands of aerun that blocks of kind `sh` and none hold, a line each, and those between backticks."""
    lines = [
        line for kind in ("sh", "") for block in blocks(text, kind) for line in re.sub(r"\s*\\\n\s*", " ", block).splitlines()
    ]
    spoken = [c for c in _SPOKEN.findall(_BLOCK.sub("", text)) if "..." not in c and "OVERRIDES" not in c]
    return [re.split(r"\s{2,}#|\s{4,}", line)[0].strip() for line in [*lines, *spoken] if line.startswith("aerun ")]


def differs(expected: list[str], printed: str) -> str:
    """Return the first shown line that was not printed in its place, or nothing.

    Times, dates, widths of tables and blanks are set aside, `...` stands for any lines or the rest of one, and numbers may
    differ by a tenth: other machines and releases of torch round otherwise.
    """
    rest, anywhere = [_plain(line) for line in printed.splitlines()], False
    for line in expected:
        if line.strip() == "...":
            anywhere = True
            continue
        at = next((i for i, other in enumerate(rest) if _same(_plain(line), other)), None)
        if at is None or (at and not anywhere):
            return f"shown: {line}\nprinted: {rest[0] if rest else 'nothing more'}"
        rest, anywhere = rest[at + 1 :], False
    return "" if anywhere or not "".join(rest).strip() else f"printed, and not shown: {rest[0]}"


def _plain(line: str) -> str:
    line = re.sub(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", "DATE", line)
    line = re.sub(r"\d[\d.,]* (s|min|h|MB|kB|bytes)\b", r"some \1", line)
    line = re.sub(r"epochs: \d+(, the last)?", "epochs: N", line)
    return " ".join(re.sub(r"([━─])\1+", r"\1", line).split())


def _same(expected: str, printed: str) -> bool:
    if expected.endswith("..."):
        expected = expected[:-3].rstrip()
        words = len(_NUMBER.sub("#", expected).split())
        printed = " ".join(printed.split()[:words])
    if _NUMBER.sub("#", expected) != _NUMBER.sub("#", printed):
        return False
    pairs = zip(_NUMBER.findall(expected), _NUMBER.findall(printed), strict=True)
    numbers = [(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs]
    return all(abs(a - b) <= 0.1 * max(abs(a), abs(b)) + 1e-9 for a, b in numbers)


def write_own_data(folder, rows):
    """Write what commands name in capitals: a table FILE.csv of so many rows, a folder DIR of 40 images."""
    x = np.random.default_rng(0).random((rows, 8, 8))
    lines = [",".join(f"{v:.3f}" for v in (90 + i, *row[0, :3])) for i, row in enumerate(x)]
    (folder / "FILE.csv").write_text("amount,a,b,c\n" + "\n".join(lines) + "\n")
    (folder / "DIR").mkdir()
    for i, image in enumerate(x[:40]):
        Image.fromarray((255 * image).astype("uint8")).save(folder / "DIR" / f"{i}.png")
