"""A little HTTP API on 127.0.0.1: routes, JSON, refusals, and a log of what was asked. Every server of the suite is one."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.conformance.servers.truth import Truth

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Asked:
    """One request. `values` are what stands in the path's parameters."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    values: dict[str, str] = field(default_factory=dict)
    body: Any = None
    """What the body holds, if it is JSON."""

    def told(self, name: str, kind: type, default: Any = None) -> Any:
        """A member of the body. Refuses with 422 what is of another type."""
        value = self.body.get(name, default) if isinstance(self.body, dict) else default
        if value is not None and type(value) is not kind:
            raise RefusedError(422, f"{name} must be of type {kind.__name__}")
        return value

    def number(self, name: str, default: int, least: int = 0, most: int | None = None) -> int:
        """A whole number of the query. Refuses with 400 what is none, or outside of its bounds."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not re.fullmatch(r"-?\d+", text) or int(text) < least or (most is not None and int(text) > most):
            bounds = f"from {least}" + (f" to {most}" if most is not None else "")
            raise RefusedError(400, f"{name} must be a whole number {bounds}")
        return int(text)


@dataclass(frozen=True)
class Answer:
    """What goes back: a JSON value, or bytes as they are. `chunks` in place of both is sent without a length."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    type: str = JSON_TYPE
    chunks: Iterator[bytes] | None = None


class RefusedError(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = Answer({"message": message or "refused"}, status, headers or {})


Handler = Callable[[Asked], Any]


class Api:
    """One API and what it holds. A subclass adds its routes in `setup` and tells its `truth`.

    `truth` names what a reader must find: the product never sees it.
    """

    token_env: ClassVar[str | None] = None
    """Variable through which the runner gives `credential` to the product; None: the API is open."""
    credential: ClassVar[str] = ""
    ruled: ClassVar[Mapping[str, int]] = {}
    """What a person sets by rules for this source."""
    searches: ClassVar[tuple[str, ...]] = ()
    """Patterns of the paths to which a person allows POSTs; none: no POST may come."""
    headers: ClassVar[Mapping[str, str]] = {}
    """What a person gives by `--header`."""
    named: ClassVar[tuple[str, ...]] = ()
    """What a person gives by `--list`."""
    user: ClassVar[str | None] = None
    """User name (basic) or client id (oauth2)."""

    def __init__(self) -> None:
        self.seen: list[Asked] = []
        self.routes: list[tuple[re.Pattern[str], Handler]] = []
        self.post_routes: list[tuple[re.Pattern[str], Handler]] = []
        self.base_path = ""
        self._server: ThreadingHTTPServer | None = None
        self.setup()

    # what a subclass says

    def setup(self) -> None:
        raise NotImplementedError

    def truth(self) -> Truth:
        raise NotImplementedError

    def allowed(self, asked: Asked) -> Answer | None:
        """None if the request may pass, else the refusal."""
        return None

    def missing(self, asked: Asked) -> Any:
        """What an unknown path answers."""
        raise RefusedError(404, "no such resource")

    # routing

    @classmethod
    def name(cls) -> str:
        """Its source name: `GeoFeatures` → `geo_features`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def get(self, path: str, handler: Handler | Any) -> None:
        """Answer GET `path`, its `{parameters}` as values, by `handler`, or with the value given."""
        self.routes.append((_pattern(path), handler if callable(handler) else lambda asked: handler))

    def post(self, path: str, handler: Handler) -> None:
        """Answer POST `path` by `handler`."""
        self.post_routes.append((_pattern(path), handler))

    def respond(self, asked: Asked) -> Answer:
        """The answer to a request, whatever it is."""
        try:
            refused = self.allowed(asked)
            if refused is not None:
                return refused
            posted = asked.method == "POST" and any(pattern.fullmatch(asked.path) for pattern, _ in self.post_routes)
            if asked.method not in ("GET", "HEAD", "OPTIONS") and not posted and not self.accepts(asked):
                raise RefusedError(405, "this API is read only")
            made = self._routed(asked, self.post_routes if posted else self.routes)
        except RefusedError as refusal:
            return refusal.answer
        return made if isinstance(made, Answer) else Answer(made)

    def accepts(self, asked: Asked) -> bool:
        """Whether a request that is no read is for this API (a token endpoint)."""
        return False

    def _routed(self, asked: Asked, routes: list[tuple[re.Pattern[str], Handler]]) -> Any:
        for pattern, handler in routes:
            found = pattern.fullmatch(asked.path)
            if found:
                values = {name: unquote(value) for name, value in found.groupdict().items()}
                return handler(replace(asked, values=values))
        return self.missing(asked)

    # running

    @property
    def port(self) -> int:
        assert self._server is not None, "it is not running"
        return int(self._server.server_address[1])

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return self.origin + self.base_path

    def start(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            sent = self.rfile.read(length) if length else b""
            is_json = self.headers.get("Content-Type", "").startswith(JSON_TYPE)
            query |= dict(parse_qsl(sent.decode())) if not is_json else {}
            body = json.loads(sent) if is_json else None
            asked = Asked(self.command, parts.path, query, self.headers, body=body)  # type: ignore[arg-type]
            api.seen.append(asked)
            answer = api.respond(asked)
            content = answer.body if isinstance(answer.body, bytes) else _json(answer.body)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.type)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.chunks is not None:
                self._stream(answer.chunks)
                return
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def _stream(self, chunks: Iterator[bytes]) -> None:
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                for chunk in chunks:
                    self.wfile.write(chunk)
            except OSError:
                pass  # the reader had enough

        do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 (names of http.server)

        def log_message(self, *_: object) -> None:
            pass

    return _Handler


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def _json(value: Any) -> bytes:
    return b"" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
