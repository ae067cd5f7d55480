"""How a page calls a setting: in words for a reader, and as it is typed. What is at its default is not named."""

from collections.abc import Collection, Sequence

from aerun.runs.groups import Group, label, short
from aerun.runs.readable import readable

_DEFAULT = "default"


def named(group: Group, keys: Sequence[str], without: Collection[str] = ()) -> str:
    """Return a group's settings in words: `vae, code size 8`; all at their defaults: `defaults`.

    A group without settings is called by the folder of its run. without: keys that are left out.
    """
    if not keys:
        return group.runs[0].path.name
    pairs = [(k, v) for k, v in zip(keys, group.settings, strict=True) if k not in without and v != _DEFAULT]
    return ", ".join(short(v) if k == "model" else f"{readable(k)} {short(v)}" for k, v in pairs) or "defaults"


def typed(group: Group, keys: Sequence[str]) -> str:
    """Return a group's settings as they are typed: `model=vae model.latent_dim=8`."""
    pairs = [f"{k}={short(v)}" for k, v in zip(keys, group.settings, strict=True) if v != _DEFAULT]
    return " ".join(pairs) or label(group, keys)
