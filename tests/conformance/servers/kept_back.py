"""A server whose lists leave rows out unless a parameter asks for them."""

from __future__ import annotations

from typing import Any

from tests.conformance.servers.api import Api, Asked
from tests.conformance.servers.described import Operation, array_of, openapi
from tests.conformance.servers.pages import Size, numbered
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


SERVERS: tuple[type[Api], ...] = (KeptBack,)
