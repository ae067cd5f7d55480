"""The command: a verb, or a Hydra run. The one place where errors become words and exit codes. Imports no torch."""

import os
import sys
import time
from collections.abc import Callable

from aerun.command import VERBS
from aerun.core import collector
from aerun.core.errors import StoppedError, nearest
from aerun.core.exits import INTERRUPTED, NO_READER, SUCCEEDED, WRONG
from aerun.core.logs import show_escaped
from aerun.core.streams import outlive_readers
from aerun.core.text import say, shown
from aerun.core.version import __version__
from aerun.inference.verbs import VERBS as USE
from aerun.settings.shells import in_shell, with_quotes


def main() -> None:
    """Run the console script `aerun`."""
    os.environ["AERUN_BEGAN"] = repr(time.time())
    collector.pause()
    outlive_readers()  # of `aerun ... | head`: a job goes on to its end
    show_escaped()
    sys.exit(_run(sys.argv[1:]))


def _run(argv: list[str]) -> int:
    if any(a == "-sc" or a.startswith("--shell-completion") for a in argv):
        # deferred: no other verb needs it
        from aerun.command.complete import run as complete

        return _told(lambda: complete(argv))
    if argv[:1] == ["train"]:
        del sys.argv[1]
        argv = argv[1:]
    word = argv[0] if argv else ""
    if word in ("--version", "-V", "version"):
        say(f"aerun {__version__}")
        return SUCCEEDED
    if word == "help" or (any(a in ("--help", "-h") for a in argv) and word not in VERBS):
        # deferred: no other verb needs it
        from aerun.command.help import run as answer

        return _told(lambda: answer(argv[1:] if word == "help" else []))
    if word in VERBS:
        return _told(lambda: _verb(word, argv[1:]))
    if word and "=" not in word and word[0] not in "-+~":
        _complain(_no_verb(word))
        return WRONG
    return _told(_hydra)


def _no_verb(word: str) -> str:
    """Return what to type instead of a word that is no verb: the option of that name, or the verb that is like it."""
    # deferred: only for whoever mistyped
    from aerun.command.pointed import commands
    from aerun.settings.catalog import catalog

    if there := commands("aerun", word):
        see = f"a look at it aerun data {in_shell(word)}"
        return f"no verb '{word}'. A path is a setting: training on it is {' or '.join(there)}, {see}."
    chosen = [f"aerun {group}={word}" for group, options in catalog().items() if word in options]
    if chosen:
        return f"no verb '{word}': as an option it is {' or '.join(chosen)}."
    return f"no verb '{word}'{nearest(word, [*VERBS, 'train'])} (verbs: train, {', '.join(VERBS)})."


def _complain(words: str) -> None:
    """Write an error to stderr, with no character of files or of others' that would act on the terminal."""
    sys.stderr.write(f"aerun: error: {shown(with_quotes(words))}\n")


def _verb(word: str, argv: list[str]) -> int:
    from importlib import import_module

    if word in USE:
        # deferred: no other verb needs it
        from aerun.command.use import run

        return run(word, argv)
    module = import_module(f"aerun.command.{word}")
    collector.go_on()
    code: int = module.run(argv)
    return code


def _hydra() -> int:
    # deferred: keeps --help without Hydra
    from aerun.command.train import run

    return run()


def _told(action: Callable[[], int]) -> int:
    """Run it; turn what goes wrong into one or two lines on stderr and an exit code."""
    full, here = os.environ.get("HYDRA_FULL_ERROR", "") not in ("", "0"), os.getcwd()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing; the words are ours
    try:
        return action()
    except StoppedError as e:
        folder = e.folder and e.folder.removeprefix(here + os.sep)
        kept = f" The last checkpoint is kept: aerun resume {in_shell(folder)} continues." if folder else ""
        sys.stderr.write(shown(f"aerun: {e}.{kept}\n"))
        return e.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return NO_READER
    except Exception as e:
        if full:
            raise
        # deferred: Hydra is imported where something goes wrong
        from aerun.settings.explain import explain

        code, words = explain(e)
        _complain(words)
        return code


def _leave_working_folder() -> None:
    """Take the working folder off the path on which Python looks for modules: it may be a stranger's.

    `python -m aerun` puts it first; the command `aerun` does not.
    """
    here, package = os.getcwd(), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    asked = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    if not sys.flags.safe_path and sys.path[0] in ("", here) and here not in (package, *asked):
        del sys.path[0]


if __name__ == "__main__":
    _leave_working_folder()
    main()
