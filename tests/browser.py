"""A real browser without a window: headless Chromium, spoken to through its DevTools."""

import asyncio
import base64
import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)

# All words of a page, those in shadow trees and frames included.
_WORDS = """(function words(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data + ' ';
  if (['STYLE', 'SCRIPT', 'TEMPLATE'].includes(node.nodeName)) return '';
  let inside = [...node.childNodes];
  if (node.shadowRoot) inside.push(...node.shadowRoot.childNodes);
  if (node.nodeName === 'IFRAME' && node.contentDocument) inside.push(node.contentDocument.body);
  return inside.filter(n => n).map(words).join('');
})(document.body)"""

# Every element of a name, in shadow trees and frames too.
_ALL = """(function all(node, name) {
  let found = [], inside = [...node.children];
  if (node.nodeName === name) found.push(node);
  if (node.shadowRoot) inside.push(...node.shadowRoot.children);
  if (node.nodeName === 'IFRAME' && node.contentDocument) inside.push(node.contentDocument.body);
  return found.concat(...inside.filter(n => n).map(n => all(n, name)));
})"""


def axe() -> str | None:
    """The script of axe-core, which judges accessibility; None where no package that ships it is installed."""
    found = importlib.util.find_spec("axe_core_python")
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8") if found and found.origin else None


class Page:
    """One tab. Every call is to its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: Any) -> None:
        self.loop, self.socket, self.number = loop, socket, 0

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One DevTools command and its answer."""
        return self.loop.run_until_complete(self._send(method, params))

    async def _send(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": params})
        while True:
            found = await self.socket.receive_json(timeout=60)
            if found.get("id") == self.number:
                assert "error" not in found, found
                return found["result"]

    def go(self, url: str) -> None:
        """Open an address, afresh."""
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=url)

    def ask(self, script: str) -> Any:
        """The value of an expression."""
        return self.send("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def shown_as(self, width: int, scheme: str = "light", height: int = 900) -> None:
        """Take the width of a device, and light or dark."""
        self.send("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)

    def violations(self) -> list[str]:
        """What axe-core finds serious or critical, with the first element of each."""
        self.ask(f"{axe()};0")
        script = "axe.run().then(r => r.violations.map(v => `${v.impact} ${v.id}: ${v.nodes[0].html}`))"
        told = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)["result"]["value"]
        return [v for v in told if v.startswith(("serious", "critical"))]

    def words(self) -> str:
        """All text."""
        return " ".join((self.ask(_WORDS) or "").split())

    def count(self, name: str, such: str = "true") -> int:
        """Elements `e` of a name for which the expression `such` holds."""
        return self.ask(f"{_ALL}(document.body, '{name}').filter(e => {such}).length") or 0

    def until(self, condition: Any, seconds: float = 60) -> bool:
        """Does it hold within so many seconds?"""
        end = time.monotonic() + seconds
        while not (held := condition()) and time.monotonic() < end:
            time.sleep(0.3)
        return bool(held)

    def picture(self, path: Path) -> None:
        """What is seen, as PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


@contextlib.contextmanager
def page(width: int = 1700, height: int = 1100) -> Iterator[Page]:
    """A tab of a Chromium that ends with it."""
    import aiohttp

    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-port=0", "--no-first-run"]
        flags += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"]
        command = [CHROMIUM, *flags, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        quiet = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet)
        loop = asyncio.new_event_loop()
        session = None
        try:
            where = Path(profile) / "DevToolsActivePort"
            end = time.monotonic() + 60
            while not (where.exists() and where.read_text().count("\n")) and time.monotonic() < end:
                time.sleep(0.1)
            port = where.read_text().split()[0]

            async def connect() -> tuple[Any, Any]:
                client = aiohttp.ClientSession()
                async with client.get(f"http://127.0.0.1:{port}/json") as answer:
                    tab = next(t for t in await answer.json() if t["type"] == "page")
                return client, await client.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0)

            session, socket = loop.run_until_complete(connect())
            yield Page(loop, socket)
        finally:
            if session is not None:
                loop.run_until_complete(session.close())
            loop.close()
            browser.terminate()
            browser.wait(timeout=30)
