"""TensorBoard's page, made such that it follows runs that train: it asks for new points by itself.

TensorBoard can do so, and a browser remembers whether it is to; but unless someone ticked "Reload data" there, it does not.
"""

from collections.abc import Callable, Iterable
from typing import Any

_SCRIPT = "aerun.js"
# As TensorBoard's own page keeps its settings; what a person chose there counts.
_ASKS = b"""(function () {
  var key = '_tb_global_settings', kept = JSON.parse(localStorage.getItem(key) || '{}');
  if (kept.autoReload === undefined) localStorage.setItem(key, JSON.stringify(Object.assign(kept, {autoReload: true})));
})();
"""
App = Callable[[dict[str, Any], Any], Iterable[bytes]]


def following(app: App) -> App:
    """Return TensorBoard's application with one script more on its page."""

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if path == f"/{_SCRIPT}":
            start("200 OK", [("Content-Type", "application/javascript"), ("Content-Length", str(len(_ASKS)))])
            return [_ASKS]
        if path in ("", "/", "/index.html"):
            return _with_script(app, environ, start)
        return app(environ, start)

    return answer


def _with_script(app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    plain = {k: v for k, v in environ.items() if k != "HTTP_ACCEPT_ENCODING"}  # not compressed
    head = list[Any]()
    body = b"".join(app(plain, lambda status, headers, *_: head.extend((status, headers))))
    page = body.replace(b"<head>", f'<head><script src="{_SCRIPT}"></script>'.encode(), 1)
    status, headers = head
    kept = [(k, v) for k, v in headers if k.lower() != "content-length"]
    start(status, [*kept, ("Content-Length", str(len(page)))])
    return [page]
