"""A folder behind a server of this machine, honest or one that hangs up in the middle of a file."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it is asked. missing: bytes that it promises beyond those that it sends."""

    missing = 0

    def log_message(self, format, *args):
        pass

    def send_header(self, keyword, value):
        more = self.missing if keyword == "Content-Length" else 0
        super().send_header(keyword, str(int(value) + more) if more else value)


@contextmanager
def served(folder: Path, missing: int = 0) -> Iterator[str]:
    """Yield the address of a server of the files in `folder`, which sends `missing` bytes less than it promises."""
    kind = type("Handler", (_Quiet,), {"missing": missing})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
