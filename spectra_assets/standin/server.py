"""The stand-in as a server: start, stop, what was asked, faults and days."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import signal
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple
from urllib.parse import parse_qs

import click
import msgspec

from spectra_assets.standin import answers_executions, answers_plan, answers_system, answers_tests
from spectra_assets.standin.build import build
from spectra_assets.standin.calls import REASONS, Call, Refusal
from spectra_assets.standin.days import next_day
from spectra_assets.standin.faults import parse_fault
from spectra_assets.standin.http import Answer, Asked, Server
from spectra_assets.standin.routes import ROOT, Routes, api_path
from spectra_assets.standin.traffic import Traffic, Verdict
from spectra_assets.standin.truth import truth

__all__ = ["Requested", "StandIn", "parse_fault", "serve"]

REQUESTS_KEPT = 20_000
"""Requests remembered one by one; counts by method go on for ever."""

CACHE_BYTES = 32 * 1024 * 1024
"""Most bytes of encoded answers kept."""

_LOGIN = b"""<!DOCTYPE html>
<html><head><title>Zephyr Login</title></head>
<body><form action="/flex/login"><input name="username"></form></body></html>
"""


class Requested(NamedTuple):
    """One request a stand-in was asked, and the status it answered (0: the connection was closed instead)."""

    method: str
    path: str
    query: str
    status: int


class StandIn:
    """A loopback Zephyr Enterprise on 127.0.0.1.

    `executions` and `seed` decide the data, `faults` are texts for `parse_fault`, `latency` is ms before each
    answer. Use it as a context manager, or start() and stop(). Raises RequestError for a fault that isn't one.
    """

    def __init__(
        self,
        executions: int = 2_000,
        seed: int = 7,
        port: int = 0,
        token: str | None = None,
        faults: Sequence[str] = (),
        latency: float = 0.0,
    ) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self.port = port
        self.requests: deque[Requested] = deque(maxlen=REQUESTS_KEPT)
        self.methods: Counter[str] = Counter()
        self._latency = latency / 1000
        self._traffic = _traffic(faults, self._latency)
        self._world = build(executions, seed)
        self._routes = Routes(answers_plan.ROUTES, answers_tests.ROUTES, answers_executions.ROUTES, answers_system.ROUTES)
        self._cache = _Cache(CACHE_BYTES)
        self._truth: tuple[int, bytes] | None = None
        self._lock = threading.Lock()
        self._server: Server | None = None

    @property
    def base_url(self) -> str:
        """Scheme, host and port; the API lives below /flex/services/rest/latest."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def day(self) -> int:
        """How often the data has moved on."""
        return self._world.day

    @property
    def down(self) -> bool:
        """Whether connections are closed as soon as they come."""
        return self._traffic.down

    def start(self) -> StandIn:
        """Bind the port (0 picks a free one) and serve in the background. Starting twice changes nothing."""
        if self._server is None:
            self._server = Server(self.port, self)
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.05,), name="stand-in", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop serving and close all connections; the port stays the same for another start()."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.close_connections()

    def __enter__(self) -> StandIn:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def set_faults(self, faults: Sequence[str]) -> None:
        """Replace all faults; their counts start anew. Raises RequestError for one that isn't a fault."""
        traffic = _traffic(faults, self._latency)
        with self._lock:
            self._traffic = traffic
            self._cache = _Cache(CACHE_BYTES)

    def advance(self) -> int:
        """Move the data on by one day, the same way each time; return the new day."""
        with self._lock:
            self._world = next_day(self._world)
            self._cache = _Cache(CACHE_BYTES)
            return self._world.day

    def answer(self, asked: Asked) -> Answer:
        """The response to one request."""
        path, _, query = asked.target.partition("?")
        if path == "/__truth":
            return Answer(200, self._encoded_truth())
        answer = self._answer(asked, path, query)
        with self._lock:
            self.methods[asked.method] += 1
            self.requests.append(Requested(asked.method, path, query, 0 if answer.drop else answer.status))
        return answer

    def _answer(self, asked: Asked, path: str, query: str) -> Answer:
        with self._lock:
            traffic, cache, world = self._traffic, self._cache, self._world
        if path == "/flex/download":
            return self._download(asked, query)
        if path != ROOT and not path.startswith(f"{ROOT}/"):
            return Answer(200, _LOGIN, "text/html;charset=UTF-8")
        verdict = traffic.judge(path)
        if verdict.wait:
            time.sleep(verdict.wait)
        if verdict.drop:
            return Answer(0, drop=True)
        if verdict.status is not None:
            headers = {"Retry-After": "1"} if verdict.status == 429 else {}
            return _refused(Refusal(verdict.status), headers)
        if verdict.html:
            return Answer(200, _LOGIN, "text/html;charset=UTF-8")
        if not self._allowed(asked.headers.get("authorization", "")):
            return _refused(Refusal(401, "Invalid or missing credentials", "Unauthorized"))
        if asked.method != "GET":
            return _refused(Refusal(405), {"Allow": "GET"})
        answer = cache.get(asked.target)
        if answer is None:
            call = Call(world, path, parse_qs(query, keep_blank_values=True), traffic.damage, traffic.ignores_offset(path))
            answer = self._routed(call)
            cache.put(asked.target, answer)
        return _spoilt(answer, verdict)

    def _routed(self, call: Call) -> Answer:
        below = api_path(call.path)
        try:
            if below is None:
                raise Refusal(404)
            handler, params = self._routes.find(below)
            value = handler(Call(call.world, call.path, call.query, call.damage, call.ignore_offset, params))
        except Refusal as refusal:
            return _refused(refusal)
        return Answer(200, msgspec.json.encode(value))

    def _download(self, asked: Asked, query: str) -> Answer:
        """Content of an attachment: beside the REST root, with the same credential."""
        if not self._allowed(asked.headers.get("authorization", "")):
            return Answer(200, _LOGIN, "text/html;charset=UTF-8")
        if asked.method != "GET":
            return _refused(Refusal(405), {"Allow": "GET"})
        try:
            content = answers_system.download(self._world, parse_qs(query).get("fileId", [""])[0])
        except Refusal as refusal:
            return _refused(refusal)
        return Answer(200, content, "application/octet-stream")

    def _allowed(self, authorization: str) -> bool:
        """Bearer with the token, or Basic of any user with the token as password."""
        scheme, _, credential = authorization.partition(" ")
        given = credential.strip()
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _encoded_truth(self) -> bytes:
        world, known = self._world, self._truth
        if known is None or known[0] != world.day:
            known = self._truth = (world.day, msgspec.json.encode(truth(world)))
        return known[1]


class _Cache:
    """The answers asked for last, up to a number of bytes. Safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, target: str) -> Answer | None:
        with self._lock:
            answer = self._answers.get(target)
            if answer is not None:
                self._answers.move_to_end(target)
            return answer

    def put(self, target: str, answer: Answer) -> None:
        if len(answer.body) > self._most // 8:
            return
        with self._lock:
            if target not in self._answers:
                self._answers[target] = answer
                self._size += _cost(target, answer)
            while self._size > self._most:
                old, dropped = self._answers.popitem(last=False)
                self._size -= _cost(old, dropped)


def _cost(target: str, answer: Answer) -> int:
    """Bytes an answer takes in the cache, about."""
    return len(answer.body) + len(target) + 500


def _traffic(faults: Sequence[str], wait: float) -> Traffic:
    return Traffic([parse_fault(text) for text in faults], wait)


def _refused(refusal: Refusal, headers: dict[str, str] | None = None) -> Answer:
    body = b"" if refusal.status == 204 else msgspec.json.encode(refusal.body)
    assert refusal.status in REASONS or refusal.status == 204  # noqa: S101  (a status without a phrase is a slip)
    return Answer(refusal.status, body, headers=headers or {})


def _spoilt(answer: Answer, verdict: Verdict) -> Answer:
    """The answer with what the faults of the connection do to it."""
    body = b"Service temporarily busy, please come back later" if verdict.not_json else answer.body
    if verdict.truncate:
        body = body[: len(body) // 2]
    if body is answer.body and not verdict.cut and not verdict.trickle:
        return answer
    status = 200 if verdict.not_json else answer.status
    return Answer(status, body, answer.content_type, answer.headers, verdict.cut, False, verdict.trickle)


def serve(
    executions: int = 2_000,
    seed: int = 7,
    port: int = 0,
    token: str | None = None,
    faults: Sequence[str] = (),
    say: Callable[[str], None] = click.echo,
) -> None:
    """Serve until SIGINT or SIGTERM; say in one line where, and how a pipeline is pointed at it.

    `token` is what the stand-in accepts; None generates one, and only a generated one is shown. Call it from the main
    thread.
    """
    ended = threading.Event()
    with StandIn(executions, seed, port, token, faults) as standin:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        shown = standin.token if token is None else "<the token you gave>"
        say(
            f"Zephyr stand-in with {executions:,} executions at {standin.base_url}; to use it: "
            f"export ZEPHYR_BASE_URL={standin.base_url} ZEPHYR_API_TOKEN={shown}"
        )
        ended.wait()
