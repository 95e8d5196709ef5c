"""Where records are, and which fields they have, by their schema."""

from __future__ import annotations

import time
from typing import Any

import pytest

from spectra_assets.intelligence.description.shapes import MOST_FIELDS

ROW = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
ROWS = {"type": "array", "items": ROW}
NUMBER = {"type": "integer"}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("path", "schema", "kind", "records"),
    [
        ("/users", ROWS, "list", ""),
        ("/users", obj(data=ROWS), "list", "data"),
        ("/users", obj(users=ROWS, total=NUMBER), "list", "users"),
        ("/users", obj(users=ROWS, groups=ROWS, id=NUMBER), "object", "$"),
        ("/users", obj(ok={"type": "boolean"}, members=ROWS), "list", "members"),
        ("/users", obj(data=obj(items=ROWS, next={"type": "string"})), "list", "data.items"),
        ("/users", obj(_embedded=obj(users=ROWS), page=obj(size=NUMBER), _links=obj()), "list", "_embedded.users"),
        ("/users", {"type": "object", "additionalProperties": ROW}, "list", "{}"),
        ("/users", obj(data={"type": "object", "additionalProperties": ROW}), "list", "data{}"),
        ("/users", obj(**{"a.b": ROWS}, count=NUMBER), "list", "a\\.b"),
        ("/users", obj(value=ROWS, **{"@odata.nextLink": {"type": "string"}}), "list", "value"),
        ("/users", obj(data=ROWS, included=ROWS, links=obj()), "list", "data"),
        ("/users", obj(results=ROWS, errors=ROWS), "list", "results"),
        ("/users/{id}", obj(id=NUMBER, tags=ROWS), "object", "$"),
        ("/users/{id}", obj(id=NUMBER, entries=obj(data=ROWS)), "object", "$"),
        ("/teams/{id}", obj(id=NUMBER, members=ROWS, size=NUMBER), "object", "$"),
        ("/users/{id}", obj(data=obj(id=NUMBER, tags=ROWS), meta=obj(took=NUMBER)), "object", "$.data"),
        ("/users/{id}", obj(status=NUMBER, response=obj(user=obj(id=NUMBER))), "object", "$.response.user"),
        ("/users/{id}", obj(user=obj(id=NUMBER), groups=ROWS), "object", "$"),
        ("/me", obj(id=NUMBER, name={"type": "string"}), "object", "$"),
        ("/tags", {"type": "array", "items": {"type": "string"}}, "values", ""),
        ("/count", NUMBER, "values", None),
        ("/any", {"type": "array"}, "list", ""),
        ("/any", {}, "unknown", None),
        ("/any", {"type": "object"}, "unknown", None),
        ("/wrapped", {"allOf": [obj(total=NUMBER), obj(items=ROWS)]}, "list", "items"),
        ("/nullable", {"anyOf": [ROWS, {"type": "null"}]}, "list", ""),
    ],
)
def test_place_of_the_records(openapi: Any, get: Any, path: str, schema: Any, kind: str, records: str | None) -> None:
    reply = openapi({path: get(schema)}).replies[path]
    assert (reply.kind, reply.records) == (kind, records)


@pytest.mark.parametrize(
    ("responses", "kind"),
    [
        ({"204": {}}, "nothing"),
        ({"302": {}}, "nothing"),
        ({"404": {}}, "unknown"),
        ({"200": {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}}, "file"),
        ({"200": {"content": {"text/csv": {}}}}, "file"),
        ({"default": {"content": {"application/json": {"schema": ROWS}}}}, "list"),
        ({"2XX": {"content": {"application/vnd.api+json; charset=utf-8": {"schema": obj(data=ROWS)}}}}, "list"),
        ({"206": {"content": {"application/xml": {}, "application/json": {"schema": ROWS}}}}, "list"),
        ({200: {"content": {"*/*": {"schema": ROWS}}}}, "list"),
    ],
)
def test_which_answer_counts(openapi: Any, responses: Any, kind: str) -> None:
    assert openapi({"/x": {"get": {"responses": responses}}}).replies["/x"].kind == kind


def test_lines_of_json(openapi: Any, get: Any) -> None:
    reply = openapi({"/log": get(ROW, "application/x-ndjson")}).replies["/log"]
    assert (reply.kind, reply.records, list(reply.shape.keys)) == ("list", "@lines", ["id", "name"])


def test_fields_of_a_record(openapi: Any, get: Any) -> None:
    schemas = {
        "Base": obj(id={"type": "integer", "format": "int64"}, secret={"type": "string", "writeOnly": True}),
        "Task": {
            "allOf": [
                {"$ref": "#/components/schemas/Base"},
                obj(
                    made={"type": "string", "format": "date-time"},
                    seen={"type": "integer", "format": "unix-time"},
                    told={"type": "integer", "description": "Milliseconds since the epoch"},
                    price={"type": "number", "description": "In euros"},
                    state={"type": "string", "enum": ["open", "done"], "nullable": True},
                    owner={"allOf": [{"$ref": "#/components/schemas/User"}], "description": "who"},
                    tags={"type": "array", "items": {"type": "string"}},
                    steps={"type": "array", "items": obj(text={"type": "string"}, parts={"type": "array", "items": ROW})},
                    children={"type": "array", "items": {"$ref": "#/components/schemas/Task"}},
                    parent={"$ref": "#/components/schemas/Task"},
                    extra={"type": "object", "additionalProperties": {"type": "string"}},
                    mixed={"oneOf": [{"type": "string"}, {"type": "integer"}]},
                    free={},
                ),
            ]
        },
        "User": obj(login={"type": "string"}, boss={"$ref": "#/components/schemas/User"}),
    }
    shape = (
        openapi({"/tasks": get({"type": "array", "items": {"$ref": "#/components/schemas/Task"}})}, schemas)
        .replies["/tasks"]
        .shape
    )
    assert (shape.name, shape.recursive) == ("Task", "children")
    assert [(f.raw, f.type, f.items) for f in shape.fields] == [
        ("id", "integer", None), ("made", "date", None), ("seen", "epoch", None), ("told", "epoch", None), ("price", "number", None),
        ("state", "text", None), ("owner.login", "text", None), ("owner.boss", "record", None), ("tags", "array", "text"),
        ("steps", "array", "record"), ("steps[].text", "text", None), ("steps[].parts", "array", "record"),
        ("children", "array", "record"), ("parent", "record", None), ("extra", "record", None), ("mixed", "unknown", None),
        ("free", "unknown", None),
    ]  # fmt: skip
    by = {f.raw: f for f in shape.fields}
    assert by["state"].values == ["open", "done"]
    assert by["extra"].format == "map"


def test_equal_schemas_share_their_fields(openapi: Any, get: Any) -> None:
    read = openapi({"/a": get(ROWS), "/b": get(obj(data=ROWS))})
    assert read.replies["/a"].shape is read.replies["/b"].shape


def test_wide_and_deep_records_are_bounded(openapi: Any, get: Any) -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(50):
        deep = obj(down=deep)
    wide = obj(**{f"f{n}": {"type": "string"} for n in range(900)}, deep=deep)
    shape = openapi({"/wide": get({"type": "array", "items": wide})}).replies["/wide"].shape
    assert len(shape.fields) == MOST_FIELDS
    assert all(f.raw.startswith("f") for f in shape.fields)
    shape = openapi({"/deep": get({"type": "array", "items": deep})}).replies["/deep"].shape
    assert [f.raw for f in shape.fields] == [".".join(["down"] * 6)]


def test_schemas_that_multiply_take_little_time(openapi: Any, get: Any) -> None:
    names = [f"S{n}" for n in range(20)]
    schemas = {
        name: {
            "allOf": [{"$ref": f"#/components/schemas/{other}"} for other in names],
            "properties": {f"{name}_{other}": {"$ref": f"#/components/schemas/{other}"} for other in names},
        }
        for name in names
    }
    before = time.process_time()
    read = openapi(
        {f"/p{n}": get({"type": "array", "items": {"$ref": f"#/components/schemas/{names[n % 20]}"}}) for n in range(400)},
        schemas,
    )
    assert time.process_time() - before < 120
    assert sum(len(shape.fields) for shape in {id(r.shape): r.shape for r in read.replies.values()}.values()) <= 20 * MOST_FIELDS
