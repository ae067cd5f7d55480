"""The Lightning callbacks of the user's own that a config asks for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aerun.build.maker import Config, Maker
from aerun.core.errors import AerunError, line_of

if TYPE_CHECKING:
    from pytorch_lightning import Callback

_HOW = "a class is written callbacks=[module.Class], an option of your own is a file callbacks/NAME.yaml in --config-dir"


def callbacks_of(make: Maker, cfg: Config) -> "list[Callback]":
    """Return a config's callbacks. Raises AerunError for what is no callback, and for settings that it does not take."""
    asked = cfg.get("callbacks") or {}
    if not isinstance(asked, Mapping):
        raise AerunError(f"callbacks={asked}: {_HOW}.")
    made = [_made(make, f"callbacks.{name}", node) for name, node in asked.items()]
    keys = [key for one in made if (key := _state_key(one))]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise AerunError(
            f"callbacks: two of one class keep a state under one name, {twice[0]}: let its `state_key` tell them apart."
        )
    return made


def _made(make: Maker, key: str, node: Any) -> "Callback":
    # deferred: a run without callbacks is built without Lightning
    from pytorch_lightning import Callback

    cls = make.named(key, node)
    if not issubclass(cls, Callback):
        raise AerunError(f"{key}._target_={node['_target_']}: is no callback: it must derive from pytorch_lightning.Callback.")
    try:
        made: Callback = cls(**{k: v for k, v in node.items() if k != "_target_"})
    except AerunError:
        raise
    except Exception as e:  # whatever a class of the user's own raises
        raise AerunError(f"{key}: {node['_target_']} cannot be made: {line_of(e)}") from e
    return made


def _state_key(callback: "Callback") -> str:
    """Return the name under which a callback keeps its state, empty where it has none."""
    try:
        return callback.state_key if callback.state_dict() else ""
    except Exception as e:  # whatever a class of the user's own raises
        owner = f"{type(callback).__module__}.{type(callback).__qualname__}"
        raise AerunError(f"callbacks: {owner} raised in state_dict: {type(e).__name__}: {line_of(e)}") from e
