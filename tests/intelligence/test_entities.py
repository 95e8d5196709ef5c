"""Entities, their routes and where ids come from: hypotheses from schemas, and from paths alone."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from spectra_assets.intelligence.description import Description, RecordShape, Reply, read_description
from spectra_assets.intelligence.entities import entities_of, key_of, schema_noun
from spectra_assets.intelligence.model import FieldSpec, load_pack
from spectra_assets.intelligence.nouns import Stem, noun, same, stem


def catalogue(*paths: str) -> Description:
    return read_description(yaml.safe_dump([f"GET {path}" for path in paths]).encode(), "paths")


def routes(description: Description) -> dict[str, list[str]]:
    return {hint.entity: hint.routes for hint in entities_of(description)[0]}


def excluded(description: Description) -> dict[str, str]:
    return entities_of(description)[2]


def candidates(description: Description) -> dict[tuple[str, str | None], list[str]]:
    return {(each.parameter, each.path): each.candidates for each in entities_of(description)[1]}


def record(name: str, *fields: str) -> dict[str, Any]:
    return {"title": name, "type": "object", "properties": {field: {"type": "string"} for field in fields}}


def rows(*fields: str, name: str = "") -> dict[str, Any]:
    return {"type": "array", "items": {key: value for key, value in record(name, *fields).items() if value}}


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ("users", "user"), ("getAllUsers", "user"), ("findByStatus", ""), ("search", ""), ("test_cases", "testCase"), ("movies", "movie"),
        ("statuses", "status"), ("people", "person"), ("user-groups", "userGroup"), ("users.list", "user"), ("v1", ""), ("2024-01-01", ""),
        ("searchProjects", "project"), ("byfilter", ""), ("users.json", "user"), ("項目", "xiangMu"), ("---", ""),
        ("order_items", "orderItem"), ("getAllItems", ""), ("journal-entries", "journalEntry"), ("todo_list", "todo"),
    ],
)  # fmt: skip
def test_noun(segment: str, expected: str) -> None:
    assert noun(segment) == expected


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("project_id", Stem("project", "id")), ("projectid", Stem("project", "id")), ("projectId", Stem("project", "id")),
        ("id", Stem("", "id")), ("slug", Stem("", "slug")), ("owner", Stem("owner", "")), ("issue_number", Stem("issue", "number")),
        ("issueIdOrKey", Stem("issue", "id")), ("grid", Stem("grid", "")), ("username", Stem("user", "username")), ("{}", Stem("", "")),
    ],
)  # fmt: skip
def test_stem(parameter: str, expected: Stem) -> None:
    assert stem(parameter) == expected


def test_same_thing_in_singular_and_plural() -> None:
    assert same("movies", "movie")
    assert same("user-groups", "usergroup")
    assert not same("users", "project")
    assert schema_noun("io.k8s.api.core.v1.Pod") == "pod"
    assert schema_noun("UserResponseDto") == "user"


# ---------------------------------------------------------------- with schemas


def test_lists_details_and_children(openapi: Any, get: Any) -> None:
    read = openapi(
        {
            "/users": get(rows("id", "login", name="User")),
            "/users/{id}": get(record("User", "id", "login")),
            "/users/{user_id}/posts": get(rows("id", "title", "user_id", name="Post")),
            "/posts": get(rows("id", "title", "user_id", name="Post")),
            "/posts/{id}": get(record("PostDetail", "id", "title", "body")),
            "/status": get(record("Status", "up")),
            "/posts/export": get(None),
        }
    )
    hints, identifiers, out = entities_of(read)
    assert {hint.entity: (hint.routes, hint.records, hint.key) for hint in hints} == {
        "user": (["/users"], "", "id"),
        "post": (["/posts", "/users/{user_id}/posts"], "", "id"),
    }
    assert out == {
        "/users/{id}": "one record of /users",
        "/posts/{id}": "one record of /posts",
        "/status": "says how the server is",
        "/posts/export": "a file",
    }
    found = {(each.parameter, each.path): each.candidates for each in identifiers}
    assert found[("user_id", None)] == ["user.id"]
    assert found[("id", "/users/{id}")] == ["user.id"]


def test_the_field_that_one_record_is_asked_for_by_is_its_key(openapi: Any, get: Any) -> None:
    read = openapi(
        {
            "/vessels": get(rows("name", "imo", name="Vessel")),
            "/vessels/{imo}": get(record("Vessel", "name", "imo")),
            "/people": get(rows("id", "login", name="Person")),
            "/people/{login}": get(record("Person", "id", "login")),
            "/ports": get(rows("name", name="Port")),
            "/ports/{port_code}": get(record("Port", "name")),
        }
    )
    assert {hint.entity: hint.key for hint in entities_of(read)[0]} == {"vessel": "imo", "person": "id", "port": None}


def test_one_name_for_two_schemas_is_qualified_by_the_parents(openapi: Any, get: Any) -> None:
    read = openapi(
        {
            "/users": get(rows("id", name="User")),
            "/users/{id}/events": get(rows("id", "clicked", "seen", name="Click")),
            "/repos": get(rows("id", "name", "stars", name="Repo")),
            "/repos/{owner}/{repo}/events": get(rows("sha", "ref", "size", name="Push")),
        }
    )
    assert routes(read) == {
        "user": ["/users"], "userEvent": ["/users/{id}/events"], "repo": ["/repos"], "repoEvent": ["/repos/{owner}/{repo}/events"],
    }  # fmt: skip


def test_one_schema_under_another_name_is_a_relation_of_its_own(openapi: Any, get: Any) -> None:
    user = rows("id", "login", name="User")
    read = openapi(
        {"/users": get(user), "/users/search": get(user), "/users/findByMail": get(user), "/teams/{id}/members": get(user),
         "/teams": get(rows("id", "title", name="Team"))}
    )  # fmt: skip
    assert routes(read) == {
        "user": ["/users", "/users/findByMail", "/users/search"],
        "member": ["/teams/{id}/members"],
        "team": ["/teams"],
    }


def test_like_fields_of_one_name_are_one_entity(openapi: Any, get: Any) -> None:
    read = openapi(
        {
            "/orders": get(rows("id", "total", "state", "made", name="OrderSummary")),
            "/shops/{shop}/orders": get(rows("id", "total", "state", "made", "lines", name="Order")),
            "/shops": get(rows("id", "slug", name="Shop")),
        }
    )
    assert routes(read)["order"] == ["/orders", "/shops/{shop}/orders"]
    assert candidates(read)[("shop", None)] == ["shop.slug", "shop.id"]


def test_composite_parents_have_one_identifier_each(openapi: Any, get: Any) -> None:
    repo = {"title": "Repo", "type": "object",
            "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "owner": record("User", "login", "id")}}  # fmt: skip
    read = openapi(
        {
            "/repos": get({"type": "array", "items": repo}),
            "/repos/{owner}/{repo}": get(repo),
            "/repos/{owner}/{repo}/issues": get(rows("id", "number", name="Issue")),
            "/repos/{owner}/{repo}/issues/{issue_number}/comments": get(rows("id", "text", name="Comment")),
        }
    )
    found = candidates(read)
    assert found[("owner", None)] == ["repo.owner.login", "repo.owner.id"]
    assert found[("repo", None)] == ["repo.name", "repo.id"]
    assert found[("issue_number", None)] == ["issue.number", "issue.id"]
    assert excluded(read) == {"/repos/{owner}/{repo}": "one record of /repos"}


def test_objects_that_nothing_lists(openapi: Any, get: Any) -> None:
    read = openapi(
        {
            "/items/{id}": get(record("Item", "id", "text")),
            "/users": get(rows("id", "name", name="User")),
            "/users/{id}/address": get(record("Address", "street", "city")),
            "/users/{id}/settings": get(record("Settings", "a")),
            "/me": get(record("User", "id", "name")),
        }
    )
    hints = {hint.entity: (hint.routes, hint.records) for hint in entities_of(read)[0]}
    assert hints == {"user": (["/users"], ""), "item": (["/items/{id}"], "$"), "address": (["/users/{id}/address"], "$")}
    assert excluded(read) == {"/users/{id}/settings": "one object", "/me": "one object"}
    assert routes(openapi({"/weather": get(record("Weather", "degrees"))})) == {"weather": ["/weather"]}


def test_nested_arrays_with_ids_are_sources(openapi: Any, get: Any) -> None:
    cycle = {"type": "object", "properties": {"id": {"type": "integer"}, "cyclePhases": rows("id", "name")}}
    read = openapi({"/cycles": get({"type": "array", "items": cycle}),
                    "/executions": {**get(rows("id", "result"), parameters=[{"name": "cyclephaseid", "in": "query"}])}})  # fmt: skip
    assert candidates(read)[("cyclephaseid", None)] == ["cycle.cyclePhases[].id"]


def test_a_search_that_must_be_told_what_for_lists_nothing(openapi: Any, get: Any) -> None:
    read = openapi({"/find/books": get(rows("id"), parameters=[{"name": "q", "in": "query", "required": True}])})
    assert (routes(read), excluded(read)) == ({}, {"/find/books": "a search: q must say what for"})


def test_recursive_and_deprecated(openapi: Any, get: Any) -> None:
    folder = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "folders": {"type": "array", "items": {"$ref": "#/components/schemas/F"}}},
    }
    read = openapi({"/old/folders": get({"type": "array", "items": {"$ref": "#/components/schemas/F"}}, deprecated=True),
                    "/folders": get({"type": "array", "items": {"$ref": "#/components/schemas/F"}})}, {"F": folder})  # fmt: skip
    (hint,) = entities_of(read)[0]
    assert (hint.entity, hint.recursive, hint.routes) == ("folder", "folders", ["/folders", "/old/folders"])


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        (["id", "userId"], "id"), (["user_id", "x"], "user_id"), (["uuid"], "uuid"), (["metadata.uid", "spec.x"], "metadata.uid"),
        (["name"], None), (["a[].id"], None), ([], None),
    ],
)  # fmt: skip
def test_key(fields: list[str], key: str | None) -> None:
    assert key_of([FieldSpec(raw=raw, type="text") for raw in fields], "user") == key


# ---------------------------------------------------------------- by paths alone


def test_the_key_that_a_description_tells() -> None:
    told = [FieldSpec(raw="id", type="integer"), FieldSpec(raw="sku", type="text", key=True)]
    assert key_of(told, "product") == "sku"
    assert key_of([*told, FieldSpec(raw="day", type="date", key=True)], "product") is None, "each is only a part of it"


@pytest.mark.parametrize(
    ("description", "key"),
    [
        ("Note:\nThis is a Primary Key.<pk/>", True),
        ("Primary key of the row", True),
        ("This is a Foreign Key to `orders.id`.<fk table='orders' column='id'/>", False),
        ("Refers to the primary key of orders", False),
    ],
)
def test_a_description_tells_a_key(openapi: Any, get: Any, description: str, key: bool) -> None:
    record = {"type": "object", "properties": {"line": {"type": "integer", "description": description}}}
    read = openapi({"/lines": get({"type": "array", "items": record})})
    assert [field.key for hint in entities_of(read)[0] for field in hint.fields] == [key]


def test_paths_alone() -> None:
    read = catalogue(
        "/api/v1/users", "/api/v1/users/{id}", "/api/v1/users/{id}/posts", "/api/v1/posts/search", "/api/v1/posts/{postId}",
        "/api/v1/posts/{postId}/comments", "/api/v1/health", "/api/v1/auth/login", "/api/v1/openapi.json", "/api/v1/users/me",
        "/api/v1/posts/count", "/api/v1/reports/{id}.pdf", "/api/v1/events/stream",
    )  # fmt: skip
    assert routes(read) == {
        "user": ["/api/v1/users"], "post": ["/api/v1/posts/search", "/api/v1/users/{id}/posts"],
        "comment": ["/api/v1/posts/{postId}/comments"],
    } | {"report": ["/api/v1/reports/{id}.pdf"]}  # fmt: skip
    out = excluded(read)
    assert out["/api/v1/users/{id}"] == "one record of /api/v1/users"
    assert out["/api/v1/posts/{postId}"] == "one record of /api/v1/posts/search"
    assert out["/api/v1/health"] == "says how the server is"
    assert out["/api/v1/auth/login"] == "part of signing in"
    assert out["/api/v1/openapi.json"] == "documentation of the API"
    assert out["/api/v1/users/me"] == "one object"
    assert out["/api/v1/posts/count"] == "a number"
    assert out["/api/v1/events/stream"] == "a stream of events which never ends"
    assert candidates(read)[("postId", None)] == ["post.id"]


def test_lists_for_each_of_something_else() -> None:
    read = catalogue("/release", "/release/{releaseid}", "/cycle/release/{releaseid}", "/cycle/{cycleid}", "/testcase", "/testcase/tags",
                     "/testcase/tags/{releaseid}", "/testcase/tree/{treeid}", "/project", "/project/paged/owner/{ownerId}", "/owner")  # fmt: skip
    assert routes(read) == {
        "release": ["/release"], "cycle": ["/cycle/release/{releaseid}"], "testcase": ["/testcase", "/testcase/tree/{treeid}"],
        "tag": ["/testcase/tags", "/testcase/tags/{releaseid}"], "project": ["/project", "/project/paged/owner/{ownerId}"],
        "owner": ["/owner"],
    }  # fmt: skip
    assert excluded(read)["/cycle/{cycleid}"] == "one record of /cycle/release/{releaseid}"


def test_what_was_seen_counts_like_a_schema() -> None:
    """Discovery asks the endpoints of a bare catalogue, and tells what came as replies."""
    read = catalogue("/tree/roots/{projectid}", "/tree", "/tree/phases/{releaseid}", "/project", "/release")
    shape = RecordShape(fields=[FieldSpec(raw=raw, type="unknown") for raw in ("id", "name", "categories", "type")])
    other = RecordShape(fields=[FieldSpec(raw=raw, type="unknown") for raw in ("id", "name", "categories", "type", "note")])
    seen = {"/tree": Reply(kind="object", records="$", shape=RecordShape(fields=[FieldSpec(raw="count", type="integer")])),
            "/tree/roots/{projectid}": Reply(kind="list", records="", shape=shape),
            "/tree/phases/{releaseid}": Reply(kind="list", records="data", shape=other)}  # fmt: skip
    read = read.model_copy(update={"replies": read.replies | seen})
    assert routes(read)["root"] == ["/tree/roots/{projectid}"]
    assert excluded(read)["/tree"] == "one object"


def test_zephyr_by_its_catalogue_alone() -> None:
    """The hints cover what a person curated, but for the second route to the folders of test cases, whose name is another's."""
    pack = load_pack("zephyr")
    listed = [each.model_dump(include={"method", "path", "group", "query"}) for each in pack.endpoints]
    hints, identifiers, out = entities_of(read_description(yaml.safe_dump({"endpoints": listed}).encode(), "zephyr"))
    found = {hint.entity: hint.routes for hint in hints}
    missing = {(c.entity, path) for c in pack.entities for path in c.routes if path not in found.get(c.entity, [])}
    assert missing == {("testcasetree", "/testcasetree/phases/{releaseid}")}
    gets = {each.path for each in pack.endpoints if each.method == "GET"}
    told = {path for hint in hints for path in hint.routes}
    assert told | set(out) == gets
    assert not told & set(out)
    known = {each.parameter.lower(): each.candidates for each in identifiers if each.path is None}
    assert known["releaseid"] == ["release.id"]
    assert known["projectid"] == ["project.id"]
    assert known["treeid"][0] == "testcasetree.id"
    assert known["requirementtreeid"] == ["requirementtree.id"]


def test_the_same_catalogue_gives_the_same_hints() -> None:
    pack = load_pack("zephyr")
    text = yaml.safe_dump([f"GET {each.path}" for each in pack.endpoints]).encode()
    assert entities_of(read_description(text, "z")) == entities_of(read_description(text, "z"))


def test_nothing_at_all() -> None:
    assert entities_of(Description(name="x", kind="catalogue", format="1")) == ([], [], {})


def test_many_endpoints_of_one_name_take_bounded_time(openapi: Any, get: Any) -> None:
    paths = {f"/a{n}/{{p{n}}}/things": get(rows(f"f{n}", f"g{n}", name=f"T{n}")) for n in range(600)}
    read = openapi(paths)
    before = time.process_time()
    hints, _, _ = entities_of(read)
    assert time.process_time() - before < 120
    assert len({hint.entity.lower() for hint in hints}) == len(hints) == 600
