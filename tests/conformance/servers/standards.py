"""Shapes of well-known kinds of APIs: OData with its `$metadata`, an open-data portal, a search engine asked by GET."""

from __future__ import annotations

from typing import Any

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.pages import Size, counted
from tests.conformance.servers.shapes import INT, TEXT, word
from tests.conformance.servers.truth import Entity, Reference, Truth

_TYPES = {bool: "Edm.Boolean", int: "Edm.Int32", float: "Edm.Double", str: "Edm.String"}


class Trading(Api):
    """OData: what the service document leaves out stands in `$metadata`, and so does what fields such as `Via` refer to."""

    _KEYS = {"Orders": "OrderNo", "Carriers": "CarrierNo", "Clerks": "ClerkNo"}
    _REFERENCES = {"Orders": {"Via": "Carriers", "HandledBy": "Clerks"}, "Clerks": {"Above": "Clerks"}}

    def setup(self) -> None:
        self.base_path = "/svc"
        self.sets: dict[str, list[dict[str, Any]]] = {
            "Orders": [{"OrderNo": 700 + n, "Via": 1 + n % 3, "HandledBy": 1 + n % 9, "Freight": n / 4} for n in range(45)],
            "Carriers": [{"CarrierNo": n, "Company": word(n)} for n in range(1, 5)],
            "Clerks": [{"ClerkNo": n, "Surname": word(n), "Above": 2 if n != 2 else None} for n in range(1, 10)],
        }
        for root in ("/svc", "/svc/"):
            self.get(
                root, lambda asked: self._context("", [{"name": n, "kind": "EntitySet", "url": n} for n in ("Orders", "Clerks")])
            )
        self.get("/svc/$metadata", lambda asked: Answer(self._metadata().encode(), type="application/xml"))
        for name, rows in self.sets.items():
            self.get(
                f"/svc/{name}", counted(rows, "$skip", Size("$top", 20, cap=20), lambda page, name=name: self._page(name, page))
            )

    def _context(self, name: str, value: list[Any]) -> dict[str, Any]:
        return {"@odata.context": f"{self.base_url}/$metadata" + (f"#{name}" if name else ""), "value": value}

    def _page(self, name: str, page: Any) -> dict[str, Any]:
        more = {} if page.ended else {"@odata.nextLink": f"{self.base_url}/{name}?$skip={page.start + page.size}"}
        return self._context(name, list(page.rows)) | more

    def _metadata(self) -> str:
        types, sets = "", ""
        for name, rows in self.sets.items():
            kind, key = name[:-1], self._KEYS[name]
            told = "".join(f'<Property Name="{field}" Type="{_TYPES[type(value)]}"/>' for field, value in rows[0].items())
            told += "".join(
                f'<NavigationProperty Name="{field}Of" Type="Self.{to[:-1]}"><ReferentialConstraint Property="{field}" '
                f'ReferencedProperty="{self._KEYS[to]}"/></NavigationProperty>'
                for field, to in self._REFERENCES.get(name, {}).items()
            )
            types += f'<EntityType Name="{kind}"><Key><PropertyRef Name="{key}"/></Key>{told}</EntityType>'
            sets += f'<EntitySet Name="{name}" EntityType="Self.{kind}"/>'
        return (
            '<?xml version="1.0" encoding="utf-8"?><edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
            '<edmx:DataServices><Schema Namespace="Self" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
            f'{types}<EntityContainer Name="All">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
        )

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("order", ("/Orders",), self.sets["Orders"], "OrderNo", ("OrderNo",), types={"Via": INT}),
                Entity("carrier", ("/Carriers",), self.sets["Carriers"], "CarrierNo", ("CarrierNo",)),
                Entity("clerk", ("/Clerks",), self.sets["Clerks"], "ClerkNo", ("ClerkNo",)),
            ),
            references=(
                Reference("order", "Via", "carrier"),
                Reference("order", "HandledBy", "clerk"),
                Reference("clerk", "Above", "clerk"),
            ),
            findings=(r"\$metadata: 3 entity sets",),
        )


class Portal(Api):
    """An open-data portal: each resource is one value of a parameter that must be given, and a next page is named for ever."""

    named = ("/datastore_search?resource_id=air", "trees=/datastore_search?resource_id=tr-1")

    def setup(self) -> None:
        self.base_path = "/api/3/action"
        self.air = [{"_id": n, "station": f"S{n % 4}", "pm10": n % 60} for n in range(1, 261)]
        self.trees = [{"_id": n, "species": word(n), "height": n % 30} for n in range(1, 41)]
        self.get("/api/3/action/datastore_search", self._search)

    def _search(self, asked: Asked) -> Any:
        name = asked.query.get("resource_id", "")
        if not name:
            raise RefusedError(409, "Missing value: resource_id")
        rows = {"air": self.air, "tr-1": self.trees}.get(name)
        if rows is None:
            raise RefusedError(404, "Resource was not found")
        start, size = asked.number("offset", 0), min(asked.number("limit", 100), 32_000)
        links = {"next": f"/api/3/action/datastore_search?offset={start + size}&resource_id={name}"}
        return {
            "success": True,
            "result": {"total": len(rows), "limit": size, "records": rows[start : start + size], "_links": links},
        }

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("air", ("/datastore_search?resource_id=air",), self.air, "_id", ("_id",), types={"station": TEXT}),
                Entity("tree", ("/datastore_search?resource_id=tr-1",), self.trees, "_id", ("_id",)),
            ),
        )


class Engine(Api):
    """A search engine asked by GET: `/products` tells of an index and holds no record, `size` and `from` page, and other names are
    refused one at a time."""

    named = ("/products/_search",)

    def setup(self) -> None:
        self.docs = [{"name": word(n), "price": n / 2, "stock": n % 17} for n in range(1, 36)]
        self.hits = [{"_index": "products", "_id": f"p{n}", "_source": doc} for n, doc in enumerate(self.docs, 1)]
        self.get("/", {"name": "node-1", "cluster_name": "c", "version": {"number": "8.1"}, "tagline": "for search"})
        mappings = {"properties": {"name": {"type": "text"}, "price": {"type": "float"}}}
        self.get(
            "/products", {"products": {"aliases": {}, "mappings": mappings, "settings": {"index": {"number_of_shards": "1"}}}}
        )
        self.get("/products/_search", self._search)

    def _search(self, asked: Asked) -> Any:
        odd = next((name for name in asked.query if name not in ("size", "from", "q", "sort")), None)
        if odd is not None:
            raise RefusedError(400, f"request [/products/_search] contains unrecognized parameter: [{odd}]")
        start, size = asked.number("from", 0), asked.number("size", 10)
        total = {"value": len(self.hits), "relation": "eq"}
        return {
            "took": 1,
            "timed_out": False,
            "hits": {"total": total, "max_score": 1.0, "hits": self.hits[start : start + size]},
        }

    def truth(self) -> Truth:
        return Truth(entities=(Entity("product", ("/products/_search",), self.hits, "_id", ("_id",)),))


SERVERS: tuple[type[Api], ...] = (Trading, Portal, Engine)
