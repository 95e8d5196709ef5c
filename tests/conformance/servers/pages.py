"""Ways to give a list page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.conformance.servers.api import Answer, Asked, Handler, RefusedError

Row = dict[str, Any]
PastTheEnd = Literal["empty", "404", "400", "last"]


@dataclass(frozen=True)
class Size:
    """How long a page is: `default`, or what `name` asks for, cut silently at `cap`, refused with 400 above `most`."""

    name: str | None = None
    default: int = 20
    cap: int | None = None
    most: int | None = None

    def of(self, asked: Asked) -> int:
        if self.name is None:
            return self.default
        size = asked.number(self.name, self.default, 1, self.most)
        return min(size, self.cap) if self.cap else size


@dataclass(frozen=True)
class Page:
    """A page: its rows, where it starts, its size, all rows' number, and the request."""

    rows: Sequence[Row]
    start: int
    size: int
    total: int
    asked: Asked

    @property
    def ended(self) -> bool:
        return self.start + self.size >= self.total


Wrap = Callable[[Page], Any]


def bare(page: Page) -> Any:
    """The array itself."""
    return list(page.rows)


def numbered(
    rows: Sequence[Row], parameter: str, first: int, size: Size, wrap: Wrap = bare, past: PastTheEnd = "empty"
) -> Handler:
    """Pages counted from `first`."""

    def handler(asked: Asked) -> Any:
        wanted = size.of(asked)
        number = asked.number(parameter, first) - first
        if number < 0:
            raise RefusedError(400, f"{parameter} starts at {first}")
        return wrap(_cut(rows, number * wanted, wanted, asked, past))

    return handler


def counted(
    rows: Sequence[Row],
    parameter: str,
    size: Size,
    wrap: Wrap = bare,
    past: PastTheEnd = "empty",
    pick: Callable[[Asked], Any] | None = None,
) -> Handler:
    """Pages by offset. `pick` chooses the rows of a request."""

    def handler(asked: Asked) -> Any:
        chosen = pick(asked) if pick else rows
        return wrap(_cut(chosen, asked.number(parameter, 0), size.of(asked), asked, past))

    return handler


def tokens(rows: Sequence[Row], parameter: str, size: Size, wrap: Callable[[Page, str | None], Any]) -> Handler:
    """Pages by an opaque token, which `wrap` gives away with the page."""

    def handler(asked: Asked) -> Any:
        given = asked.query.get(parameter, "")
        if given and not given.startswith("tk-"):
            raise RefusedError(400, f"{parameter} is not a token of ours")
        start = int(given[3:], 36) if given else 0
        page = _cut(rows, start, size.of(asked), asked, "empty")
        return wrap(page, None if page.ended else f"tk-{_base36(start + page.size)}")

    return handler


def after(rows: Sequence[Row], parameter: str, field: str, size: Size, wrap: Wrap = bare) -> Handler:
    """Pages by the last row's key; rows come in its order."""

    def handler(asked: Asked) -> Any:
        last = asked.query.get(parameter, "")
        place = next((i + 1 for i, row in enumerate(rows) if str(row[field]) == last), None) if last else 0
        if place is None:
            raise RefusedError(400, f"{parameter}: no such {field}")
        wanted = size.of(asked)
        return wrap(Page(rows[place : place + wanted], place, wanted, len(rows), asked))

    return handler


def single(rows: Sequence[Row], field: str, parameter: str = "id") -> Handler:
    """One row by the value in the path; 404 if there is none."""

    def handler(asked: Asked) -> Any:
        for row in rows:
            if str(row[field]) == asked.values[parameter]:
                return row
        raise RefusedError(404, f"there is no {field} {asked.values[parameter]}")

    return handler


def total_in_header(name: str, wrap: Wrap = bare, told: Callable[[int], int] = lambda total: total) -> Wrap:
    """The rows' number (or what `told` makes of it) in a header."""

    def wrapped(page: Page) -> Answer:
        return Answer(wrap(page), headers={name: str(told(page.total))})

    return wrapped


def _cut(rows: Sequence[Row], start: int, size: int, asked: Asked, past: PastTheEnd) -> Page:
    if start >= len(rows) and start > 0:
        if past in ("404", "400"):
            raise RefusedError(int(past), "there is no such page")
        if past == "last":
            start = max(0, (len(rows) - 1) // size * size)
    return Page(rows[start : start + size], start, size, len(rows), asked)


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
        if not number:
            return digits
