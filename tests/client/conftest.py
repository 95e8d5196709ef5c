"""A real HTTP server per test, on loopback, whose answers and faults each test says."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.mask import Secret
from spectra_assets.covenant.access import Auth, Search, Server

TOKEN = "tok/3n+of-the-Tests=="


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    method: str = "GET"
    body: bytes = b""
    at: float = field(default_factory=time.monotonic)

    def number(self, name: str) -> int:
        return int(self.query[name][0])


@dataclass
class Reply:
    """One answer; `fault` changes how it is sent: `hangup` and `stall` before it, `cut`, `midway`, `drip` and `endless` within it."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""


class _Http(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: clients that give up are what these tests are about. A fault of `answer` shows as a cut connection."""


class Api:
    """A loopback server. `answer` is called for each request, from several threads; `asked` are all requests."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Reply] = lambda asked: Reply(b"[]")
        self.over = threading.Event()
        self._http = _Http(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()

    def secure(self, certificate: Path, key: Path) -> None:
        """Speak TLS from here on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)

    def replies(self, *replies: Reply) -> None:
        """Answer with these in turn, the last one for ever."""
        left = list(replies)
        self.answer = lambda asked: left.pop(0) if len(left) > 1 else left[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: Api

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(parts.path, parse_qs(parts.query), dict(self.headers), self.command, sent)
        self.api.asked.append(asked)
        reply = self.api.answer(asked)
        if reply.fault == "hangup":
            self._hang_up()
            return
        if reply.fault == "stall":
            self.api.over.wait(60)
        try:
            self._send(reply)
        except OSError:
            self.close_connection = True

    do_POST = do_GET  # noqa: N815  (the name that http.server calls)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body)), **reply.headers}
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if reply.fault == "cut":
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self._hang_up()
        elif reply.fault == "midway":
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self.api.over.wait(60)
        elif reply.fault == "drip":
            for byte in reply.body:
                if self.api.over.wait(0.02):
                    return
                self.wfile.write(bytes([byte]))
        elif reply.fault == "endless":
            while not self.api.over.is_set():
                self.wfile.write(b"10000\r\n" + b"1" * 0x10000 + b"\r\n")
        elif reply.status not in (204, 304):
            self.wfile.write(reply.body)
        if "Content-Length" in reply.headers:
            self.close_connection = True

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Quiet."""


class PlayedTime:
    """The time of pacing and budgets, which goes on by what is waited for alone: in place of the module `time`, and of the event
    that ends waiting. `later` are calls at instants to come."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.later: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        until = self.now + seconds
        while self.later and self.later[0][0] <= until:
            due, call = self.later.pop(0)
            self.now = max(self.now, due)
            call()
        self.now = max(self.now, until)
        return False


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> PlayedTime:
    """Whatever is tested here takes the same steps on a fast machine and on a slow one."""
    time = PlayedTime()
    monkeypatch.setattr("spectra_assets.client.pacing.time", time)
    monkeypatch.setattr("spectra_assets.client.budget.time", time)
    return time


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    yield server
    server.close()


@pytest.fixture
def other_api() -> Iterator[Api]:
    server = Api()
    yield server
    server.close()


@pytest.fixture
def connect(api: Api) -> Iterator[Callable[..., ApiClient]]:
    """Makes clients of `api` with short waits; any argument of ApiClient or Server may be given."""
    clients: list[ApiClient] = []

    def make(
        base_url: str | None = None,
        secret: Secret | None = Secret(TOKEN),  # noqa: B008  immutable
        auth: Auth | None = None,
        base_path: str = "",
        requests_per_second: float | None = None,
        searches: Sequence[str] = (),
        **options: Any,
    ) -> ApiClient:
        server = Server(
            base_url_env="DEMO_URL",
            base_path=base_path,
            auth=auth or Auth(token_env="DEMO_TOKEN"),
            probe="/me",
            requests_per_second=requests_per_second,
            searches=[Search(path=path, allowed_by="a test") for path in searches],
        )
        options = {"backoff_base": 0.01, "timeout": (20, 60), **options}
        clients.append(ApiClient(server, base_url or api.url, secret, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
