"""What is done to a copy of a run: to every region of bytes of its files, every key of their tables, and every name in it."""

import io
import json
import os
import random
import shutil
import socket
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from scripts.folders.values import RAW, VALUES, tensors

REGIONS = 16  # of bytes in a file
_TABLES, _ARCHIVES = (".json", ".yaml"), (".ckpt",)
Keys = tuple[Any, ...]
WRITTEN = ("pictures/errors.png", "samples.npy", ".git", "numpy.py", "sitecustomize.py", "projector_config.pbtxt", "run.lock")
OUTSIDE = "outside"  # beside the run: what is not to be touched


@dataclass(frozen=True)
class Point:
    """One place of a run that is damaged. kind: bytes, key, array, member or name; what: a region, keys, or how."""

    file: str
    kind: str
    what: Any


def points(run: Path, packed: str) -> Iterator[Point]:
    """Yield every place of a run's folder that can be damaged, and those of the compressed file beside it."""
    files = sorted(str(p.relative_to(run)) for p in run.rglob("*") if p.is_file())
    for name in (*files, f"../{packed}"):
        yield from (Point(name, "bytes", i) for i in range(REGIONS))
        yield from (Point(name, "key", keys) for keys in _keys(_read(run / name)))
        if name.endswith((".npy", ".npz")):
            yield from (Point(name, "array", how) for how in ARRAYS)
        if name.endswith((".npz", ".ckpt")):
            yield from (Point(name, "member", how) for how in MEMBERS)
    folders = sorted({str(Path(n).parent) for n in files} - {"."})
    for name in (*files, *folders, *WRITTEN):
        yield from (Point(name, "name", how) for how in NAMES)


def _keys(node: Any, above: Keys = (), depth: int = 0) -> Iterator[Keys]:
    """Yield the keys of every value; of long lists the first ones."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node[:3]) if isinstance(node, list | tuple) else ()
    for key, value in pairs:
        yield (*above, key)
        if depth < 8:
            yield from _keys(value, (*above, key), depth + 1)


def _read(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".yaml":
        return yaml.safe_load(path.read_text())
    return torch.load(path, weights_only=True) if path.suffix in _ARCHIVES else None


def damage(run: Path, point: Point, g: random.Random) -> str:
    """Damage a copy at one place, and say how."""
    path = run / point.file
    how: str = {"bytes": _bytes, "key": _key, "array": _array, "member": _member, "name": _name}[point.kind](
        path, point.what, g
    )
    return f"{point.file} {point.kind} {point.what}: {how}"


# -- bytes -----------------------------------------------------------------------------------------------------------


def _bytes(path: Path, region: int, g: random.Random) -> str:
    content = bytearray(path.read_bytes())
    first, last = (len(content) * i // REGIONS for i in (region, region + 1))
    at, size = g.randrange(first, max(first + 1, last)), g.choice((1, 2, 4, 16, 64))
    words = (b"\x1b[2J", b"\0", b"\xe2\x80\xae", b"\n", b'"', b"9" * 300)
    changes: dict[str, Callable[[], Any]] = {
        "flip": lambda: [_flip(content, at + i, g) for i in range(g.choice((1, 1, 4)))],
        "cut short": lambda: content.__delitem__(slice(at, None)),
        "taken out": lambda: content.__delitem__(slice(at, at + size)),
        "noise": lambda: content.__setitem__(slice(at, at + size), g.randbytes(size)),
        "doubled": lambda: content.__setitem__(slice(at, at), content[at : at + size]),
        "all ones": lambda: content.__setitem__(slice(at, at + 4), b"\xff" * 4),
        "zeros": lambda: content.__setitem__(slice(at, at + size), bytes(size)),
        "sizes": lambda: content.__setitem__(slice(at, at + 8), g.choice((2**31 - 1, 2**63 - 1, 10**9)).to_bytes(8, "little")),
        "characters": lambda: content.__setitem__(slice(at, at), g.choice(words)),
    }  # fmt: skip
    how = g.choice(sorted(changes))
    changes[how]()
    path.write_bytes(bytes(content))
    return f"{how} at {at}"


def _flip(content: bytearray, at: int, g: random.Random) -> None:
    if content:
        content[at % len(content)] ^= 1 << g.randrange(8)


# -- keys ------------------------------------------------------------------------------------------------------------


def _key(path: Path, keys: Keys, g: random.Random) -> str:
    table = _read(path)
    node = table
    for key in keys[:-1]:
        node = node[key]
    node = _listed(table, keys) if isinstance(node, tuple) else node
    how, raw = g.choice(("taken out", "renamed", "moved", *["value"] * 9)), ""
    if how == "taken out" or (isinstance(node, list) and how != "value"):
        del node[keys[-1]]
    elif how == "renamed":
        node[f"{keys[-1]}{g.choice(('_', ' ', chr(27), '.x', ''.join(['x'] * 5000)))}"] = node.pop(keys[-1])
    elif how == "moved":
        table[f"{keys[-1]}"] = {keys[-1]: {keys[-1]: node.pop(keys[-1])}}
    else:
        own = tensors(node[keys[-1]]) if path.suffix in _ARCHIVES else {}
        how = g.choice(sorted({**VALUES, **own}))
        value = {**VALUES, **own}[how]
        node[keys[-1]], raw = value, RAW.get(how, "")
    _write(path, table, raw)
    return how


def _listed(table: Any, keys: Keys) -> Any:
    """Make a list of the tuple that holds the last key, so that it can be changed."""
    node = table
    for key in keys[:-2]:
        node = node[key]
    if isinstance(node, tuple):
        return list(node[keys[-2]])  # too deep to matter: nothing is changed
    node[keys[-2]] = list(node[keys[-2]])
    return node[keys[-2]]


def _write(path: Path, table: Any, raw: str) -> None:
    if path.suffix == ".json":
        path.write_text(json.dumps(table).replace('"@raw@"', raw or '""'))
    elif path.suffix == ".yaml":
        path.write_text(yaml.safe_dump(table, sort_keys=False).replace("'@raw@'", raw or "''"), errors="surrogatepass")
    else:
        torch.save(table, path)


# -- arrays and archives ---------------------------------------------------------------------------------------------

ARRAYS = (
    "nan",
    "infinite",
    "another shape",
    "another type",
    "objects",
    "words",
    "a header that promises more",
    "empty",
    "renamed",
)


def _array(path: Path, how: str, g: random.Random) -> str:
    packed = path.suffix == ".npz"
    arrays = dict(np.load(path)) if packed else {"": np.load(path)}
    name = g.choice(sorted(arrays))
    x = arrays[name]
    changes: dict[str, Callable[[], Any]] = {
        "nan": lambda: np.full_like(x, np.nan),
        "infinite": lambda: np.full_like(x, np.inf),
        "another shape": lambda: x.reshape(-1)[: g.randrange(1, x.size + 1)],
        "another type": lambda: x.astype(g.choice(("f8", "f2", "i4", "?", "c16", "S3", "M8[s]"))),
        "objects": lambda: np.array([tensors(None)["a command"]], dtype=object),
        "words": lambda: np.array(["a", "b"]),
        "empty": lambda: x[:0],
    }  # fmt: skip
    if how == "renamed":
        arrays[f"../{name}"] = arrays.pop(name)
    elif how == "a header that promises more":
        content = path.read_bytes()
        shape = str(x.shape).encode()
        path.write_bytes(content.replace(shape, b"(9" + b"9" * max(0, len(shape) - 4) + b",)", 1))
        return f"{how} of {name}"
    else:
        arrays[name] = changes[how]()
    with path.open("wb") as file:
        np.savez(file, **arrays) if packed else np.save(file, arrays.get("", x))
    return f"{how} of {name}"


MEMBERS = ("packed bombs", "a bomb", "taken out", "doubled", "many", "absolute names", "noise", "changed pickle", "a command")
_PICKLES = (
    b"\x80\x02}r\xff\xff\xff\xff.",
    b"\x80\x02]q\x00h\x00a.",
    b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    b"\x80\x02" + b"]" * 400_000 + b".",
    b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0btouch PWNED\x85R.",
    b"cos\nsystem\n(S'touch PWNED'\ntR.",
)  # fmt: skip


def _member(path: Path, how: str, g: random.Random) -> str:
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    name = g.choice(sorted(members))
    pickled = next((n for n in members if n.endswith("data.pkl")), name)
    changes: dict[str, Callable[[], Any]] = {
        "packed bombs": lambda: members.update({n: bytes(80 << 20) for n in list(members)[:2]}),
        "a bomb": lambda: members.update({name: bytes(150 << 20)}),
        "taken out": lambda: members.pop(name),
        "doubled": lambda: members.update({name: members[name] * 2}),
        "many": lambda: members.update({f"x/{i}": b"" for i in range(5_000)}),
        "absolute names": lambda: members.update({"/tmp/x": b"", "../../x": b""}),
        "noise": lambda: members.update({name: g.randbytes(len(members[name]))}),
        "changed pickle": lambda: members.update({pickled: _noisy(members[pickled], g)}),
        "a command": lambda: members.update({pickled: g.choice(_PICKLES)}),
    }  # fmt: skip
    changes[how]()
    squeezed = "bomb" in how
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if squeezed else zipfile.ZIP_STORED, compresslevel=1) as packed:
        for key, content in members.items():
            packed.writestr(key, content)
    return f"{how} of {name}"


def _noisy(content: bytes, g: random.Random) -> bytes:
    """Flip some bits; the checksums of an archive are made anew and hold for what is changed here."""
    changed = bytearray(content)
    for _ in range(g.choice((1, 1, 2, 5))):
        _flip(changed, g.randrange(max(1, len(changed))), g)
    return bytes(changed)


# -- names -----------------------------------------------------------------------------------------------------------

NAMES = (
    "link",
    "link inside",
    "hard link",
    "pipe",
    "socket",
    "folder",
    "dangling link",
    "loop",
    "gone",
    "empty",
    "huge",
    "aliases",
)


def _name(path: Path, how: str, g: random.Random) -> str:
    path.parent.mkdir(exist_ok=True)
    if how == "aliases" and path.suffix == ".yaml":
        bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
        )
        path.write_text(path.read_text() + bomb)
        return how
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    outside = path.parents[len(path.relative_to(_top(path)).parts) - 1].parent / OUTSIDE / path.name
    changes: dict[str, Callable[[], Any]] = {
        "link": lambda: path.symlink_to(outside),
        "link inside": lambda: path.symlink_to("config.yaml"),
        "hard link": lambda: path.hardlink_to(outside if outside.is_file() else outside.parent / "any"),
        "pipe": lambda: os.mkfifo(path),
        "socket": lambda: _socket(path),
        "folder": lambda: (path.mkdir(), (path / "x").write_text("x")),
        "dangling link": lambda: path.symlink_to("/nowhere/at/all"),
        "loop": lambda: path.symlink_to(path.name),
        "gone": lambda: None,
        "empty": lambda: path.write_bytes(b""),
        "huge": lambda: _huge(path),
        "aliases": lambda: path.write_bytes(io.BytesIO(g.randbytes(4096)).getvalue()),
    }  # fmt: skip
    changes[how]()
    return how


def _top(path: Path) -> Path:
    return next(p for p in path.parents if p.name == "run")


def _socket(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # the name of a socket has 108 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(before)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 << 30)
