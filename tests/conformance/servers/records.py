"""Servers whose lists leave out what the address of each record tells, or whose records have no id but that address."""

from __future__ import annotations

from typing import Any

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.described import Operation, envelope_of, openapi, schema_of
from tests.conformance.servers.pages import Page, Row, Size, counted, numbered, single
from tests.conformance.servers.shapes import word
from tests.conformance.servers.truth import Edge, Entity, Reference, Truth


class References(Api):
    """Lists of `{id, link}` alone; all else stands at the link, within `data` and `attributes`. Nothing describes it."""

    def setup(self) -> None:
        self.base_path = "/rest/data"
        self.people = [self._whole("person", n, {"name": word(n), "boss": None}) for n in range(1, 24)]
        self.issues = [
            self._whole("issue", n, {"title": word(n), "owner": self._reference("person", 1 + n * 5 % 23)}) for n in range(1, 68)
        ]
        kinds = {"person": self.people, "issue": self.issues}
        self.get(self.base_path, lambda asked: {"data": {kind: {"link": f"{self.base_url}/{kind}"} for kind in kinds}})
        for kind, rows in kinds.items():
            listed = [self._reference(kind, number) for number in range(1, len(rows) + 1)]
            self.get(f"{self.base_path}/{kind}", lambda asked, listed=listed: self._listed(asked, listed))
            by_id = [{"id": row["data"]["id"], "whole": row} for row in rows]
            self.get(f"{self.base_path}/{kind}/{{id}}", lambda asked, by_id=by_id: single(by_id, "id")(asked)["whole"])

    def _listed(self, asked: Asked, rows: list[Row]) -> Any:
        linked = [{**row, "link": self.base_url + row["link"]} for row in rows]
        return {"data": {"collection": linked, "@total_size": len(rows)}}

    @staticmethod
    def _reference(kind: str, number: int) -> Row:
        return {"id": f"{kind[0]}{number}", "link": f"/{kind}/{kind[0]}{number}"}

    @staticmethod
    def _whole(kind: str, number: int, attributes: Row) -> Row:
        return {"data": {"id": f"{kind[0]}{number}", "type": kind, "attributes": attributes}}

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("person", ("/person",), [self._reference("person", n) for n in range(1, 24)]),
                Entity("issue", ("/issue",), [self._reference("issue", n) for n in range(1, 68)]),
                Entity("personDetail", ("/person/{}",), [row["data"] for row in self.people]),
                Entity("issueDetail", ("/issue/{}",), [row["data"] for row in self.issues]),
            ),
            edges=(
                Edge("person", "personDetail", {"personId": ("id", "link")}),
                Edge("issue", "issueDetail", {"issueId": ("id", "link")}),
            ),
            references=(
                Reference("issueDetail", "attributes.owner.id", "person"),
                Reference("issueDetail", "id", "issue", needed=False),
                Reference("personDetail", "id", "person", needed=False),
            ),
        )


class Addressed(Api):
    """Records without an id: each has its own address in `url`, and others name it by that; lists below them are linked. An address
    without the slash at its end is redirected. Nothing describes it."""

    def setup(self) -> None:
        self.base_path = "/api"
        self.authors = [{"name": word(n), "born": 1900 + n} for n in range(1, 64)]
        self.books = [{"title": word(n), "pages": 90 + n} for n in range(1, 138)]
        self.get("/api/", lambda asked: {name: f"{self.base_url}/{name}/" for name in ("authors", "books")})
        self.get("/api/authors/", lambda asked: self._page(asked, self._authors()))
        self.get("/api/books/", lambda asked: self._page(asked, self._books()))
        self.get("/api/authors/{n}/", lambda asked: self._one(asked, self._authors()))
        self.get("/api/books/{n}/", lambda asked: self._one(asked, self._books()))
        self.get("/api/books/{n}/reviews/", lambda asked: self._page(asked, self._reviews(asked.values["n"])))

    def _authors(self) -> list[Row]:
        return [{"url": f"{self.base_url}/authors/{n}/", **row} for n, row in enumerate(self.authors, 1)]

    def _books(self) -> list[Row]:
        return [
            {
                "url": f"{self.base_url}/books/{n}/",
                **row,
                "author": f"{self.base_url}/authors/{1 + n * 7 % 63}/",
                "reviews": f"{self.base_url}/books/{n}/reviews/",
            }
            for n, row in enumerate(self.books, 1)
        ]

    def _reviews(self, number: str) -> list[Row]:
        if not number.isdigit() or not 0 < int(number) <= len(self.books):
            raise RefusedError(404, "no such book")
        return [{"text": f"review {k} of {number}", "stars": 1 + k % 5} for k in range(int(number) % 4)]

    def _page(self, asked: Asked, rows: list[Row]) -> Any:
        def wrap(page: Page) -> Any:
            number = page.start // page.size + 1
            more = None if page.ended else f"{self.origin}{asked.path}?page={number + 1}"
            return {"count": page.total, "next": more, "previous": None, "results": list(page.rows)}

        return numbered(rows, "page", 1, Size(), wrap, "404")(asked)

    def _one(self, asked: Asked, rows: list[Row]) -> Any:
        number = asked.values["n"]
        if not number.isdigit() or not 0 < int(number) <= len(rows):
            raise RefusedError(404, "no such record")
        return rows[int(number) - 1]

    def missing(self, asked: Asked) -> Any:
        if not asked.path.endswith("/") and any(pattern.fullmatch(f"{asked.path}/") for pattern, _ in self.routes):
            return Answer({}, 301, {"Location": f"{asked.path}/"})
        return super().missing(asked)

    def truth(self) -> Truth:
        reviews = [row for n in range(1, len(self.books) + 1) for row in self._reviews(str(n))]
        return Truth(
            entities=(
                Entity("author", ("/api/authors/",), self._authors(), "url", ("url",)),
                Entity("book", ("/api/books/",), self._books(), "url", ("url",)),
                Entity("review", ("/api/books/{}/reviews/",), reviews, "text", ("text", "@hash")),
            ),
            edges=(Edge("book", "review", {"bookId": ("url",)}),),
            references=(Reference("book", "author", "author"),),
        )


class Named(Api):
    """Lists of `{name, url}` alone; each address gives a record with an id, which names others by name and url, `species` first."""

    def setup(self) -> None:
        self.base_path = "/api/v2"
        self.get("/api/v2/", lambda asked: {kind: f"{self.base_url}/{kind}/" for kind in ("animal", "kind")})
        for kind, count in (("animal", 57), ("kind", 9)):
            self.get(f"/api/v2/{kind}/", lambda asked, kind=kind, count=count: self._listed(asked, kind, count))
        self.get("/api/v2/animal/{n}/", lambda asked: self._animals()[self._place(asked, 57)])
        self.get("/api/v2/kind/{n}/", lambda asked: self._kinds()[self._place(asked, 9)])

    def _listed(self, asked: Asked, kind: str, count: int) -> Any:
        def wrap(page: Page) -> Any:
            more = None if page.ended else f"{self.base_url}/{kind}/?offset={page.start + page.size}&limit={page.size}"
            return {"count": page.total, "next": more, "previous": None, "results": list(page.rows)}

        return counted(self._short(kind, count), "offset", Size("limit", 20), wrap)(asked)

    def _short(self, kind: str, count: int) -> list[Row]:
        return [self._reference(kind, n) for n in range(1, count + 1)]

    def _reference(self, kind: str, number: int) -> Row:
        return {"name": f"{kind}-{number}", "url": f"{self.base_url}/{kind}/{number}/"}

    def _animals(self) -> list[Row]:
        return [
            {"id": n, "name": f"animal-{n}", "species": self._reference("kind", 1 + n % 9), "height": n * 2, "weight": n * 7}
            for n in range(1, 58)
        ]

    def _kinds(self) -> list[Row]:
        return [{"id": 900 + n, "name": f"kind-{n}", "rank": n % 3, "region": word(n), "since": 1900 + n} for n in range(1, 10)]

    @staticmethod
    def _place(asked: Asked, count: int) -> int:
        number = asked.values["n"]
        if not number.isdigit() or not 0 < int(number) <= count:
            raise RefusedError(404, "no such record")
        return int(number) - 1

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("animal", ("/api/v2/animal/",), self._short("animal", 57), "url", ("url", "name")),
                Entity("kind", ("/api/v2/kind/",), self._short("kind", 9), "url", ("url", "name")),
                Entity("animalDetail", ("/api/v2/animal/{}/",), self._animals()),
                Entity("kindDetail", ("/api/v2/kind/{}/",), self._kinds()),
            ),
            edges=(
                Edge("animal", "animalDetail", {"animalId": ("url", "name")}),
                Edge("kind", "kindDetail", {"kindId": ("url", "name")}),
            ),
            references=(
                Reference("animalDetail", "species.url", "kind"),
                Reference("animalDetail", "name", "animal", needed=False),
                Reference("kindDetail", "name", "kind", needed=False),
            ),
        )


class Misdescribed(Api):
    """A described shop: an order alone tells its lines and note, which the list leaves out; the prices of a product, described as
    one product, are a page of prices; a product alone has links more than its list, which are no data; plugins, of which there are none, have no id by their description."""

    def setup(self) -> None:
        self.products = [{"sku": f"P-{n:03}", "title": word(n), "weight": n * 10} for n in range(1, 30)]
        self.orders = [{"id": 500 + n, "placed": f"2024-03-{1 + n % 28:02}", "total": n * 2.5} for n in range(44)]
        self.prices = [{"id": 9000 + n, "product": f"P-{1 + n % 29:03}", "amount": n / 4} for n in range(90)]
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/orders", numbered(self.orders, "page", 1, Size("size", 20, cap=30), self._enveloped))
        self.get("/orders/{id}", lambda asked: self._whole(single(self.orders, "id")(asked)))
        self.get("/products", numbered(self.products, "page", 1, Size("size", 20, cap=30), self._enveloped))
        self.get("/products/{sku}", lambda asked: {**single(self.products, "sku", "sku")(asked), "links": [{"rel": "self"}]})
        self.get("/products/{sku}/prices", self._prices)
        self.get("/plugins", {"items": [], "total": 0})

    @staticmethod
    def _enveloped(page: Page) -> Any:
        return {"items": list(page.rows), "total": page.total}

    @staticmethod
    def _whole(order: Row) -> Row:
        lines = [{"line": k, "sku": f"P-{1 + (order['id'] + k) % 29:03}"} for k in range(order["id"] % 3)]
        return {**order, "note": f"note of {order['id']}", "lines": lines}

    def _prices(self, asked: Asked) -> Any:
        sku = single(self.products, "sku", "sku")(asked)["sku"]
        mine = [row for row in self.prices if row["product"] == sku]
        return {"count": len(mine), "next": None, "previous": None, "results": mine}

    def _operations(self) -> list[Operation]:
        paged = {"page": "integer", "size": "integer"}
        return [
            Operation("/orders", paged, envelope_of(self.orders[0], "items", total=1)),
            Operation("/orders/{id}", answer=schema_of(self._whole(self.orders[1]))),
            Operation("/products", paged, envelope_of(self.products[0], "items", total=1)),
            Operation("/products/{sku}", answer=schema_of(self.products[0])),
            Operation("/products/{sku}/prices", answer=schema_of(self.products[0])),
            Operation("/plugins", answer=envelope_of({"name": "", "hooks": [""]}, "items", total=1)),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("order", ("/orders",), self.orders),
                Entity("orderDetail", ("/orders/{}",), [self._whole(order) for order in self.orders]),
                Entity("product", ("/products",), self.products, "sku", ("sku",)),
                Entity("price", ("/products/{}/prices",), self.prices),
                Entity("plugin", ("/plugins",), [], "name", ("@hash",)),
            ),
            edges=(Edge("order", "orderDetail", {"id": ("id",)}), Edge("product", "price", {"sku": ("sku",)})),
            references=(
                Reference("price", "product", "product"),
                Reference("orderDetail", "lines[].sku", "product", needed=False),
            ),
            findings=(r"/products/\{sku\}: excluded, one record of GET /products",),
        )


class Related(Api):
    """JSON:API without a root document: every record names its author by an id and by an address, which gives nothing new."""

    def setup(self) -> None:
        self.people = [self._record("people", n, {"name": word(n)}) for n in range(1, 28)]
        self.articles = [
            self._record("articles", n, {"title": word(n)}) | {"relationships": {"author": self._author(n)}} for n in range(1, 65)
        ]
        for kind, rows in (("people", self.people), ("articles", self.articles)):
            self.get(f"/{kind}", lambda asked, rows=rows: {"jsonapi": {"version": "1.0"}, "links": {}, "data": rows})
            self.get(f"/{kind}/{{id}}", lambda asked, rows=rows: self._one(single(rows, "id")(asked)))
        self.get("/articles/{id}/author", lambda asked: self._one(self.people[int(self._of(asked)) - 1]))
        self.get("/articles/{id}/relationships/author", lambda asked: {"data": {"type": "people", "id": self._of(asked)}})

    def _of(self, asked: Asked) -> str:
        return str(single(self.articles, "id")(asked)["relationships"]["author"]["data"]["id"])

    def _one(self, row: Row) -> Row:
        return {"jsonapi": {"version": "1.0"}, "links": {"self": f"/{row['type']}/{row['id']}"}, "data": row, "included": []}

    @staticmethod
    def _record(kind: str, number: int, attributes: Row) -> Row:
        return {"type": kind, "id": str(number), "attributes": attributes, "links": {"self": f"/{kind}/{number}"}}

    @staticmethod
    def _author(number: int) -> Row:
        links = {"self": f"/articles/{number}/relationships/author", "related": f"/articles/{number}/author"}
        return {"links": links, "data": {"type": "people", "id": str(1 + number * 5 % 27)}}

    def truth(self) -> Truth:
        return Truth(
            entities=(Entity("person", ("/people",), self.people), Entity("article", ("/articles",), self.articles)),
            references=(Reference("article", "relationships.author.data.id", "person"),),
            findings=(r"/articles/\{\w+\}/author: excluded, one record of GET /people",),
        )


class Emptied(Api):
    """Lists whose records have an array that is always empty, where the address of each fills it, within a list of that one
    record (Xero's way): in an envelope, or bare. Nothing describes it."""

    def setup(self) -> None:
        self.invoices = [{"InvoiceID": f"inv-{n:04}", "Total": n * 2.5, "Status": "PAID", "LineItems": []} for n in range(1, 46)]
        self.notes = [{"noteNo": f"N{n:03}", "subject": word(n), "tags": [], "author": None} for n in range(1, 31)]
        self.get("/", lambda asked: {name: f"{self.origin}/{name}" for name in ("Invoices", "notes")})
        self.get("/Invoices", lambda asked: self._around(self.invoices))
        self.get("/Invoices/{id}", lambda asked: self._around([self.invoice(single(self.invoices, "InvoiceID")(asked))]))
        self.get("/notes", lambda asked: self.notes)
        self.get("/notes/{no}", lambda asked: [self.note(single(self.notes, "noteNo", "no")(asked))])

    @staticmethod
    def _around(rows: list[Row]) -> dict[str, Any]:
        return {"Id": f"request-{len(rows)}", "Status": "OK", "ProviderName": "Demo", "Invoices": rows}

    @staticmethod
    def invoice(row: Row) -> Row:
        number = int(row["InvoiceID"][4:])
        lines = [{"LineItemID": f"{row['InvoiceID']}/{k}", "Quantity": float(k)} for k in range(1, 2 + number % 3)]
        return row | {"LineItems": lines if number > 1 else []}

    @staticmethod
    def note(row: Row) -> Row:
        return row | {"tags": [{"tag": word(k)} for k in range(2)], "author": "somebody"}

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("invoice", ("/Invoices",), self.invoices, "InvoiceID", ("InvoiceID",)),
                Entity("invoiceDetail", ("/Invoices/{}",), list(map(self.invoice, self.invoices)), "InvoiceID", ("InvoiceID",)),
                Entity("note", ("/notes",), self.notes, "noteNo", ("noteNo",)),
                Entity("noteDetail", ("/notes/{}",), list(map(self.note, self.notes)), "noteNo", ("noteNo",)),
            ),
            edges=(
                Edge("invoice", "invoiceDetail", {"*": ("InvoiceID",)}),
                Edge("note", "noteDetail", {"*": ("noteNo",)}),
            ),
            references=(
                Reference("invoiceDetail", "InvoiceID", "invoice", needed=False),
                Reference("noteDetail", "noteNo", "note", needed=False),
            ),
        )


class Compact(Api):
    """Lists that name their records and no more, below others; each record stands below the name of the list alone, within `data`
    (Asana's way). Nothing describes it."""

    def setup(self) -> None:
        self.projects = [{"gid": f"12{n:03}", "name": word(n), "archived": n % 5 == 0} for n in range(1, 13)]
        self.tasks = {
            row["gid"]: [self._task(row["gid"], n) for n in range(1 + int(row["gid"]) * 3 % 11)] for row in self.projects
        }
        self.get("/", lambda asked: {"projects": f"{self.origin}/projects"})
        self.get("/projects", lambda asked: {"data": [row | {"tasks": self._address(row)} for row in self.projects]})
        self.get("/projects/{gid}/tasks", lambda asked: {"data": self._short(self.tasks.get(asked.values["gid"]))})
        self.get("/tasks/{gid}", lambda asked: {"data": single(self._all(), "gid", "gid")(asked)})

    def _address(self, row: Row) -> str:
        return f"{self.origin}/projects/{row['gid']}/tasks"

    @staticmethod
    def _task(project: str, number: int) -> Row:
        told = {"completed": number % 3 == 0, "due_on": f"2024-05-1{number % 9}", "notes": word(number), "likes": number}
        return {"gid": f"{project}{number:02}", "name": word(number), **told, "assignee": {"name": word(number % 4)}}

    @staticmethod
    def _short(rows: list[Row] | None) -> list[Row]:
        if rows is None:
            raise RefusedError(404, "no such project")
        return [{name: row[name] for name in ("gid", "name")} for row in rows]

    def _all(self) -> list[Row]:
        return [row for rows in self.tasks.values() for row in rows]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("project", ("/projects",), self.projects, "gid", ("gid",)),
                Entity("task", ("/projects/{}/tasks",), self._short(self._all()), "gid", ("gid",)),
                Entity("taskDetail", ("/tasks/{}",), self._all(), "gid", ("gid",)),
            ),
            edges=(Edge("project", "task", {"*": ("gid",)}), Edge("task", "taskDetail", {"*": ("gid",)})),
            references=(Reference("taskDetail", "gid", "task", needed=False),),
        )


class Wrapped(Api):
    """Records whose own address tells more of them, within an envelope: `data`, the record's name, JSON:API's document, or two
    of them. Nothing describes it."""

    def setup(self) -> None:
        self.orders = [{"id": n, "status": ("open", "paid")[n % 2], "total": n * 2.5} for n in range(1, 42)]
        self.tickets = [{"id": 700 + n, "subject": word(n), "orderId": 1 + n * 3 % 41} for n in range(33)]
        self.articles = [self._article(n, {"title": word(n), "pages": 90 + n}) for n in range(1, 28)]
        self.parcels = [{"parcelNo": f"P{n:04}", "weight": n * 1.5} for n in range(38)]
        lists = {"orders": self.orders, "tickets": self.tickets, "articles": self.articles, "parcels": self.parcels}
        self.get("/", lambda asked: {name: f"{self.origin}/{name}" for name in lists})
        self.get("/orders", lambda asked: {"data": self.orders, "meta": {"total": len(self.orders)}})
        self.get("/orders/{id}", lambda asked: {"data": self.order(single(self.orders, "id")(asked)), "meta": {"took": 3}})
        self.get("/tickets", lambda asked: {"tickets": self.tickets, "count": len(self.tickets)})
        self.get("/tickets/{id}", lambda asked: {"ticket": self.ticket(single(self.tickets, "id")(asked))})
        self.get("/articles", lambda asked: {"jsonapi": {"version": "1.0"}, "data": self.articles})
        self.get("/articles/{id}", lambda asked: {"data": self.article(single(self.articles, "id")(asked)), "included": []})
        self.get("/parcels", lambda asked: {"status": "success", "response": {"parcels": self.parcels}})
        self.get("/parcels/{no}", self._parcel)

    @staticmethod
    def order(row: Row) -> Row:
        return row | {"note": f"note of {row['id']}", "lines": [{"line": k, "sku": f"S{k}"} for k in range(1 + row["id"] % 3)]}

    @staticmethod
    def ticket(row: Row) -> Row:
        return row | {"history": [{"at": f"2024-03-0{1 + k}T08:00:00Z", "by": word(k)} for k in range(1 + row["id"] % 2)]}

    @staticmethod
    def article(row: Row) -> Row:
        told = row["attributes"] | {"text": f"text of {row['id']}", "notes": [{"place": k, "note": word(k)} for k in range(2)]}
        return row | {
            "attributes": told,
            "relationships": {"sources": {"data": [{"type": "sources", "id": "1"}]}},
            "revisions": [{"revision": 1}],
        }

    @staticmethod
    def parcel(row: Row) -> Row:
        return row | {"scans": [{"at": f"2024-03-0{1 + k}T08:00:00Z", "place": word(k)} for k in range(3)]}

    def _parcel(self, asked: Asked) -> Any:
        found = self.parcel(single(self.parcels, "parcelNo", "no")(asked))
        return {"status": "success", "response": {"parcel": found}}

    @staticmethod
    def _article(number: int, attributes: Row) -> Row:
        return {"type": "articles", "id": str(number), "attributes": attributes}

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("order", ("/orders",), self.orders),
                Entity("orderDetail", ("/orders/{}",), [self.order(row) for row in self.orders]),
                Entity("ticket", ("/tickets",), self.tickets),
                Entity("ticketDetail", ("/tickets/{}",), [self.ticket(row) for row in self.tickets]),
                Entity("article", ("/articles",), self.articles),
                Entity("articleDetail", ("/articles/{}",), [self.article(row) for row in self.articles]),
                Entity("parcel", ("/parcels",), self.parcels, "parcelNo", ("parcelNo",)),
                Entity("parcelDetail", ("/parcels/{}",), [self.parcel(row) for row in self.parcels], "parcelNo", ("parcelNo",)),
            ),
            edges=(
                Edge("order", "orderDetail", {"*": ("id",)}),
                Edge("ticket", "ticketDetail", {"*": ("id",)}),
                Edge("article", "articleDetail", {"*": ("id",)}),
                Edge("parcel", "parcelDetail", {"*": ("parcelNo",)}),
            ),
            references=(
                Reference("ticket", "orderId", "order"),
                Reference("ticketDetail", "orderId", "order", needed=False),
                *(Reference(f"{name}Detail", "id", name, needed=False) for name in ("order", "ticket", "article")),
                Reference("parcelDetail", "parcelNo", "parcel", needed=False),
            ),
        )


SERVERS: tuple[type[Api], ...] = (References, Addressed, Named, Misdescribed, Related, Emptied, Compact, Wrapped)
