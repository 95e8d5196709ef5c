"""Operations, parameters, servers and oddities of OpenAPI and Swagger documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from spectra_assets.covenant.access import Auth
from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description import Description, read_description
from spectra_assets.intelligence.description.templates import template

SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Shop", "version": "7"},
    "host": "shop.example",
    "basePath": "/api/v2/",
    "schemes": ["http", "https"],
    "securityDefinitions": {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "login": {"type": "basic"},
        "app": {"type": "oauth2", "flow": "application", "tokenUrl": "https://shop.example/token", "scopes": {"read": "all"}},
    },
    "security": [{"key": []}],
    "parameters": {"page": {"name": "page", "in": "query", "type": "integer", "default": 1, "minimum": 1}},
    "paths": {
        "/orders/{orderId}": {
            "parameters": [
                {"name": "orderId", "in": "path", "type": "string"},
                {"name": "lang", "in": "query", "type": "string"},
            ],
            "get": {
                "tags": ["Orders"],
                "parameters": [
                    {"$ref": "#/parameters/page"},
                    {"name": "lang", "in": "query", "type": "string", "enum": ["de", "en"]},
                    {"name": "status", "in": "query", "type": "array", "items": {"type": "string", "enum": ["open", "paid"]}},
                    {"name": "Authorization", "in": "header", "type": "string"},
                    {"name": "body", "in": "body", "schema": {}},
                ],
                "responses": {"200": {"schema": {"$ref": "#/definitions/Order"}}},
            },
            "delete": {"responses": {"204": {}}},
        },
        "/orders": {"get": {"responses": {"200": {"schema": {"type": "array", "items": {"$ref": "#/definitions/Order"}}}}}},
    },
    "definitions": {"Order": {"type": "object", "properties": {"id": {"type": "string"}}}},
}


@pytest.mark.parametrize("written", [json.dumps(SWAGGER), yaml.safe_dump(SWAGGER, sort_keys=False)])
def test_swagger_2(written: str) -> None:
    read = read_description(written.encode(), "swagger")
    assert (read.kind, read.format, read.title, read.version) == ("swagger", "2.0", "Shop", "7")
    assert read.servers == ["https://shop.example/api/v2", "http://shop.example/api/v2"]
    assert read.base_path == "/api/v2"
    assert {(e.method, e.path, e.group) for e in read.endpoints} == {
        ("GET", "/orders/{orderId}", "Orders"), ("DELETE", "/orders/{orderId}", "orders"), ("GET", "/orders", "orders"),
    }  # fmt: skip
    order = next(e for e in read.endpoints if (e.method, e.path) == ("GET", "/orders/{orderId}"))
    assert sorted(order.query) == ["lang", "page", "status"]
    assert order.parameter("lang").values == ["de", "en"]
    assert order.parameter("status").values == ["open", "paid"]
    assert (order.parameter("page").default, order.parameter("page").minimum) == ("1", 1.0)
    assert order.parameter("orderId").location == "path"
    assert order.record == "Order"
    assert [(s.name, s.kind, s.everywhere) for s in read.schemes] == [
        ("key", "header", True), ("login", "basic", False), ("app", "oauth2", False),
    ]  # fmt: skip
    assert read.schemes[2].token_url == "https://shop.example/token"
    assert read.replies["/orders"].kind == "list"


def test_servers_with_variables_and_of_their_own(openapi: Any, get: Any) -> None:
    read = openapi(
        {
            "/a": get(),
            "/b": {**get(), "servers": [{"url": "https://eu.example/v2"}]},
            "/c": {**get(), "servers": [{"url": "https://other.example/v1"}]},
        },
        servers=[
            {"url": "https://{region}.example/{version}", "variables": {"region": {"default": "eu"}, "version": {"enum": ["v1"]}}}
        ],
    )
    assert read.servers == ["https://eu.example/v1"]
    assert (read.base_path, [e.path for e in read.endpoints]) == ("", ["/v1/a", "/v2/b"])
    assert read.findings == ["operation on another server, left out: /c on https://other.example/v1"]


@pytest.mark.parametrize(
    ("url", "base"),
    [("/", ""), ("", ""), ("/api", "/api"), ("api/v1/", "/api/v1"), ("https://h/x/../y", "/y"), ("//h/z", "/z"), (".", "")],
)
def test_relative_servers(openapi: Any, get: Any, url: str, base: str) -> None:
    assert openapi({"/a": get()}, servers=[{"url": url}]).base_path == base


def test_openapi_3_1_and_3_2(get: Any) -> None:
    schema = {
        "type": ["object", "null"],
        "properties": {"n": {"type": ["null", "integer"]}, "t": {"$ref": "#/$defs/T", "description": "d"}},
    }
    for version in ("3.1.0", "3.2.0"):
        item = {**get({"type": "array", "items": schema}), "query": {"responses": {}}}
        root = {"openapi": version, "info": {}, "paths": {"/x": item}, "$defs": {"T": {"const": "fixed"}}}
        read = read_description(json.dumps(root).encode(), "o")
        fields = read.replies["/x"].shape.fields  # type: ignore[union-attr]
        assert [(f.raw, f.type, f.values, f.description) for f in fields] == [
            ("n", "integer", [], ""),
            ("t", "text", ["fixed"], "d"),
        ]
        assert read.findings == ["method that is not used: query /x"]


def test_parameters_by_content_without_schema_and_without_declaration(openapi: Any, get: Any) -> None:
    item = get(
        parameters=[
            {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
            {"name": "size", "in": "query", "required": True, "schema": {"type": "integer", "maximum": 100}},
            {"in": "query"}, {"name": "ghost", "in": "path"}, "junk", {"$ref": "#/components/parameters/none"},
        ]
    )  # fmt: skip
    read = openapi({"/a/{id}/{other}": item})
    (endpoint,) = read.endpoints
    assert endpoint.query == ["filter", "size"]
    assert {p.name: (p.location, p.required) for p in endpoint.parameters} == {
        "filter": ("query", False), "size": ("query", True), "id": ("path", True), "other": ("path", True),
    }  # fmt: skip
    assert endpoint.parameter("size").maximum == 100
    assert "unresolvable reference: #/components/parameters/none" in read.findings


@pytest.mark.parametrize(
    ("written", "path", "query"),
    [
        ("/a/{id}", "/a/{id}", ()),
        ("a/{id:.*}", "/a/{id}", ()),
        ("/a/{id:[0-9]{4}}/b", "/a/{id}/b", ()),
        ("/a/:id/b/:other", "/a/{id}/b/{other}", ()),
        ("/a/<int:id>", "/a/{id}", ()),
        ("/a/{+rest}", "/a/{rest}", ()),
        ("/a/{id}{?page,size*}", "/a/{id}", ("page", "size")),
        ("/a/{id}.json", "/a/{id}.json", ()),
        ("/a?type=list&x", "/a", ("type", "x")),
        ("/a;m={m}/", "/a", ()),
        ("//a//b", "/a/b", ()),
        ("/users/{name}:cancel", "/users/{name}:cancel", ()),
        ("/tags/{arn}#tagKeys", "/tags/{arn}", ()),
    ],
)
def test_path_templates(written: str, path: str, query: tuple[str, ...]) -> None:
    read = template(written)
    assert read is not None
    assert (read.path, read.query) == (path, query)


@pytest.mark.parametrize("written", ["", "/a b", "/{a", "/a}", "/<x y>", "/" + "x" * 600, "/a\n/b"])
def test_what_is_no_path(written: str) -> None:
    assert template(written) is None


def test_a_path_of_many_colons_and_braces_takes_no_time() -> None:
    read = [template(written) for written in ("/" + ":" * 400, "/" + "{" * 400, "/{a}" * 120, "/" + "a:" * 200 + " ")]
    assert [found.path if found else None for found in read] == ["/" + ":" * 400, None, "/{a}" * 120, "/" + "a:" * 200]


def test_nothing_outside_of_the_document_is_read(openapi: Any, get: Any, tmp_path: Any) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"X": {"type": "object", "properties": {"leaked": {}}}}')
    places = [f"file://{secret}#/X", f"{secret}#/X", "../../etc/passwd", "http://127.0.0.1:9/x.json#/X", "./other.yaml#/X"]
    read = openapi({f"/p{n}": get({"type": "array", "items": {"$ref": place}}) for n, place in enumerate(places)})
    assert all(reply.shape is None for reply in read.replies.values())
    (line,) = read.findings
    assert line.startswith("reference to another document, which is not read (5)")
    assert "leaked" not in read.model_dump_json()


def test_reference_loops_and_odd_references(openapi: Any, get: Any) -> None:
    read = openapi(
        {
            "/loop": get({"$ref": "#/components/schemas/A"}),
            "/self": get({"$ref": "#/paths/~1self/get/responses/200/content/application~1json/schema"}),
            "/bare": get({"$ref": "Pet"}),
            "/number": get({"$ref": 7}),
            "/list": get({"$ref": "#/x-list/1"}),
            "/own": get({"$ref": "test.json#/components/schemas/Pet"}),
            "/item": {"$ref": "#/x-items/one"},
        },
        {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"},
         "Pet": {"properties": {"id": {"type": "integer"}}}},
        **{"x-list": [{}, {"properties": {"second": {}}}], "x-items": {"one": {"get": {"responses": {}}}}},
    )  # fmt: skip
    assert {e.path for e in read.endpoints} == {"/loop", "/self", "/bare", "/number", "/list", "/own", "/item"}
    assert read.replies["/bare"].shape.name == read.replies["/own"].shape.name == "Pet"  # type: ignore[union-attr]
    assert list(read.replies["/list"].shape.keys) == ["second"]  # type: ignore[union-attr]
    assert any(line.startswith("references go round in a circle") for line in read.findings)
    assert any(line.startswith("reference by a bare name") for line in read.findings)


def test_what_does_not_conform_does_not_stop_the_rest(get: Any) -> None:
    root = {
        "openapi": "3.0.0", "info": "none", "servers": "x", "tags": 5, "security": {"a": 1},
        "components": {"schemas": [], "securitySchemes": {"a": 5, "b": {"type": "magic"}, "c": {"type": "http", "scheme": "digest"}}},
        "paths": {
            "/good": get({"type": "array", "items": {"properties": {"id": {"type": "integer"}}}}),
            "/Good": get(), "/good/": get(), "/null": None, "/list": [1], "/text": "x", "x-vendor": {"get": {}}, "/bad path": get(),
            "/odd": {"get": None, "GET": {"tags": [None, 7], "summary": 5, "parameters": {"a": 1}, "responses": [1]}, "x-ms": {}},
            "/deep": get({"properties": {"a": {"type": {"odd": 1}, "enum": "x", "items": 5, "allOf": 7, "properties": [1]}}}),
        },
    }  # fmt: skip
    read = read_description(json.dumps(root).encode(), "odd")
    assert [e.path for e in read.endpoints] == ["/good", "/Good", "/good/", "/odd", "/deep"]
    assert [(s.name, s.kind) for s in read.schemes] == [("a", None), ("b", None), ("c", None)]
    assert "operation that is there twice, the first one counts: GET /odd" in read.findings
    assert "path that can't be asked for: /bad path" in read.findings


def test_a_missing_version_is_guessed_and_an_unknown_one_refused(get: Any) -> None:
    read = read_description(json.dumps({"paths": {"/a": get()}, "definitions": {}}).encode(), "d")
    assert (read.kind, read.findings) == ("swagger", ["no version is given: read as Swagger 2.0"])
    with pytest.raises(
        DocumentError, match=r"version '1\.2' of the description is not known: valid are Swagger 2\.0 and OpenAPI 3"
    ):
        read_description(b'{"swagger": "1.2", "paths": {}}', "d")
    assert read_description(b"swagger: 2.0\npaths: {/a: {get: {}}}\n", "d").kind == "swagger"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?><wsdl/>", "XML"),
        (b'{"asyncapi": "2.0"}', "AsyncAPI"),
        (b'{"info": {"_postman_id": "x"}, "item": []}', "Postman"),
        (b"[1, 2]", "a list without endpoints"),
        (b"hello", "a str"),
        (b'{"swaggerVersion": "1.2", "apis": []}', "Swagger 1"),
    ],
)
def test_other_documents_are_named(data: bytes, told: str) -> None:
    with pytest.raises(DocumentError) as error:
        read_description(data, "x")
    assert told in str(error.value)
    assert "valid are OpenAPI 3, Swagger 2.0" in str(error.value)


def test_security_schemes(openapi: Any, get: Any) -> None:
    schemes = {
        "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": 'Send "Token <key>"'},
        "jwt": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Bearer abc`"},
        "query": {"type": "apiKey", "in": "query", "name": "api_key"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "SID"},
        "bearer": {"type": "http", "scheme": "Bearer"},
        "basic": {"type": "http", "scheme": "basic"},
        "custom": {"type": "http", "scheme": "SSWS"},
        "code": {"type": "oauth2", "flows": {"authorizationCode": {"tokenUrl": "/t", "scopes": {}}}},
        "machine": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {"a": "", "b": ""}}}},
        "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://x"},
        "tls": {"type": "mutualTLS"},
    }
    read = openapi(
        {"/a": get(security=[{"query": [], "token": []}]), "/b": get(), "/c": get(security=[])},
        components={"securitySchemes": schemes}, security=[{"bearer": []}, {"missing": []}],
    )  # fmt: skip
    found = {scheme.name: scheme for scheme in read.schemes}
    assert [read.schemes[0].name, read.schemes[0].everywhere, read.schemes[0].operations] == ["bearer", True, 1]
    assert {name: scheme.kind for name, scheme in found.items()} == {
        "token": "header", "jwt": "bearer", "query": "query", "cookie": None, "bearer": "bearer", "basic": "basic",
        "custom": "header", "code": "bearer", "machine": "oauth2", "oidc": "bearer", "tls": None,
    }  # fmt: skip
    assert (found["token"].prefix, found["custom"].prefix) == ("Token", "SSWS")
    assert "asked for together with token" in found["query"].reason
    assert "security scheme that is not described: missing" in read.findings
    auth = found["machine"].auth("SECRET", "CLIENT")
    assert auth is not None
    assert (auth.kind, auth.token_path, auth.token_env, auth.user_env) == ("oauth2", "/oauth/token", "SECRET", "CLIENT")
    assert found["cookie"].auth("SECRET") is None
    assert found["code"].auth("SECRET").kind == "bearer"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Cookie", "User-Agent", "If-None-Match", "X Y", "X: a"]
)
def test_a_credential_is_not_sent_in_a_header_that_means_something_else(openapi: Any, get: Any, name: str) -> None:
    read = openapi({"/a": get()}, components={"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": name}}})
    assert (read.schemes[0].kind, read.schemes[0].auth("T")) == (None, None)
    assert f"in the header '{name}' is not sent" in read.schemes[0].reason


def test_addresses_that_are_none_are_findings(openapi: Any, get: Any) -> None:
    flows = {"clientCredentials": {"tokenUrl": "http://[x", "scopes": {}}}
    read = openapi(
        {"/a": get()},
        components={"securitySchemes": {"o": {"type": "oauth2", "flows": flows}}},
        servers=[{"url": "http://[x"}, {"url": "/v1"}],
    )
    assert (read.servers, read.base_path) == (["/v1"], "/v1")
    assert read.schemes[0].auth("T", "U") == Auth(kind="bearer", token_env="T")
    assert read.findings == ["server address that is none: http://[x", "address of tokens that is none: http://[x"]
    swagger = {"swagger": "2.0", "host": "[x", "basePath": "/v1", "paths": {"/a": get()}}
    old = read_description(json.dumps(swagger).encode(), "d")
    assert (old.servers, old.base_path, old.findings) == (["/v1"], "/v1", ["server address that is none: [x"])
    blueprint = read_description(b"FORMAT: 1A\nHOST: http://[x\n\n### L [GET /a]\n", "d")
    assert (blueprint.servers, blueprint.findings) == ([], ["server address that is none: http://[x"])


def test_posts_that_only_read(openapi: Any) -> None:
    rows = {"200": {"content": {"application/json": {"schema": {"type": "array", "items": {"properties": {"id": {}}}}}}}}
    read = openapi(
        {
            "/users/search": {"post": {"responses": rows}},
            "/users": {"post": {"responses": {"201": {}}, "operationId": "createUser"}},
            "/reports/query": {"post": {"responses": rows, "summary": "Run and store a report"}},
            "/searches": {"post": {"responses": rows, "operationId": "createSearch"}},
            "/items:search": {"post": {"responses": rows}},
            "/index/search": {"post": {"responses": {"200": {}, "202": {}}}},
        }
    )
    assert [e.path for e in read.endpoints if e.reads] == ["/users/search", "/items:search"]
    why = {e.path: e.because for e in read.endpoints}
    assert why["/users"] == ""
    assert "speaks of a change (run, store)" in why["/reports/query"]
    assert "it answers 202" in why["/index/search"]


def test_what_the_body_of_a_search_takes(openapi: Any) -> None:
    rows = {
        "200": {"content": {"application/json": {"schema": {"type": "array", "items": {"properties": {"id": {}, "name": {}}}}}}}
    }
    members = {
        "limit": {"type": "integer", "default": 50},
        "page": {"type": "object", "properties": {"cursor": {"type": "string"}}},
        "filter": {"type": "object"},
        "ids": {"type": "array", "items": {"type": "integer"}},
        "sorts": {"type": "array", "items": {"type": "object"}},
    }
    filters = {"allOf": [{"type": "object", "properties": members}, {"required": ["filter", "sorts", "ids"]}]}
    record = {"type": "object", "properties": {"name": {"type": "string"}, "colour": {"type": "string"}}}

    def post(schema: Any, kind: str = "application/json") -> Any:
        return {"post": {"responses": rows, "summary": "x", "requestBody": {"content": {kind: {"schema": schema}}}}}

    read = openapi(
        {"/a/search": post(filters), "/b/search": post(record), "/c/search": post(filters, "application/x-www-form-urlencoded")}
    )
    search, store, form = read.endpoints
    assert (search.reads, search.body) == (True, {"filter": {}, "sorts": []})
    assert search.query == ["limit", "page.cursor", "ids[]"]
    assert (search.parameter("limit").type, search.parameter("limit").default) == ("integer", "50")
    assert search.parameter("ids[]").required
    assert (store.reads, store.body) == (False, None)
    assert "it may store one" in store.because
    assert "its body is no JSON" in form.because


def test_texts_from_the_document_are_bounded_lines(openapi: Any, get: Any) -> None:
    read: Description = openapi(
        {"/a": get(summary="x\n\x1b[2J" * 500, tags=["t" * 500])}, info={"title": "T\r\n" * 300, "version": {}}
    )
    (endpoint,) = read.endpoints
    assert len(endpoint.summary) <= 160
    assert len(endpoint.group) <= 80
    assert len(read.title) <= 200
    assert all(text.isprintable() for text in (endpoint.summary, endpoint.group, read.title))
