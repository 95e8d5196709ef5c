"""HTTP/1.1 by hand, as little as a loopback API needs: it is several times faster than http.server's handler.

Keep-alive is the default; request bodies are read and thrown away; nothing is compressed.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

_MOST_HEADERS = 100
_LONGEST_LINE = 65_536
_MOST_BODY = 64 * 1024 * 1024
_TRICKLES = 10

_PHRASES = {
    200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 410: "Gone", 417: "Expectation Failed", 428: "Precondition Required",
    429: "Too Many Requests", 500: "Internal Server Error",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One request: `target` is path and query as sent, header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """One response. `cut` closes the connection in the middle of the body, `drop` without any answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json;charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    drop: bool = False
    trickle: float = 0.0
    """Seconds the body takes."""


class Service(Protocol):
    """What a server serves."""

    @property
    def down(self) -> bool:
        """Whether connections are closed as soon as they come."""

    def answer(self, asked: Asked) -> Answer:
        """The response to one request; called from many threads."""


class Server(socketserver.ThreadingTCPServer):
    """Serves a `Service` on 127.0.0.1, a thread per connection; closing it closes all connections."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, port: int, service: Service) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Connection)

    def track(self, connection: socket.socket, opened: bool) -> None:
        """Remember a connection while it is open."""
        with self._open_lock:
            (self._open.add if opened else self._open.discard)(connection)

    def close_connections(self) -> None:
        """Close what clients keep alive, so that a stopped server is really gone."""
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class Connection(socketserver.StreamRequestHandler):
    """One connection: answers its requests one after the other until someone closes it."""

    server: Server
    disable_nagle_algorithm = True
    timeout = 300
    wbufsize = 0

    def handle(self) -> None:
        self.server.track(self.connection, True)
        try:
            while not self.server.service.down and self._one():
                pass
        except (ConnectionError, TimeoutError):
            return  # a client that goes away in the middle of an answer is its own affair
        finally:
            self.server.track(self.connection, False)

    def _one(self) -> bool:
        """Answer one request; False when the connection is to be closed."""
        asked = self._read()
        if asked is None:
            return False
        answer = self.server.service.answer(asked)
        if answer.drop:
            return False
        close = asked.headers.get("connection", "").lower() == "close" or answer.cut
        self._write(asked, answer, close)
        return not close

    def _read(self) -> Asked | None:
        """The next request with its body skipped; None at the end or if it isn't HTTP/1."""
        line = self.rfile.readline(_LONGEST_LINE)
        words = line.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return None
        headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            line = self.rfile.readline(_LONGEST_LINE)
            if line in (b"\r\n", b"\n", b""):
                break
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > _MOST_BODY or "transfer-encoding" in headers:
            headers["connection"] = "close"
        elif int(length):
            self.rfile.read(int(length))
        return Asked(words[0], words[1], headers)

    def _write(self, asked: Asked, answer: Answer, close: bool) -> None:
        lines = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Unknown')}"]
        if answer.status != 204:
            lines += [f"Content-Type: {answer.content_type}", f"Content-Length: {len(answer.body)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += ["Connection: close"] if close else []
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        body = b"" if asked.method == "HEAD" or answer.status == 204 else answer.body
        if answer.cut:
            self.connection.sendall(head + body[: len(body) // 2])
        elif answer.trickle:
            self.connection.sendall(head)
            self._trickle(body, answer.trickle)
        else:
            self.connection.sendall(head + body)

    def _trickle(self, body: bytes, seconds: float) -> None:
        size = max(1, -(-len(body) // _TRICKLES))
        for start in range(0, len(body), size):
            time.sleep(seconds / _TRICKLES)
            self.connection.sendall(body[start : start + size])
