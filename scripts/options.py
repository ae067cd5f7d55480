"""The README's tables of options, made from the configs. `python scripts/options.py` writes them, `--check` compares."""

import argparse
import re
import sys
from pathlib import Path

from aerun.core.paths import config_dir
from aerun.settings.catalog import catalog

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- options:begin -->", "<!-- options:end -->"
_LINE = re.compile(r"(?P<indent> *)(?P<item>- )?(?P<key>[\w /.]+):(?: +(?P<value>[^#\s].*?))?(?: +# (?P<comment>.*))?")
_SETS = {"model": "what it sets", "search": "what is drawn, and from what; what for"}
_ELSE = re.compile(r"\$\{oc\.(env|select):([\w.]+),([^}]*)\}")


def main() -> int:
    """Exit code 1 where the README differs (`--check`) or has no place for the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the README is behind the configs")
    check = parser.parse_args().check
    text = README.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        sys.stderr.write(f"README.md has no lines {BEGIN} and {END}: the tables go between them.\n")
        return 1
    new = f"{head}{BEGIN}\n\n{tables()}\n\n{END}{tail}"
    if check and new != text:
        sys.stderr.write("README.md is behind the configs: run python scripts/options.py\n")
        return 1
    if not check:
        README.write_text(new, encoding="utf-8")
    return 0


def tables() -> str:
    """Return one Markdown table per group."""
    return "\n\n".join(_table(group, options) for group, options in catalog().items())


def _table(group: str, options: dict[str, str]) -> str:
    settings = {name: "<br>".join(_settings(group, name)) for name in options}
    cells = [[f"`{name}`", _cell(line), settings[name]] for name, line in options.items()]
    header = ["name", "what it is", _SETS.get(group, "settings and their defaults")]
    title = f"**`{group}=NAME`**"
    if not any(settings.values()):
        header, cells = header[:2], [row[:2] for row in cells]
    elif group not in _SETS:
        title += f", settings `{'reg.terms.NAME' if group == 'regularizer' else group.replace('/', '.')}.KEY=VALUE`"
    rows = [header, ["---"] * len(header), *cells]
    return "\n".join([title, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _settings(group: str, name: str) -> list[str]:
    """Return `key=default` and its comment, in order; targets, names and what follows another setting are left out."""
    settings: list[str] = []
    above: list[tuple[int, str]] = []
    for line in (config_dir() / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        match = _LINE.fullmatch(line)
        if line.startswith("#") or match is None:
            continue
        indent, key, value, comment = len(match["indent"]), match["key"], match["value"], match["comment"]
        above = [(i, k) for i, k in above if i < indent]
        path = ".".join([*(k for _, k in above), key])
        if match["item"]:
            settings.append(_code(key.removeprefix("override /"), value))
        elif value is None:
            above.append((indent, key))
        elif path == "defaults":
            settings.append(f"as {value.strip('[]')}, but")
        elif path not in ("_target_", "model.name") and not value.startswith("${model."):
            settings.append(_code(path, value) + (f": {_cell(comment)}" if comment else ""))
    return settings


def _code(key: str, value: str) -> str:
    return f"`{key}={_ELSE.sub(_spoken, value).replace(', ', ',')}`"


def _spoken(match: re.Match[str]) -> str:
    kind, name, other = match.groups()
    return f"{'$' if kind == 'env' else ''}{name} or {other}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
