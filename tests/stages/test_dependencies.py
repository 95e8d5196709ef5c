"""The proof of dependencies against small servers, one for each way to be misled."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, product
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.covenant.access import Auth, Server
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.model import DataType
from spectra_assets.intelligence.model import Endpoint, EntityHint, Identifier, Pack, Parameter
from spectra_assets.stages.asking.sampling import Explorer, Listing
from spectra_assets.stages.asking.wire import NOT_TRIED, Wire
from spectra_assets.stages.prepare.fields.canonise import canonise
from spectra_assets.stages.prepare.fields.naming import named
from spectra_assets.stages.prepare.routes.candidates import nearest
from spectra_assets.stages.prepare.routes.dependencies import Prover
from spectra_assets.stages.prepare.routes.identity import find_key
from spectra_assets.stages.prepare.routes.routes import Candidate, Trial, best, missing

Row = dict[str, Any]


class RefusedError(Exception):
    """An answer with an error status."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True)
class Asked:
    """One request: what stands in the path's parameters, and its query."""

    values: dict[str, str]
    query: dict[str, str]


@contextmanager
def served(routes: Mapping[str, Any]) -> Iterator[str]:
    """A server on loopback that answers each template with its rows, or with what its function makes; its address."""
    patterns = [
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))), answer) for path, answer in routes.items()
    ]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            found = next(((match, answer) for path, answer in patterns if (match := path.fullmatch(parts.path))), None)
            status, value = 404, {"message": "no such resource"}
            if found is not None:
                match, answer = found
                asked = Asked({k: unquote(v) for k, v in match.groupdict().items()}, dict(parse_qsl(parts.query)))
                try:
                    status, value = 200, answer(asked) if callable(answer) else answer
                except RefusedError as refusal:
                    status, value = refusal.status, {"message": "refused"}
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def below(parents: Sequence[Row], field: str, parameter: str, rows: Any) -> Any:
    """Rows of the parent whose `field` is what the path has; 404 for others."""

    def answer(asked: Asked) -> Any:
        parent = next((each for each in parents if str(each[field]) == asked.values[parameter]), None)
        if parent is None:
            raise RefusedError(404)
        return rows(parent)

    return answer


def proven(
    routes: Mapping[str, Any],
    entities: Mapping[str, Sequence[str]],
    query: Mapping[str, list[str]] | None = None,
    identifiers: Mapping[str, list[str]] | None = None,
    required: bool = False,
    budget: int = 300,
    pairs: int = 2_000,
) -> Prover:
    """What is proven of a server with these routes; `entities` are name → paths, without more hints."""
    paths = dict.fromkeys(path for listed in entities.values() for path in listed)
    endpoints = []
    for path in paths:
        names = (query or {}).get(path, [])
        known = [Parameter(name=name, required=required) for name in names]
        endpoints.append(Endpoint(method="GET", path=path, group="", query=names, parameters=known))
    pack = Pack(
        source="little",
        title="Little",
        server=Server(base_url_env="LITTLE_URL", auth=Auth(kind="none"), probe="/"),
        endpoints=endpoints,
        entities=[EntityHint(entity=name, description="", routes=list(listed)) for name, listed in entities.items()],
        identifiers=[Identifier(parameter=name, candidates=found) for name, found in (identifiers or {}).items()],
        origin="discovered",
    )
    with served(routes) as address, ApiClient(pack.server, address, None) as client:
        prover = Prover(Explorer(Wire(client, budget), pack, {}), pack, parents=8, records=200, pairs=pairs)
        prover.run()
    return prover


def tried(prover: Prover, entity: str, path: str, *sources: str) -> Trial:
    (found,) = (
        trial
        for trial in prover.trials[entity]
        if trial.candidate.path == path and (not sources or tuple(trial.candidate.sources) == sources)
    )
    return found


def order(prover: Prover) -> list[str]:
    return list(prover.known)


USERS = [{"id": n, "login": f"u{n}", "age": 20 + n % 3} for n in range(1, 13)]


def test_parameters_that_are_all_called_id_are_filled_by_the_path_in_front() -> None:
    posts = [{"id": 100 + n, "author": 3 + n % 9} for n in range(30)]
    comments = [{"id": 1000 + n, "postId": 100 + n % 30} for n in range(60)]
    prover = proven(
        {
            "/users": USERS,
            "/users/{id}/posts": below(USERS, "id", "id", lambda u: [p for p in posts if p["author"] == u["id"]]),
            "/posts/{id}/comments": below(posts, "id", "id", lambda p: [c for c in comments if c["postId"] == p["id"]]),
        },
        {"comment": ["/posts/{id}/comments"], "post": ["/users/{id}/posts"], "user": ["/users"]},
    )
    assert order(prover) == ["user", "post", "comment"]
    link = prover.known["comment"].fetch.parent
    assert link is not None
    assert (link.entity, link.path, link.parameter) == ("post", "id", "id")
    assert (prover.known["post"].trial.inclusion_field, prover.known["post"].trial.referenced) == ("author", "id")


def test_another_field_than_the_id_leads_on() -> None:
    things = [{"id": n, "code": f"T-{n * 7 % 100:03}", "name": f"thing {n}"} for n in range(1, 20)]
    parts = [{"id": 500 + n, "thingId": 1 + n % 19} for n in range(40)]
    prover = proven(
        {
            "/things": things,
            "/things/{ref}/parts": below(things, "code", "ref", lambda t: [p for p in parts if p["thingId"] == t["id"]]),
        },
        {"thing": ["/things"], "part": ["/things/{ref}/parts"]},
    )
    known = prover.known["part"]
    assert known.fetch.parent is not None
    assert (known.fetch.parent.path, known.key.path, known.key.scope) == ("code", "id", "entity")
    assert (known.trial.inclusion_field, known.trial.referenced) == ("thingId", "id")
    assert tried(prover, "part", "/things/{ref}/parts", "id").verdict == "error"


def test_a_misleading_name_is_seen_through_by_value_inclusion() -> None:
    customers = [{"id": n, "code": f"K{n * 37 % 1000:03}"} for n in range(1, 20)]
    reviews = [{"id": 600 + n, "by": customers[n % 19]["code"]} for n in range(50)]

    def listed(asked: Asked) -> Any:
        if "user_id" not in asked.query:
            raise RefusedError(400)
        return [row for row in reviews if row["by"] == asked.query["user_id"]]

    prover = proven(
        {"/users": USERS, "/customers": customers, "/reviews": listed},
        {"user": ["/users"], "customer": ["/customers"], "review": ["/reviews"]},
        query={"/reviews": ["user_id"]},
        required=True,
    )
    link = prover.known["review"].fetch.parent
    assert link is not None
    assert (link.entity, link.path, link.parameter, link.location) == ("customer", "code", "user_id", "query")
    assert {trial.verdict for trial in prover.trials["review"] if trial.candidate.parent == ("user", "id")} == {"empty"}


def test_ids_of_another_entity_that_happen_to_work_lose_to_those_that_reach_all_rows() -> None:
    authors = [{"id": n, "name": f"author {n}"} for n in range(1, 31)]
    items = [{"id": 9000 + n, "author_id": 1 + n % 30} for n in range(90)]

    def listed(asked: Asked) -> Any:
        if "user_id" not in asked.query:
            raise RefusedError(400)
        return [row for row in items if str(row["author_id"]) == asked.query["user_id"]]

    prover = proven(
        {"/users": USERS, "/authors": authors, "/items": listed},
        {"user": ["/users"], "author": ["/authors"], "item": ["/items"]},
        query={"/items": ["user_id"]},
    )
    link = prover.known["item"].fetch.parent
    assert link is not None
    assert link.entity == "author"
    by_user = next(trial for trial in prover.trials["item"] if trial.candidate.parent == ("user", "id"))
    assert (by_user.verdict, "misses" in by_user.evidence) == ("proven", True)


def forge() -> tuple[dict[str, Any], dict[str, list[str]]]:
    orgs = [{"id": 60 + n, "login": f"org-{n}"} for n in range(5)]
    repos = [
        {"id": 300 + 2 * n + k, "name": name, "owner": {"login": f"org-{n}", "id": 60 + n}}
        for n in range(1, 5)
        for k, name in enumerate(("core", f"tool-{n}"))
    ]
    issues = {
        (repo["owner"]["login"], repo["name"]): [
            {"number": number, "title": f"{repo['id']}#{number}"} for number in range(1, 2 + place % 4)
        ]
        for place, repo in enumerate(repos)
    }

    def found(asked: Asked) -> Any:
        pair = asked.values["owner"], asked.values["repo"]
        if pair not in issues:
            raise RefusedError(404)
        return issues[pair]

    def comments(asked: Asked) -> Any:
        rows = [row for row in found(asked) if str(row["number"]) == asked.values["number"]]
        if not rows:
            raise RefusedError(404)
        return [{"id": f"{rows[0]['title']}/{k}", "text": "said"} for k in range(rows[0]["number"])]

    routes = {
        "/orgs": orgs,
        "/orgs/{org}/repos": below(orgs, "login", "org", lambda o: [r for r in repos if r["owner"]["login"] == o["login"]]),
        "/repos/{owner}/{repo}/issues": found,
        "/repos/{owner}/{repo}/issues/{number}/comments": comments,
    }
    entities = {
        "org": ["/orgs"],
        "repo": ["/orgs/{org}/repos"],
        "issue": ["/repos/{owner}/{repo}/issues"],
        "comment": ["/repos/{owner}/{repo}/issues/{number}/comments"],
    }
    return routes, entities


def test_composite_parents_come_from_one_record_and_from_what_it_was_asked_with() -> None:
    prover = proven(*forge())
    assert prover.unproven == {}
    issue, comment = prover.known["issue"], prover.known["comment"]
    assert issue.trial.candidate.parameters == ["owner", "repo"]
    assert issue.trial.candidate.sources == ["owner.login", "name"]
    assert (issue.key.path, issue.key.scope) == ("number", "parent")
    link = comment.fetch.parent
    assert link is not None
    assert (link.entity, link.parameter, link.path) == ("issue", "owner", "@parent[0]")
    assert [(fill.parameter, fill.path) for fill in link.also] == [("repo", "@parent[1]"), ("number", "number")]
    assert (comment.key.path, comment.key.scope) == ("id", "entity")


def test_values_of_a_composite_parent_belong_together() -> None:
    prover = proven(*forge())
    asked = {tuple(value) for value in prover.known["issue"].trial.values.values() if isinstance(value, tuple)}
    assert asked
    assert all(name in ("core", f"tool-{owner[-1]}") for owner, name in asked)


def test_ways_to_fill_many_parameters_are_walked_likeliest_first_and_never_all_made() -> None:
    for sizes in ([], [0], [3, 0, 2], [4], [1, 1, 1], [2, 4, 3], [4, 1, 2, 3]):
        every = product(*map(range, sizes))
        assert list(nearest(sizes)) == sorted(every, key=lambda place: (sum(place), place))
    first = list(islice(nearest([6] * 100), 3))
    assert [sum(place) for place in first] == [0, 1, 1]
    assert first[1][-1] == 1
    assert list(nearest([6] * 100 + [0])) == []


def test_different_rows_are_told_once_and_again_when_rows_change() -> None:
    trial = Trial(Candidate("thing", "/things"))
    assert trial.all_rows == ()
    trial.rows = {"a": [{"id": 1}, {"id": 2}], "b": [{"id": 2}]}
    assert trial.all_rows == ({"id": 1}, {"id": 2})
    assert trial.all_rows is trial.all_rows
    trial.rows["c"] = [{"id": 3}]
    assert [row["id"] for row in trial.all_rows] == [1, 2, 3]
    trial.rows["a"] = [{"id": 4}]
    assert [row["id"] for row in trial.all_rows] == [4, 2, 3]


def test_numbers_that_start_again_below_each_parent_are_keys_of_the_parent_only() -> None:
    orders = [{"id": n} for n in range(1, 9)]
    lines = {order["id"]: [{"line": k, "qty": order["id"] * k} for k in range(1, 2 + order["id"] % 3)] for order in orders}
    prover = proven(
        {"/orders": orders, "/orders/{orderId}/lines": below(orders, "id", "orderId", lambda o: lines[o["id"]])},
        {"order": ["/orders"], "line": ["/orders/{orderId}/lines"]},
    )
    fetch = prover.known["line"].fetch
    assert (fetch.primary_key, fetch.key_scope) == ("line", "parent")


def test_a_child_listed_under_two_parents_keeps_its_own_key() -> None:
    teams = [{"uuid": f"t-{n}"} for n in range(6)]
    projects = [{"uuid": f"p-{n}", "title": f"title {n}"} for n in range(9)]

    def shared(team: Row) -> list[Row]:
        number = int(team["uuid"][2:])
        return [] if number == 0 else [row for k, row in enumerate(projects) if number in (1 + k % 5, 1 + (k + 1) % 5)]

    prover = proven(
        {"/teams": teams, "/teams/{uuid}/projects": below(teams, "uuid", "uuid", shared)},
        {"team": ["/teams"], "project": ["/teams/{uuid}/projects"]},
    )
    known = prover.known["project"]
    assert (known.fetch.primary_key, known.fetch.key_scope, known.trial.verdict) == ("uuid", "entity", "proven")
    assert known.trial.overlap is not None
    assert known.trial.overlap > 0


def test_an_ignored_parameter_is_refuted_and_the_list_of_all_is_chosen() -> None:
    tasks = [{"id": n, "userId": 1 + n % 12} for n in range(40)]
    prover = proven({"/users": USERS, "/tasks": tasks}, {"user": ["/users"], "task": ["/tasks"]}, query={"/tasks": ["user_id"]})
    assert prover.known["task"].fetch.parent is None
    assert tried(prover, "task", "/tasks", "id").verdict == "ignored"


def test_the_cheaper_route_wins_where_both_give_the_same_rows() -> None:
    labels = [{"id": n, "userId": 1 + n % 12} for n in range(40)]
    prover = proven(
        {
            "/users": USERS,
            "/users/{userId}/labels": below(USERS, "id", "userId", lambda u: [r for r in labels if r["userId"] == u["id"]]),
            "/all-labels": labels,
        },
        {"user": ["/users"], "label": ["/users/{userId}/labels", "/all-labels"]},
    )
    known = prover.known["label"]
    assert (known.fetch.path, known.trial.predicted) == ("/all-labels", 1)
    assert tried(prover, "label", "/users/{userId}/labels").predicted == 12


def test_a_list_of_all_that_leaves_rows_out_loses() -> None:
    tasks = [{"id": 100 + n, "userId": 1 + n % 12, "closed": n % 5 < 2} for n in range(60)]
    prover = proven(
        {
            "/users": USERS,
            "/tasks": [task for task in tasks if not task["closed"]],
            "/users/{userId}/tasks": below(USERS, "id", "userId", lambda u: [t for t in tasks if t["userId"] == u["id"]]),
        },
        {"user": ["/users"], "task": ["/tasks", "/users/{userId}/tasks"]},
    )
    assert prover.known["task"].fetch.path == "/users/{userId}/tasks"
    assert prover.missed == {}


def test_rows_that_only_a_worse_route_shows_are_told() -> None:
    projects = [{"id": n} for n in range(1, 6)]
    members = {project["id"]: [{"id": 100 + project["id"], "login": f"m{project['id']}", "age": 5}] for project in projects}
    prover = proven(
        {
            "/users": USERS,
            "/projects": projects,
            "/projects/{id}/members": below(projects, "id", "id", lambda p: members[p["id"]]),
        },
        {"project": ["/projects"], "user": ["/users", "/projects/{id}/members"]},
    )
    assert "user" in prover.missed
    assert "misses" in prover.missed["user"]


def test_records_of_another_kind_are_no_alternative() -> None:
    projects = [{"id": n} for n in range(1, 6)]
    prover = proven(
        {
            "/users": USERS,
            "/projects": projects,
            "/projects/{id}/members": below(projects, "id", "id", lambda p: [{"since": f"2020-0{p['id']}", "role": "x"}]),
        },
        {"project": ["/projects"], "user": ["/users", "/projects/{id}/members"]},
    )
    assert prover.known["user"].fetch.path == "/users"
    assert "another kind" in prover.missed["user"]


def test_empty_first_parents_do_not_hide_the_others() -> None:
    rows = {user["id"]: [{"id": user["id"] * 10}] if user["id"] in (5, 6, 7) else [] for user in USERS}
    prover = proven(
        {"/users": USERS, "/users/{id}/notes": below(USERS, "id", "id", lambda u: rows[u["id"]])},
        {"user": ["/users"], "note": ["/users/{id}/notes"]},
    )
    assert prover.known["note"].trial.verdict == "proven"
    assert {row["id"] for row in prover.known["note"].records} == {50, 60, 70}


def test_entities_that_need_each_other_begin_where_a_list_has_no_parent() -> None:
    people = [{"id": n, "teamId": 1 + n % 5} for n in range(20)]
    teams = [{"id": n} for n in range(1, 6)]
    prover = proven(
        {
            "/people/{id}/teams": below(people, "id", "id", lambda p: [t for t in teams if t["id"] == p["teamId"]]),
            "/teams": teams[:4],
            "/teams/{id}/people": below(teams, "id", "id", lambda t: [p for p in people if p["teamId"] == t["id"]]),
        },
        {"person": ["/teams/{id}/people"], "team": ["/people/{id}/teams", "/teams"]},
        identifiers={"id": ["person.id", "team.id"]},
    )
    assert order(prover) == ["team", "person"]
    assert prover.known["team"].fetch.path == "/teams"
    assert prover.unproven == {}


def test_a_route_that_takes_ids_of_its_own_entity_is_compared_and_what_it_adds_is_told() -> None:
    roots = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    children = {1: [{"id": 11, "name": "c"}], 2: [{"id": 21, "name": "d"}]}
    prover = proven(
        {"/categories": roots, "/categories/{id}/children": below(roots, "id", "id", lambda c: children[c["id"]])},
        {"category": ["/categories", "/categories/{id}/children"]},
    )
    assert prover.known["category"].fetch.path == "/categories"
    assert "2 rows of GET /categories/{id}/children" in prover.missed["category"]


def test_an_entity_whose_only_route_hangs_on_itself_says_so() -> None:
    prover = proven({"/categories/{categoryId}/children": []}, {"category": ["/categories/{categoryId}/children"]})
    assert "takes ids of category itself" in prover.unproven["category"] or "no id of category" in prover.unproven["category"]


def test_parameters_that_nothing_fills_are_told() -> None:
    prover = proven({"/users": USERS, "/x/{a}/{b}": []}, {"user": ["/users"], "thing": ["/x/{a}/{b}"]})
    assert "nothing is known to fill" in prover.unproven["thing"]


def pairwise(rows: Any) -> dict[str, Any]:
    return {
        "/teams": [{"id": 10 + n, "title": f"t{n}"} for n in range(12)],
        "/users": USERS,
        "/teams/{teamId}/users/{userId}/tasks": rows,
    }


PAIRED = {"team": ["/teams"], "user": ["/users"], "task": ["/teams/{teamId}/users/{userId}/tasks"]}


def test_two_unrelated_parents_are_proven_by_pairs_that_have_rows() -> None:
    def rows(asked: Asked) -> Any:
        team, user = int(asked.values["teamId"]), int(asked.values["userId"])
        if not (10 <= team < 22 and 1 <= user <= 12):
            raise RefusedError(404)
        return [{"id": 100 * team + user, "what": f"w{user}"}] if (team + user) % 4 == 0 else []

    prover = proven(pairwise(rows), PAIRED)
    link = prover.known["task"].fetch.parent
    assert link is not None
    assert link.sources == [("team", "id"), ("user", "id")]
    assert link.parameters == ["teamId", "userId"]
    assert prover.known["task"].trial.predicted == 144


@pytest.mark.parametrize("ignored", ["teamId", "userId"])
def test_of_two_unrelated_parents_each_must_count(ignored: str) -> None:
    def rows(asked: Asked) -> Any:
        counts = asked.values["userId" if ignored == "teamId" else "teamId"]
        return [{"id": 1000 + int(counts), "what": "x"}] if counts.isdigit() and int(counts) < 100 else []

    prover = proven(pairwise(rows), PAIRED)
    assert "task" in prover.unproven
    assert f"{ignored} is ignored" in " ".join(trial.evidence for trial in prover.trials["task"])


def test_too_many_pairs_are_refused_before_one_is_asked() -> None:
    prover = proven(pairwise(lambda asked: []), PAIRED, pairs=100)
    assert prover.unproven["task"].startswith(
        "team.id × user.id are 144 pairs, one request each: more than the setting parent_pairs (100)"
    )


def test_the_budget_is_kept() -> None:
    prover = proven(*forge(), budget=12)
    assert prover.explorer.wire.sent <= 12
    assert prover.unproven
    assert all(why.startswith(NOT_TRIED) for why in prover.unproven.values()), "nothing speaks against them"


def test_what_the_data_speaks_against_is_no_matter_of_the_budget() -> None:
    def gone(asked: Asked) -> Any:
        raise RefusedError(404)

    routes = {"/users": USERS, "/echo/{userId}": [{"id": n} for n in range(5)], "/gone/{userId}": gone}
    entities = {"user": ["/users"], "echo": ["/echo/{userId}"], "ghost": ["/gone/{userId}"]}
    prover = proven(routes, entities)
    assert prover.unproven.keys() == {"echo", "ghost"}
    assert not any(NOT_TRIED in why for why in prover.unproven.values())
    few = proven(routes, entities | {"child": ["/echo/{echoId}"]}, budget=2)
    assert few.unproven["child"].startswith(NOT_TRIED)


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("entity", "lists", "expected"),
    [
        ("a", {"": [{"code": "x", "id": 1}, {"code": "y", "id": 2}]}, ("id", "entity")),
        ("a", {"": [{"code": "x", "id": 1}, {"code": "y", "id": 1}]}, ("code", "entity")),
        ("a", {"": [{"id": 1, "n": 1}, {"id": 1, "n": 1}]}, ("id", "entity")),
        ("a", {"": [{"data": {"id": "q"}, "v": 1}, {"data": {"id": "r"}, "v": 1}]}, ("data.id", "entity")),
        ("order", {"": [{"order_number": n, "qty": 1} for n in range(4)]}, ("order_number", "entity")),
        ("a", {"1": [{"number": 1, "t": "p"}], "2": [{"number": 1, "t": "q"}]}, ("number", "parent")),
        ("a", {"1": [{"number": 1, "t": "p"}, {"number": 2, "t": "q"}]}, ("number", "parent")),
        ("a", {"1": [{"id": 7, "t": "p"}], "2": [{"id": 7, "t": "p"}]}, ("id", "entity")),
        ("a", {"1": [{"id": 7, "t": "p"}], "2": [{"id": 7, "t": "q"}]}, ("id", "parent")),
        ("a", {"": [{"at": "09:00", "value": n % 2} for n in range(4)]}, ("@hash", "entity")),
        ("a", {"": [{"name": "p", "size": 1}, {"name": "q", "size": 1}]}, ("name", "entity")),
        ("kind", {"": [{"kind": "p", "title": "x"}, {"kind": "q", "title": "y"}]}, ("kind", "entity")),
        ("a", {"": []}, ("id", "entity")),
    ],
)  # fmt: skip
def test_keys(entity: str, lists: dict[str, list[Row]], expected: tuple[str, str]) -> None:
    key = find_key(entity, lists, below="" not in lists)
    assert (key.path, key.scope) == expected


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        (
            {"o/1": [{"name": "main", "commit": {"sha": "f"}}], "o/2": [{"name": "main", "commit": {"sha": "f"}}]},
            ("name", "parent"),
        ),
        ({"o/1": [{"name": "main"}, {"name": "dev"}], "o/2": [{"name": "old"}]}, ("name", "parent")),
        ({"o/1": [{"Python": 1}], "o/2": [{"Python": 1}]}, ("@hash", "parent")),
        ({"o/1": [{"id": 7, "t": "p"}], "o/2": [{"id": 7, "t": "p"}]}, ("id", "parent")),
        ({"o/1": [{"id": 7, "t": "p"}], "o/2": [{"id": 8, "t": "p"}]}, ("id", "entity")),
    ],
)
def test_what_comes_alike_under_several_parents_is_a_record_of_each(
    lists: dict[str, list[Row]], expected: tuple[str, str]
) -> None:
    key = find_key("a", lists, below=True, apart=True)
    assert (key.path, key.scope) == expected


def test_branches_and_settings_of_each_parent_keep_their_rows() -> None:
    """As GitHub: a fork's branches are those of the original; languages have nothing that names them."""
    routes, entities = forge()
    whose = routes["/repos/{owner}/{repo}/issues"]

    def branches(asked: Asked) -> Any:
        whose(asked)
        return [{"name": "main", "commit": {"sha": "f00"}}, {"name": "dev", "commit": {"sha": "f01"}}]

    def languages(asked: Asked) -> Any:
        whose(asked)
        return {"Python": 10, "C": 3}

    further = {"branch": branches, "language": languages}
    paths = {name: f"/repos/{{owner}}/{{repo}}/{name}" for name in further}
    canon = canon_of(
        proven(routes | {paths[name]: of for name, of in further.items()}, entities | {name: [paths[name]] for name in further})
    )
    keys = {name: [field.target for field in entity.fields if field.key] for name, entity in canon.items()}
    assert keys["branch"] == ["branchName", "ownerLogin", "repoName"]
    assert keys["language"] == ["ownerLogin", "repoName"]


def test_some_bad_rows_do_not_take_a_key_away() -> None:
    rows = [{"id": n, "v": n} for n in range(40)] + [{"id": 3, "v": 99}, {"id": None, "v": 98}]
    assert find_key("a", {"": rows}, below=False).path == "id"


def test_the_id_that_a_system_gives_each_record_comes_before_its_codes() -> None:
    rows = [{"number": f"INC{n}", "serial_number": f"00{n}", "sys_id": f"{n + 7**40:032x}"} for n in range(12)]
    assert find_key("incident", {"": rows}, below=False).path == "sys_id"


# ---------------------------------------------------------------- what follows in the canon


def canon_of(prover: Prover) -> dict[str, CanonEntity]:
    found: list[CanonEntity] = []
    for place, (entity, known) in enumerate(prover.known.items()):
        kinds = [DataType.TEXT] * 3
        hint = EntityHint(entity=entity, routes=[]) if known.fetch.pairs else prover.pack.entity(entity)
        found.append(canonise(hint, known.fetch, place, known.sample, None, kinds, set(prover.known))[0])
    return {entity.entity: entity for entity in named(found, {}, lambda *_: None)}


def test_columns_that_name_a_composite_parent_are_called_like_the_parents_own_and_belong_to_the_key() -> None:
    canon = canon_of(proven(*forge()))
    issue = {field.raw: field for field in canon["issue"].fields}
    assert (issue["@parent[0]"].target, issue["@parent[1]"].target) == ("ownerLogin", "repoName")
    assert (issue["@parent[0]"].references, issue["@parent[1]"].references) == ("repo.owner.login", "repo.name")
    assert [field.raw for field in canon["issue"].fields if field.key] == ["number", "@parent[0]", "@parent[1]"]
    comment = {field.raw: field for field in canon["comment"].fields}
    places = ["@parent[0]", "@parent[1]", "@parent[2]"]
    assert [comment[raw].target for raw in places] == ["ownerLogin", "repoName", "number"]
    assert [field.raw for field in canon["comment"].fields if field.key] == ["id"]


def test_tables_of_nested_arrays_carry_the_whole_key_of_their_record() -> None:
    orders = [{"id": n} for n in range(1, 5)]

    def lines(order: Row) -> list[Row]:
        return [{"line": k, "parts": [{"part": f"{order['id']}-{k}-{p}"} for p in range(2)]} for k in range(1, 3)]

    canon = canon_of(
        proven(
            {"/orders": orders, "/orders/{orderId}/lines": below(orders, "id", "orderId", lines)},
            {"order": ["/orders"], "line": ["/orders/{orderId}/lines"]},
        )
    )
    parts = [field for field in canon["line"].fields if field.group == "linePart"]
    assert [(field.raw, field.target, field.key) for field in parts] == [
        ("@parent", "orderId", True),
        ("line", "line", True),
        ("@index", "linePartIndex", True),
        ("parts[].part", "part", False),
    ]


def test_records_that_nothing_tells_apart_are_keyed_by_their_hash() -> None:
    readings = [{"at": f"2024-01-0{1 + n % 3}", "value": n % 4 / 2} for n in range(12)]
    canon = canon_of(proven({"/readings": readings}, {"reading": ["/readings"]}))
    assert canon["reading"].primary_key == "@hash"
    (key,) = (field for field in canon["reading"].fields if field.key)
    assert (key.raw, key.target, key.type) == ("@hash", "readingHash", DataType.TEXT)


def _route(rows: list[dict[str, Any]], parent: str | None = None, whole: bool = True) -> Trial:
    made = Trial(
        Candidate("reading", "/readings", "meter", "query", ("meter", "id")) if parent else Candidate("reading", "/readings")
    )
    made.verdict, made.predicted = ("proven", 900) if parent else ("complete", 60)
    made.rows, made.tried = {parent or "": rows}, {parent or "": Listing(rows, whole=whole)}
    return made


def _readings(numbers: Iterable[int]) -> list[dict[str, Any]]:
    return [{"id": number, "at": f"2026-01-{number % 28 + 1:02d}", "meter": number % 7} for number in numbers]


def _compared(seen: Iterable[int], shown: Iterable[int]) -> int | None:
    return missing(_route(_readings(seen), whole=False), _route(_readings(shown), "m1"), "id", {})


def test_a_list_seen_in_part_is_compared_as_far_as_it_was_seen() -> None:
    assert _compared(range(1000), range(500, 1500)) == 0
    assert _compared(range(1999, 999, -1), range(500, 1500)) == 0, "from the newest to the oldest"
    assert _compared((number for number in range(1000) if number % 10), range(500, 1500)) == 50
    assert _compared(range(1000), range(100)) == 0, "all that the other shows"
    assert _compared(range(1000), range(1000, 2000)) is None, "all of them lie where it was not read"
    assert _compared((number * 37 % 1000 for number in range(1000)), range(500, 1500)) is None, "in no order"


def test_the_list_of_all_is_chosen_though_it_was_seen_in_part() -> None:
    alone, by_parent = _route(_readings(range(1000)), whole=False), _route(_readings(range(500, 1500)), "m1")
    by_parent.inclusion_field = "meter"
    chosen, why = best([by_parent, alone], "id", lambda one, other: {})
    assert chosen is alone, why


def test_what_counts_the_records_of_each_parent_is_a_key_before_what_may_be_anothers() -> None:
    rounds = {
        parent: [{"round": number, "interviewerId": 10 * parent + number} for number in range(1, 2 + parent % 3)]
        for parent in range(8)
    }
    lists = {str(parent): rows for parent, rows in rounds.items()}
    found = find_key("interview", lists, below=True)
    assert (found.path, found.scope) == ("round", "parent")
    alone = find_key("interview", {"1": [row for rows in lists.values() for row in rows]}, below=False)
    assert alone.path == "interviewerId"


# ---------------------------------------------------------------- what belongs together


def _mailing(pairs: int = 2_000, **more: Any) -> Prover:
    """Lists and profiles, many to many, that name each other nowhere; profiles have one tier each, at an address of its own."""
    lists = [{"id": f"L{n}", "name": f"List {n}"} | {name: make(n) for name, make in more.items()} for n in range(6)]
    profiles = [{"id": f"P{n}", "email": f"p{n}@x.example"} for n in range(20)]
    tiers = [{"code": f"t{n}", "rate": n} for n in range(3)]
    routes = {
        "/lists": lists,
        "/profiles": profiles,
        "/tiers": tiers,
        "/lists/{id}/profiles": below(lists, "id", "id", lambda each: [p for p in profiles if _is_in(p, each)]),
        "/profiles/{id}/lists": below(profiles, "id", "id", lambda each: [one for one in lists if _is_in(each, one)]),
        "/profiles/{id}/tier": below(profiles, "id", "id", lambda each: tiers[int(each["id"][1:]) % 3]),
    }
    return proven(
        routes,
        {
            "list": ["/lists", "/profiles/{id}/lists"],
            "profile": ["/profiles", "/lists/{id}/profiles"],
            "tier": ["/tiers", "/profiles/{id}/tier"],
        },
        identifiers={"id": ["list.id", "profile.id"]},
        pairs=pairs,
    )


def _is_in(profile: Row, one: Row) -> bool:
    return int(profile["id"][1:]) % (int(one["id"][1:]) + 2) == 0


def test_lists_of_what_is_known_tell_what_belongs_together() -> None:
    prover = _mailing()
    plans = {name: known.fetch for name, known in prover.known.items() if known.fetch.pairs}
    assert {name: (plan.path, plan.pairs, plan.primary_key, plan.key_scope, plan.completes) for name, plan in plans.items()} == {
        "listProfile": ("/lists/{id}/profiles", "profile", "id", "parent", None),
        "profileTier": ("/profiles/{id}/tier", "tier", "code", "parent", "profile"),
    }, "the other way round the same is told in more requests"
    assert {tuple(record) for record in prover.known["listProfile"].sample} == {("id",)}
    assert [trial.predicted for trial in prover.trials["listProfile"]] == [6]
    canon = canon_of(prover)
    shown = {name: {f.target: (f.references, f.key) for f in canon[name].fields} for name in plans}
    assert shown == {
        "listProfile": {"listId": ("list.id", True), "profileId": (None, True)},
        "profileTier": {"profileId": ("profile.id", True), "tierCode": (None, False)},
    }


def test_what_a_record_tells_itself_is_not_asked_for_again() -> None:
    told = _mailing(members=lambda n: [{"ref": f"/profiles/P{m}"} for m in range(20) if m % (n + 2) == 0])
    assert "listProfile" not in told.known


def test_what_belongs_together_is_a_gap_where_it_takes_too_many_requests() -> None:
    prover = _mailing(pairs=5)
    assert not any(known.fetch.pairs for known in prover.known.values())
    assert prover.missed["profile"] == (
        "which profile belongs to which list is not read: GET /lists/{id}/profiles would tell it in 6 requests, "
        "more than the setting parent_pairs (5)"
    )
