"""A server that does four requests at a time, 50 ms each, and lets the others wait: how many requests are sent at once.

    python -m benchmarks.extract.queue [--lists 600] [--most 32] [--workers 4] [--fixed]

`--fixed` lets out as many as there may be, whatever the server does. The floor is requests × 50 ms ÷ 4.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from spectra_assets.client.api import ApiClient
from spectra_assets.client.transport import Transport
from spectra_assets.client.width import Width
from spectra_assets.covenant.access import Auth, Fetch, Server

SECONDS = 0.05


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    workers: threading.Semaphore

    def do_GET(self) -> None:
        with self.workers:
            time.sleep(SECONDS)
        body = b'[{"id":1}]'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


class _Fixed(Width):
    """Lets out as many as there may be."""

    def answered(self, seconds: float) -> None:
        """What that tells is of no interest."""


def main() -> None:
    """Print one JSON object."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lists", type=int, default=600)
    options.add_argument("--most", type=int, default=32)
    options.add_argument("--workers", type=int, default=4)
    options.add_argument("--fixed", action="store_true")
    given = options.parse_args()
    handler = type("Handler", (_Handler,), {"workers": threading.Semaphore(given.workers)})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    server = Server(base_url_env="X", auth=Auth(kind="none"), probe="/", in_flight=given.most)
    fetch = Fetch(
        entity="row", path="/rows", parent={"entity": "list", "path": "id", "parameter": "list", "location": "query"}
    )  # fmt: skip
    begun = time.monotonic()
    widths: list[int] = []
    with ApiClient(server, f"http://127.0.0.1:{http.server_address[1]}", None) as client:
        wire = client.wire
        assert isinstance(wire, Transport)
        if given.fixed:
            wire.width = _Fixed(given.most)
        rows = 0
        for result in client.fetch_all(fetch, range(given.lists)):
            rows += len(result[1].records) if isinstance(result, tuple) else 0
            widths.append(wire.width.width)
        times = sorted(entry["elapsedMs"] for entry in client.ledger.drain())
    http.shutdown()
    seconds, floor = time.monotonic() - begun, given.lists * SECONDS / given.workers
    assert rows == given.lists
    half = times[len(times) // 2]
    told = {"seconds": round(seconds, 2), "floor": round(floor, 2), "median ms of a request": round(half)}
    print(json.dumps({**told, "let out at once": widths[:: max(1, len(widths) // 12)]}))


if __name__ == "__main__":
    main()
