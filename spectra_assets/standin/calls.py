"""What a route is given and gives back: a call with its parameters, rows, pages and refusals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.standin.damage import Damage
from spectra_assets.standin.layout import World

Record = dict[str, Any]

DEFAULT_PAGE = 10
"""Rows of a page if pagesize isn't given."""

_INTEGER = re.compile(r"-?[0-9]{1,18}")

REASONS = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 410: "Gone",
    417: "Expectation Failed", 428: "Precondition Required", 429: "Too Many Requests", 500: "Internal Server Error",
}  # fmt: skip


class Refusal(Exception):  # noqa: N818  (an answer of the API, not an error of the stand-in)
    """An answer that isn't 200. The body is {errorMsg, errorCode}; 204 has none."""

    def __init__(self, status: int, message: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Record = {
            "errorMsg": message or REASONS.get(status, ""),
            "errorCode": code or REASONS.get(status, ""),
        }


@dataclass(frozen=True)
class Rows:
    """Rows of an entity, made one by one when asked for."""

    entity: str
    count: int
    get: Callable[[int], Record]

    @classmethod
    def of(cls, entity: str, records: Sequence[Record]) -> Rows:
        """Rows which exist already."""
        return cls(entity, len(records), records.__getitem__)


@dataclass(frozen=True)
class Call:
    """One GET: its path and query parameters, and the data it is answered from."""

    world: World
    path: str
    query: Mapping[str, Sequence[str]]
    damage: Damage
    ignore_offset: bool = False
    params: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The first value of query parameter `name`; None if missing or empty."""
        return next((value for value in self.query.get(name, ()) if value), None)

    def flag(self, name: str, default: bool = False) -> bool:
        """Whether query parameter `name` says true."""
        value = self.text(name)
        return default if value is None else value.lower() == "true"

    def number(self, name: str) -> int | None:
        """The first value of query parameter `name`. What isn't an integer is 404, as JAX-RS conversion does (C10)."""
        value = self.text(name)
        return None if value is None else _integer(value)

    def numbers(self, name: str) -> list[int]:
        """All values of the repeated query parameter `name`; a comma-separated list is 404 (C10), so is none at all."""
        values = [_integer(value) for value in self.query.get(name, ()) if value]
        if not values:
            raise Refusal(404)
        return values

    def id(self, name: str) -> int:
        """Path parameter `name`; 404 if it isn't an integer."""
        return _integer(self.params[name])

    def array(self, rows: Rows) -> list[Record]:
        """All rows as a bare array."""
        shown, place = self.damage.order(rows.entity, rows.count)
        return [self.damage.record(rows.entity, rows.get(place(number))) for number in range(shown)]

    def page(self, rows: Rows, kind: str) -> Record:
        """One page in the envelope {firstResult, resultSize, pageNumber, results, type}.

        pageNumber holds the page size and resultSize is 0 whatever the rows (C02); pagesize=0 gives every row (C03);
        offset counts rows, past the end comes an empty page. isascorder=false turns the order round.
        """
        wanted = self.number("pagesize")
        size = DEFAULT_PAGE if wanted is None or wanted < 0 else wanted
        offset = 0 if self.ignore_offset else max(self.number("offset") or 0, 0)
        shown, place = self.damage.order(rows.entity, rows.count)
        numbers: Sequence[int] = range(offset, shown if size == 0 else min(offset + size, shown))
        if not self.flag("isascorder", default=True):
            numbers = [shown - 1 - number for number in numbers]
        results = [self.damage.record(rows.entity, rows.get(place(number))) for number in numbers]
        return {
            "firstResult": offset,
            "resultSize": 0,
            "pageNumber": size or DEFAULT_PAGE,
            "results": results,
            "type": kind,
        }

    def one(self, entity: str, record: Record) -> Record:
        """A single record."""
        return self.damage.record(entity, record)


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise Refusal(404)
    return int(text)
