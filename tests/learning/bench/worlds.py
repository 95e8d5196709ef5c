"""Little HTTP APIs of several shapes whose behaviour can be changed while they run. What they hold is the truth."""

from __future__ import annotations

import copy
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.described import Operation, envelope_of, openapi
from tests.conformance.servers.truth import Truth

Row = dict[str, Any]
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty", "knoll", "ledge")


@dataclass
class List:
    """One list of an API. `pick` is the parameter (of path or query) and the field by which rows are chosen, if there is one.

    `style` is how it pages: none, offset, page, cursor, next (an address in the body), link (one in the headers); `names` are the
    parameters for place and size, `first` is the number of the first page. `longest` cuts pages silently, `most` refuses what
    asks for more. `place` are the keys down to the records, `total` the key of their number.
    """

    path: str
    rows: list[Row]
    style: str = "offset"
    names: tuple[str, str] = ("offset", "limit")
    size: int = 25
    first: int = 1
    longest: int | None = None
    most: int | None = None
    place: tuple[str, ...] = ("items",)
    total: str | None = "total"
    told: int | None = None
    """What is said of the number of rows, if that is not true."""
    pick: tuple[str, str] | None = None
    owner: Callable[[Row], Any] | None = None
    """Tells whose a row is, where its field does not."""
    also: str | None = None
    """Another parameter that chooses as `pick` does, and never without effect."""
    needed: bool = False
    """Without the parameter the list is refused."""
    ignores: bool = False
    """The parameter is taken and has no effect."""
    status: int | None = None
    """An error status in place of rows."""
    moved: str | None = None
    """It is redirected to another path."""
    hidden: bool = False
    """The root does not name it."""
    repeat: Callable[[list[Row]], list[Row]] | None = None
    """What is given in place of the rows, which stay the truth."""
    given: Callable[[World], None] | None = None
    """What happens to the world as its rows are asked for."""
    said: Callable[[Answer, Asked], Any] | None = None
    """What becomes of an answer on its way."""


class World(Api):
    """An API made of lists. Its state is put back by `changed`."""

    unknown: ClassVar[bool] = True
    """Nobody curated it: its pipeline begins with discovery."""

    def __init__(self) -> None:
        self.lists: dict[str, List] = {}
        self.per_second: float | None = None
        self.burst = 5.0
        self.polite = True
        """Whether 429 says when to come again."""
        self.refused = 0
        self.stale = False
        """Whether a list was read that another one may outrun (`List.given`)."""
        self._tokens, self._filled = 0.0, 0.0
        self._lock = threading.Lock()
        super().__init__()

    # what a subclass says

    def made(self) -> dict[str, List]:
        raise NotImplementedError

    def setup(self) -> None:
        self.lists = self.made()
        self.get("/", lambda asked: {each.path.strip("/").replace("/", "_"): self.origin + each.path for each in self._named()})

    def truth(self) -> Truth:
        return Truth(entities=())

    def missing(self, asked: Asked) -> Any:
        for each in self.lists.values():
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(each.path))
            if found := re.fullmatch(pattern, asked.path):
                made = self._listed(each, asked, found.groupdict())
                return made if each.said is None else each.said(made if isinstance(made, Answer) else Answer(made), asked)
        raise RefusedError(404, "no such resource")

    @contextmanager
    def changed(self, change: Callable[[World], None]) -> Iterator[None]:
        """While this lasts, the API is another one."""
        before = copy.deepcopy(self.lists)
        try:
            change(self)
            yield
        finally:
            self.lists, self.per_second, self.polite, self.refused = before, None, True, 0

    def throttle(self, per_second: float, burst: float, polite: bool = True) -> None:
        """From here on, more than so many requests are refused."""
        self.per_second, self.burst, self.polite = per_second, burst, polite
        self._tokens, self._filled = burst, time.monotonic()

    def allowed(self, asked: Asked) -> Answer | None:
        if self.per_second is None:
            return None
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.per_second)
            self._filled = now
            if self._tokens >= 1:
                self._tokens -= 1
                return None
            self.refused += 1
        return Answer({"message": "slow down"}, 429, {"Retry-After": "1"} if self.polite else {})

    def _named(self) -> Iterator[List]:
        return (each for each in self.lists.values() if "{" not in each.path and not each.hidden)

    def _listed(self, each: List, asked: Asked, values: dict[str, str]) -> Any:
        if each.status is not None:
            raise RefusedError(each.status, "refused here")
        if each.moved is not None:
            return Answer(None, 301, {"Location": f"{each.moved}?{urlencode(asked.query)}"})
        if each.given is not None:
            each.given(self)
        rows = self._picked(each, asked, values)
        if each.repeat is not None:
            rows = each.repeat(rows)
        total = len(rows) if each.told is None else each.told
        start, wanted, more = self._cut(each, asked, rows)
        page = rows[start : start + wanted]
        place, size = each.names
        further = urlencode({**asked.query, place: start + wanted, size: wanted})
        address = f"{self.origin}{asked.path}?{further}" if more else None
        if not each.place:
            linked = each.style == "link" and address
            return Answer(page, 200, {"Link": f'<{address}>; rel="next"'}) if linked else page
        made: Any = page
        for key in reversed(each.place):
            made = {key: made}
        if each.total is not None:
            made[each.total] = total
        if each.style == "cursor":
            made["next"] = f"c{start + wanted:x}" if more else None
        if each.style == "next":
            made["next"] = address
        if each.style == "link" and address:
            return Answer(made, 200, {"Link": f'<{address}>; rel="next"'})
        return made

    def _picked(self, each: List, asked: Asked, values: dict[str, str]) -> list[Row]:
        if each.pick is None:
            return each.rows
        name, path = each.pick
        owner = each.owner or (lambda row: row[path])
        other = asked.query.get(each.also or "")
        if other is not None:
            return [row for row in each.rows if str(owner(row)) == other]
        given = values.get(name, asked.query.get(name))
        if given is None:
            if each.needed:
                raise RefusedError(400, f"{name} is missing")
            return each.rows
        return each.rows if each.ignores else [row for row in each.rows if str(owner(row)) == given]

    def _cut(self, each: List, asked: Asked, rows: list[Row]) -> tuple[int, int, bool]:
        """Where the page starts, how long it is, and whether more follows."""
        if each.style == "none":
            return 0, len(rows), False
        place, size = each.names
        wanted = asked.number(size, each.size, 1, each.most)
        wanted = min(wanted, each.longest or wanted)
        if each.style in ("offset", "next", "link"):
            start = asked.number(place, 0)
        elif each.style == "page":
            start = (asked.number(place, each.first, each.first) - each.first) * wanted
        else:
            token = asked.query.get(place, "")
            if token and not re.fullmatch(r"c[0-9a-f]+", token):
                raise RefusedError(400, f"{place} is no token of ours")
            start = int(token[1:], 16) if token else 0
        return start, wanted, start + wanted < len(rows)


def customers(count: int = 30) -> list[Row]:
    """People who buy."""
    return [
        {
            "id": n,
            "name": f"{WORDS[n % 12]} {n}",
            "email": f"{WORDS[n % 12]}{n}@example.org",
            "city": WORDS[n % 7],
            "since": day(n),
        }
        for n in range(1, count + 1)
    ]


def orders(count: int = 90, people: int = 30) -> list[Row]:
    """What they buy."""
    return [
        {
            "id": 5000 + n,
            "reference": f"ORD-{n * 37 % 9973:05}",
            "customerId": 1 + n * 7 % people,
            "status": ("open", "paid", "sent")[n % 3],
            "placed": day(n),
            "units": 1 + n % 9,
            "weight": n % 40 / 4,
            "note": f"note {WORDS[n % 5]}",
            "modified": f"{day(n)}T{n % 24:02}:{n % 60:02}:00Z",
        }
        for n in range(count)
    ]


def day(number: int) -> str:
    """A date, some after the twelfth of its month."""
    return f"2024-{1 + number % 12:02}-{1 + number * 5 % 28:02}"


class Market(World):
    """Two lists by offset in an envelope with totals."""

    def made(self) -> dict[str, List]:
        return {"customer": List("/customers", customers()), "order": List("/orders", orders())}


class Register(Market):
    """The same, where orders can be asked for by their time of change."""

    def _picked(self, each: List, asked: Asked, values: dict[str, str]) -> list[Row]:
        rows, since = super()._picked(each, asked, values), asked.query.get("modified_since", "")
        return [row for row in rows if since <= (row.get("modified") or row.get("changedAt") or since)]


class Archive(World):
    """Numbered pages as bare arrays, without totals."""

    def made(self) -> dict[str, List]:
        pages: dict[str, Any] = {"style": "page", "names": ("page", "per_page"), "place": (), "total": None}
        return {"customer": List("/customers", customers(), **pages), "order": List("/orders", orders(), **pages)}


class Stream(World):
    """Tokens for the next page, two levels of envelope."""

    def made(self) -> dict[str, List]:
        pages: dict[str, Any] = {"style": "cursor", "names": ("after", "limit"), "place": ("result", "rows"), "total": None}
        return {"customer": List("/customers", customers(), **pages), "order": List("/orders", orders(), **pages)}


class Desk(World):
    """Orders only by customer: by a parameter that is needed, or by a path of their own. It has a description."""

    def made(self) -> dict[str, List]:
        rows = orders(60, 12)
        return {
            "customer": List("/customers", customers(12)),
            "order": List("/orders", rows, pick=("customerId", "customerId"), needed=True),
            "ordersOf": List("/customers/{customerId}/orders", rows, pick=("customerId", "customerId")),
        }

    def setup(self) -> None:
        super().setup()
        paging = {"offset": "integer", "limit": "integer"}
        self.get(
            "/openapi.json",
            lambda asked: openapi(
                self,
                [
                    Operation("/customers", paging, envelope_of(customers(1)[0], "items", total=1)),
                    Operation("/orders", {"customerId": "integer!", **paging}, envelope_of(orders(1)[0], "items", total=1)),
                    Operation("/customers/{customerId}/orders", paging, envelope_of(orders(1)[0], "items", total=1)),
                ],
            ),
        )
