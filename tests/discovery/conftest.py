"""Little APIs on 127.0.0.1: a function per path, and what was asked."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from spectra_assets.settings import Settings

Query = dict[str, str]
Reply = tuple[int, Any, dict[str, str]]
"""Status, body (a JSON value, or bytes), headers."""


@dataclass
class Api:
    """Routes: path pattern → value, or function of (match, query, headers) that gives a value or a Reply."""

    routes: Mapping[str, Any]
    guard: Callable[[str, Query, Mapping[str, str]], Reply | None] = lambda *_: None
    missing: Reply = (404, {"message": "not found"}, {})
    asked: list[str] = field(default_factory=list)
    methods: set[str] = field(default_factory=set)
    base_url: str = ""

    def answer(self, address: str, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.asked.append(address)
        refused = self.guard(parts.path, query, headers)
        if refused:
            return refused
        for pattern, value in self.routes.items():
            match = re.fullmatch(pattern, parts.path)
            if match:
                made = value(match, query, headers) if callable(value) else value
                return made if isinstance(made, tuple) else (200, made, {})
        return self.missing


@pytest.fixture
def serve() -> Iterator[Callable[..., Api]]:
    """serve(routes, guard=…, missing=…): a running API. `{origin}` in its answers becomes its address."""
    running: list[ThreadingHTTPServer] = []

    def start(routes: Mapping[str, Any], **more: Any) -> Api:
        api = Api(routes, **more)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                api.methods.add(self.command)
                status, body, headers = api.answer(self.path, self.headers)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                data = data.replace(b"{origin}", api.base_url.encode())
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value.replace("{origin}", api.base_url))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        running.append(server)
        api.base_url = f"http://127.0.0.1:{server.server_address[1]}"
        return api

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(project=tmp_path, lakehouse_root=str(tmp_path / "lakehouse"))
