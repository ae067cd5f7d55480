"""A hook of mkdocs: the pages at the root of the repository are pages of the site, too, and links between both kinds hold."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {name: f"{name.lower()}" for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=_among_pages(text)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links of a page under docs/ that lead to the root lead to the root's page on the site."""
    up = "../" * page.file.src_uri.count("/")
    for name, there in PAGES.items():
        markdown = markdown.replace(f"]({up}../{name}", f"]({up}{there}")
    return markdown


def _among_pages(text: str) -> str:
    """Turn links between pages of the root into links between pages of the site."""
    names = "|".join(map(re.escape, PAGES))
    return re.sub(rf"\]\(({names})", lambda m: f"]({PAGES[m[1]]}", text)
