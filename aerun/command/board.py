"""`aerun board [DIR]`: the runs in TensorBoard."""

import contextlib
import io
import logging
import os
import signal
import threading
from collections.abc import Iterable
from pathlib import Path

from aerun.command.board_page import following
from aerun.command.parser import Parser
from aerun.core.errors import AerunError, TrainingError
from aerun.core.text import say
from aerun.pictures import projector
from aerun.runs import files

_OPTIONS = {
    # Every epoch, every picture through training. Not 0: that is all to one of TensorBoard's readers and none to the other.
    "samples_per_plugin": "scalars=100000,images=1000",
    "reload_interval": "2",  # seconds; the page asks every 30
    "reload_multifile": "true",  # a run is evaluated, drawn and resumed into further files
    "window_title": "aerun",
}


def run(argv: list[str]) -> int:
    """Return the verb. It serves until Ctrl-C (130)."""
    parser = Parser(
        prog="aerun board",
        description="Start TensorBoard on all runs in a folder: curves over epochs as they come (custom scalars "
        "put training and validation together), pictures, the run's card (TEXT), codes in the Projector, and HPARAMS, which "
        "compares runs by their settings. The page follows runs that train by itself. Ctrl-C ends it.",
        epilog="example: aerun board outputs/sweeps --port 6007",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("outputs"), metavar="DIR", help="default: outputs")
    parser.add_argument("--port", type=int, metavar="N", help="default: 6006, or the next that is free")
    args = parser.parse_args(argv)

    count = runs(args.folder)
    url = _served(args.folder, args.port)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell that started it ignores it
    say(f"{count} run{'' if count == 1 else 's'} of {args.folder} at {url} (Ctrl-C ends)")
    threading.Event().wait()
    return 0


def runs(folder: Path) -> int:
    """Return folders with events below `folder`. AerunError where there are none."""
    if not folder.is_dir():
        raise AerunError(f"{folder}: no such folder. Give the one that holds the runs: aerun board DIR.")
    below = list(files.folders(folder))
    for where, names in below:
        _refuse_foreign(folder, where, names)
    count = sum(any(name.startswith("events.out.tfevents.") for name in names) for _, names in below)
    if not count:
        raise AerunError(f"{folder}: holds no runs (no TensorBoard events anywhere in it).")
    return count


def _refuse_foreign(folder: Path, where: Path, names: Iterable[str]) -> None:
    """Raise AerunError for what would show files from elsewhere.

    TensorBoard follows links, and the paths of a projector's config.
    """
    for name in names:
        if (where / name).is_symlink() and not _real(where / name).is_relative_to(_real(folder)):
            raise AerunError(
                f"{where / name}: is a link that leads outside of {folder}; TensorBoard would follow it. Remove it."
            )
    if projector.CONFIG in names and files.read(where, projector.CONFIG, 1 << 16) not in {
        c.encode() for c in projector.configs()
    }:
        raise AerunError(f"{where / projector.CONFIG}: is not as aerun writes it: it may show files from elsewhere. Remove it.")


def _real(path: Path) -> Path:
    """Return where a path leads; one that leads round in a circle stays as it is."""
    return Path(os.path.realpath(path))


def _served(folder: Path, port: int | None) -> str:
    """Start the server in a thread of its own and return its address."""
    if port is not None and not 0 < port < 65536:
        raise AerunError(f"--port {port}: must lie between 1 and 65535.")
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    try:
        from tensorboard import default, program
    except ImportError as e:
        raise TrainingError(f"TensorBoard cannot be imported: {e}. Install it again: pip install tensorboard.") from e
    board = program.TensorBoard(
        plugins=default.get_plugins(),
        server_class=lambda app, flags: program.create_port_scanning_werkzeug_server(following(app), flags),
    )
    options = {"logdir": str(folder.resolve()), **_OPTIONS, **({} if port is None else {"port": str(port)})}
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # remarks about its own loading; errors are told below
            board.configure(argv=["tensorboard", *(f"--{k}={v}" for k, v in options.items())])
            return str(board.launch())
    except program.TensorBoardPortInUseError as e:
        raise AerunError(f"--port {port}: is in use. Take another, or leave it out and a free one is found.") from e
    except program.TensorBoardServerException as e:
        raise TrainingError(f"TensorBoard cannot start: {e.msg.splitlines()[0]}") from e
    except SystemExit as e:
        raise TrainingError(f"TensorBoard cannot start: it refuses its options ({' '.join(options)}).") from e
