"""Servers of children and parents: what must be asked for with what, and the ways to be misled about it."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.described import Operation, array_of, envelope_of, openapi, swagger
from tests.conformance.servers.pages import Page, Row, Size, counted, numbered, single
from tests.conformance.servers.shapes import INT, TEXT, TIME, word
from tests.conformance.servers.truth import Edge, Entity, Reference, Truth


class Family(Api):
    """Three levels below one another, every parameter called `id`; the first parents are empty; notes and replies count from 1 below
    each parent; OpenAPI 3.0."""

    def setup(self) -> None:
        self.users = [{"id": n, "name": word(n), "email": f"u{n}@example.org"} for n in range(1, 31)]
        self.posts = [{"id": 4000 + n, "author": 4 + n * 11 % 26, "title": word(n)} for n in range(75)]
        self.comments = [
            {
                "id": 90_000 + n,
                "body": word(n),
                "postId": 4000 + n * 13 % 75,
                "at": f"2023-05-{1 + n % 28:02}T12:{n % 60:02}:00+02:00",
            }
            for n in range(110)
        ]
        self.notes = [{"number": k, "text": f"note {k} of user {n}"} for n in range(5, 31) for k in range(1, 1 + n % 5)]
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/users", counted(self.users, "offset", Size("limit", 20, cap=20)))
        self.get("/users/{id}", single(self.users, "id"))
        self.get("/users/{id}/posts", self._below(self.users, lambda user: [p for p in self.posts if p["author"] == user["id"]]))
        self.get(
            "/users/{id}/notes",
            self._below(self.users, lambda user: [n for n in self.notes if n["text"].endswith(f"user {user['id']}")]),
        )
        self.get(
            "/posts/{id}/comments", self._below(self.posts, lambda post: [c for c in self.comments if c["postId"] == post["id"]])
        )

    def _below(self, parents: list[Row], rows: Any) -> Any:
        return lambda asked: rows(single(parents, "id")(asked))

    def _operations(self) -> list[Operation]:
        return [
            Operation("/users", {"offset": "integer", "limit": "integer"}, array_of(self.users[0])),
            Operation("/users/{id}", answer={"type": "object"}),
            Operation("/users/{id}/posts", answer=array_of(self.posts[0])),
            Operation("/users/{id}/notes", answer=array_of(self.notes[0])),
            Operation("/posts/{id}/comments", answer=array_of(self.comments[0])),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("user", ("/users",), self.users, personal=("email",)),
                Entity("post", ("/users/{}/posts",), self.posts),
                Entity("comment", ("/posts/{}/comments",), self.comments, types={"at": TIME}),
                Entity("note", ("/users/{}/notes",), self.notes, "text", ("number", "text"), "parent", types={"number": INT}),
            ),
            edges=(
                Edge("user", "post", {"id": ("id", "author")}),
                Edge("post", "comment", {"id": ("id",)}),
                Edge("user", "note", {"id": ("id",)}),
            ),
            references=(Reference("post", "author", "user"), Reference("comment", "postId", "post")),
        )


class Forge(Api):
    """Composite parents: repositories by owner and name, comments by owner, repository and the issue's number, which counts from 1
    in each repository; the same repository name under two owners; labels are named, not numbered; Swagger 2.0; bearer."""

    token_env, credential = "FORGE_TOKEN", "fg-secret-9"

    def setup(self) -> None:
        self.base_path = "/v3"
        self.orgs = [{"id": 60 + n, "login": f"org-{n}", "url": f"/v3/orgs/org-{n}"} for n in range(7)]
        self.repos: list[Row] = []
        for n in range(1, 7):  # the first has none
            for name in ("core", "docs", f"tool-{n}")[: 1 + n % 3]:
                owner = {"login": f"org-{n}", "id": 60 + n}
                self.repos.append(
                    {
                        "id": 300 + len(self.repos),
                        "name": name,
                        "full_name": f"org-{n}/{name}",
                        "owner": owner,
                        "private": n % 2 == 0,
                    }
                )
        self.issues: list[Row] = []
        self.comments: list[Row] = []
        for place, repo in enumerate(self.repos):
            for number in range(1, 1 + place * 3 % 8):
                issue = {
                    "id": 7000 + len(self.issues),
                    "number": number,
                    "title": f"{repo['full_name']}#{number}",
                    "state": ("open", "closed")[number % 2],
                }
                self.issues.append(issue)
                for k in range((place + number) % 4):
                    self.comments.append(
                        {
                            "id": 88_000 + len(self.comments),
                            "body": f"{issue['title']} said {k}",
                            "user": f"org-{k}",
                            "created_at": f"2024-0{1 + number % 9}-{10 + k}T07:30:00Z",
                        }
                    )
        self.labels = [
            {"name": name, "color": f"{n * 99991 % 2**24:06x}", "note": f"{name} of {repo['full_name']}"}
            for n, repo in enumerate(self.repos)
            for name in ("bug", "feature", "docs")[: 1 + n % 3]
        ]
        scheme = {"type": "apiKey", "in": "header", "name": "Authorization"}
        self.get("/v3/swagger.json", lambda asked: swagger(self, self._operations(), scheme))
        self.get("/v3/orgs", lambda asked: self.orgs)
        self.get(
            "/v3/orgs/{org}/repos", lambda asked: [r for r in self.repos if r["owner"]["login"] == self._org(asked)["login"]]
        )
        self.get("/v3/repos/{owner}/{repo}", lambda asked: self._repo(asked))
        self.get("/v3/repos/{owner}/{repo}/issues", numbered_below(self._issues, "page", Size("per_page", 5, cap=5)))
        self.get(
            "/v3/repos/{owner}/{repo}/labels",
            lambda asked: [row for row in self.labels if row["note"].endswith(f" {self._repo(asked)['full_name']}")],
        )
        self.get("/v3/repos/{owner}/{repo}/issues/{number}/comments", self._said)

    def allowed(self, asked: Asked) -> Answer | None:
        if asked.path.endswith("/swagger.json") or asked.headers.get("Authorization") == f"Bearer {self.credential}":
            return None
        return Answer({"message": "Bad credentials"}, 401, {"WWW-Authenticate": "Bearer"})

    def _org(self, asked: Asked) -> Row:
        found: Row = single(self.orgs, "login", "org")(asked)
        return found

    def _repo(self, asked: Asked) -> Row:
        wanted = f"{asked.values['owner']}/{asked.values['repo']}"
        for repo in self.repos:
            if repo["full_name"] == wanted:
                return repo
        raise RefusedError(404, "Not Found")

    def _issues(self, asked: Asked) -> list[Row]:
        return [row for row in self.issues if row["title"].startswith(f"{self._repo(asked)['full_name']}#")]

    def _said(self, asked: Asked) -> list[Row]:
        title = f"{self._repo(asked)['full_name']}#{asked.values['number']}"
        if title not in {row["title"] for row in self.issues}:
            raise RefusedError(404, "Not Found")
        return [row for row in self.comments if row["body"].startswith(f"{title} said ")]

    def _operations(self) -> list[Operation]:
        below = "/repos/{owner}/{repo}"
        return [
            Operation("/orgs", answer=array_of(self.orgs[0])),
            Operation("/orgs/{org}/repos", answer=array_of(self.repos[0])),
            Operation(below, answer={"type": "object"}),
            Operation(f"{below}/issues", {"page": "integer", "per_page": "integer"}, array_of(self.issues[0])),
            Operation(f"{below}/issues/{{number}}/comments", answer=array_of(self.comments[0])),
            Operation(f"{below}/labels", answer=array_of(self.labels[0])),
            Operation(f"{below}/issues", method="post"),
            Operation(below, method="delete"),
        ]

    def truth(self) -> Truth:
        owner, repo = ("owner.login", "@parent", "@parent[0]"), ("name", "@parent[1]")
        return Truth(
            entities=(
                Entity("org", ("/orgs",), self.orgs, keys=("id", "login")),
                Entity("repo", ("/orgs/{}/repos",), self.repos, keys=("id", "full_name")),
                Entity("issue", ("/repos/{}/{}/issues",), self.issues, keys=("id", "title")),
                Entity(
                    "comment",
                    ("/repos/{}/{}/issues/{}/comments",),
                    self.comments,
                    keys=("id", "body"),
                    types={"created_at": TIME},
                ),
                Entity("label", ("/repos/{}/{}/labels",), self.labels, "note", ("name", "note", "color"), "parent"),
            ),
            edges=(
                Edge("org", "repo", {"org": ("login",)}),
                Edge("repo", "issue", {"owner": owner, "repo": repo}),
                Edge("repo", "label", {"owner": owner, "repo": repo}),
                Edge("issue", "comment", {"owner": owner, "repo": repo, "number": ("number",)}),
            ),
            references=(
                Reference("repo", "owner.id", "org"),
                Reference("repo", "owner.login", "org", needed=False),
                Reference("comment", "user", "org", needed=False),
            ),
        )


class Shop(Api):
    """Parents in the query: one that is demanded, one that filters a list which has everything anyway, one that is ignored, one whose
    name misleads (`user_id` takes a customer's code); OpenAPI 3.0; API key in a header."""

    token_env, credential = "SHOP_TOKEN", "sh-secret-8"

    def setup(self) -> None:
        self.customers = [
            {"id": n, "code": f"K{n * 37 % 1000:03}", "name": word(n), "phone": f"+41 44 555 {n:04}"} for n in range(1, 36)
        ]
        self.users = [{"id": n, "login": f"staff{n}", "role": ("clerk", "chief")[n % 2]} for n in range(1, 13)]
        self.orders = [
            {
                "id": 2000 + n,
                "customer_id": 1 + n * 3 % 35,
                "placed": f"2024-0{1 + n % 9}-1{n % 10}T09:00:00Z",
                "status": ("new", "paid", "sent")[n % 3],
            }
            for n in range(90)
        ]
        self.items = [
            {
                "id": 50_000 + n,
                "order_id": 2000 + n * 7 % 90,
                "sku": f"S-{n * 5 % 23:03}",
                "price": round(0.05 * (n % 400), 2),
                "quantity": 1 + n % 4,
            }
            for n in range(240)
        ]
        self.payments = [
            {
                "id": 8000 + n,
                "order_id": 2000 + n,
                "amount": round(3.5 * n, 2),
                "paid_at": f"2024-10-{1 + n % 28:02}T10:00:00Z",
                "method": ("card", "cash")[n % 2],
            }
            for n in range(70)
        ]
        self.reviews = [
            {"id": 600 + n, "about": f"S-{n % 23:03}", "stars": 1 + n % 5, "by": f"K{(1 + n % 35) * 37 % 1000:03}"}
            for n in range(80)
        ]
        self.get(
            "/openapi.json",
            lambda asked: openapi(self, self._operations(), security={"type": "apiKey", "in": "header", "name": "X-API-Key"}),
        )
        whole = Size("limit", 50, cap=100)
        self.get("/customers", counted(self.customers, "offset", whole, self._wrap))
        self.get("/users", counted(self.users, "offset", whole, self._wrap))
        self.get("/orders", counted([], "offset", whole, self._wrap, pick=self._filtered(self.orders, "customer_id")))
        self.get("/payments", counted(self.payments, "offset", whole, self._wrap))
        self.get("/items", counted([], "offset", whole, self._wrap, pick=self._demanded(self.items, "order_id", "order_id")))
        self.get("/reviews", counted([], "offset", whole, self._wrap, pick=self._demanded(self.reviews, "user_id", "by")))

    def allowed(self, asked: Asked) -> Answer | None:
        if asked.path == "/openapi.json" or asked.headers.get("X-API-Key") == self.credential:
            return None
        return Answer({"error": "no key"}, 401)

    def _wrap(self, page: Page) -> dict[str, Any]:
        return {"data": page.rows, "meta": {"total": page.total}}

    def _filtered(self, rows: list[Row], parameter: str) -> Any:
        return lambda asked: [row for row in rows if asked.query.get(parameter, str(row[parameter])) == str(row[parameter])]

    def _demanded(self, rows: list[Row], parameter: str, field: str) -> Any:
        def pick(asked: Asked) -> list[Row]:
            if parameter not in asked.query:
                raise RefusedError(400, f"{parameter} is required")
            return [row for row in rows if str(row[field]) == asked.query[parameter]]

        return pick

    def _operations(self) -> list[Operation]:
        page = {"offset": "integer", "limit": "integer"}
        return [
            Operation("/customers", page, envelope_of(self.customers[0], "data")),
            Operation("/users", page, envelope_of(self.users[0], "data")),
            Operation("/orders", {**page, "customer_id": "integer"}, envelope_of(self.orders[0], "data")),
            Operation("/payments", {**page, "order_id": "integer"}, envelope_of(self.payments[0], "data")),
            Operation("/items", {**page, "order_id": "integer!"}, envelope_of(self.items[0], "data")),
            Operation("/reviews", {**page, "user_id": "string!"}, envelope_of(self.reviews[0], "data")),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("customer", ("/customers",), self.customers, keys=("id", "code"), personal=("phone",)),
                Entity("user", ("/users",), self.users, keys=("id", "login")),
                Entity("order", ("/orders",), self.orders, types={"placed": TIME, "status": TEXT}),
                Entity("payment", ("/payments",), self.payments, keys=("id", "order_id"), types={"paid_at": TIME}),
                Entity("item", ("/items",), self.items, types={"quantity": INT}),
                Entity("review", ("/reviews",), self.reviews, types={"stars": INT}),
            ),
            edges=(
                Edge("order", "item", {"order_id": ("id",)}),
                Edge("customer", "review", {"user_id": ("code",)}),
                Edge("customer", "order", {"customer_id": ("id",)}, needed=False),
            ),
            references=(
                Reference("order", "customer_id", "customer"),
                Reference("item", "order_id", "order"),
                Reference("payment", "order_id", "order"),
                Reference("review", "by", "customer"),
                Reference("item", "sku", "review", needed=False),
                Reference("review", "about", "item", needed=False),
            ),
        )


class Tangle(Api):
    """A cycle of references (a team's lead is a person, a person's team is a team), people only below teams, a project below two teams,
    the first team without anybody, ids that are UUIDs; routes that lead back up; a root with links, no description."""

    def setup(self) -> None:
        self.teams = [
            {"uuid": _uuid("team", n), "name": word(n), "lead_uuid": _uuid("person", 3 * n), "projects_count": n % 3}
            for n in range(14)
        ]
        self.people = [{"uuid": _uuid("person", n), "nick": f"p{n}", "team_uuid": _uuid("team", 1 + n % 13)} for n in range(52)]
        self.projects = [{"uuid": _uuid("project", n), "title": word(n), "team_count": 1 + n % 2} for n in range(20)]
        self._members = {project["uuid"]: {1 + n % 13, (1 + n % 13 + n % 2 * 5) % 14} for n, project in enumerate(self.projects)}
        self.get("/", lambda asked: {"teams": f"{self.origin}/teams"})
        self.get("/teams", lambda asked: {"teams": [self._linked(team) for team in self.teams]})
        self.get("/teams/{uuid}", lambda asked: self._linked(single(self.teams, "uuid", "uuid")(asked)))
        self.get(
            "/teams/{uuid}/people",
            lambda asked: {"people": [p for p in self.people if p["team_uuid"] == self._team(asked)["uuid"]]},
        )
        self.get("/teams/{uuid}/projects", lambda asked: {"projects": self._projects(self._team(asked))})

    def _linked(self, team: Row) -> Row:
        return team | {
            "people_url": f"{self.origin}/teams/{team['uuid']}/people",
            "projects_url": f"{self.origin}/teams/{team['uuid']}/projects",
        }

    def _team(self, asked: Asked) -> Row:
        found: Row = single(self.teams, "uuid", "uuid")(asked)
        return found

    def _projects(self, team: Row) -> list[Row]:
        place = self.teams.index(team)
        return [] if place == 0 else [project for project in self.projects if place in self._members[project["uuid"]]]

    def truth(self) -> Truth:
        reached = [project for project in self.projects if self._members[project["uuid"]] - {0}]
        return Truth(
            entities=(
                Entity("team", ("/teams",), self.teams, "uuid", ("uuid", "people_url", "projects_url", "lead_uuid")),
                Entity("person", ("/teams/{}/people",), self.people, "uuid", ("uuid", "nick")),
                Entity("project", ("/teams/{}/projects",), reached, "uuid", ("uuid",)),
            ),
            edges=(Edge("team", "person", {"*": ("uuid",)}), Edge("team", "project", {"*": ("uuid",)})),
            references=(Reference("team", "lead_uuid", "person"), Reference("person", "team_uuid", "team")),
        )


class Partial(Api):
    """A list of all tasks which leaves the closed ones out, while that of each project has them; a list of all labels which is whole,
    and cheaper than the projects' own; a list of all owners behind a 403; OpenAPI 3.1."""

    def setup(self) -> None:
        self.projects = [{"id": n, "key": f"PRJ{n}", "name": word(n)} for n in range(1, 19)]
        self.tasks = [{"id": 100 + n, "projectId": 2 + n % 17, "closed": n % 5 < 2, "title": word(n)} for n in range(130)]
        self.labels = [{"id": 900 + n, "projectId": 1 + n % 18, "text": word(n)} for n in range(66)]
        self.owners = [{"id": 40 + n, "name": word(n), "share": n % 3} for n in range(34)]
        page = Size("limit", 100, cap=100)
        self.get("/openapi.json", lambda asked: openapi(self, self._operations(), version="3.1.0"))
        self.get("/projects", lambda asked: self.projects)
        self.get("/tasks", counted([row for row in self.tasks if not row["closed"]], "offset", page))
        self.get("/projects/{projectId}/tasks", self._below(self.tasks))
        self.get("/labels", counted(self.labels, "offset", page))
        self.get("/projects/{projectId}/labels", self._below(self.labels))
        self.get("/owners", self._forbidden)
        self.get(
            "/projects/{projectId}/owners",
            lambda asked: [row for n, row in enumerate(self.owners) if 1 + n % 18 == self._project(asked)],
        )

    def _project(self, asked: Asked) -> int:
        return int(single(self.projects, "id", "projectId")(asked)["id"])

    def _below(self, rows: list[Row]) -> Any:
        return lambda asked: [row for row in rows if row["projectId"] == self._project(asked)]

    def _forbidden(self, asked: Asked) -> Any:
        raise RefusedError(403, "only for administrators")

    def _operations(self) -> list[Operation]:
        page = {"offset": "integer", "limit": "integer"}
        return [
            Operation("/projects", answer=array_of(self.projects[0])),
            Operation("/tasks", page, array_of(self.tasks[0])),
            Operation("/projects/{projectId}/tasks", answer=array_of(self.tasks[0])),
            Operation("/labels", page, array_of(self.labels[0])),
            Operation("/projects/{projectId}/labels", answer=array_of(self.labels[0])),
            Operation("/owners", answer=array_of(self.owners[0])),
            Operation("/projects/{projectId}/owners", answer=array_of(self.owners[0])),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("project", ("/projects",), self.projects, keys=("id", "key")),
                Entity("task", ("/projects/{}/tasks",), self.tasks),
                Entity("label", ("/labels", "/projects/{}/labels"), self.labels),
                Entity("owner", ("/projects/{}/owners",), self.owners),
            ),
            edges=(
                Edge("project", "task", {"projectId": ("id",)}),
                Edge("project", "owner", {"projectId": ("id",)}),
                Edge("project", "label", {"projectId": ("id",)}, needed=False),
            ),
            references=(Reference("task", "projectId", "project"), Reference("label", "projectId", "project")),
            findings=(r"/owners\b.*(forbidden|403)|(forbidden|403).*/owners\b",),
        )


class Clubs(Api):
    """Members are listed by club alone, most of them by several, and say of none: the pairs are nowhere but in the requests."""

    def setup(self) -> None:
        self.clubs = [{"id": 70 + n, "name": word(n)} for n in range(12)]
        self.members = [{"id": f"m-{n:03}", "name": word(n), "born": 1950 + n % 60} for n in range(90)]
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/clubs", lambda asked: self.clubs)
        self.get("/clubs/{clubId}/members", self._listed)

    def pairs(self) -> set[tuple[str, int]]:
        """(member, club) of each membership."""
        return {
            (m["id"], c["id"]) for n, m in enumerate(self.members) for k, c in enumerate(self.clubs) if (n + k) % (3 + n % 4) == 0
        }

    def _listed(self, asked: Asked) -> Any:
        club = single(self.clubs, "id", "clubId")(asked)
        mine = {member for member, of in self.pairs() if of == club["id"]}
        return [member for member in self.members if member["id"] in mine]

    def _operations(self) -> list[Operation]:
        return [
            Operation("/clubs", answer=array_of(self.clubs[0])),
            Operation("/clubs/{clubId}/members", answer=array_of(self.members[0])),
        ]

    def truth(self) -> Truth:
        held = {member for member, _ in self.pairs()}
        return Truth(
            entities=(
                Entity("club", ("/clubs",), self.clubs),
                Entity("member", ("/clubs/{}/members",), [m for m in self.members if m["id"] in held], types={"born": INT}),
            ),
            edges=(Edge("club", "member", {"clubId": ("id",)}),),
        )


class Grants(Api):
    """Who may use an app is listed with the person's id, and with what is of this person in this app alone: few have two apps."""

    def setup(self) -> None:
        self.apps = [{"id": f"a{n:02}", "label": word(n)} for n in range(40)]
        self.users = [{"id": f"u{n:03}", "email": f"u{n}@example.org", "status": "active"} for n in range(400)]
        self.grants = [
            (a, {"id": f"u{a * 10 + k:03}", "scope": ("user", "group")[(a + k) % 2], "remark": f"for {a} by {k}"})
            for a in range(38) for k in range(0 if a % 6 == 5 else 12)
        ]  # fmt: skip
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/apps", lambda asked: self.apps)
        self.get("/users", counted(self.users, "offset", Size("limit", 50, cap=50)))
        self.get("/apps/{appId}/users", self._granted)

    def _granted(self, asked: Asked) -> Any:
        app = single(self.apps, "id", "appId")(asked)
        return [grant for number, grant in self.grants if self.apps[number] is app]

    def _operations(self) -> list[Operation]:
        return [
            Operation("/apps", answer=array_of(self.apps[0])),
            Operation("/users", {"offset": "integer", "limit": "integer"}, array_of(self.users[0])),
            Operation("/apps/{appId}/users", answer=array_of(self.grants[0][1])),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("app", ("/apps",), self.apps),
                Entity("user", ("/users",), self.users, personal=("email",)),
                Entity("grant", ("/apps/{}/users",), [grant for _, grant in self.grants], "remark", ("id",), "parent"),
            ),
            edges=(Edge("app", "grant", {"appId": ("id",)}),),
            references=(Reference("grant", "id", "user"),),
        )


class Timesheets(Api):
    """Hours are had for a project and a person, of whom neither knows the other, and most pairs have none."""

    def setup(self) -> None:
        self.projects = [{"id": n, "title": f"Project {word(n)}"} for n in range(1, 21)]
        self.people = [{"id": f"p{n:02}", "name": word(n), "email": f"p{n}@example.org"} for n in range(1, 26)]
        self.hours = [
            {"id": 5000 + 100 * p + u, "minutes": 15 * (1 + (p * u) % 30), "day": f"2024-03-{1 + (p + u) % 28:02}"}
            for p in range(1, 21) for u in range(1, 26) if (p * 3 + u) % 5 == 0
        ]  # fmt: skip
        self.get("/openapi.json", lambda asked: openapi(self, self._operations()))
        self.get("/projects", lambda asked: self.projects)
        self.get("/people", lambda asked: self.people)
        self.get("/projects/{projectId}/people/{personId}/hours", self._spent)

    def _spent(self, asked: Asked) -> Any:
        project, person = single(self.projects, "id", "projectId")(asked), single(self.people, "id", "personId")(asked)
        wanted = 5000 + 100 * project["id"] + int(person["id"][1:])
        return [each for each in self.hours if each["id"] == wanted]

    def _operations(self) -> list[Operation]:
        return [
            Operation("/projects", answer=array_of(self.projects[0])),
            Operation("/people", answer=array_of(self.people[0])),
            Operation("/projects/{projectId}/people/{personId}/hours", answer=array_of(self.hours[0])),
        ]

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("project", ("/projects",), self.projects),
                Entity("person", ("/people",), self.people, personal=("email",)),
                Entity("hour", ("/projects/{}/people/{}/hours",), self.hours, types={"minutes": INT}),
            ),
            edges=(
                Edge("project", "hour", {"projectId": ("id",)}),
                Edge("person", "hour", {"personId": ("id",)}, needed=False),
            ),
        )


def numbered_below(rows: Any, parameter: str, size: Size) -> Any:
    """Pages from 1 of the rows that a request's parents choose."""
    return lambda asked: numbered(rows(asked), parameter, 1, size)(asked)


def _uuid(kind: str, number: int) -> str:
    digest = hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


SERVERS: tuple[type[Api], ...] = (Family, Forge, Shop, Tangle, Partial, Clubs, Grants, Timesheets)
