"""Servers of the shapes of answers: where the records are."""

from __future__ import annotations

import json
from typing import Any

from spectra_assets.covenant.model import DataType
from tests.conformance.servers.api import Answer, Api, Asked
from tests.conformance.servers.described import Operation, array_of, envelope_of, openapi, schema_of
from tests.conformance.servers.pages import Page, Size, counted, numbered, single
from tests.conformance.servers.truth import Edge, Entity, Reference, Truth

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty", "knoll", "ledge")
TEXT, INT, FLOAT, BOOL = (DataType.TEXT,), (DataType.INT64,), (DataType.FLOAT64, DataType.DECIMAL), (DataType.BOOL,)
TIME, DATE, JSON, DECIMAL = (DataType.TIMESTAMP,), (DataType.DATE, DataType.TIMESTAMP), (DataType.JSON,), (DataType.DECIMAL,)


def word(number: int) -> str:
    """A text that no other number has."""
    return f"{WORDS[number % 12]} {WORDS[number // 12 % 12]} {number}"


class Plain(Api):
    """Bare arrays and one object, all at once, with a root that links them and no description."""

    def setup(self) -> None:
        self.users = [
            {
                "id": n,
                "name": word(n),
                "email": f"{WORDS[n % 12]}{n}@example.org",
                "company": {"name": word(n % 5), "city": WORDS[n % 7]},
            }
            for n in range(1, 41)
        ]
        self.posts = [
            {
                "id": 500 + n,
                "userId": 1 + n * 7 % 40,
                "title": word(n),
                "likes": n % 9,
                "tags": [WORDS[n % 12], WORDS[n % 5]][: n % 3],
            }
            for n in range(120)
        ]
        self.settings = {"siteName": "Little Things", "theme": "dark", "maxUploads": 12, "beta": False}
        self.get("/", lambda asked: {name: f"{self.origin}/{name}" for name in ("users", "posts", "settings")})
        self.get("/users", lambda asked: self.users)
        self.get("/posts", lambda asked: self.posts)
        self.get("/settings", lambda asked: self.settings)

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("user", ("/users",), self.users, types={"id": INT, "company.city": TEXT}, personal=("email",)),
                Entity("post", ("/posts",), self.posts, types={"userId": INT, "likes": INT, "title": TEXT}),
                Entity(
                    "setting",
                    ("/settings",),
                    [self.settings],
                    identity="siteName",
                    keys=(),
                    types={"maxUploads": INT, "beta": BOOL},
                ),
            ),
            references=(Reference("post", "userId", "user"),),
        )


class Enveloped(Api):
    """Envelopes one and three levels deep, and one with several arrays of which one holds the records; OpenAPI 3.0."""

    def setup(self) -> None:
        self.base_path = "/api/v2"
        self.cities = [{"id": f"c-{n:03}", "name": word(n), "population": 1000 + n * 37} for n in range(55)]
        self.stations = [
            {"code": f"ST{n:04}", "cityId": f"c-{n * 3 % 55:03}", "platforms": 1 + n % 6, "open": n % 4 > 0} for n in range(90)
        ]
        self.trips = [{"tripId": n, "origin": f"ST{n % 90:04}", "minutes": 12.5 + n, "note": None} for n in range(1, 76)]
        facets = [{"name": "open", "count": 9}, {"name": "closed", "count": 4}]

        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/api/v2/cities", lambda asked: {"count": len(self.cities), "items": self.cities})
        self.get(
            "/api/v2/stations",
            lambda asked: {"status": "ok", "response": {"took": 3, "payload": {"version": 7, "list": self.stations}}},
        )
        self.get(
            "/api/v2/trips",
            counted(
                self.trips,
                "offset",
                Size("limit", 25, cap=50),
                lambda page: {
                    "warnings": [],
                    "facets": facets,
                    "results": page.rows,
                    "columns": ["tripId", "origin"],
                    "total": page.total,
                },
            ),
        )

    def _operations(self) -> list[Operation]:
        return [
            Operation("/cities", answer=envelope_of(self.cities[0], "items", count=1)),
            Operation("/stations", answer=envelope_of(self.stations[0], "response", "payload", "list")),
            Operation("/trips", {"offset": "integer", "limit": "integer"}, {"type": "object"}),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("city", ("/cities",), self.cities, types={"population": INT, "id": TEXT}),
                Entity("station", ("/stations",), self.stations, "code", ("code",), types={"open": BOOL}),
                Entity("trip", ("/trips",), self.trips, "tripId", ("tripId",), types={"minutes": FLOAT, "note": TEXT}),
            ),
            references=(Reference("station", "cityId", "city"), Reference("trip", "origin", "station")),
        )


class Keyed(Api):
    """Maps keyed by id, at the top and below a key, and NDJSON; OpenAPI 3.1 without a schema."""

    def setup(self) -> None:
        self.devices = {f"AB{n:03}": {"model": word(n), "watts": n % 60, "online": n % 2 == 0} for n in range(48)}
        self.rates = {f"R{n:02}": {"from": WORDS[n % 12], "rate": round(1.01 + n / 7, 3), "active": n % 5 > 0} for n in range(30)}
        self.readings = [
            {"seq": n, "device": f"AB{n * 5 % 48:03}", "at": f"2024-03-{1 + n % 28:02}T10:00:{n % 60:02}Z"} for n in range(1, 201)
        ]
        self.get("/openapi.json", lambda asked: openapi(self, self._operations(), version="3.1.0"))
        self.get("/devices", lambda asked: self.devices)
        self.get("/rates", lambda asked: {"base": "EUR", "rates": self.rates})
        self.get("/readings", lambda asked: Answer(_lines(self.readings), type="application/x-ndjson"))

    def _operations(self) -> list[Operation]:
        return [Operation(path, summary=f"All {path[1:]}") for path in ("/devices", "/rates", "/readings")]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity(
                    "device",
                    ("/devices",),
                    list(self.devices.values()),
                    "model",
                    ("_mapKey",),
                    types={"watts": INT, "online": BOOL},
                ),
                Entity(
                    "rate",
                    ("/rates",),
                    [{"_mapKey": key} | row for key, row in self.rates.items()],
                    "_mapKey",
                    ("_mapKey",),
                    types={"rate": FLOAT},
                ),
                Entity("reading", ("/readings",), self.readings, "seq", ("seq",), types={"at": TIME}),
            ),
            references=(Reference("reading", "device", "device"),),
        )


class JsonApi(Api):
    """JSON:API: `data` with attributes and relationships, `links.next`, `page[number]`, totals in `meta`; a root with links."""

    def setup(self) -> None:
        self.authors = [self._resource("authors", n, {"name": word(n), "born": 1900 + n}) for n in range(1, 31)]
        self.books = [
            self._resource(
                "books", n, {"title": word(n), "pages": 90 + n, "published-at": f"2021-0{1 + n % 9}-1{n % 10}T08:30:00Z"}
            )
            | {"relationships": {"author": {"data": {"type": "authors", "id": str(1 + n % 30)}}}}
            for n in range(1, 86)
        ]
        self.get(
            "/",
            lambda asked: self._made({"data": None, "links": {name: f"{self.origin}/{name}" for name in ("authors", "books")}}),
        )
        self.get("/authors", numbered(self.authors, "page[number]", 1, Size("page[size]", 10, cap=50), self._wrap))
        self.get("/books", numbered(self.books, "page[number]", 1, Size("page[size]", 10, cap=50), self._wrap))

    def _resource(self, kind: str, number: int, attributes: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "id": str(number), "attributes": attributes, "links": {"self": f"/{kind}/{number}"}}

    def _made(self, document: dict[str, Any]) -> Answer:
        return Answer({"jsonapi": {"version": "1.1"}, **document}, type="application/vnd.api+json")

    def _wrap(self, page: Page) -> Answer:
        links = {"self": page.asked.path}
        if not page.ended:
            links["next"] = f"{self.origin}{page.asked.path}?page[number]={page.start // page.size + 2}&page[size]={page.size}"
        return self._made({"data": page.rows, "links": links, "meta": {"total": page.total}})

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("author", ("/authors",), self.authors, types={"attributes.born": INT}),
                Entity("book", ("/books",), self.books, types={"attributes.pages": INT, "attributes.published-at": TIME}),
            ),
            references=(Reference("book", "relationships.author.data.id", "author"),),
        )


class Hal(Api):
    """HAL: `_embedded`, `_links` with relative addresses, templates and sub-resources that only links name."""

    def setup(self) -> None:
        self.base_path = "/shop"
        self.orders = [
            {
                "orderNo": 1000 + n,
                "status": ("open", "paid", "sent")[n % 3],
                "total": round(9.99 * (1 + n % 8), 2),
                "_links": {"self": {"href": f"/shop/orders/{1000 + n}"}, "lines": {"href": f"/shop/orders/{1000 + n}/lines"}},
            }
            for n in range(64)
        ]
        self.lines = [
            {
                "line": 1 + k,
                "orderNo": 1000 + n,
                "sku": f"SKU-{(n * 3 + k) % 40:02}",
                "quantity": 1 + k,
                "text": f"{word(n)} / {k}",
            }
            for n in range(64)
            for k in range(n % 4)
        ]
        self.get(
            "/shop",
            lambda asked: {
                "_links": {"self": {"href": "/shop"}, "orders": {"href": "/shop/orders{?page,size}", "templated": True}}
            },
        )
        self.get(
            "/shop/",
            lambda asked: {
                "_links": {"self": {"href": "/shop"}, "orders": {"href": "/shop/orders{?page,size}", "templated": True}}
            },
        )
        self.get("/shop/orders", numbered(self.orders, "page", 0, Size("size", 20, cap=40), self._wrap))
        self.get("/shop/orders/{no}", single(self.orders, "orderNo", "no"))
        self.get(
            "/shop/orders/{no}/lines",
            lambda asked: {"_embedded": {"lines": [row for row in self.lines if str(row["orderNo"]) == asked.values["no"]]}},
        )

    def _wrap(self, page: Page) -> dict[str, Any]:
        links: dict[str, Any] = {"self": {"href": page.asked.path}}
        if not page.ended:
            links["next"] = {"href": f"/shop/orders?page={page.start // page.size + 1}&size={page.size}"}
        whole = {"size": page.size, "totalElements": page.total, "number": page.start // page.size}
        return {"_embedded": {"orders": page.rows}, "_links": links, "page": whole}

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("order", ("/orders",), self.orders, "orderNo", ("orderNo",), types={"total": FLOAT, "status": TEXT}),
                Entity("line", ("/orders/{}/lines",), self.lines, "text", ("line", "text"), "parent", types={"quantity": INT}),
            ),
            edges=(Edge("order", "line", {"*": ("orderNo",)}),),
            references=(Reference("line", "orderNo", "order"),),
        )


class Odata(Api):
    """OData: a service document, `value`, `@odata.nextLink` absolute, `$skip` and `$top`."""

    def setup(self) -> None:
        self.base_path = "/odata"
        self.products = [
            {"ProductID": n, "Name": word(n), "Price": round(n * 1.25, 2), "CategoryID": 1 + n % 8} for n in range(1, 78)
        ]
        self.categories = [{"CategoryID": n, "Title": word(n), "Active": n % 2 == 1} for n in range(1, 9)]
        sets = [{"name": name, "kind": "EntitySet", "url": name} for name in ("Products", "Categories")]
        for root in ("/odata", "/odata/"):
            self.get(root, lambda asked: {"@odata.context": f"{self.base_url}/$metadata", "value": sets})
        self.get("/odata/Products", counted(self.products, "$skip", Size("$top", 20, cap=20), self._wrap))
        self.get("/odata/Categories", counted(self.categories, "$skip", Size("$top", 20, cap=20), self._wrap))

    def _wrap(self, page: Page) -> dict[str, Any]:
        name = page.asked.path.rsplit("/", 1)[1]
        answer: dict[str, Any] = {"@odata.context": f"{self.base_url}/$metadata#{name}", "value": page.rows}
        if not page.ended:
            answer["@odata.nextLink"] = f"{self.base_url}/{name}?$skip={page.start + page.size}"
        return answer

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("product", ("/Products",), self.products, "ProductID", ("ProductID",), types={"Price": FLOAT}),
                Entity("category", ("/Categories",), self.categories, "CategoryID", ("CategoryID",), types={"Active": BOOL}),
            ),
            references=(Reference("product", "CategoryID", "category"),),
        )


class GeoFeatures(Api):
    """GeoJSON: collections name their items, `features` with geometry and properties, next by an array of links; Swagger-less,
    OpenAPI 3.0 as YAML's sibling JSON at /api."""

    def setup(self) -> None:
        self.collections = [{"id": name, "title": f"All {name}", "itemType": "feature"} for name in ("lakes", "huts", "peaks")]
        self.features = [
            {
                "type": "Feature",
                "id": f"{name}.{n}",
                "geometry": {"type": "Point", "coordinates": [6.5 + n / 100, 46.25 + n / 50]},
                "properties": {"name": word(n), "height": 400 + n, "kind": name},
            }
            for name, count in (("lakes", 60), ("huts", 0), ("peaks", 35))
            for n in range(count)
        ]
        self.get("/api", lambda asked: openapi(self, self._operations()))
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/", lambda asked: {"title": "Geo", "links": [{"rel": "data", "href": f"{self.origin}/collections"}]})
        self.get("/collections", lambda asked: {"collections": self.collections, "links": []})
        self.get(
            "/collections/{collectionId}/items", counted([], "offset", Size("limit", 10, cap=100), self._wrap, pick=self._of)
        )

    def _operations(self) -> list[Operation]:
        collection = {"type": "object", "properties": {"type": {"type": "string"}, "features": array_of(self.features[0])}}
        return [
            Operation("/", answer=schema_of({"title": "", "links": [{"rel": "", "href": ""}]})),
            Operation("/collections", answer=envelope_of(self.collections[0], "collections")),
            Operation(
                "/collections/{collectionId}/items", {"limit": "integer", "offset": "integer", "bbox": "string"}, collection
            ),
        ]

    def _of(self, asked: Asked) -> list[dict[str, Any]]:
        return [row for row in self.features if row["properties"]["kind"] == asked.values["collectionId"]]

    def _wrap(self, page: Page) -> Answer:
        links = [{"rel": "self", "href": page.asked.path}]
        if not page.ended:
            links.append(
                {"rel": "next", "href": f"{self.origin}{page.asked.path}?offset={page.start + page.size}&limit={page.size}"}
            )
        answer = {
            "type": "FeatureCollection",
            "features": page.rows,
            "numberMatched": page.total,
            "numberReturned": len(page.rows),
        }
        return Answer(answer | {"links": links, "timeStamp": "2024-05-06T07:08:09Z"}, type="application/geo+json")

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("collection", ("/collections",), self.collections),
                Entity(
                    "feature",
                    ("/collections/{}/items",),
                    self.features,
                    types={"properties.height": INT, "properties.name": TEXT},
                ),
            ),
            edges=(Edge("collection", "feature", {"collectionId": ("id",)}),),
            references=(Reference("feature", "properties.kind", "collection", needed=False),),
        )


class GeoLinks(GeoFeatures):
    """The same without a description: links of one array lead to different things, some of them for people."""

    def setup(self) -> None:
        super().setup()
        self.routes = [
            (pattern, handler)
            for pattern, handler in self.routes
            if not pattern.fullmatch("/api") and "openapi" not in pattern.pattern
        ]
        self.routes = [(pattern, handler) for pattern, handler in self.routes if not pattern.fullmatch("/collections")]
        self.get(
            "/collections",
            lambda asked: {"collections": [row | {"links": self._links(row["id"])} for row in self.collections], "links": []},
        )
        self.get(
            "/collections/{collectionId}/queryables", lambda asked: {"type": "object", "title": asked.values["collectionId"]}
        )

    def _links(self, name: str) -> list[dict[str, str]]:
        here = f"{self.origin}/collections/{name}"
        return [
            {"rel": "self", "type": "application/json", "href": here},
            {"rel": "items", "type": "text/html", "href": f"{here}/items?f=html"},
            {"rel": "items", "type": "application/geo+json", "href": f"{here}/items"},
            {"rel": "queryables", "type": "application/schema+json", "href": f"{here}/queryables"},
        ]

    def truth(self) -> Truth:
        known = super().truth()
        rows = [{"type": "object", "title": row["id"]} for row in self.collections]
        queryable = Entity("queryable", ("/collections/{}/queryables",), rows, "title", ("title", "@hash"))
        edge = Edge("collection", "queryable", {"collectionId": ("id",)})
        said = Reference("queryable", "title", "collection", needed=False)
        return Truth((*known.entities, queryable), (*known.edges, edge), (*known.references, said))


class Searched(Api):
    """Searches whose answers have further lists beside the records, strange words among the numbers of the page, and the last
    word of the path for none of them (SonarQube's way); a list of one row, which goes on by no parameter."""

    named = ("/issues/search", "/rules/search", "/projects/search", "/gates/list")

    def setup(self) -> None:
        self.base_path = "/api"
        self.issues = [
            {"key": f"AX{n:06}", "rule": f"java:S{n % 130}", "status": ("OPEN", "CLOSED")[n % 2], "line": n} for n in range(740)
        ]
        self.rules = [
            {"key": f"java:S{n}", "name": word(n), "params": [{"key": "max"}] if n % 5 == 0 else []} for n in range(130)
        ]
        self.projects = [{"key": f"org:{n}", "name": word(n)} for n in range(12)]
        size = Size("ps", 100, most=500)
        self.get("/api/issues/search", numbered(self.issues, "p", 1, size, self._wrap("issues", components=self.projects[:5])))
        self.get("/api/rules/search", numbered(self.rules, "p", 1, size, self._wrap("rules", actives={}, effortTotal=7)))
        self.get("/api/projects/search", numbered(self.projects, "p", 1, size, self._wrap("components", canCreate=False)))
        self.gates = [{"name": "Our way", "isDefault": True}]
        self.get("/api/gates/list", lambda asked: {"gates": self.gates, "actions": {"create": False}})

    def _wrap(self, name: str, **beside: Any) -> Any:
        def wrap(page: Page) -> dict[str, Any]:
            number = page.start // page.size + 1
            numbers = {"total": page.total, "p": number, "ps": page.size}
            return {**numbers, **beside, name: page.rows, "facets": []}

        return wrap

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("issue", ("/issues/search",), self.issues, "key", ("key",), types={"line": INT}),
                Entity("rule", ("/rules/search",), self.rules, "key", ("key",)),
                Entity("project", ("/projects/search",), self.projects, "key", ("key",)),
                Entity("gate", ("/gates/list",), self.gates, "name", ("name", "@hash")),
            ),
            references=(Reference("issue", "rule", "rule"),),
        )


class Paired(Api):
    """Arrays of two: numbers of the page, then the rows; nothing at all where there are no rows (the World Bank's way). Another list
    is an array of two records. Its root is XML."""

    named = ("/country?format=json", "/region?format=json", "/unit")

    def setup(self) -> None:
        self.base_path = "/v2"
        self.regions = [{"id": f"R{n}", "value": word(n)} for n in range(7)]
        self.countries = [
            {"id": f"C{n:03}", "name": word(n), "region": {"id": f"R{n % 7}", "value": word(n % 7)}} for n in range(297)
        ]
        self.units = [{"id": 1, "page": "a", "total": 3}, {"id": 2, "page": "b", "total": 4}]
        size = Size("per_page", 50, most=500)
        self.get("/v2/", lambda asked: Answer(b"<?xml version='1.0'?><error/>", type="text/xml"))
        self.get("/v2/country", self._json(numbered(self.countries, "page", 1, size, self._wrap)))
        self.get("/v2/region", self._json(numbered(self.regions, "page", 1, size, self._wrap)))
        self.get("/v2/unit", lambda asked: self.units)

    @staticmethod
    def _json(handler: Any) -> Any:
        def answer(asked: Asked) -> Any:
            return (
                handler(asked) if asked.query.get("format") == "json" else Answer(b"<?xml version='1.0'?><a/>", type="text/xml")
            )

        return answer

    @staticmethod
    def _wrap(page: Page) -> list[Any]:
        pages = -(-page.total // page.size)
        about = {"page": page.start // page.size + 1, "pages": pages, "per_page": str(page.size), "total": page.total}
        return [about, page.rows or None]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("country", ("/country?format=json",), self.countries),
                Entity("region", ("/region?format=json",), self.regions),
                Entity("unit", ("/unit",), self.units),
            ),
            references=(Reference("country", "region.id", "region"),),
        )


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


SERVERS: tuple[type[Api], ...] = (Plain, Enveloped, Keyed, JsonApi, Hal, Odata, GeoFeatures, GeoLinks, Searched, Paired)
