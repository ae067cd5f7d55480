"""What torch.save wrote, as plain data: only dictionaries, lists, tuples, words, numbers and tensors are ever made.

torch's own reader takes storages of any promised size, tensors that reach beyond what is stored, and lists in themselves. A
run's folder may be a stranger's, so its checkpoints are read here instead: the instructions of the pickle are gone through one
by one, those that aerun's own checkpoints have are carried out, and any other is refused.
"""

import pickletools
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import torch
from torch import Tensor

from aerun.runs.plain import DEPTH, refuse_crowded

_PICKLE, _STEPS = 16 << 20, 600_000  # Limits of bytes and instructions; a tensor takes about thirty instructions.
_DTYPES = {
    f"{name}Storage": dtype
    for name, dtype in {
        "Float": torch.float32,
        "Double": torch.float64,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
        "ComplexFloat": torch.complex64,
        "ComplexDouble": torch.complex128,
    }.items()
}
_ATOMS = ("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class _Table(dict[Any, Any]):
    """A dictionary; what else an OrderedDict carries is dropped."""


@dataclass(frozen=True)
class _Name:
    """The name of a function or class that the pickle calls."""

    module: str
    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class Stored:
    """A tensor that is not read yet."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Return the bytes that the tensor takes."""
        return self.count * self.storage.dtype.itemsize

    @property
    def count(self) -> int:
        """Return the number of its elements."""
        return torch.Size(self.shape).numel()


class Archive:
    """A file of torch.save, open to be read.

    tree: its content, with tensors as `Stored`. Raises ValueError for any other file.
    """

    def __init__(self, file: BinaryIO) -> None:
        refuse_crowded(file)
        self.packed = zipfile.ZipFile(file)
        self.root = self.packed.namelist()[0].partition("/")[0]
        size = file.seek(0, 2)
        parts = self.packed.infolist()
        if sum(part.file_size for part in parts) > size or any(p.compress_type != zipfile.ZIP_STORED for p in parts):
            raise ValueError("it unpacks to more than its own size")
        if self._bytes("byteorder", b"little").decode() != sys.byteorder:
            raise ValueError("another kind of machine wrote it")
        self.storages: dict[str, Tensor] = {}
        self.tree = _Machine().run(self._bytes("data.pkl"))

    def _bytes(self, name: str, default: bytes | None = None) -> bytes:
        if default is not None and f"{self.root}/{name}" not in self.packed.NameToInfo:
            return default
        if self.packed.getinfo(f"{self.root}/{name}").file_size > _PICKLE:
            raise ValueError(f"its {name} is larger than any of aerun's")
        return self.packed.read(f"{self.root}/{name}")

    def tensors(self, node: Any, device: str = "cpu") -> Any:
        """Return a part of the tree with its tensors read; on `meta` they have shapes and nothing else."""
        return _mapped(node, lambda stored: self._tensor(stored, device))

    def _tensor(self, stored: Stored, device: str) -> Tensor:
        if device == "meta":
            return torch.empty_strided(stored.shape, stored.stride, dtype=stored.storage.dtype, device="meta")
        numbers = self._storage(stored.storage)
        return numbers.as_strided(stored.shape, stored.stride, stored.offset)

    def _storage(self, storage: _Storage) -> Tensor:
        if storage.key not in self.storages:
            part = self.packed.getinfo(f"{self.root}/data/{storage.key}")
            if part.file_size != storage.count * storage.dtype.itemsize:
                raise ValueError(f"data/{storage.key} has another size than its numbers take")
            content = torch.empty(part.file_size, dtype=torch.uint8)
            rest = memoryview(content.numpy())  # type: ignore[arg-type]
            with self.packed.open(part) as file:
                while count := file.readinto(rest):  # type: ignore[attr-defined]
                    rest = rest[count:]
                if len(rest):
                    raise ValueError(f"data/{storage.key} is cut short")
            self.storages[storage.key] = content.view(storage.dtype)
        content = self.storages[storage.key]
        if content.dtype != storage.dtype or len(content) != storage.count:
            raise ValueError(f"data/{storage.key} is said to be of two kinds")
        return content


def _mapped(node: Any, read: Callable[[Stored], Tensor], depth: int = 0) -> Any:
    if depth > DEPTH:
        raise ValueError(f"it has tables in tables more than {DEPTH} deep")
    if isinstance(node, Stored):
        return read(node)
    if isinstance(node, dict):
        return {k: _mapped(v, read, depth + 1) for k, v in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_mapped(v, read, depth + 1) for v in node)
    if isinstance(node, _Name | _Storage):
        raise ValueError("it holds more than data")
    return node


class _Machine:
    """Carries out a pickle of protocol 2, as far as aerun's own checkpoints go."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """Return the object that the pickle makes."""
        for number, (code, argument, _) in enumerate(pickletools.genops(content)):
            if number > _STEPS:
                raise ValueError(f"it has more than {_STEPS:,} parts")
            if code.name == "STOP":
                return self.stack.pop()
            self._step(code.name, argument)
        raise ValueError("it is cut short")

    def _step(self, code: str, argument: Any) -> None:
        if code in _ATOMS:
            self.stack.append(argument)
        elif code in _CONSTANTS:
            self.stack.append(_CONSTANTS[code])
        elif code in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif code in ("BINGET", "LONG_BINGET"):
            self._again(argument)
        elif code == "MARK":
            self.marks.append(len(self.stack))
        elif code == "GLOBAL":
            module, _, name = argument.partition(" ")
            self.stack.append(_Name(module, name))
        elif code != "PROTO":
            step = getattr(self, f"_{code.lower()}", None)
            if step is None:
                raise ValueError(f"it holds Python objects ({code})")
            step()

    def _again(self, number: int) -> None:
        value = self.memo[number]
        if isinstance(value, dict | list) or (
            isinstance(value, tuple) and any(isinstance(v, dict | list | tuple) for v in value)
        ):
            raise ValueError("a part of it stands in two places")
        self.stack.append(value)

    def _popped(self) -> list[Any]:
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return items

    def _empty_dict(self) -> None:
        self.stack.append({})

    def _empty_list(self) -> None:
        self.stack.append([])

    def _empty_tuple(self) -> None:
        self.stack.append(())

    def _tuple(self) -> None:
        self.stack.append(tuple(self._popped()))

    def _tuple1(self) -> None:
        self.stack[-1:] = [(self.stack[-1],)]

    def _tuple2(self) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _tuple3(self) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _append(self) -> None:
        self._add([self.stack.pop()])

    def _appends(self) -> None:
        self._add(self._popped())

    def _add(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("no list")
        self.stack[-1].extend(items)

    def _setitem(self) -> None:
        key, value = self.stack[-2:]
        del self.stack[-2:]
        self._set([key, value])

    def _setitems(self) -> None:
        self._set(self._popped())

    def _set(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise ValueError("no table")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < 1 << 31):
                raise ValueError("a key is neither a word nor a number")
            self.stack[-1][key] = value

    def _build(self) -> None:
        """Drop the attributes of an OrderedDict, which nobody needs."""
        self.stack.pop()
        if not isinstance(self.stack[-1], _Table):
            raise ValueError("it holds Python objects")

    def _binpersid(self) -> None:
        word, kind, key, _, count = self.stack.pop()
        if word != "storage" or not isinstance(kind, _Name) or kind.module != "torch" or not str(key).isdecimal():
            raise ValueError("a storage is not one of torch's")
        if kind.name not in _DTYPES or type(count) is not int or count < 0:
            raise ValueError(f"{kind.name} of {count}")
        self.stack.append(_Storage(str(key), _DTYPES[kind.name], count))

    def _reduce(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, _Name) or not isinstance(arguments, tuple):
            raise ValueError("it holds Python objects")
        names: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): lambda: _Table(),
            ("torch._utils", "_rebuild_tensor_v2"): _stored,
            ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
        }
        make = names.get((called.module, called.name))
        if make is None:
            raise ValueError(f"it calls {called.module}.{called.name}")
        self.stack.append(make(*arguments))


def _stored(storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> Stored:
    """Return a tensor that lies within its storage and takes each number of it at most once.

    Raises ValueError for any other.
    """
    numbers = [offset, *shape, *stride]
    if not isinstance(storage, _Storage) or not all(type(n) is int and 0 <= n < 1 << 48 for n in numbers):
        raise ValueError("a tensor is damaged")
    if len(shape) != len(stride) or len(shape) > 12:
        raise ValueError("a tensor is damaged")
    tensor = Stored(storage, offset, tuple(shape), tuple(stride))
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if tensor.count and (last >= storage.count or tensor.count > storage.count):
        raise ValueError("a tensor reaches beyond what is stored")
    return tensor
