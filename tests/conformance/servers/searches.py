"""Lists that only a POST gives, as their APIs have it, and POSTs that look like searches and create something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.described import Operation, array_of, envelope_of, openapi, schema_of
from tests.conformance.servers.shapes import INT, TEXT, word
from tests.conformance.servers.truth import Edge, Entity, Reference, Truth


def _object(required: tuple[str, ...] = (), **members: Any) -> dict[str, Any]:
    """The JSON schema of a body: member → its type, its schema, or None for any object."""
    kinds = {name: {"type": kind} if isinstance(kind, str) else kind or {"type": "object"} for name, kind in members.items()}
    return {"type": "object", "properties": kinds, "required": list(required)}


class FlowFilters(Api):
    """Every list is `POST …/filter` with limit and offset in the body; too large a page is refused with 422; bare arrays."""

    searches = (r"/api/(flows|flow_runs|logs)/filter",)

    def setup(self) -> None:
        self.base_path = "/api"
        self.flows = [{"id": f"f-{n:04}", "name": f"flow {word(n)} {n}", "tags": [word(n)]} for n in range(1, 61)]
        self.runs = [
            {"id": f"r-{n:05}", "flow_id": f"f-{1 + n % 60:04}", "state": ("DONE", "FAILED")[n % 2], "seconds": n / 4}
            for n in range(430)
        ]
        self.get("/api/openapi.json", lambda asked: self._document())
        self.get("/api/health", lambda asked: True)
        self.post("/api/flows/filter", lambda asked: self._page(self.flows, asked))
        self.post("/api/flow_runs/filter", lambda asked: self._page(self.runs, asked))
        self.post("/api/logs/filter", lambda asked: [])

    def _page(self, rows: list[dict[str, Any]], asked: Asked) -> Any:
        limit, offset = asked.told("limit", int, 200), asked.told("offset", int, 0)
        if limit > 200 or limit < 1:
            raise RefusedError(422, "limit: ensure this value is less than or equal to 200")
        return rows[offset : offset + limit]

    def _document(self) -> dict[str, Any]:
        body = _object(flows=None, flow_runs=None, sort={"type": "string", "enum": ["ID_ASC"], "default": "ID_ASC"},
                       limit={"type": "integer"}, offset={"type": "integer", "default": 0, "minimum": 0})  # fmt: skip
        run = self.runs[0]
        return openapi(
            self,
            [
                Operation("/health"),
                Operation(
                    "/flows/filter", answer=array_of(self.flows[0]), method="post", body=body, name="read_flows_flows_filter_post"
                ),
                Operation("/flow_runs/filter", answer=array_of(run), method="post", body=body, summary="Read Flow Runs"),
                Operation("/logs/filter", answer=array_of({"id": "", "level": 1}), method="post", body=body, summary="Read Logs"),
                Operation("/flows/", answer=schema_of(self.flows[0]), method="post", status="201", body=schema_of(self.flows[0])),
            ],
        )

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("flow", ("/flows/filter",), self.flows, types={"id": TEXT}),
                Entity("flowRun", ("/flow_runs/filter",), self.runs, types={"flow_id": TEXT}),
                Entity("log", ("/logs/filter",), []),
            ),
            references=(Reference("flowRun", "flow_id", "flow"),),
            findings=(r"POST /flows/filter: a search by POST, allowed by --allow-post-search",),
        )


class Notebooks(Api):
    """Databases by GET, their pages by `POST /databases/{id}/query`: cursor in the body, page sizes above 100 refused, a token."""

    token_env = "NOTEBOOKS_TOKEN"
    credential = "secret_notebooks-4711"
    searches = (r"/v1/databases/[^/]+/query",)

    def setup(self) -> None:
        self.base_path = "/v1"
        self.databases = [{"id": f"db-{n:02}", "title": f"List {word(n)}", "object": "database"} for n in range(1, 9)]
        self.pages = [
            {"id": f"pg-{n:04}", "parent": {"type": "database_id", "database_id": f"db-{1 + n % 8:02}"}, "archived": False,
             "properties": {"Name": word(n), "Points": n}} for n in range(900)
        ]  # fmt: skip
        self.get("/v1/openapi.json", lambda asked: self._document())
        self.get(
            "/v1/databases", lambda asked: {"object": "list", "results": self.databases, "next_cursor": None, "has_more": False}
        )
        self.post("/v1/databases/{id}/query", self._query)

    def allowed(self, asked: Asked) -> Answer | None:
        if asked.path.endswith("openapi.json") or asked.headers.get("Authorization") == f"Bearer {self.credential}":
            return None
        return Answer({"message": "API token is invalid."}, 401, {"WWW-Authenticate": "Bearer"})

    def _query(self, asked: Asked) -> Any:
        mine = [page for page in self.pages if page["parent"]["database_id"] == asked.values["id"]]  # type: ignore[index]
        if asked.values["id"] not in {each["id"] for each in self.databases}:
            raise RefusedError(404, "Could not find database")
        size, cursor = asked.told("page_size", int, 100), asked.told("start_cursor", str)
        if not 1 <= size <= 100:
            raise RefusedError(400, "body.page_size should be less than or equal to 100")
        unknown = set(asked.body) - {"page_size", "start_cursor", "filter", "sorts"}
        if unknown:
            raise RefusedError(400, f"body.{unknown.pop()} should be not present")
        start = next((n for n, page in enumerate(mine) if page["id"] == cursor), None) if cursor else 0
        if start is None:
            raise RefusedError(400, "the start_cursor provided is invalid")
        rest = mine[start + size :]
        return {"object": "list", "results": mine[start : start + size], "has_more": bool(rest),
                "next_cursor": rest[0]["id"] if rest else None}  # fmt: skip

    def _document(self) -> dict[str, Any]:
        page = envelope_of(self.pages[0], "results", next_cursor="x", has_more=True)
        body = _object(
            filter=None, sorts={"type": "array", "items": {"type": "object"}}, start_cursor="string", page_size="integer"
        )
        security = {"type": "http", "scheme": "bearer"}
        operations = [
            Operation("/databases", answer=envelope_of(self.databases[0], "results", next_cursor="x", has_more=True)),
            Operation("/databases/{id}/query", answer=page, method="post", body=body, summary="Query a database"),
            Operation(
                "/pages", answer=schema_of(self.pages[0]), method="post", body=schema_of(self.pages[0]), summary="Create a page"
            ),
        ]
        return openapi(self, operations, security=security)

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("database", ("/databases",), self.databases, types={"id": TEXT}),
                Entity("page", ("/databases/{id}/query",), self.pages, types={"parent.database_id": TEXT}),
            ),
            edges=(Edge("database", "page", {"id": ("id",)}),),
            references=(Reference("page", "parent.database_id", "database"),),
        )


class Tracking(Api):
    """Runs are searched by the ids of their experiments, an array that must be in the body; tokens of pages in the body."""

    searches = (r"/ajax/2.0/(experiments|runs)/search",)

    def setup(self) -> None:
        self.base_path = "/ajax/2.0"
        self.experiments = [{"experiment_id": str(n), "name": f"trial {word(n)}", "stage": "active"} for n in range(1, 8)]
        self.runs = [
            {
                "info": {
                    "run_id": f"{n:032x}",
                    "experiment_id": str(1 + n % 7),
                    "status": "FINISHED",
                    "start_time": 1700000000000 + n,
                }
            }
            for n in range(350)
        ]
        self.get("/ajax/2.0/openapi.json", lambda asked: self._document())
        self.get("/ajax/2.0/version", lambda asked: {"version": "2"})
        self.post("/ajax/2.0/experiments/search", lambda asked: self._page("experiments", self.experiments, asked))
        self.post("/ajax/2.0/runs/search", self._search)

    def _search(self, asked: Asked) -> Any:
        ids = asked.told("experiment_ids", list)
        if not ids or not all(isinstance(each, str) for each in ids):
            raise RefusedError(400, "experiment_ids: at least one id, as text, is required")
        return self._page("runs", [run for run in self.runs if run["info"]["experiment_id"] in ids], asked)  # type: ignore[index]

    def _page(self, name: str, rows: list[dict[str, Any]], asked: Asked) -> Any:
        size, token = asked.told("max_results", int, 20), asked.told("page_token", str, "")
        start = int(token.removeprefix("t")) if token else 0
        told: dict[str, Any] = {name: rows[start : start + min(size, 100)]}
        if start + min(size, 100) < len(rows):
            told["next_page_token"] = f"t{start + min(size, 100)}"
        return told

    def _document(self) -> dict[str, Any]:
        page: Mapping[str, Any] = {"max_results": "integer", "page_token": "string", "filter": "string"}
        ids = {"type": "array", "items": {"type": "string"}}
        runs = envelope_of(self.runs[0], "runs", next_page_token="x")
        experiments = envelope_of(self.experiments[0], "experiments", next_page_token="x")
        return openapi(
            self,
            [
                Operation("/version"),
                Operation("/experiments/search", answer=experiments, method="post", body=_object(**page), name="searchExperiments"),
                Operation("/runs/search", answer=runs, method="post", name="searchRuns",
                          body=_object(("experiment_ids",), experiment_ids=ids, **page)),
            ],
        )  # fmt: skip

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("experiment", ("/experiments/search",), self.experiments, "experiment_id", ("experiment_id",)),
                Entity("run", ("/runs/search",), self.runs, "info.run_id", ("info.run_id",)),
            ),
            edges=(Edge("experiment", "run", {"experiment_ids[]": ("experiment_id",)}),),
            references=(Reference("run", "info.experiment_id", "experiment"),),
        )


class Documents(Api):
    """A search engine: `POST /{index}/_search` with from and size in the body, hits two levels deep, the total in an object."""

    searches = (r"/[^/]+/_search",)

    def setup(self) -> None:
        self.indices = [{"index": name, "docs": 40} for name in ("books", "maps", "notes")]
        self.docs = [
            {"_id": f"{each['index']}-{n}", "_index": each["index"], "_source": {"title": word(n), "year": 1900 + n}}
            for each in self.indices
            for n in range(140)
        ]
        self.get("/openapi.json", lambda asked: self._document())
        self.get("/indices", lambda asked: self.indices)
        self.post("/{index}/_search", self._search)

    def _search(self, asked: Asked) -> Any:
        mine = [doc for doc in self.docs if doc["_index"] == asked.values["index"]]
        if not mine:
            raise RefusedError(404, "no such index")
        start, size = asked.told("from", int, 0), asked.told("size", int, 10)
        if start + size > 10_000:
            raise RefusedError(400, "Result window is too large, from + size must be less than or equal to: [10000]")
        total = {"value": len(mine), "relation": "eq"}
        return {"took": 3, "timed_out": False, "hits": {"total": total, "max_score": 1.0, "hits": mine[start : start + size]}}

    def _document(self) -> dict[str, Any]:
        answer = envelope_of(self.docs[0], "hits", "hits", took=1, timed_out=False)
        body = _object(query=None, size="integer", sort={"type": "array", "items": {"type": "object"}}, **{"from": "integer"})
        return openapi(
            self,
            [
                Operation("/indices", answer=array_of(self.indices[0])),
                Operation(
                    "/{index}/_search", answer=answer, method="post", body=body, summary="Returns documents that match a query"
                ),
            ],
        )

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("index", ("/indices",), self.indices, "index", ("index",)),
                Entity("document", ("/{index}/_search",), self.docs, "_id", ("_id",), types={"_source.year": INT}),
            ),
            edges=(Edge("index", "document", {"index": ("index",)}),),
            references=(Reference("document", "_index", "index"),),
        )


class Lures(Api):
    """POSTs that look like searches: one creates and says so (201), one creates and says nothing, one is described with the record as
    its body, one starts a job, one leads away."""

    searches = (r"/(orders/search|reports/query|away/search)",)
    most_created: ClassVar[int] = 3

    def setup(self) -> None:
        self.things = [{"id": n, "name": word(n)} for n in range(1, 31)]
        self.orders: list[dict[str, Any]] = []
        self.reports = [{"id": 1, "name": "first"}]
        self.get("/openapi.json", lambda asked: self._document())
        self.get("/things", lambda asked: self.things)
        self.post("/orders/search", self._order)
        self.post("/reports/query", self._report)
        self.post("/exports/search", self._order)
        self.post("/jobs/search", self._order)
        self.post("/away/search", lambda asked: Answer(None, 307, {"Location": "/exports/search"}))

    @property
    def created(self) -> int:
        return len(self.orders) + len(self.reports) - 1

    def _order(self, asked: Asked) -> Any:
        self.orders.append({"id": len(self.orders) + 1, "name": "made"})
        return Answer(self.orders[-1:], 201)

    def _report(self, asked: Asked) -> Any:
        self.reports.append({"id": len(self.reports) + 1, "name": "made"})
        return self.reports

    def _document(self) -> dict[str, Any]:
        rows, body = array_of(self.things[0]), _object(filter=None, limit="integer")
        post = {"method": "post", "answer": rows}
        return openapi(
            self,
            [
                Operation("/things", answer=rows),
                Operation("/orders/search", body=body, summary="Search orders", **post),
                Operation("/reports/query", body=body, summary="Query reports", **post),
                Operation("/away/search", body=body, summary="Search elsewhere", **post),
                Operation("/exports/search", body=schema_of({"id": 1, "name": "x"}), summary="Search exports", **post),
                Operation("/jobs/search", body=body, summary="Search jobs", status="202", **post),
            ],
        )

    def truth(self) -> Truth:
        return Truth(
            entities=(Entity("thing", ("/things",), self.things),),
            findings=(
                r"POST /orders/search: gap.*as what creates something does",
                r"POST /reports/query: gap.*two equal requests gave \d+ and then \d+ rows",
                r"POST /exports/search: gap.*it may store one",
                r"POST /jobs/search: gap.*it answers 202",
                r"POST /away/search: gap",
            ),
        )


SERVERS: tuple[type[Api], ...] = (FlowFilters, Notebooks, Tracking, Documents, Lures)
