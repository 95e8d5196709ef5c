"""Servers whose root tells what there is in a way of its own: a page for people, bare names, a map of routes, the list itself."""

from __future__ import annotations

from typing import Any

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.pages import Size, numbered
from tests.conformance.servers.shapes import INT, TEXT, word
from tests.conformance.servers.truth import Edge, Entity, Reference, Truth


class Manual(Api):
    """A page for people at the root, which tells paths in a table and parameters by their type; records without an id, known by name."""

    def setup(self) -> None:
        self.base_path = "/api"
        self.spaces = [{"name": f"space-{n}", "title": word(n)} for n in range(1, 9)]
        self.queues = [{"name": f"q{n}", "space": f"space-{1 + n % 8}", "depth": n * 7 % 40} for n in range(60)]
        self.grants = [{"space": f"space-{1 + n % 8}", "user": word(n), "level": n % 3} for n in range(24)]
        page = (
            "<!DOCTYPE html><html><head><title>Broker HTTP API</title></head><body><h1>API</h1>"
            "<p>For example: <code>curl http://localhost/api/queues/space-1/q1</code></p><table>"
            "<tr><td>X</td><td class=path>/api/spaces</td></tr><tr><td>X</td><td>/api/spaces/<i>name</i></td></tr>"
            "<tr><td>X</td><td>/api/queues<br/>/api/everything <em>(deprecated)</em></td></tr>"
            "<tr><td>/api/spaces/<i>space</i>/grants</td></tr><tr><td>DELETE /api/queues/&lt;space&gt;/&lt;name&gt;</td></tr>"
            "<tr><td><a href='/api/style.css'>/api/style.css</a></td></tr></table></body></html>"
        )
        self.get("/api/", lambda asked: Answer(page.encode(), type="text/html"))
        self.get("/api/spaces", self.spaces)
        self.get("/api/queues", self.queues)
        self.get("/api/spaces/{space}/grants", self._grants)

    def _grants(self, asked: Asked) -> Any:
        if asked.values["space"] not in {row["name"] for row in self.spaces}:
            raise RefusedError(404, "no such space")
        return [row for row in self.grants if row["space"] == asked.values["space"]]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("space", ("/spaces",), self.spaces, "name", ("name",)),
                Entity("queue", ("/queues",), self.queues, "name", ("name",), types={"depth": INT, "space": TEXT}),
                Entity("grant", ("/spaces/{}/grants",), self.grants, "user", ("user", "@hash")),
            ),
            edges=(Edge("space", "grant", {"space": ("name",)}),),
            references=(Reference("queue", "space", "space"), Reference("grant", "space", "space", needed=False)),
            findings=(r"/everything\b.*404",),
        )


class Names(Api):
    """A root that lists names without their addresses, and answers 400 to every parameter that it does not know."""

    def setup(self) -> None:
        self.base_path = "/api/v2"
        self.builders = [{"builderid": n, "name": word(n)} for n in range(1, 14)]
        self.builds = [{"bsid": 7 * n, "builderid": 1 + n % 13, "seconds": n % 50} for n in range(1, 91)]
        names = ("builders", "buildsets", "forces")
        self.get("/api/v2", self._known({"meta": {"total": 3}, "rootlinks": [{"name": name} for name in names]}))
        self.get("/api/v2/builders", self._known({"builders": self.builders, "meta": {"total": 13}}))
        self.get("/api/v2/buildsets", self._known({"buildsets": self.builds, "meta": {"total": 90}}))
        self.get("/api/v2/forces", self._known({"forces": [], "meta": {"total": 0}}))

    def _known(self, value: Any) -> Any:
        def handler(asked: Asked) -> Any:
            if asked.query:
                raise RefusedError(400, f"unrecognized query parameter {next(iter(asked.query))!r}")
            return value

        return handler

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("builder", ("/builders",), self.builders, "builderid", ("builderid",)),
                Entity("build", ("/buildsets",), self.builds, "bsid", ("bsid",)),
            ),
            references=(Reference("build", "builderid", "builder"),),
            findings=(r"/forces\b.*empty",),
        )


class Itself(Api):
    """The base URL is the list, page by page, and answers 404 with a slash at its end."""

    def setup(self) -> None:
        self.base_path = "/v1/measurements"
        self.rows = [{"id": n, "station": word(n % 9), "value": n * 3 % 71} for n in range(1, 131)]
        self.get(
            "/v1/measurements", numbered(self.rows, "page", 1, Size("limit", 25, cap=50), lambda page: {"data": list(page.rows)})
        )

    def truth(self) -> Truth:
        return Truth(entities=(Entity("measurement", ("/",), self.rows, types={"value": INT}),))


class Routed(Api):
    """A root that maps patterns of paths to methods and arguments, and documents of its kind below it. What is asked first is open to
    everybody; one list is not. A field named like an id holds a list here and there."""

    token_env, credential = "ROUTED_TOKEN", "routed-secret-4711"

    def allowed(self, asked: Asked) -> Answer | None:
        if asked.path != "/wp-json/wp/v2/people" or asked.headers.get("Authorization") == f"Bearer {self.credential}":
            return None
        return Answer({"code": "rest_forbidden"}, 401, {"WWW-Authenticate": "Bearer"})

    def setup(self) -> None:
        self.base_path = "/wp-json"
        self.pages = [
            {"id": n, "title": {"rendered": word(n)}, "author": 1 + n % 7, "groupid": [] if n % 9 == 0 else n % 5}
            for n in range(1, 74)
        ]
        self.people = [{"id": n, "name": word(n * 11)} for n in range(1, 8)]
        paging = {
            "page": {"type": "integer", "default": 1, "minimum": 1},
            "per_page": {"type": "integer", "default": 10, "maximum": 30},
        }
        routes = {
            "/": {"methods": ["GET"], "endpoints": [{"methods": ["GET"], "args": []}]},
            "/wp/v2": {"methods": ["GET"], "endpoints": [{"methods": ["GET"], "args": {}}]},
            "/wp/v2/pages": {
                "methods": ["GET", "POST"],
                "endpoints": [{"methods": ["GET"], "args": paging}, {"methods": ["POST"], "args": {}}],
            },
            "/wp/v2/pages/(?P<id>[\\d]+)": {
                "methods": ["GET"],
                "endpoints": [{"methods": ["GET"], "args": {"id": {"type": "integer"}}}],
            },
            "/wp/v2/pages/(?P<id>([^\\/:<>]+(?:\\/[^\\/]+)?)[\\/\\w-]+)/odd": {"methods": ["GET"], "endpoints": []},
            "/wp/v2/people": {"methods": ["GET"], "endpoints": [{"methods": ["GET"], "args": paging}]},
        }
        root = {
            "name": "A site",
            "namespaces": ["wp/v2"],
            "routes": routes,
            "_links": {"help": [{"href": "http://developer.example"}]},
        }
        self.get("/wp-json/", root)
        self.get("/wp-json/wp/v2", {"namespace": "wp/v2", "routes": {path: routes[path] for path in list(routes)[1:]}})
        size = Size("per_page", 10, most=30)
        self.get("/wp-json/wp/v2/pages", numbered(self.pages, "page", 1, size, past="400"))
        self.get("/wp-json/wp/v2/people", numbered(self.people, "page", 1, size, past="400"))
        self.get("/wp-json/wp/v2/pages/{id}", self._one)

    def _one(self, asked: Asked) -> Any:
        found = next((row for row in self.pages if str(row["id"]) == asked.values["id"]), None)
        if found is None:
            raise RefusedError(404, "rest_post_invalid_id")
        return found

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("page", ("/wp/v2/pages",), self.pages, types={"author": INT}),
                Entity("person", ("/wp/v2/people",), self.people, types={"name": TEXT}),
            ),
            references=(Reference("page", "author", "person", needed=False),),
        )


SERVERS: tuple[type[Api], ...] = (Manual, Names, Itself, Routed)
