"""Servers of the ways lists are given page by page, and of the lies they tell about it."""

from __future__ import annotations

from typing import Any

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.described import Operation, array_of, envelope_of, openapi, swagger
from tests.conformance.servers.pages import Page, Row, Size, after, counted, numbered, single, tokens, total_in_header
from tests.conformance.servers.shapes import BOOL, DECIMAL, INT, TEXT, word
from tests.conformance.servers.truth import Entity, Reference, Truth


def _rows(count: int, first: int = 1) -> list[Row]:
    return [{"id": n, "label": word(n), "rank": n * 7 % 13, "open": n % 3 == 0} for n in range(first, first + count)]


class PagesFromOne(Api):
    """`page` from 1 with `per_page`, cut silently at 50, the next page in `Link`, a true total in `X-Total-Count`; no description.
    A second list links its pages by an opaque, relative address alone."""

    def setup(self) -> None:
        self.issues = _rows(173)
        self.commits = [{"sha": f"{n * 2654435761 % 2**32:08x}", "message": word(n)} for n in range(95)]
        self.get("/", lambda asked: {"issues_url": f"{self.origin}/issues", "commits_url": f"{self.origin}/commits"})
        self.get("/issues", numbered(self.issues, "page", 1, Size("per_page", 30, cap=50), self._linked))
        self.get("/commits", tokens(self.commits, "cursor", Size(None, 20), self._opaque))

    def _linked(self, page: Page) -> Answer:
        headers = {"X-Total-Count": str(page.total)}
        if not page.ended:
            following = f"{self.origin}/issues?page={page.start // page.size + 2}&per_page={page.size}"
            headers["Link"] = f'<{following}>; rel="next", <{self.origin}/issues?page=1>; rel="first"'
        return Answer(list(page.rows), headers=headers)

    def _opaque(self, page: Page, token: str | None) -> Answer:
        headers = {"Link": f'</commits?cursor={token}>; rel="next", </commits>; rel="first"'} if token else {}
        return Answer(list(page.rows), headers=headers)

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("issue", ("/issues",), self.issues, types={"rank": INT, "open": BOOL}),
                Entity("commit", ("/commits",), self.commits, "sha", ("sha",), types={"message": TEXT}),
            )
        )


class PagesFromZero(Api):
    """`page` from 0 with `size`, refused above 40, the total in the body; past the end an empty page, or 404; Swagger 2.0."""

    def setup(self) -> None:
        self.base_path = "/rest"
        self.accounts = _rows(101)
        self.tickets = [row | {"accountId": 1 + row["id"] * 5 % 101} for row in _rows(88, 9000)]
        self.get("/swagger.json", lambda asked: swagger(self, self._operations()))
        self.get("/rest/accounts", numbered(self.accounts, "page", 0, Size("size", 20, most=40), self._wrap))
        self.get("/rest/tickets", numbered(self.tickets, "page", 0, Size("size", 20, most=40), self._wrap, past="404"))

    def _operations(self) -> list[Operation]:
        query = {"page": "integer", "size": "integer"}
        return [
            Operation("/accounts", query, envelope_of(self.accounts[0], "content", totalElements=1, last=True)),
            Operation("/tickets", query, envelope_of(self.tickets[0], "content", totalElements=1, last=True)),
        ]

    def _wrap(self, page: Page) -> dict[str, Any]:
        number = page.start // page.size
        pages = -(-page.total // page.size)
        return {
            "content": page.rows,
            "totalElements": page.total,
            "totalPages": pages,
            "number": number,
            "last": page.ended,
            "size": page.size,
        }

    def truth(self) -> Truth:
        return Truth(
            entities=(Entity("account", ("/accounts",), self.accounts), Entity("ticket", ("/tickets",), self.tickets)),
            references=(Reference("ticket", "accountId", "account"),),
        )


class Offsets(Api):
    """`offset` and `limit`: a total that lies, 400 past the end, the last page again past the end, a limit refused above 60."""

    def setup(self) -> None:
        self.logs = _rows(137)
        self.alarms = _rows(92, 4000)
        self.zones = _rows(71, 7000)
        lying = Size("limit", 25, most=60)
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/logs", counted(self.logs, "offset", lying, lambda page: {"total": 1000, "items": page.rows}))
        self.get(
            "/alarms", counted(self.alarms, "offset", lying, lambda page: {"total": len(page.rows), "items": page.rows}, "400")
        )
        self.get("/zones", counted(self.zones, "offset", Size("limit", 25, cap=30), lambda page: {"items": page.rows}, "last"))

    def _operations(self) -> list[Operation]:
        query = {"offset": "integer", "limit": "integer"}
        return [Operation(path, query, envelope_of(self.logs[0], "items", total=1)) for path in ("/logs", "/alarms", "/zones")]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("log", ("/logs",), self.logs),
                Entity("alarm", ("/alarms",), self.alarms),
                Entity("zone", ("/zones",), self.zones),
            )
        )


class Cursors(Api):
    """A cursor beside the records, a token deep in the envelope, and `has_more` with the last row's key."""

    def setup(self) -> None:
        self.channels = [{"id": f"C{n:05}", "name": word(n), "members": n % 40} for n in range(66)]
        self.messages = [
            {"ts": f"17000{n:05}.00{n % 10}{n:03}", "text": word(n), "channel": f"C{n * 7 % 66:05}"} for n in range(150)
        ]
        self.charges = [{"id": f"ch_{n:04}", "amount": 100 + n * 3, "captured": n % 2 == 0} for n in range(83)]
        self.get("/openapi.json", lambda asked: openapi(self, self._operations(), version="3.1.0"))
        self.get(
            "/channels",
            tokens(
                self.channels, "cursor", Size("limit", 20, cap=25), lambda page, token: {"data": page.rows, "next_cursor": token}
            ),
        )
        self.get("/messages", tokens(self.messages, "pageToken", Size("pageSize", 40, cap=60), self._deep))
        self.get("/charges", after(self.charges, "starting_after", "id", Size("limit", 10, most=50), self._more))

    def _operations(self) -> list[Operation]:
        return [
            Operation(
                "/channels", {"cursor": "string", "limit": "integer"}, envelope_of(self.channels[0], "data", next_cursor="")
            ),
            Operation("/messages", {"pageToken": "string", "pageSize": "integer"}, {"type": "object"}),
            Operation(
                "/charges", {"starting_after": "string", "limit": "integer"}, envelope_of(self.charges[0], "data", has_more=True)
            ),
        ]

    def _deep(self, page: Page, token: str | None) -> dict[str, Any]:
        return {"result": {"messages": page.rows, "paging": {"nextPageToken": token or ""}}, "ok": True}

    def _more(self, page: Page) -> dict[str, Any]:
        return {"object": "list", "data": page.rows, "has_more": not page.ended, "url": "/charges"}

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("channel", ("/channels",), self.channels, types={"members": INT}),
                Entity("message", ("/messages",), self.messages, "ts", ("ts", "@hash"), types={"ts": TEXT + DECIMAL}),
                Entity("charge", ("/charges",), self.charges, types={"amount": INT, "captured": BOOL}),
            ),
            references=(Reference("message", "channel", "channel"),),
        )


class NextParameters(Api):
    """`pages.next` is an object whose members are the parameters of the next page (Intercom's way), or null; no description.
    The page's number in it moves nothing."""

    def setup(self) -> None:
        self.people, self.talks = _rows(133), _rows(57, 500)
        self.get("/", lambda asked: {"people_url": f"{self.origin}/people", "talks_url": f"{self.origin}/talks"})
        self.get("/people", tokens(self.people, "starting_after", Size("per_page", 20, most=50), self._wrap("starting_after")))
        self.get("/talks", tokens(self.talks, "position", Size("per_page", 10, most=50), self._wrap("position")))

    def _wrap(self, name: str) -> Any:
        def wrapped(page: Page, token: str | None) -> dict[str, Any]:
            number = page.start // page.size + 1
            pages = {"type": "pages", "page": number, "per_page": page.size, "total_pages": -(-page.total // page.size)}
            following = {"page": number + 1, name: token} if token else None
            return {"type": "list", "data": page.rows, "total_count": page.total, "pages": {**pages, "next": following}}

        return wrapped

    def truth(self) -> Truth:
        return Truth(entities=(Entity("person", ("/people",), self.people), Entity("talk", ("/talks",), self.talks)))


class Nexts(Api):
    """The next page's address in the body, absolute and relative; no description, no parameter documented."""

    def setup(self) -> None:
        self.base_path = "/api"
        self.films = [{"id": n, "title": word(n), "episode": n % 9} for n in range(1, 89)]
        self.actors = [{"id": n, "name": word(n), "url": f"/api/actors/{n}"} for n in range(1, 57)]
        for root in ("/api", "/api/"):
            self.get(root, lambda asked: {"films": f"{self.base_url}/films/", "actors": f"{self.base_url}/actors/"})
        for end in ("", "/"):
            self.get(f"/api/films{end}", numbered(self.films, "page", 1, Size(None, 10), self._absolute, "404"))
            self.get(f"/api/actors{end}", tokens(self.actors, "after", Size(None, 15), self._relative))
        self.get("/api/actors/{id}", single(self.actors, "id"))

    def _absolute(self, page: Page) -> dict[str, Any]:
        number = page.start // page.size + 1
        following = None if page.ended else f"{self.base_url}/films/?page={number + 1}"
        before = None if number == 1 else f"{self.base_url}/films/?page={number - 1}"
        return {"count": page.total, "next": following, "previous": before, "results": page.rows}

    def _relative(self, page: Page, token: str | None) -> dict[str, Any]:
        return {"actors": page.rows, "paging": {"next": f"/api/actors/?after={token}" if token else None}}

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("film", ("/films", "/films/"), self.films, types={"episode": INT}),
                Entity("actor", ("/actors", "/actors/"), self.actors, types={"name": TEXT}),
            )
        )


class Keyset(Api):
    """Rows after the last one's id, in a bare array with nothing that says whether there are more; a second list pages not at all."""

    def setup(self) -> None:
        self.events = [{"id": 10_000 + n * 3, "kind": ("push", "pull", "star")[n % 3], "actor": word(n)} for n in range(260)]
        self.kinds = [{"kind": kind, "title": kind.title()} for kind in ("push", "pull", "star")]
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/events", after(self.events, "since_id", "id", Size("count", 50, cap=100)))
        self.get("/kinds", lambda asked: self.kinds)

    def _operations(self) -> list[Operation]:
        return [
            Operation("/events", {"since_id": "integer", "count": "integer"}, array_of(self.events[0])),
            Operation("/kinds", answer=array_of(self.kinds[0])),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("event", ("/events",), self.events, types={"id": INT, "kind": TEXT}),
                Entity("kind", ("/kinds",), self.kinds, "kind", ("kind",)),
            ),
            references=(Reference("event", "kind", "kind"),),
        )


class Ignoring(Api):
    """Documented parameters that do nothing: one list gives everything whatever `page` says, one heeds `offset` but not `page`."""

    def setup(self) -> None:
        self.plants = _rows(64)
        self.pots = [row | {"plantId": 1 + row["id"] % 64} for row in _rows(140, 300)]
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/plants", lambda asked: {"plants": self.plants, "page": asked.number("page", 1), "total": len(self.plants)})
        self.get("/pots", counted(self.pots, "offset", Size("limit", 50, cap=50), lambda page: {"pots": page.rows, "page": 1}))

    def _operations(self) -> list[Operation]:
        return [
            Operation(
                "/plants", {"page": "integer", "per_page": "integer"}, envelope_of(self.plants[0], "plants", page=1, total=1)
            ),
            Operation(
                "/pots", {"page": "integer", "offset": "integer", "limit": "integer"}, envelope_of(self.pots[0], "pots", page=1)
            ),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(Entity("plant", ("/plants",), self.plants), Entity("pot", ("/pots",), self.pots)),
            references=(Reference("pot", "plantId", "plant"),),
        )


class Totals(Api):
    """Totals in headers: a true one, one that lies, and a `Content-Range`; a page size that can't be chosen; `Next-Page` beside `Link`."""

    def setup(self) -> None:
        self.rooms, self.desks, self.lamps = _rows(77), _rows(96, 2000), _rows(58, 5000)
        self.get("/", lambda asked: {"_links": {name: {"href": f"/{name}"} for name in ("rooms", "desks", "lamps")}})
        self.get("/rooms", numbered(self.rooms, "page", 1, Size(None, 20), total_in_header("X-Total")))
        self.get(
            "/desks",
            numbered(
                self.desks,
                "page",
                1,
                Size("per_page", 25, cap=40),
                total_in_header("X-Total-Count", told=lambda total: total // 2),
            ),
        )
        self.get("/lamps", tokens(self.lamps, "_token", Size("_limit", 20), self._next_page))

    def _next_page(self, page: Page, token: str | None) -> Answer:
        headers = {"Next-Page": f"{self.origin}/lamps?_limit={page.size}&_token={token}"} if token else {}
        return Answer(
            {"data": page.rows},
            headers={**headers, "Content-Range": f"lamps {page.start}-{page.start + len(page.rows) - 1}/{page.total}"},
        )

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("room", ("/rooms",), self.rooms),
                Entity("desk", ("/desks",), self.desks),
                Entity("lamp", ("/lamps",), self.lamps),
            )
        )


class Refusing(Api):
    """A list that demands its page parameters (400 without), and one that answers the last page for ever past the end."""

    def setup(self) -> None:
        self.bills, self.coins = _rows(69), _rows(47, 800)
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/bills", self._demanding)
        self.get("/coins", numbered(self.coins, "p", 1, Size("n", 15, cap=20), lambda page: {"coins": page.rows}, "last"))

    def _operations(self) -> list[Operation]:
        return [
            Operation("/bills", {"page": "integer!", "pageSize": "integer!"}, envelope_of(self.bills[0], "bills")),
            Operation("/coins", {"p": "integer", "n": "integer"}, envelope_of(self.coins[0], "coins")),
        ]

    def _demanding(self, asked: Asked) -> Any:
        if {"page", "pageSize"} - asked.query.keys():
            raise RefusedError(400, "page and pageSize are required")
        return numbered(
            self.bills, "page", 1, Size("pageSize", 10, most=25), lambda page: {"bills": page.rows, "total": page.total}
        )(asked)

    def truth(self) -> Truth:
        return Truth(entities=(Entity("bill", ("/bills",), self.bills), Entity("coin", ("/coins",), self.coins)))


class Filtering(Api):
    """`$skip` and `$limit`, told by nothing but a total; every other parameter is a filter, which no row passes."""

    def setup(self) -> None:
        self.rooms = [{"_id": n, "name": word(n)} for n in range(1, 13)]
        self.messages = [{"_id": n, "text": word(n), "roomId": 1 + n % 12} for n in range(1, 128)]
        self.get("/", lambda asked: {"rooms": f"{self.origin}/rooms", "messages": f"{self.origin}/messages"})
        for name, rows in (("rooms", self.rooms), ("messages", self.messages)):
            self.get(f"/{name}", lambda asked, rows=rows: self._found(asked, rows))

    def _found(self, asked: Asked, rows: list[Row]) -> Any:
        if not asked.query.keys() <= {"$skip", "$limit"}:
            return {"total": 0, "limit": 10, "skip": 0, "data": []}
        wrap = lambda page: {"total": page.total, "limit": page.size, "skip": page.start, "data": list(page.rows)}  # noqa: E731
        return counted(rows, "$skip", Size("$limit", 10, cap=50), wrap)(asked)

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("room", ("/rooms",), self.rooms, "_id", ("_id",)),
                Entity("message", ("/messages",), self.messages, "_id", ("_id",)),
            ),
            references=(Reference("message", "roomId", "room"),),
        )


class Deep(Api):
    """`page` and `per-page` reach 500 rows deep; beyond, the refusal names a cursor, which is opened with `*`. No description."""

    def setup(self) -> None:
        self.works = _rows(730)
        self.venues = _rows(120, 3000)
        self.get("/", lambda asked: {name: f"{self.origin}/{name}" for name in ("works", "venues")})
        self.get("/works", lambda asked: self._page(asked, self.works))
        self.get("/venues", lambda asked: self._page(asked, self.venues))

    def _page(self, asked: Asked, rows: list[Row]) -> Any:
        size = asked.number("per-page", 25, 1, 200)
        meta = {"count": len(rows), "db_response_time_ms": 7, "page": None, "per_page": size, "groups_count": None}
        cursor = asked.query.get("cursor")
        if cursor is not None:
            if cursor != "*" and not cursor.startswith("Ils"):
                raise RefusedError(400, "Cursor value is invalid.")
            start = 0 if cursor == "*" else int(cursor[3:])
            shown = rows[start : start + size]
            return {"meta": {**meta, "next_cursor": f"Ils{start + size}" if shown else None}, "results": shown}
        page = asked.number("page", 1, 1)
        if page * size > 500:
            raise RefusedError(
                400,
                "Maximum results size of 500 records is exceeded. Cursor pagination is required for records beyond 500. "
                "Read more here: https://docs.example.org/paging#cursor-paging (cursor=*)",
            )
        return {"meta": {**meta, "page": page}, "results": rows[(page - 1) * size : page * size]}

    def truth(self) -> Truth:
        return Truth(entities=(Entity("work", ("/works",), self.works), Entity("venue", ("/venues",), self.venues)))


class Windows(Api):
    """Lists of which only the first rows can be had, whatever one asks for: told in the refusal alone, with a total, a bound in
    place of it, or none. What is had of them must not pass for all."""

    def setup(self) -> None:
        counts = {"repositories": 1330, "logs": 700, "movies": 640}
        self.lists = {name: _rows(count, 5000 * place + 1) for place, (name, count) in enumerate(counts.items())}
        self.get("/", lambda asked: {name: f"{self.origin}/{name}" for name in self.lists})
        self.get("/repositories", self._repositories)
        self.get("/logs", self._logs)
        self.get("/movies", self._movies)

    def _repositories(self, asked: Asked) -> Any:
        size, page = min(asked.number("per_page", 30, 1), 100), asked.number("page", 1, 1)
        if page * size > 1000:
            raise RefusedError(422, "Only the first 1000 search results are available")
        rows = self.lists["repositories"]
        return {"total_count": len(rows), "incomplete_results": False, "items": rows[(page - 1) * size : page * size]}

    def _logs(self, asked: Asked) -> Any:
        size, start = asked.number("size", 10, 1, 100), asked.number("from", 0)
        if start + size > 500:
            raise RefusedError(400, "Result window is too large, from + size must be less than or equal to: [500]")
        return {"hits": {"total": {"value": 500, "relation": "gte"}, "hits": self.lists["logs"][start : start + size]}}

    def _movies(self, asked: Asked) -> Any:
        page = asked.number("page", 1, 1)
        if page > 25:
            raise RefusedError(400, "Invalid page: Pages start at 1 and max at 25. They are expected to be an integer.")
        return {"page": page, "results": self.lists["movies"][(page - 1) * 20 : page * 20]}

    def truth(self) -> Truth:
        return Truth(
            silent=True,
            findings=(
                r"extract\.repositories: extract_complete: .*expected 1330, found 1000.*Only the first 1000",
                r"extract\.logs: extract_complete: .*no more than 500 rows",
                r"extract\.movies: extract_complete: .*no more than 25 pages",
            ),
        )


SERVERS: tuple[type[Api], ...] = (
    PagesFromOne,
    PagesFromZero,
    Offsets,
    Cursors,
    NextParameters,
    Nexts,
    Keyset,
    Ignoring,
    Totals,
    Refusing,
    Filtering,
    Deep,
    Windows,
)
