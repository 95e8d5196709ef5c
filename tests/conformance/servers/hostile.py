"""Servers that answer badly: a clear finding each time, in bounded time, and what is good beside it still lands."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.described import Operation, array_of, openapi
from tests.conformance.servers.pages import Size, counted, numbered
from tests.conformance.servers.shapes import word
from tests.conformance.servers.truth import Edge, Entity, Reference, Truth


def _good(count: int = 45) -> list[dict[str, Any]]:
    return [{"id": n, "name": word(n), "level": n % 4} for n in range(1, count + 1)]


class AllHtml(Api):
    """A web page for everything, with status 200."""

    def setup(self) -> None:
        pass

    def missing(self, asked: Asked) -> Any:
        return Answer(b"<!DOCTYPE html><html><body><h1>Welcome</h1></body></html>", type="text/html; charset=utf-8")

    def truth(self) -> Truth:
        return Truth(silent=True, findings=(r"(?i)html|web page|not json",), most_requests=200)


class Silence(Api):
    """A root that is empty, and 404 for all else."""

    def setup(self) -> None:
        self.get("/", {})

    def truth(self) -> Truth:
        return Truth(silent=True, findings=(r"(?i)no (endpoint|list|entit|description)|nothing",), most_requests=200)


class Endless(Api):
    """A body that never ends, pages without end, and a good list beside them."""

    ruled: ClassVar[Mapping[str, int]] = {"most_pages": 300}

    def setup(self) -> None:
        self.good = _good()
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/good", lambda asked: self.good)
        self.get("/archive", lambda asked: Answer(chunks=self._forever()))
        self.get("/pages", self._pages)

    def _forever(self) -> Iterator[bytes]:
        yield b"["
        for number in itertools.count():
            yield json.dumps({"id": number, "filler": "x" * 4000}).encode() + b","
            time.sleep(0.01)

    def _pages(self, asked: Asked) -> Any:
        number = asked.number("page", 1)
        return {
            "items": [{"id": number * 20 + k, "value": word(k)} for k in range(20)],
            "next": f"{self.origin}/pages?page={number + 1}",
        }

    def _operations(self) -> list[Operation]:
        return [
            Operation("/good", answer=array_of(self.good[0])),
            Operation("/archive", answer=array_of({"id": 1, "filler": ""})),
            Operation("/pages", {"page": "integer"}),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(Entity("good", ("/good",), self.good),), findings=(r"/archive\b", r"/pages\b"), most_requests=4_000
        )


class Circles(Api):
    """Redirects in circles, to another host, to a file, and a `next` that leads away; a good list moved once. The credential stays home."""

    token_env, credential = "CIRCLES_TOKEN", "cc-secret-5"

    def setup(self) -> None:
        self.good = _good()
        self.lured: list[Asked] = []
        self.away = _Away(self.lured)
        self.get("/openapi.json", lambda asked: openapi(self, self._operations(), security={"type": "http", "scheme": "bearer"}))
        self.get("/good", lambda asked: Answer(None, 301, {"Location": "/moved"}))
        self.get("/moved", lambda asked: self.good)
        self.get("/circle", lambda asked: Answer(None, 302, {"Location": "/elcric"}))
        self.get("/elcric", lambda asked: Answer(None, 302, {"Location": f"{self.origin}/circle"}))
        self.get("/elsewhere", lambda asked: Answer(None, 302, {"Location": f"{self.away.origin}/elsewhere"}))
        self.get("/file", lambda asked: Answer(None, 302, {"Location": "file:///etc/passwd"}))
        self.get("/leaving", lambda asked: {"rows": self.good[:20], "next": f"{self.away.origin}/leaving?page=2"})

    def start(self) -> Circles:
        self.away.start()
        super().start()
        return self

    def stop(self) -> None:
        super().stop()
        self.away.stop()

    def allowed(self, asked: Asked) -> Answer | None:
        if asked.path == "/openapi.json" or asked.headers.get("Authorization") == f"Bearer {self.credential}":
            return None
        return Answer({"error": "who are you"}, 401, {"WWW-Authenticate": "Bearer"})

    def _operations(self) -> list[Operation]:
        return [Operation(f"/{name}", answer=array_of(self.good[0])) for name in ("good", "circle", "elsewhere", "file")]

    def truth(self) -> Truth:
        return Truth(
            entities=(Entity("good", ("/good",), self.good),),
            findings=(
                r"/circle\b.*redirect|redirect.*/circle\b",
                r"/elsewhere\b.*(redirect|host)|(redirect|host).*/elsewhere\b",
                r"/file\b",
            ),
        )


class _Away(Api):
    """Another host, which must never see the credential."""

    def __init__(self, lured: list[Asked]) -> None:
        self._lured = lured
        super().__init__()

    def setup(self) -> None:
        pass

    def missing(self, asked: Asked) -> Any:
        self._lured.append(asked)
        return [{"id": 1, "name": "trap"}]

    def truth(self) -> Truth:
        return Truth(silent=True)


class Shifting(Api):
    """Changes between two calls: the order of a list, a time in every answer, a row that joins while pages are read."""

    def setup(self) -> None:
        self.members = _good(64)
        self.turns = [{"id": 300 + n, "name": word(n), "asked_at": 0} for n in range(30)]
        self._clock = itertools.count(1_700_000_000)
        self._lock = threading.Lock()
        self.get("/", lambda asked: {"members": f"{self.origin}/members", "turns": f"{self.origin}/turns"})
        self.get("/members", self._shuffled)
        self.get("/turns", self._timed)

    def _tick(self) -> int:
        with self._lock:
            return next(self._clock)

    def _shuffled(self, asked: Asked) -> Any:
        turn = self._tick() % len(self.members)
        return {"generated": turn, "members": self.members[turn:] + self.members[:turn]}

    def _timed(self, asked: Asked) -> Any:
        now = self._tick()
        return {"now": now, "turns": [row | {"asked_at": now} for row in self.turns]}

    def truth(self) -> Truth:
        return Truth(entities=(Entity("member", ("/members",), self.members), Entity("turn", ("/turns",), self.turns)))


class RateLimited(Api):
    """Twenty-five requests a second: more are answered with 429 and Retry-After; the headers say what is left. Few 429 may be provoked."""

    per_second = 25
    most_provoked = 12

    def setup(self) -> None:
        self.farms = _good(40)
        self.cows = [{"id": 1000 + n, "farmId": 1 + n % 40, "name": word(n)} for n in range(120)]
        self.provoked = 0
        self._window, self._count = 0, 0
        self._lock = threading.Lock()
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/farms", numbered(self.farms, "page", 1, Size("size", 10, cap=20)))
        self.get("/farms/{farmId}/cows", lambda asked: [row for row in self.cows if str(row["farmId"]) == asked.values["farmId"]])

    def respond(self, asked: Asked) -> Answer:
        with self._lock:
            window = int(time.monotonic())
            self._count = self._count + 1 if window == self._window else 1
            self._window = window
            left = self.per_second - self._count
            headers = {"RateLimit-Limit": str(self.per_second), "RateLimit-Remaining": str(max(0, left)), "RateLimit-Reset": "1"}
            if left < 0:
                self.provoked += 1
                return Answer({"error": "slow down"}, 429, {**headers, "Retry-After": "1"})
        answer = super().respond(asked)
        return Answer(answer.body, answer.status, {**answer.headers, **headers}, answer.type)

    def _operations(self) -> list[Operation]:
        return [
            Operation("/farms", {"page": "integer", "size": "integer"}, array_of(self.farms[0])),
            Operation("/farms/{farmId}/cows", answer=array_of(self.cows[0])),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(Entity("farm", ("/farms",), self.farms), Entity("cow", ("/farms/{}/cows",), self.cows)),
            edges=(Edge("farm", "cow", {"farmId": ("id",)}),),
            references=(Reference("cow", "farmId", "farm"),),
        )


class Flaky(Api):
    """Every seventh answer is a 503, some bodies are cut, one list is not JSON although it says so."""

    def setup(self) -> None:
        self.good = _good(60)
        self._turn = itertools.count(1)
        self._lock = threading.Lock()
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/good", counted(self.good, "offset", Size("limit", 20, cap=20)))
        self.get("/torn", lambda asked: Answer(b'[{"id": 1, "name": "a"}, {"id": 2, "na'))
        self.get("/yaml", lambda asked: Answer(b"- id: 1\n- id: 2\n"))

    def allowed(self, asked: Asked) -> Answer | None:
        with self._lock:
            turn = next(self._turn)
        if turn % 7 == 0:
            raise RefusedError(503, "try again", {"Retry-After": "0"})
        return None

    def _operations(self) -> list[Operation]:
        page = {"offset": "integer", "limit": "integer"}
        row = array_of(self.good[0])
        return [Operation("/good", page, row), Operation("/torn", answer=row), Operation("/yaml", answer=row)]

    def truth(self) -> Truth:
        return Truth(entities=(Entity("good", ("/good",), self.good),), findings=(r"/torn\b.*(?i:json)", r"/yaml\b.*(?i:json)"))


SERVERS: tuple[type[Api], ...] = (AllHtml, Silence, Endless, Circles, Shifting, RateLimited, Flaky)
