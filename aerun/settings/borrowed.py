"""Layers that terms of a config have of other runs or of files: `reg.terms.TERM.features`. Settings alone, without torch."""

from collections.abc import Mapping, Sequence
from typing import Any

NONE = "random"  # `features` of one that needs no other's


def borrowed(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the run or file whose layers a term has, by the term's name."""
    return {k: str(node["features"]) for k, node in _terms(config).items() if node.get("features", NONE) not in (NONE, None)}


def with_networks(config: Mapping[str, Any], networks: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the config with these layers, in words, of the terms that they are named by."""
    if not networks:
        return dict(config)
    reg = config["reg"]
    terms = {k: {**node, "network": list(networks[k])} if k in networks else node for k, node in reg["terms"].items()}
    return {**config, "reg": {**reg, "terms": terms}}


def as_borrowed(config: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a composed config with the layers that a saved one has in words, where both have them of the same run or file."""
    ours, theirs = borrowed(config), borrowed(saved)
    same = {k for k, source in ours.items() if theirs.get(k) == source and _terms(config)[k].get("network") is None}
    return with_networks(config, {k: words for k in same if (words := _terms(saved)[k].get("network")) is not None})


def _terms(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the nodes of a config's terms; those that are none are left out."""
    reg = config.get("reg")
    terms = reg.get("terms") if isinstance(reg, Mapping) else None
    return {k: v for k, v in terms.items() if isinstance(v, Mapping)} if isinstance(terms, Mapping) else {}
