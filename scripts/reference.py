"""The generated pages of docs/reference: options from their YAML files, verbs from their parsers, two from tables of the code.

Of written pages, the tables between `<!-- recipes: FAMILY -->`, `<!-- families -->` or `<!-- settings: GROUP=NAME KEY ... -->`
and `<!-- end -->` are made, too, from the same files.

`python scripts/reference.py` writes them, `--check` compares.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

from aerun.command import VERBS
from aerun.core.exits import MEANINGS
from aerun.core.paths import config_dir
from aerun.inference.verbs import VERBS as USE
from aerun.runs import contents
from aerun.settings.catalog import FAMILIES, catalog, family, option_files, summary

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = DOCS / "reference"
_LINE = re.compile(r"(?P<indent> *)(?P<item>- )?(?P<key>[\w /.]+):(?: +(?P<value>[^#\s].*?))?(?: +# (?P<comment>.*))?")
_ELSE = re.compile(r"\$\{oc\.(env|select):([\w.]+),([^}]*)\}")
_FILLED = re.compile(r"(<!-- (recipes|families|settings)(?:: ([^\n]*?))? -->\n).*?(<!-- end -->)", re.DOTALL)
_MEASURED = re.compile(r"# test/se (\S+) \+- (\S+), PCA (\S+) \((\w+), seeds ([\d ]+),.*\)")
_MADE = "<!-- Made by `python scripts/reference.py`; not written by hand. -->"
_OPTIONS = f"""{_MADE}

# Options

Each group below is chosen with `GROUP=NAME`, and each setting with `KEY=VALUE`, in one command:
`aerun model=sparse reg.lambda=1e-3 dataset=mnist`. Every option is a file `configs/GROUP/NAME.yaml` of the repository,
and this page is made from those files. In the terminal, `aerun help GROUP` lists a group, `aerun help model=vae` shows
one option, and `aerun --cfg job` shows all settings of a command."""
_VERBS = f"""{_MADE}

# Verbs

`aerun [GROUP=OPTION]... [KEY=VALUE]...` trains; `aerun VERB ...` does everything else. `aerun VERB --help` shows what is below.
The exit codes are [the same for all](exit-codes.md)."""

_RUN_FOLDER = f"""{_MADE}

# A run's folder

A run is one folder, `outputs/runs/DATE_TIME_OVERRIDES/`; a job of a sweep is `outputs/sweeps/NAME/OVERRIDES/`. It is all that a
verb needs: copy it anywhere, and it still works."""
_SWEEP = """The folder of a sweep also holds its plan, `sweep.json`, and a search's `study.db`.

What aerun promises about a folder that somebody else made is in [SECURITY.md](../../SECURITY.md)."""
_EXIT_CODES = f"""{_MADE}

# Exit codes"""
_AFTER = """After 129, 130 and 143 the last checkpoint is kept, and `aerun resume RUN` continues from it. Closing the pipe
behind a training run (`aerun ... | head`) does not end it. `HYDRA_FULL_ERROR=1 aerun ...` shows the traceback behind an error
message."""


def main() -> int:
    """Return exit code 1 where a page differs from what it would be (`--check`)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a page is behind the code")
    check = parser.parse_args().check
    made = {"options.md": options, "verbs.md": verbs, "run-folder.md": run_folder, "exit-codes.md": exit_codes}
    pages = {PAGES / name: page() for name, page in made.items()} | {path: filled(path) for path in with_tables()}
    behind = [
        str(path.relative_to(DOCS))
        for path, text in pages.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if check and behind:
        sys.stderr.write(f"docs: {', '.join(behind)} behind the code: run python scripts/reference.py\n")
        return 1
    if not check:
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
    return 0


def options() -> str:
    """Return the page of options: a section for each group, and in it one for each option."""
    return "\n\n".join([_OPTIONS, *(_group(group, names) for group, names in catalog().items())]) + "\n"


def _group(group: str, names: dict[str, str]) -> str:
    prefix = {"model": "", "search": "", "regularizer": "reg.terms.NAME."}.get(group, f"{group.replace('/', '.')}.")
    typed = f"\n\nSettings are typed as `{prefix}KEY=VALUE`." if prefix else ""
    return "\n\n".join([f"## {group}=NAME{typed}", *(_option(group, name, line) for name, line in names.items())])


def _option(group: str, name: str, line: str) -> str:
    rows = settings(group, name)
    head = [f"### {group}={name}", line]
    if rows:
        columns = 3 if any(row.rpartition("|")[2].strip() for row in rows) else 2
        cells = [["setting", "default", "what it does"], ["---"] * 3, *(re.split(r" \| ?", row, maxsplit=2) for row in rows)]
        head.append("\n".join(f"| {' | '.join(line[:columns])} |" for line in cells))
    return "\n\n".join(head)


def settings(group: str, name: str) -> list[str]:
    """Return `key | default | comment`, in order; targets, names and what follows another setting are left out."""
    rows: list[str] = []
    above: list[tuple[int, str]] = []
    for line in (config_dir() / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        match = _LINE.fullmatch(line)
        if line.startswith("#") or match is None:
            continue
        indent, key, value, comment = len(match["indent"]), match["key"], match["value"], match["comment"] or ""
        above = [(i, k) for i, k in above if i < indent]
        path = ".".join([*(k for _, k in above), key])
        if match["item"]:
            rows.append(f"`{key.removeprefix('override /')}` | `{value}` | {comment}")
        elif value is None:
            above.append((indent, key))
        elif path == "defaults":
            rows.append(f"all others | | as `{value.strip('[]')}`")
        elif path not in ("_target_", "model.name") and not value.startswith("${model."):
            rows.append(f"`{path}` | `{_ELSE.sub(_either, value)}` | {_cell(comment)}")
    return rows


def with_tables() -> list[Path]:
    """Return the written pages that hold tables of configs."""
    return [p for p in sorted(DOCS.rglob("*.md")) if p.parent != PAGES and _FILLED.search(p.read_text(encoding="utf-8"))]


def filled(path: Path) -> str:
    """Return a written page with its tables as configs have them."""
    tables = {"recipes": _recipes, "families": _families, "settings": _chosen_settings}

    def made(match: re.Match[str]) -> str:
        return f"{match[1]}\n{tables[match[2]](path, match[3])}\n\n{match[4]}"

    return _FILLED.sub(made, path.read_text(encoding="utf-8"))


def _recipes(page: Path, of: str) -> str:
    """Return a family's recipes with the figures of their headers."""
    rows = ["| recipe | what it is | test SE | PCA | measured on |", "|---|---|---|---|---|"]
    up = "../" * len(page.parent.relative_to(DOCS).parts)
    for name, path in option_files("model").items():
        if family(path) != of:
            continue
        head = [line for line in path.read_text(encoding="utf-8").partition("\ndefaults:")[0].splitlines() if line[:2] == "# "]
        found = next(filter(None, map(_MEASURED.fullmatch, head)), None)
        notes = [line[2:] for line in head[2:] if not line.startswith(("# aerun ", "# test/se ", "# family:"))]
        what = _cell(". ".join(f"{line[0].upper()}{line[1:]}" for line in [summary(path), *notes]))
        link = f"[`{name}`]({up}reference/options.md#model{name})"
        if found is None:
            rows.append(f"| {link} | {what} | not measured | | |")
        else:
            se, deviation, pca, dataset, seeds = found.groups()
            pca = "0" if float(pca) < 1e-3 else pca
            rows.append(f"| {link} | {what} | {se} ± {deviation} | {pca} | {dataset}, seeds {seeds} |")
    return "\n".join(rows)


def _families(page: Path, _: str) -> str:
    """Return all families, with the page that holds each one's recipes."""
    rows = ["| family | for | recipes |", "|---|---|---|"]
    for name, line in FAMILIES.items():
        (there,) = [p for p in with_tables() if f"<!-- recipes: {name} -->" in p.read_text(encoding="utf-8")]
        anchor = f"#{name}" if f"\n## {name.capitalize()}\n" in there.read_text(encoding="utf-8") else ""
        link = f"[{name}]({'../' * len(page.parent.relative_to(DOCS).parts)}{there.relative_to(DOCS)}{anchor})"
        names = ", ".join(f"`{n}`" for n, path in option_files("model").items() if family(path) == name)
        rows.append(f"| {link} | {line} | {names} |")
    return "\n".join(rows)


def _chosen_settings(page: Path, asked: str) -> str:
    """Return the settings of an option that a page is about: `GROUP=NAME KEY ...`, all where no key is named."""
    option, *keys = asked.split()
    group, _, name = option.partition("=")
    prefix = f"reg.terms.{name}" if group == "regularizer" else group.replace("/", ".")
    cells = [re.split(r" \| ?", row, maxsplit=2) for row in settings(group, name)]
    rows = [cell for key in keys or [c[0].strip("`") for c in cells] for cell in cells if cell[0] == f"`{key}`"]
    if len(rows) < len(keys):
        raise SystemExit(f"{option} has not all of {', '.join(keys)}")
    lines = [f"| `{prefix}.{key.strip('`')}` | {default} | {what} |" for key, default, what in rows]
    link = f"[`{option}`]({'../' * len(page.parent.relative_to(DOCS).parts)}reference/options.md#{re.sub('[/=]', '', option)})"
    return "\n".join([f"| {link} | default | what it does |", "|---|---|---|", *lines])


def _either(match: re.Match[str]) -> str:
    kind, name, other = match.groups()
    return f"{'$' if kind == 'env' else ''}{name} or {other}"


def verbs() -> str:
    """Return the page of verbs, in the order of `aerun help`."""
    return "\n\n".join([_VERBS, *(_verb(word, line) for word, line in VERBS.items())]) + "\n"


def _verb(word: str, line: str) -> str:
    found = parser_of(word)
    rows = ["| argument | what it is |", "| --- | --- |"]
    for action in found._actions:
        if action.dest != "help":
            rows.append(f"| `{_argument(action)}` | {_cell(_said(action))} |")
    epilog = re.sub(r"^example: (.*?)(?=\.? [A-Z][a-z]|$)", r"Example: `\1`", found.epilog or "")
    return "\n\n".join([f"## aerun {word}", f"{found.description or line}", "\n".join(rows), epilog]).rstrip()


def run_folder() -> str:
    """Return the page of what a run's folder holds."""
    places = {f"{name}/": what for name, what in contents.IN_FOLDERS.items()}
    first = _table("name", "what it holds", {**contents.OF_THE_RUN, **contents.EVENT_FILES, **places})
    later = _table("name", "what it holds", {**contents.ADDED, **contents.GIVEN})
    return "\n\n".join([_RUN_FOLDER, first, "Added where it is asked for:", later, _SWEEP]) + "\n"


def exit_codes() -> str:
    """Return the page of exit codes."""
    codes = {str(int(code)): what for code, what in sorted(MEANINGS.items())}
    return "\n\n".join([_EXIT_CODES, _table("code", "what happened", codes), _AFTER]) + "\n"


def _table(first: str, second: str, rows: dict[str, str]) -> str:
    return "\n".join([f"| {first} | {second} |", "|---|---|", *(f"| `{name}` | {what} |" for name, what in rows.items())])


def parser_of(word: str) -> argparse.ArgumentParser:
    """Return the parser that a verb makes when it is run."""

    class Made(Exception):
        """Carries the parser out of the verb."""

    def carry(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        raise Made(parser)

    # deferred: one module a verb
    from importlib import import_module

    if word in USE:
        from aerun.command.use import parser

        return parser(word, USE[word])
    with patch.object(argparse.ArgumentParser, "parse_known_args", carry):
        try:
            import_module(f"aerun.command.{word}").run([])
        except Made as made:
            return made.args[0]
    raise SystemExit(f"aerun {word} makes no parser")


def _argument(action: argparse.Action) -> str:
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    choices = f"{{{','.join(map(str, action.choices))}}}" if action.choices else name
    if not action.option_strings:
        return {"*": f"[{name} ...]", "+": f"{name} ...", "?": f"[{name}]"}.get(str(action.nargs), name)
    return action.option_strings[-1] + ("" if action.nargs == 0 else f" {choices}")


def _said(action: argparse.Action) -> str:
    said = (action.help or "").replace("%%", "%")
    default = "" if action.default in (None, False, [], argparse.SUPPRESS) or "default" in said else str(action.default)
    return said + (f" (default: {default})" if default and action.option_strings else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main())
