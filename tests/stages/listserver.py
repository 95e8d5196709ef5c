"""A small real HTTP server on loopback whose lists page in every way there is, for tests of measuring."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from spectra_assets.client.api import ApiClient
from spectra_assets.covenant.access import Auth, Search, Server
from spectra_assets.intelligence.model import Endpoint, EntityHint, Identifier, Pack, Parameter


@dataclass
class Call:
    """One request."""

    path: str
    query: dict[str, str]

    def number(self, name: str, default: int) -> int:
        return int(self.query.get(name, default))


@dataclass
class Reply:
    """One answer; `body` is sent as JSON unless it is bytes."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Answering = Callable[[Call], Any]


class _Http(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: clients that give up are part of these tests."""


class ListServer:
    """Serves `routes` (path → answer); `calls` are all requests, `methods` their methods."""

    def __init__(self, routes: dict[str, Answering]) -> None:
        self.routes = routes
        self.calls: list[Call] = []
        self.methods: set[str] = set()
        self.over = threading.Event()
        self._http = _Http(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> ListServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()

    def client(self, searches: tuple[str, ...] = (), **options: Any) -> ApiClient:
        allowed = [Search(path=path, allowed_by="a test") for path in searches]
        server = Server(base_url_env="DEMO_URL", auth=Auth(kind="none"), probe="/", searches=allowed)
        return ApiClient(server, self.url, None, **{"backoff_base": 0.01, "timeout": (20, 60), **options})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_: ListServer

    def do_POST(self) -> None:
        """What stands in the body is told as if it stood in the query, and as text."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(Call(urlsplit(self.path).path, {name: str(value) for name, value in body.items()}))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer(Call(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))))

    def _answer(self, call: Call) -> None:
        self.server_.calls.append(call)
        self.server_.methods.add(self.command)
        answering = self.server_.routes.get(call.path)
        found = Reply({"error": "nothing here"}, 404) if answering is None else answering(call)
        reply = found if isinstance(found, Reply) else Reply(found)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def rows(count: int, start: int = 1) -> list[dict[str, Any]]:
    """Records with ids which go up."""
    return [{"id": start + number, "name": f"row {start + number}"} for number in range(count)]


def capped(call: Call, name: str, default: int, most: int = 10**9) -> int:
    """The size that a request asks for, silently lowered."""
    return max(0, min(call.number(name, default), most))


def paged(all_rows: list[Any], page: str, size: str, first: int = 1, default: int = 10, most: int = 10**9) -> Answering:
    """Bare arrays by page and size."""

    def answer(call: Call) -> Any:
        length = capped(call, size, default, most)
        start = (call.number(page, first) - first) * length
        return all_rows[start : start + length] if start >= 0 else []

    return answer


def offset(all_rows: list[Any], name: str, size: str, default: int = 10, most: int = 10**9) -> Answering:
    """Bare arrays by offset and size."""

    def answer(call: Call) -> Any:
        start = call.number(name, 0)
        return all_rows[start : start + capped(call, size, default, most)]

    return answer


def link(call: Call, base: str, **changes: Any) -> str:
    """The address of the same list with other parameters."""
    return f"{base}{call.path}?{urlencode({**call.query, **{name: str(value) for name, value in changes.items()}})}"


def pack(*paths: str, paging: Any = (), query: Any = (), parameters: tuple[Parameter, ...] = (), **more: Any) -> Pack:
    """A pack with one entity per path, named by the path's last word."""
    server = Server(base_url_env="DEMO_URL", auth=Auth(kind="none"), probe="/")
    endpoints = [Endpoint(method="GET", path=path, group="", query=list(query), parameters=list(parameters)) for path in paths]
    names = [[word for word in path.split("/") if word and "{" not in word][-1] for path in paths]
    entities = [EntityHint(entity=name, description="", routes=[path]) for name, path in zip(names, paths, strict=True)]
    fields: dict[str, Any] = {"endpoints": endpoints, "entities": entities, "paging": list(paging), **more}
    return Pack(source="demo", title="Demo", server=server, **{"origin": "discovered", **fields})


__all__ = ["Call", "Identifier", "ListServer", "Reply", "capped", "link", "offset", "pack", "paged", "rows"]
