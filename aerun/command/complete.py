"""Completion with TAB: the scripts that shells install, and the answers to their queries. Imports no torch and no Hydra."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from aerun.command import VERBS
from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.inference.verbs import VERBS as USE
from aerun.settings.completion import overrides

SHELLS = ("bash", "zsh", "fish")
_FOLDERS = ("outputs/runs", "outputs/sweeps")  # where runs are unless hydra.run.dir says otherwise
_ONE = (*USE, "features", "export", "resume", "rerun", "runs", "clean", "status")  # the verbs of one folder, which comes first
_SEVERAL = ("evaluate", "show", "compare", "report")
_OF_RUNS = ("model.init_from", "reg.terms.perceptual.features")  # settings that name a run's folder
_ASKED = re.compile(r"(install|uninstall|query)=(\w+)")
# What a shell would read as something else is not offered; zsh and fish quote it themselves, bash does not.
_ODD = re.compile(r"[\s'\"\\$`!&;()<>|*?~#]")


def run(argv: Sequence[str]) -> int:
    """Answer `-sc install=SHELL`, `-sc uninstall=SHELL` or `-sc query=SHELL`, of which the last reads COMP_LINE.

    Raises AerunError for another shell.
    """
    asked = next((match for word in argv if (match := _ASKED.fullmatch(word.rpartition("completion=")[2] or word))), None)
    if asked is None or asked[2] not in SHELLS:
        raise AerunError(f"{' '.join(argv)}: completion is aerun -sc install=SHELL, SHELL one of {', '.join(SHELLS)}.")
    what, shell = asked.groups()
    if what == "query":
        print("\n".join(answer(os.environ.get("COMP_LINE", ""), bash=shell == "bash")))
        return 0
    before, _, after = (Path(__file__).with_name(f"complete.{shell}")).read_text(encoding="utf-8").partition("# uninstall: ")
    print(before.rstrip() if what == "install" else after.strip())
    return 0


def answer(line: str, bash: bool = False) -> list[str]:
    """Return what the last word of a command line may become; nothing where it is best completed as a file.

    bash: leave out what bash would have to quote.
    """
    words = [re.sub(r"\\(.)", r"\1", word).lstrip("'\"") for word in re.split(r"(?<!\\)\s+", line.lstrip())]
    while len(words) > 1 and "=" in words[0]:  # variables that are set for the command
        del words[0]
    found = [w for w in _candidates(words[1:] or [""]) if w.isprintable()]
    return [w for w in found if not _ODD.search(w)] if bash else found


def _candidates(words: Sequence[str]) -> list[str]:
    if len(words) == 1 and "=" not in words[0]:
        verbs = [verb for verb in ("train", "help", *VERBS) if verb.startswith(words[0])]
        return [*sorted(verbs), *(overrides(words) if words[0] or not verbs else [])]
    if words[0] == "train":
        return _settings(words[1:])
    return _of_verb(words[0], words[1:]) if words[0] in VERBS else _settings(words)


def _settings(words: Sequence[str]) -> list[str]:
    key, sign, value = words[-1].partition("=")
    return [f"{key}={run}" for run in _runs(value)] if sign and key in _OF_RUNS else overrides(words)


def _of_verb(verb: str, words: Sequence[str]) -> list[str]:
    *before, word = words
    if word.startswith("-"):
        return [flag for flag in flags(verb) if flag.startswith(word)]
    if before and before[-1].startswith("--"):
        return []
    if verb == "data":
        return overrides(words)
    if verb == "experiment":
        return sorted(name for p in (config_dir() / "acceptance").glob("*.yaml") if (name := p.stem.upper()).startswith(word))
    first = not any(not w.startswith("-") for w in before)
    return list(_runs(word)) if verb in _SEVERAL or (verb in _ONE and first) else []


def flags(verb: str) -> list[str]:
    """Return the flags of a verb, read from its module's text: to import it would take too long."""
    if verb in USE:
        # deferred: only its flags depend on the verb
        from aerun.command.use import parser

        return sorted(flag for action in parser(verb, USE[verb])._actions for flag in action.option_strings if flag[:2] == "--")
    text = Path(__file__).with_name(f"{verb}.py").read_text(encoding="utf-8")
    if "    options(parser, " in text:  # of runs/groups.py: the flags that choose among runs
        text += Path(__file__).parents[1].joinpath("runs", "groups.py").read_text(encoding="utf-8")
    return sorted({"--help", *re.findall(r"add_argument\(\s*\"(--[a-z-]+)\"", text)})


def _runs(typed: str) -> Iterator[str]:
    """Yield the folders of runs and sweeps that begin with what is typed, and folders on the way to others."""
    parent, slash, name = typed.rpartition("/")
    for known in [folder for folder in _FOLDERS if folder.startswith(typed)]:
        yield from (f"{known}/{entry}{'/' * known.endswith('sweeps')}" for entry in _folders(Path(known)))
    place = Path(parent or slash or ".")
    for entry in _folders(place.expanduser()) if typed else ():
        path = f"{parent}{slash}{entry}"
        if entry.startswith(name) and path not in ("outputs", *_FOLDERS):
            is_run = parent == _FOLDERS[0] or (place.expanduser() / entry / "config.yaml").exists()
            yield f"{path}{'' if is_run else '/'}"


def _folders(place: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
