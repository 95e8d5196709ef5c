"""Servers whose description is wrong, elsewhere, or not there at all."""

from __future__ import annotations

from typing import Any

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.described import Operation, array_of, envelope_of, openapi
from tests.conformance.servers.pages import Size, counted, single
from tests.conformance.servers.shapes import BOOL, INT, TEXT, word
from tests.conformance.servers.truth import Edge, Entity, Reference, Truth


class Outdated(Api):
    """A description that is behind: a documented list is gone, one was never there, types and the envelope are others, an operation
    needs what no reader has, references loop, operationIds are missing; reached at /v3/api-docs."""

    def setup(self) -> None:
        self.books = [{"id": f"B-{n:03}", "title": word(n), "pages": n * 3, "lent": n % 2 == 0} for n in range(70)]
        self.shelves = [{"id": n, "room": word(n % 4), "bookIds": [f"B-{n * 2:03}", f"B-{n * 2 + 1:03}"]} for n in range(1, 30)]
        self.get("/v3/api-docs", lambda asked: self._document())
        self.get(
            "/books", counted(self.books, "offset", Size("limit", 20, cap=50), lambda page: {"payload": {"books": page.rows}})
        )
        self.get("/books/{bookId}", single(self.books, "id", "bookId"))
        self.get("/shelves", lambda asked: self.shelves)
        self.get("/authors", self._gone)
        self.get("/reports", self._broken)

    def _gone(self, asked: Asked) -> Any:
        raise RefusedError(410, "moved to nowhere")

    def _broken(self, asked: Asked) -> Any:
        raise RefusedError(500, "NullPointerException")

    def _document(self) -> dict[str, Any]:
        wrong = {"id": 1, "title": 5, "pages": "many", "lent": "x", "price": 1.5}
        page = {"offset": "integer", "limit": "integer"}
        document = openapi(
            self,
            [
                Operation("/books", page, envelope_of(wrong, "items")),
                Operation("/books/{bookId}", answer={"$ref": "#/components/schemas/Loop"}),
                Operation("/shelves", answer=array_of(self.shelves[0])),
                Operation("/authors", answer=array_of({"id": 1})),
                Operation("/ghosts", answer=array_of({"id": 1})),
                Operation("/reports", answer=array_of({"id": 1})),
                Operation("/books/{bookId}", method="delete"),
                Operation("/search", {"q": "string!"}, array_of(wrong)),
            ],
        )
        loop = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Loop"}, "id": {"type": "string"}}}
        document["components"] = {"schemas": {"Loop": loop}}
        document["x-vendor"] = {"junk": [None, {"deep": True}]}
        return document

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("book", ("/books",), self.books, types={"id": TEXT, "title": TEXT, "pages": INT, "lent": BOOL}),
                Entity("shelf", ("/shelves",), self.shelves, types={"room": TEXT}),
            ),
            references=(Reference("shelf", "bookIds[]", "book", needed=False),),
            findings=(
                r"/authors\b.*(gone|410)",
                r"/ghosts\b.*(notFound|404)",
                r"/reports\b.*(broken|500)",
                r"book\.pages.*described as text",
            ),
        )


class Versioned(Api):
    """OpenAPI 3.0 as YAML at /openapi.yaml, with a server variable, a path below it, shared parameters, allOf and a nullable."""

    def setup(self) -> None:
        self.base_path = "/service/v2"
        self.vehicles = [
            {"id": n, "plate": f"ZH {n:04}", "wheels": 2 + n % 3, "owner": None if n % 6 else word(n)} for n in range(1, 61)
        ]
        self.rides = [{"id": 300 + n, "vehicle_id": 1 + n % 60, "km": n * 1.5} for n in range(145)]
        self.get("/service/v2/openapi.yaml", lambda asked: Answer(self._document(), type="application/yaml"))
        self.get("/openapi.yaml", lambda asked: Answer(self._document(), type="application/yaml"))
        self.get("/service/v2/vehicles", lambda asked: {"vehicles": self.vehicles})
        self.get("/service/v2/vehicles/{vehicle_id}/rides", self._rides)

    def _rides(self, asked: Asked) -> Any:
        vehicle = single(self.vehicles, "id", "vehicle_id")(asked)
        return {"rides": [row for row in self.rides if row["vehicle_id"] == vehicle["id"]]}

    def _document(self) -> bytes:
        return f"""\
openapi: 3.0.1
info: {{title: Vehicles, version: '2'}}
servers:
  - url: '{{scheme}}://127.0.0.1:{self.port}/service/{{version}}'
    variables:
      scheme: {{default: http, enum: [http, https]}}
      version: {{default: v2}}
paths:
  /vehicles:
    get:
      responses:
        '200':
          description: All vehicles
          content:
            application/json; charset=utf-8:
              schema:
                type: object
                properties:
                  vehicles: {{type: array, items: {{$ref: '#/components/schemas/Vehicle'}}}}
  /vehicles/{{vehicle_id}}/rides:
    parameters:
      - $ref: '#/components/parameters/VehicleId'
    get:
      responses:
        default: {{description: Rides}}
components:
  parameters:
    VehicleId: {{name: vehicle_id, in: path, required: true, schema: {{type: integer}}}}
  schemas:
    Base: {{type: object, required: [id], properties: {{id: {{type: integer, format: int64}}}}}}
    Vehicle:
      allOf:
        - $ref: '#/components/schemas/Base'
        - type: object
          properties:
            plate: {{type: string}}
            wheels: {{type: integer}}
            owner: {{type: string, nullable: true}}
""".encode()

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("vehicle", ("/vehicles",), self.vehicles, keys=("id", "plate"), types={"wheels": INT, "owner": TEXT}),
                Entity("ride", ("/vehicles/{}/rides",), self.rides),
            ),
            edges=(Edge("vehicle", "ride", {"vehicle_id": ("id",)}),),
            references=(Reference("ride", "vehicle_id", "vehicle"),),
        )


class Guessable(Api):
    """No description and no root: lists under names that anybody would try, and one that only ids in the records give away."""

    def setup(self) -> None:
        self.base_path = "/api/v1"
        self.users = [{"id": n, "name": word(n), "department_id": 70 + n % 6} for n in range(1, 34)]
        self.products = [{"id": 100 + n, "title": word(n), "stock": n % 17, "supplier_id": 3000 + n % 9} for n in range(52)]
        self.orders = [{"id": 900 + n, "user_id": 1 + n % 33, "product_id": 100 + n % 52} for n in range(77)]
        self.departments = [{"id": 70 + n, "name": word(n)} for n in range(6)]
        for name in ("users", "products", "orders", "departments"):
            self.get(f"/api/v1/{name}", {"data": getattr(self, name)})

    def truth(self) -> Truth:
        return Truth(
            entities=tuple(
                Entity(name, (f"/{name}s",), rows)
                for name, rows in (
                    ("user", self.users),
                    ("product", self.products),
                    ("order", self.orders),
                    ("department", self.departments),
                )
            ),
            references=(
                Reference("order", "user_id", "user"),
                Reference("order", "product_id", "product"),
                Reference("user", "department_id", "department"),
            ),
            findings=(r"supplier.*gap",),
        )


class SoftErrors(Api):
    """Every unknown path answers 200 with an error in its body, and so do two documented ones; a third answers 204."""

    def setup(self) -> None:
        self.songs = [{"id": n, "title": word(n), "albumId": 1 + n % 12} for n in range(1, 90)]
        self.albums = [{"id": n, "title": f"The {word(n * 5)} album"} for n in range(1, 13)]
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/songs", counted(self.songs, "offset", Size("limit", 30, cap=30)))
        self.get("/albums", lambda asked: self.albums)
        self.get("/playlists", lambda asked: {"status": "error", "code": 404, "message": "Not found"})
        self.get("/nothing", lambda asked: Answer(None, 204))

    def missing(self, asked: Asked) -> Any:
        return {"error": {"code": 404, "message": f"no route for {asked.path}"}}

    def _operations(self) -> list[Operation]:
        page = {"offset": "integer", "limit": "integer"}
        return [
            Operation("/songs", page, array_of(self.songs[0])),
            Operation("/albums", answer=array_of(self.albums[0])),
            Operation("/playlists", answer=array_of({"id": 1, "name": ""})),
            Operation("/artists", answer=array_of({"id": 1, "name": ""})),
            Operation("/nothing", answer=array_of({"id": 1})),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("song", ("/songs",), self.songs),
                Entity("album", ("/albums",), self.albums),
                Entity("nothing", ("/nothing",), []),
            ),
            references=(Reference("song", "albumId", "album"),),
            findings=(r"/playlists\b.*(error|[Nn]ot.?[Ff]ound|404)", r"/artists\b.*(error|no route|404)"),
        )


SERVERS: tuple[type[Api], ...] = (Outdated, Versioned, Guessable, SoftErrors)
