"""Values that take the place of others in a stranger's tables."""

import os
from typing import Any

import torch

from scripts.folders.watch import MARK


class Command:
    """An object that runs a command as it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call."""
        return os.system, (f"touch {MARK}",)


_COMMAND = f"touch {MARK}"
VALUES: dict[str, Any] = {
    "nothing": None,
    "true": True,
    "false": False,
    "zero": 0,
    "minus one": -1,
    "a fraction": 0.5,
    "large": 10**9,
    "huge": 10**18,
    "1e308": 1e308,
    "nan": float("nan"),
    "infinite": float("inf"),
    "no word": "",
    "a word": "word",
    "a long word": "x" * 100_000,
    "a path out": "../outside/secret.txt",
    "a folder out": "..",
    "a device": "/dev/zero",
    "a file of the system": "/etc/passwd",
    "escapes": "\x1b]0;x\x07\x1b[2J\u202e<script>alert(1)</script>",
    "half a character": "\ud800",
    "no list": [],
    "no table": {},
    "a list": [1, "a", None],
    "a table": {"a": 1},
    "a popen": {"_target_": "subprocess.Popen", "args": ["sh", "-c", _COMMAND]},
    "a system": {"_target_": "os.system", "command": _COMMAND},
    "a part": {"_target_": "aerun.runs.folder.Folder", "path": "../outside"},
    "an eval": {"_target_": "builtins.eval", "_args_": [f"__import__('os').system('{_COMMAND}')"]},
    "an interpolation": "${oc.env:HOME}",
    "an expression": f"__import__('os').system('{_COMMAND}')",
    "a formula": f'=cmd|"{_COMMAND}"',
    "long list": list(range(20_000)),
    "deep": "@raw@",
    "very deep": "@raw@",
    "a tag": "@raw@",
    "many": "@raw@",
    "a number of many digits": "@raw@",
    "twice": "@raw@",
}
RAW = {
    "deep": "[" * 60 + "]" * 60,
    "very deep": "[" * 100_000 + "]" * 100_000,
    "a tag": f'!!python/object/apply:os.system ["{_COMMAND}"]',
    "many": "[" + "1," * 1_500_000 + "1]",
    "a number of many digits": "9" * 100_000,
    "twice": '{"a": 1, "a": 2}',
}


def tensors(value: Any) -> dict[str, Any]:
    """Return values that checkpoints alone can hold, in place of this one."""
    like = value if isinstance(value, torch.Tensor) else torch.zeros(3)
    return {
        "a command": Command(),
        "no numbers": like.new_full(like.shape, float("nan")) if like.is_floating_point() else like[:0],
        "another type": like.to(torch.float16 if like.dtype != torch.float16 else torch.int64),
        "another shape": like.reshape(-1)[:1].clone(),
        "one more": torch.zeros(*like.shape, 2),
        "spread": torch.zeros(1).expand(1 << 40),
        "a set": {1, 2},
        "large tensor": torch.zeros(2_000_000),
    }
