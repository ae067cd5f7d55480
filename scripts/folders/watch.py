"""An audit hook that notes what a process does beside reading one folder: code that runs, files elsewhere, the network.

It is switched on in a child, after the libraries have been imported. What is written in C without asking Python (a library's
own fopen) is not seen by it; what lies around the folder holds marks, and is compared afterwards.
"""

import os
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

import aerun

PACKAGE = Path(aerun.__file__).resolve().parent
_PYTHON = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), str(PACKAGE), str(PACKAGE.parent / "configs")}
_PYTHON.add(str(Path(__file__).parents[1]))  # these scripts, whose lines are shown with errors
CODE = tuple(sorted({os.path.realpath(p) for p in _PYTHON}))
_SYSTEM = (
    "/proc/",
    "/sys/",
    "/usr/share/",
    "/usr/lib/",
    "/etc/ssl/",
    "/etc/localtime",
    "/etc/mime.types",
    "/dev/null",
    "/dev/urandom",
)
_RUNS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn")
_NET = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "urllib.Request", "ftplib.connect")
_CHANGES = {  # event -> places of its paths, with the place of the descriptor that each is relative to
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
    "os.mkfifo": ((0, None),),
    "shutil.rmtree": ((0, 1),),
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
MARK = "PWNED"  # in everything that a stranger would have run


class Watch:
    """Notes in `seen` what must not be, and in `read` which files outside of `places` were opened for reading.

    places: folders whose files may be read and written. kinds of `seen`: runs, code, pickle, network, import, write.
    """

    def __init__(self) -> None:
        self.places: tuple[str, ...] = ()
        self.on = False
        self.seen: list[str] = []
        self.read: list[str] = []
        self._inside = False
        self._open = os.open
        os.open = self._opened  # type: ignore[assignment] # a hook is not told what a name is relative to
        sys.addaudithook(self._hook)

    def start(self, *places: Path) -> None:
        """Watch this process from now on."""
        self.places = tuple(os.path.realpath(p) for p in places)
        self.on = True

    def _opened(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is None or not self.on:
            return self._open(path, flags, mode, dir_fd=dir_fd)
        self._inside = True
        try:
            number = self._open(path, flags, mode, dir_fd=dir_fd)
        finally:
            self._inside = False
        self._file(os.readlink(f"/proc/self/fd/{number}"), bool(flags & _WRITES))
        return number

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on or self._inside:
            return
        self._inside = True
        try:
            self._event(event, args)
        finally:
            self._inside = False

    def _event(self, event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(_RUNS):
            self.seen.append(f"runs: {event} {str(args)[:200]}")
        elif event in _NET:
            self.seen.append(f"network: {event} {str(args)[:200]}")
        elif event == "pickle.find_class":
            self.seen.append(f"pickle: {args}")
        elif event == "exec":
            self._code(args[0])
        elif event == "compile":
            self._source(args)
        elif event == "import" and args[1] and not _below(os.path.realpath(args[1]), CODE):
            self.seen.append(f"import: {args[:2]}")
        elif event == "ctypes.dlopen" and args[0] and "/" in str(args[0]) and not _below(str(args[0]), (*CODE, *_SYSTEM)):
            self.seen.append(f"import: {args}")
        elif event == "open":
            writes = bool(args[2] & _WRITES) if args[1] is None else any(c in args[1] for c in "wax+")
            caller = sys._getframe(2).f_code.co_filename  # whose opener calls os.open, with the descriptor
            if isinstance(args[0], str | bytes | os.PathLike) and caller != str(PACKAGE / "core" / "files.py"):
                self._file(os.path.realpath(os.fsdecode(args[0])), writes)
        elif event in _CHANGES:
            for path, at in _CHANGES[event]:
                if not isinstance(args[path], int):
                    self._file(_whole(args[path], args[at] if at is not None and at < len(args) else -1), True)

    def _code(self, code: Any) -> None:
        """Code that is run is that of a module of Python, of a library or of aerun, or made by one and free of marks."""
        if not isinstance(code, types.CodeType):
            return
        if not _below(os.path.realpath(code.co_filename), CODE) and not code.co_filename.startswith("<"):
            self.seen.append(f"code: of {code.co_filename}")
        if MARK in str(code.co_consts) or MARK in str(code.co_names):
            self.seen.append(f"code: {code.co_names} {str(code.co_consts)[:100]}")

    def _source(self, args: tuple[Any, ...]) -> None:
        """Note a value that is compiled: one may be taken for source by `ast.literal_eval` alone, which runs none of it."""
        caller = sys._getframe(3).f_code.co_filename
        if MARK in str(args[0]) and not caller.endswith("/ast.py"):
            self.seen.append(f"code: {str(args[0])[:100]} compiled by {caller}")

    def _file(self, path: str, writes: bool) -> None:
        if _below(path, self.places) or path in ("/dev/null", "/dev/tty") or path.startswith(("/proc/", "pipe:", "socket:")):
            return
        if writes:
            self.seen.append(f"write: {path}")
        elif not _below(path, (*CODE, *_SYSTEM)) and not Path(path).is_dir():
            self.read.append(path)


def _whole(path: Any, at: Any) -> str:
    name = os.fsdecode(path)
    above = os.readlink(f"/proc/self/fd/{at}") if isinstance(at, int) and at >= 0 else os.getcwd()
    folder, last = os.path.split(os.path.join(above, name))
    return os.path.join(os.path.realpath(folder), last)


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places) or path in places
