"""A server whose lists leave rows out unless a parameter asks for them."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any, ClassVar

from tests.conformance.servers.api import Api, Asked, RefusedError
from tests.conformance.servers.described import Operation, array_of, envelope_of, openapi, schema_of
from tests.conformance.servers.pages import Page, Size, numbered
from tests.conformance.servers.shapes import BOOL, word
from tests.conformance.servers.truth import Entity, Truth


class KeptBack(Api):
    """Closed tickets only by `status=all`, archived products by `include_archived`, archived notes by what nothing describes; of
    people either those that are there or those that were deleted, never both."""

    def setup(self) -> None:
        self.tickets = [{"id": n, "title": word(n), "status": "closed" if n % 3 == 0 else "open"} for n in range(1, 121)]
        self.products = [{"id": n, "name": word(n), "archived": n % 4 == 0} for n in range(1, 41)]
        self.notes = [{"id": n, "text": word(n), "isArchived": n % 5 == 0} for n in range(1, 46)]
        self.bugs = [
            {
                "id": n,
                "subject": word(n),
                "status": {"id": 1 + n % 4, "is_closed": n % 4 == 3},
                "done": n % 7,
                "priority": {"id": 1 + n % 5, "name": f"P{n % 5}"},
            }
            for n in range(1, 71)
        ]
        self.people = [{"id": n, "name": word(n), "gone": n > 20} for n in range(1, 29)]
        self.remarks = [{"id": n, "text": word(n), "status": "held" if n % 6 == 0 else "approved"} for n in range(1, 37)]
        self.get("/openapi.json", lambda asked: self._document())
        self.get("/tickets", self._tickets)
        self.get("/products", lambda asked: self._kept(self.products, "archived", asked.query.get("include_archived") == "true"))
        self.get("/notes", lambda asked: self._kept(self.notes, "isArchived", asked.query.get("archived") == "all"))
        self.get("/remarks", lambda asked: self._of_status(self.remarks, asked.query.get("status", "approved")))
        self.get(
            "/bugs", lambda asked: [row for row in self.bugs if asked.query.get("status_id") == "*" or row["status"]["id"] < 4]
        )
        self.get("/people", lambda asked: [row for row in self.people if row["gone"] == (asked.query.get("deleted") == "true")])

    def _tickets(self, asked: Asked) -> Any:
        rows = self._of_status(self.tickets, asked.query.get("status", "open"))
        return numbered(rows, "page", 1, Size("size", 10, cap=50), lambda page: {"data": page.rows, "total": page.total})(asked)

    def _of_status(self, rows: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
        return [row for row in rows if wanted in ("all", row["status"])]

    def _kept(self, rows: list[dict[str, Any]], key: str, whole: bool) -> Any:
        return [row for row in rows if whole or not row[key]]

    def _document(self) -> dict[str, Any]:
        document = openapi(
            self,
            [
                Operation("/tickets", {"page": "integer", "size": "integer", "status": "string"}, {"type": "object"}),
                Operation("/products", {"include_archived": "boolean"}, array_of(self.products[0])),
                Operation("/remarks", {"status": "string"}, array_of(self.remarks[0])),
                Operation("/notes", answer=array_of(self.notes[0])),
                Operation("/bugs", answer={"type": "array"}),
                Operation("/people", {"deleted": "boolean"}, array_of(self.people[0])),
            ],
        )
        states = {"enum": ["open", "closed", "all"], "default": "open"}
        document["paths"]["/tickets"]["get"]["parameters"][2]["schema"] |= states
        document["paths"]["/remarks"]["get"]["parameters"][0]["schema"]["default"] = "approved"
        return document

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("ticket", ("/tickets",), self.tickets),
                Entity("product", ("/products",), self.products, types={"archived": BOOL}),
                Entity("remark", ("/remarks",), self.remarks),
                Entity("note", ("/notes",), self.notes),
                Entity("bug", ("/bugs",), self.bugs),
                Entity("person", ("/people",), [row for row in self.people if not row["gone"]]),
            ),
            references=(),
            findings=(r"/people\?deleted=true: gap, .*gives 8 rows, without it 20",),
        )


class Marked(Api):
    """Deleted records that still come, each told in another way: by the address of its own, by a list that leaves it out, by the
    description. Archived projects look like them and are none."""

    marks: ClassVar[dict[str, tuple[str, tuple[str, ...]]]] = {
        "user": ("isDeleted", ()),
        "order": ("status", ("removed",)),
        "invoice": ("deleted_at", ()),
        "note": ("deleted", ("1",)),
    }
    """Entity → the path and the values of what marks its deleted records."""

    def setup(self) -> None:
        self.users = [{"id": n, "name": word(n), "isDeleted": n % 9 == 4} for n in range(1, 31)]
        self.projects = [{"id": n, "title": word(n), "archived": n % 5 == 0} for n in range(1, 31)]
        self.orders = [{"id": n, "total": n * 1.5, "status": ("open", "paid", "removed")[n % 3]} for n in range(1, 31)]
        self.invoices = [{"id": n, "sum": n * 2.5, "updated_at": self._at(n), "deleted_at": None} for n in range(1, 31)]
        self.bin = [{"id": n, "sum": n * 2.5, "updated_at": self._at(n), "deleted_at": self._at(n)} for n in range(31, 35)]
        self.notes = [{"id": n, "text": word(n), "deleted": 0} for n in range(1, 31)]
        self.get("/openapi.json", lambda asked: self._document())
        for name, rows in (("users", self.users), ("projects", self.projects), ("orders", self.orders), ("notes", self.notes)):
            self.get(f"/{name}", rows)
        for name in ("users", "projects", "orders"):
            self.get(f"/{name}/{{id}}", partial(self._one, name))
        self.get("/invoices", self._invoices)

    def _at(self, hour: int) -> str:
        return f"2024-03-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z"

    def _one(self, name: str, asked: Asked) -> Any:
        row = next((row for row in getattr(self, name) if str(row["id"]) == asked.values["id"]), {"isDeleted": True})
        if row.get("isDeleted") or row.get("status") == "removed":
            raise RefusedError(410 if name == "orders" else 404, "it is no more")
        return row

    def _invoices(self, asked: Asked) -> Any:
        since = asked.query.get("updated_since")
        return [row for row in (*self.invoices, *self.bin) if row["updated_at"] >= since] if since else self.invoices

    def _document(self) -> dict[str, Any]:
        document = openapi(
            self,
            [
                *(Operation(f"/{name}", answer=array_of(getattr(self, name)[0])) for name in ("users", "projects", "orders")),
                *(
                    Operation(f"/{name}/{{id}}", answer=schema_of(getattr(self, name)[0]))
                    for name in ("users", "projects", "orders")
                ),
                Operation("/invoices", {"updated_since": "string"}, array_of(self.bin[0])),
                Operation("/notes", answer=array_of(self.notes[0])),
            ],
        )
        answer = document["paths"]["/notes"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        answer["items"]["properties"]["deleted"]["description"] = "1 if the note was deleted by its author"
        return document

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("user", ("/users",), self.users, types={"isDeleted": BOOL}),
                Entity("project", ("/projects",), self.projects, types={"archived": BOOL}),
                Entity("order", ("/orders",), self.orders),
                Entity("invoice", ("/invoices",), self.invoices),
                Entity("note", ("/notes",), self.notes),
            ),
        )


class Spans(Api):
    """Lists of the last days, whose totals say nothing of the others: told by the description of a parameter, by its default, by
    the description of the list, which nothing widens, or by the answer alone."""

    def setup(self) -> None:
        first = date(2024, 1, 1)
        rows = [{"id": n, "text": word(n), "on": (first + timedelta(days=n)).isoformat()} for n in range(200)]
        self.names = ("events", "sales", "usages", "audits", "visits")
        self.lists = {name: [{**row, "id": row["id"] + 1000 * k} for row in rows] for k, name in enumerate(self.names)}
        self.since = (first + timedelta(days=173)).isoformat()
        self.get("/openapi.json", lambda asked: self._document())
        pages = Size("per_page", 50, cap=100)  # of which the usual days fill none
        self.get(
            "/events", lambda asked: numbered(self._from(asked, "events", "created_after"), "page", 1, pages, self._page)(asked)
        )
        paged = Size("size", 10, cap=20)
        self.get("/sales", lambda asked: numbered(self._from(asked, "sales", "since"), "page", 1, paged)(asked))
        self.get("/usages", lambda asked: self._total(self.lists["usages"][-asked.number("days", 30, 1, 3650) :]))
        self.get("/audits", lambda asked: self._total(self.lists["audits"][-30:]))
        self.get("/visits", self._visits)

    def _from(self, asked: Asked, name: str, parameter: str) -> list[dict[str, Any]]:
        text = asked.query.get(parameter, self.since)
        if "T" in text:
            raise RefusedError(400, f"{parameter} must be a date")
        return [row for row in reversed(self.lists[name]) if row["on"] >= text]

    @staticmethod
    def _total(rows: list[dict[str, Any]]) -> Any:
        return {"data": rows, "total": len(rows)}

    @staticmethod
    def _page(page: Page) -> Any:
        return {"data": page.rows, "total": page.total}

    def _visits(self, asked: Asked) -> Any:
        rows = self._from(asked, "visits", "from")
        return {"from": asked.query.get("from", self.since), "to": "2024-07-18", "data": rows}

    def _document(self) -> dict[str, Any]:
        answer = envelope_of(self.lists["events"][0], "data", total=1)
        document = openapi(
            self,
            [
                Operation("/events", {"created_after": "string"}, answer),
                Operation("/sales", {"page": "integer", "size": "integer", "since": "string"}, array_of(self.lists["sales"][0])),
                Operation("/usages", {"days": "integer"}, answer),
                Operation("/audits", answer=answer, summary="Audit records of the last 30 days"),
                Operation("/visits", {"from": "string", "to": "string"}, envelope_of(self.lists["visits"][0], "data")),
            ],
        )
        paths = document["paths"]
        paths["/events"]["get"]["parameters"][0]["description"] = "Only events made after this day. Default: last 30 days."
        paths["/sales"]["get"]["parameters"][2]["description"] = "First day. If omitted, sales of the current month are returned."
        paths["/usages"]["get"]["parameters"][0]["schema"] |= {"default": 30, "maximum": 3650}
        return document

    def truth(self) -> Truth:
        whole = [Entity(name[:-1], (f"/{name}",), self.lists[name]) for name in self.names if name != "audits"]
        return Truth(
            entities=(*whole, Entity("audit", ("/audits",), self.lists["audits"][-30:])),
            findings=(
                r"/events: requiredQuery .*created_after.*1970-01-01.*200 rows, without it 27",
                r"/sales: requiredQuery .*since.*1970-01-01",
                r"/usages: requiredQuery .*days.*3650",
                r"/visits: requiredQuery .*from.*1970-01-01",
                r"/audits: hiddenRows .*last 30 days",
                r"/audits\?span=…: gap, .*last 30 days",
            ),
        )


class Secretive(Api):
    """Records that hold what lets somebody in, and fields that are only called so."""

    def setup(self) -> None:
        self.hooks = [
            {
                "id": n,
                "name": word(n),
                "client_secret": self.secret(n),
                "auth": {"accessToken": self.secret(1000 + n), "passwordRequired": n % 2 == 0},
                "password": "********",
                "apiKey": ("shared", "own")[n % 2],
            }
            for n in range(1, 41)
        ]
        self.get("/", lambda asked: {"hooks": f"{self.origin}/hooks"})
        self.get("/hooks", self.hooks)

    @staticmethod
    def secret(number: int) -> str:
        return f"sk_{number * 2654435761 % 2**32:08x}{number * 40503 % 65536:04X}zZ9"

    def truth(self) -> Truth:
        return Truth(entities=(Entity("hook", ("/hooks",), self.hooks, personal=("client_secret", "auth.accessToken")),))


SERVERS: tuple[type[Api], ...] = (KeptBack, Marked, Spans, Secretive)
