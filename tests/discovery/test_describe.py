"""Descriptions: found at usual addresses, given, broken; and where the API is by them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.discovery.discover import discover
from spectra_assets.discovery.given import Given, Wanted
from spectra_assets.errors import DocumentError, RequestError, SourceError
from spectra_assets.settings import Settings

PETS = [{"id": n, "name": f"p{n}", "ownerId": n % 3} for n in range(9)]
OWNERS = [{"id": n, "name": f"o{n}"} for n in range(3)]


def described(server: str, *paths: str, version: str = "3.0.3") -> dict[str, Any]:
    answer = {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}}

    def responses(path: str) -> dict[str, Any]:
        schema = answer["items"] if path.endswith("}") else answer
        return {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}}

    parameters = [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}]
    return {
        "openapi": version,
        "info": {"title": "Pets", "version": "1"},
        "servers": [{"url": server}] if server else [],
        "paths": {
            path: {"get": {"responses": responses(path), "parameters": parameters if "{id}" in path else []}} for path in paths
        },
    }


LISTS = {"/api/v1/pets": PETS, "/api/v1/owners": OWNERS}


@pytest.mark.parametrize(
    ("address", "base", "server", "paths"),
    [
        ("/openapi.json", "", "/api/v1", ("/pets", "/owners")),
        ("/openapi.json", "/api/v1", "/api/v1", ("/pets", "/owners")),
        ("/api/v1/openapi.json", "/api/v1", "", ("/pets", "/owners")),
        ("/openapi.json", "/api/v1", "", ("/api/v1/pets", "/api/v1/owners")),
        ("/swagger/v1/swagger.json", "", "https://pets.example.com/api/v1", ("/pets", "/owners")),
        ("/v3/api-docs", "/api", "https://pets.example.com/api/v1", ("/pets", "/owners")),
        ("/openapi.json", "/api/v1", "/api/all", ("/v1/pets", "/v1/owners")),
    ],
    ids=[
        "server below",
        "base holds the server",
        "beside the paths",
        "paths hold the base",
        "another host",
        "base is half",
        "base ends as the paths begin",
    ],
)
def test_the_description_is_found_and_the_paths_answer(
    serve: Callable[..., Any], settings: Settings, address: str, base: str, server: str, paths: tuple[str, ...]
) -> None:
    api = serve({address: described(server, *paths), **LISTS})
    pack = discover(settings, "pets", api.base_url + base)
    assert {hint.entity for hint in pack.entities} == {"pet", "owner"}
    asked = {asked for asked in api.asked if asked in LISTS}
    assert asked == set(LISTS)
    from spectra_assets.client.api import ApiClient

    with ApiClient(pack.server, api.base_url + base, None) as client:
        assert all(client.get(hint.routes[0]).status == 200 for hint in pack.entities)


def test_a_page_for_people_and_a_link_header_lead_to_it(serve: Callable[..., Any], settings: Settings) -> None:
    page = b"<html><body><script>SwaggerUIBundle({url: '/specs/pets.json'})</script></body></html>"
    api = serve({"/docs": (200, page, {"Content-Type": "text/html"}), "/specs/pets.json": described("/api/v1", "/pets"), **LISTS})
    assert [hint.entity for hint in discover(settings, "pets", api.base_url).entities] == ["owner", "pet"], "ids name the owners"
    linked = serve(
        {"/": (200, {}, {"Link": '</specs/x>; rel="service-desc"'}), "/specs/x": described("/api/v1", "/pets"), **LISTS}
    )
    assert [hint.entity for hint in discover(settings, "pets", linked.base_url).entities] == ["owner", "pet"]


def test_a_given_file_is_used_and_a_given_address_elsewhere_gets_no_credential(
    serve: Callable[..., Any], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_TOKEN", "tok-Secret")
    file = tmp_path / "pets.json"
    file.write_text(json.dumps(described("/api/v1", "/pets")), encoding="utf-8")
    api = serve(LISTS, guard=lambda p, q, headers: None if headers.get("Authorization") == "Bearer tok-Secret" else (401, {}, {}))
    pack = discover(settings, "pets", api.base_url, Wanted(Given("DEMO_TOKEN"), str(file)))
    assert [hint.entity for hint in pack.entities] == ["owner", "pet"]
    heard: list[dict[str, str]] = []
    elsewhere = serve({"/d.json": lambda match, query, headers: heard.append(dict(headers)) or described("/api/v1", "/pets")})
    discover(settings, "pets", api.base_url, Wanted(Given("DEMO_TOKEN"), f"{elsewhere.base_url}/d.json"))
    assert heard
    assert "tok-Secret" not in str(heard)


@pytest.mark.parametrize(
    ("place", "error", "words"),
    [
        ("/no/such/file.json", RequestError, "can't be read"),
        ("{origin}/nothing.json", SourceError, "gives no description: 404"),
        ("{origin}/broken.json", DocumentError, "JSON"),
        ("{origin}/page", DocumentError, "web page"),
    ],
)
def test_a_given_description_that_can_not_be_used_is_an_error(
    serve: Callable[..., Any], settings: Settings, place: str, error: type[Exception], words: str
) -> None:
    api = serve({"/broken.json": b'{"openapi": "3.0.0", "paths": {', "/page": b"<!DOCTYPE html><html></html>", **LISTS})
    with pytest.raises(error, match=words):
        discover(settings, "pets", api.base_url, Wanted(openapi=place.replace("{origin}", api.base_url)))


def test_a_broken_one_at_a_usual_address_is_a_finding_and_the_answers_are_followed(
    serve: Callable[..., Any], settings: Settings
) -> None:
    api = serve({"/openapi.json": b'{"openapi": "3.0.0", "paths": [[[', "/": {"pets": "/pets"}, "/pets": PETS})
    pack = discover(settings, "pets", api.base_url)
    assert [hint.entity for hint in pack.entities] == ["pet"]
    assert any("can't be read" in each.finding for each in pack.evidence)


def test_what_the_description_promises_and_nobody_answers_is_a_gap(serve: Callable[..., Any], settings: Settings) -> None:
    description = described("/api/v1", "/pets", "/owners", "/secrets", "/pets/{id}", "/ghosts")
    description["paths"]["/pets/search"] = {"post": {"summary": "Search pets", "responses": {"200": {"description": "OK"}}}}
    api = serve({"/openapi.json": description, "/api/v1/secrets": (403, {"m": "no"}, {}), **LISTS})
    pack = discover(settings, "pets", api.base_url)
    assert {hint.entity for hint in pack.entities} == {"pet", "owner"}
    gaps = {each.about: each.evidence for each in pack.evidence if each.finding == "gap"}
    assert "403" in gaps["GET /secrets"]
    assert "404" in gaps["GET /ghosts"]
    assert "/pets/{id}" in pack.excluded
    assert api.methods == {"GET"}


def test_a_fhir_server_tells_what_can_be_searched(serve: Callable[..., Any], settings: Settings) -> None:
    found = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 2,
        "entry": [{"resource": {"id": n, "gender": "f"}} for n in "ab"],
    }
    resources = [
        {"type": "Patient", "interaction": [{"code": "search-type"}]},
        {"type": "Binary", "interaction": [{"code": "read"}]},
    ]
    api = serve({
        "/fhir/metadata": {"resourceType": "CapabilityStatement", "rest": [{"mode": "server", "resource": resources}]},
        "/fhir/Patient": found,
    })  # fmt: skip
    pack = discover(settings, "demo", f"{api.base_url}/fhir")
    assert {hint.entity: hint.routes for hint in pack.entities} == {"patient": ["/Patient"]}
    assert len(api.asked) < 40


def test_a_list_of_services_tells_their_actions(serve: Callable[..., Any], settings: Settings) -> None:
    def action(key: str, post: bool = False, *params: dict[str, Any]) -> dict[str, Any]:
        return {"key": key, "post": post, "internal": False, "params": list(params)}

    kinds = {"key": "qualifiers", "required": True, "possibleValues": ["TRK", "APP"]}
    services = [
        {"path": "api/components", "description": "…", "actions": [action("search", False, kinds), action("create", True)]},
        {"path": "api/rules", "actions": [action("search", False, {"key": "p"}, {"key": "ps", "maximumValue": 500})]},
    ]
    components = [{"key": f"org:{n}", "name": f"c{n}"} for n in range(12)]
    rules = [{"key": f"java:{n}", "title": f"r{n}"} for n in range(9)]

    def listed(_: Any, query: dict[str, str], __: Any) -> Any:
        given = query.get("qualifiers") == "TRK"
        return {"components": components, "total": 12} if given else (400, {"message": "'qualifiers' is missing"}, {})

    api = serve({
        "/api/webservices/list": {"webServices": services},
        "/api/components/search": listed,
        "/api/rules/search": {"total": 9, "p": 1, "ps": 100, "rules": rules, "actives": {}},
    })  # fmt: skip
    pack = discover(settings, "demo", api.base_url)
    assert {hint.entity: (hint.routes, hint.records) for hint in pack.entities} == {
        "component": (["/api/components/search"], "components"),
        "rule": (["/api/rules/search"], "rules"),
    }
    known = {f"{each.method} {each.path}": each for each in pack.endpoints}
    assert known["GET /api/components/search"].parameter("qualifiers").values == ["TRK", "APP"]
    assert known["GET /api/rules/search"].parameter("ps").maximum == 500
    assert "POST /api/components/create" in known
    assert not any("create" in address for address in api.asked)
