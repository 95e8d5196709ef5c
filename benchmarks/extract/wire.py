"""CPU of one small request, by what sends it: urllib3, http.client, a line of ours, and the whole client around it.

    python -m benchmarks.extract.wire [--requests 5000]

The server is a process of its own that answers a few bytes at once over kept connections; microseconds of this process alone,
the best of three rounds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import urllib3

from spectra_assets.client.api import ApiClient
from spectra_assets.client.line import Bounds, rendered
from spectra_assets.client.pool import Pool
from spectra_assets.covenant.access import Auth, Server

HEADERS = {
    "Accept": "application/json",
    "User-Agent": "spectra-assets",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
}
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Thu, 26 Nov 2026 05:09:46 GMT\r\nContent-Type: application/json\r\n"
    b'ETag: "abc"\r\nContent-Length: 10\r\n\r\n[{"id":1}]'
)
ROUNDS = 3


def serve(told: Connection) -> None:
    """Answer until killed."""
    server = socket.create_server(("127.0.0.1", 0))
    told.send(server.getsockname()[1])
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while connection.recv(65_536):
            connection.sendall(ANSWER)


def by_urllib3(port: int) -> Callable[[], object]:
    pool = urllib3.PoolManager()

    def send() -> object:
        timeout = urllib3.Timeout(10, 60)
        answer = pool.urlopen(
            "GET", f"http://127.0.0.1:{port}/x", headers=HEADERS, retries=False, preload_content=False, timeout=timeout
        )
        body = answer.read(decode_content=True)
        answer.release_conn()
        return body

    return send


def by_http_client(port: int) -> Callable[[], object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send() -> object:
        connection.request("GET", "/x", headers=HEADERS)
        return connection.getresponse().read()

    return send


def by_line(port: int) -> Callable[[], object]:
    pool, stop = Pool(f"http://127.0.0.1:{port}"), threading.Event()

    def send() -> object:
        line = pool.line(10)
        came = line.ask(
            rendered("GET", "/x", {"Host": pool.host, **HEADERS}, None), Bounds(60, time.perf_counter() + 60, 1 << 20), stop
        )
        pool.back(line)
        return came.body

    return send


def by_client(port: int) -> Callable[[], object]:
    server = Server(base_url_env="X", auth=Auth(kind="none"), probe="/")
    client = ApiClient(server, f"http://127.0.0.1:{port}", None)
    return lambda: client.read("/x")


WAYS: dict[str, Callable[[int], Callable[[], object]]] = {
    "urllib3": by_urllib3,
    "http.client": by_http_client,
    "line (urllib3 connects, llhttp reads)": by_line,
    "the client: paced, masked, judged, in the ledger": by_client,
}


def main() -> None:
    """Print one JSON object."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=5_000)
    given = options.parse_args()
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    found: dict[str, float] = {name: float("inf") for name in WAYS}
    senders = {name: way(port) for name, way in WAYS.items()}
    for _ in range(ROUNDS):
        for name, send in senders.items():
            assert send() == b'[{"id":1}]'
            begun = time.process_time()
            for _ in range(given.requests):
                send()
            found[name] = min(found[name], (time.process_time() - begun) / given.requests * 1e6)
    server.kill()
    print(json.dumps({name: round(value, 1) for name, value in found.items()}, indent=1))


if __name__ == "__main__":
    main()
