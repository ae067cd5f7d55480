"""`aerun --help`, a page that a newcomer can act on, and `aerun help WORD` for a group, an option or a verb."""

from collections.abc import Mapping
from pathlib import Path

from aerun.command import VERBS
from aerun.command.parser import Parser
from aerun.core.errors import AerunError, nearest
from aerun.core.text import say
from aerun.core.version import __version__
from aerun.settings.catalog import FAMILIES, ORDER, family, option_files, settings_of, summary
from aerun.settings.shells import completion, with_quotes

_TOP = f"""aerun {__version__}: which autoencoder, regularizer and code size serve your data?

TRAIN: aerun [GROUP=OPTION]... [KEY=VALUE]...
  aerun                                                      an autoencoder on 1,797 digits, beside PCA
  aerun data dataset=table dataset.path=FILE                 what a run would read from your file
  aerun dataset=table dataset.path=FILE model=sparse reg.lambda=1e-3      train on it
  aerun model=vae model/arch=conv dataset=images dataset.path=DIR         a recipe, another network, your images
  resume RUN     go on with an interrupted run     rerun RUN        anew, with changed settings
  experiment ID  repeat a published figure         --fresh          clear the folder that it writes first

SWEEP: the same command again goes on with it
  aerun -m sweep=NAME model=ae,vae model.latent_dim=2,8,32   every combination
  aerun -m sweep=NAME search=lambda model=sparse             Optuna draws reg.lambda
  --bill         what a run or a sweep will cost   sweep.budget=1h  no job begins that cannot end in it

LOOK
  runs           past runs and live ones           clean            remove some of them
  show RUN       what a run is, in one screen      evaluate RUN     what it is good for, beside baselines
  compare SWEEP  runs side by side                 report SWEEP     as one page of charts
  board          in TensorBoard                    status SWEEP     how far it is, also from elsewhere

USE a trained model: aerun VERB RUN FILE --output FILE
  {{use}}

MORE
  aerun help GROUP         options of a group: {{groups}}
  aerun help model=vae     what an option sets     aerun VERB --help   what a verb takes
  --cfg job                every setting           --config-dir DIR    options of your own, here and in help
  {{completion:<33}} completion with TAB, of verbs, runs, options and settings"""


def page() -> str:
    """Return the text of `aerun --help`: thirty lines by task."""
    others = (
        "resume",
        "clean",
        "rerun",
        "evaluate",
        "runs",
        "show",
        "data",
        "compare",
        "report",
        "board",
        "experiment",
        "status",
    )
    use = _wrapped([v for v in VERBS if v not in others], 96, "\n  ")
    groups = _wrapped(ORDER, 70, "\n" + " " * 27)
    return with_quotes(_TOP.format(use=use, groups=groups, completion=completion()))


def run(argv: list[str]) -> int:
    """Answer `aerun help [WORD]`: a group, GROUP=OPTION, an option's name or a verb."""
    parser = Parser(prog="aerun help", description="What can be chosen, and what it does.")
    parser.add_argument("word", nargs="?", metavar="WORD", help="a group, GROUP=OPTION or a verb; all: every group")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="list the options of your own in it, too")
    args = parser.parse_args(argv)
    if args.config_dir is not None and not args.config_dir.is_dir():
        raise AerunError(f"--config-dir {args.config_dir}: no such folder.")
    say(_answer(args.word, args.config_dir))
    return 0


def _answer(word: str | None, own: Path | None) -> str:
    if word is None:
        return page()
    if word == "all":
        return "\n\n".join(_listed(group, own) for group in ORDER)
    if word in VERBS:
        return f"{word}: {VERBS[word]}\naerun {word} --help says what it takes."
    group, equals, option = word.partition("=")
    named = [g for g in ORDER if group in (g, g.rpartition("/")[2], f"{g}s")]
    if named and not equals:
        return _listed(named[0], own)
    if named:
        return _shown(named[0], option, own)
    holders = [g for g in ORDER if group in option_files(g, own)]
    if not holders:
        known = [*ORDER, *VERBS, *(name for g in ORDER for name in option_files(g, own))]
        raise AerunError(f"help {word}: no such group, option or verb{nearest(word, known)} (groups: {', '.join(ORDER)}).")
    return "\n\n".join(_shown(g, group, own) for g in holders)


def _listed(group: str, own: Path | None) -> str:
    """Return the options of a group, one a line: recipes by family, options of the user's own at the end."""
    options = option_files(group, own)
    wide = max(map(len, options))
    families: dict[str, list[str]] = {name: [] for name in FAMILIES} if group == "model" else {}
    for name, path in options.items():
        head = family(path) if group == "model" else ""
        families.setdefault("your own" if own and path.is_relative_to(own) else head, []).append(
            f"  {name:<{wide}}  {summary(path)}".rstrip()
        )
    return "\n".join([f"{group}=OPTION", *(line for head, lines in families.items() for line in _under(head, lines))])


def _under(head: str, lines: list[str]) -> list[str]:
    said = f": {FAMILIES[head]}" if head in FAMILIES else ""
    return [*([f" {head}{said}"] if head else []), *lines] if lines else []


def _shown(group: str, option: str, own: Path | None) -> str:
    """Return what an option says of itself and what it sets, as its file has it."""
    options: Mapping[str, Path] = option_files(group, own)
    if option not in options:
        raise AerunError(f"{group}={option}: no such option{nearest(option, options)} ({group}: {', '.join(options)}).")
    return "\n".join([f"{group}={option}", *(f"  {line}" for line in settings_of(options[option]))]).rstrip()


def _wrapped(words: list[str] | tuple[str, ...], width: int, gap: str) -> str:
    """Return words with commas between them, broken before a line grows beyond width."""
    lines = [""]
    for i, word in enumerate(words):
        piece = word + ("," if i + 1 < len(words) else "")
        if lines[-1] and len(lines[-1]) + 1 + len(piece) > width:
            lines.append(piece)
        else:
            lines[-1] = f"{lines[-1]} {piece}".strip()
    return gap.join(lines)
