"""A host that takes 10 requests per second, 3 at once, and else says 429 with Retry-After: 1: how long 2,000 records take.

    python -m benchmarks.extract.paced [--page 50] [--rate 10] [--burst 3]

Four readings, each in a process of its own: one that knows nothing, one after it, then two at the same time, which share the budget by
its file alone, and one with the rate in the covenant. The floor is requests ÷ rate.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from spectra_assets.client.api import ApiClient
from spectra_assets.covenant.access import Auth, Fetch, OffsetPaging, Server

ROWS = 2_000


class LimitedApi:
    """`/executions` behind offset paging, within a limit of requests. `taken` and `refused` count them."""

    def __init__(self, rate: float, burst: int, rows: int = ROWS) -> None:
        self.rate, self.burst, self.rows = rate, float(burst), rows
        self.taken = self.refused = 0
        self._tokens, self._filled = float(burst), time.monotonic()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def takes(self) -> bool:
        """Whether there is room for one more request now."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rate)
            self._filled = now
            free = self._tokens >= 1
            self._tokens -= free
            self.taken, self.refused = self.taken + free, self.refused + (not free)
            return free

    def counts(self) -> tuple[int, int]:
        """(taken, refused) since the last time."""
        with self._lock:
            counts = self.taken, self.refused
            self.taken = self.refused = 0
            return counts

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: LimitedApi

    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        free = self.api.takes()
        start, size = int(query.get("offset", 0)), int(query.get("size", 50))
        rows = [{"id": number, "name": f"execution {number}"} for number in range(start, min(start + size, self.api.rows))]
        body = json.dumps(rows if free else {"error": "too many requests"}).encode()
        self.send_response(200 if free else 429)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if not free:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def read(url: str, folder: Path, page: int, lists: int, per_second: float | None = None) -> int:
    """Read the rows in so many lists at once, as Extract does; the records."""
    server = Server(base_url_env="X", auth=Auth(kind="none"), probe="/executions", in_flight=8, requests_per_second=per_second)
    paging = OffsetPaging(offset_param="offset", size_param="size", size=page)
    fetch = Fetch(
        entity="execution", path="/executions", paging=paging,
        parent={"entity": "cycle", "path": "id", "parameter": "cycle", "location": "query"},
    )  # fmt: skip
    with ApiClient(server, url, None, budgets=folder) as client:
        found = client.fetch_all(fetch, range(lists))
        return sum(len(result[1].records) for result in found if isinstance(result, tuple))


def measure(rate: float, burst: int, page: int) -> list[dict[str, Any]]:
    """One row for each reading."""
    lists = 4
    api = LimitedApi(rate, burst, ROWS // lists)
    found = []
    with tempfile.TemporaryDirectory() as name:
        for what, processes, folder, known in (
            ("knows nothing", 1, "a", None),
            ("after it", 1, "a", None),
            ("two at once", 2, "a", None),
            ("rate in the covenant", 1, "b", 0.97 * rate),
        ):
            time.sleep(1)  # the host's burst is there again, as it is when a run begins
            command = [sys.executable, "-m", "benchmarks.extract.paced", "--read", api.url, "--folder", f"{name}/{folder}"]
            command += ["--page", str(page), "--lists", str(lists), *(["--known", str(known)] if known else [])]
            running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
            told = [json.loads(process.communicate()[0]) for process in running]
            taken, refused = api.counts()
            assert all(each["rows"] == ROWS for each in told), told
            seconds = max(each["end"] for each in told) - min(each["begin"] for each in told)
            floor = taken / rate
            found.append(
                {"reading": what, "requests": taken, "refused": refused, "seconds": round(seconds, 2), "floor": round(floor, 2),
                 "times the floor": round(seconds / floor, 2)}
            )  # fmt: skip
    api.close()
    return found


def main() -> None:
    """Print one JSON object per reading."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--page", type=int, default=50)
    options.add_argument("--rate", type=float, default=10)
    options.add_argument("--burst", type=int, default=3)
    options.add_argument("--lists", type=int, default=4)
    options.add_argument("--read", help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--known", type=float, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.read:
        begin = time.monotonic()
        rows = read(given.read, given.folder, given.page, given.lists, given.known)
        print(json.dumps({"rows": rows, "begin": begin, "end": time.monotonic()}))
        return
    for row in measure(given.rate, given.burst, given.page):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
