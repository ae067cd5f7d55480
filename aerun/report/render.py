"""Templates of the page, filled in: every value is escaped, and the page may load and run nothing but what is in it."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from aerun.core.text import shown

_FOLDER = Path(__file__).parent / "templates"


@cache
def style() -> Markup:
    """Return how the page looks: readable at phone width, printable, usable by keyboard."""
    return Markup((_FOLDER / "style.css").read_text(encoding="utf-8"))


@cache
def script(name: str = "script.js") -> Markup:
    """Return what the page can do: sort its tables, or what another script lets it do."""
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))


def rendered(template: str, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """Return a template filled in. Strings of `values` are escaped and `shown`; what has no value is an error."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters)
    return environment.get_template(template).render(values).lstrip()


def policy(own_script: Markup | None = None) -> str:
    """Return the page's Content-Security-Policy: its own style and script by their hashes, pictures within it, nothing else.

    own_script: of a page that has another one than `script`.
    """
    own = {"style-src": style(), "script-src": script() if own_script is None else own_script}
    hashes = [f"{kind} 'sha256-{_hash(text)}'" for kind, text in own.items()]
    return "; ".join(["default-src 'none'", "img-src data:", *hashes, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _visible(value: Any) -> Any:
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value
