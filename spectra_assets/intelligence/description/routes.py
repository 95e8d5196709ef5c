"""A document that lists routes: a map of paths, or of patterns of them, to methods and parameters (as WordPress has), the
types of resources that a FHIR server can search, or a list of services with the actions of each (as SonarQube has)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description.catalogue import catalogued
from spectra_assets.intelligence.description.findings import Findings, brief
from spectra_assets.intelligence.description.model import Description, Reply
from spectra_assets.intelligence.description.pointers import mapping, sequence

CAPABILITIES = "CapabilityStatement"
_KEYS = ("routes", "endpoints", "paths")
_MOST = 20_000
_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
_GROUP = re.compile(r"\(\?P?<([A-Za-z_]\w*)>")
_OF_PARAMETER = {"required": "required", "possibleValues": "enum", "defaultValue": "default", "maximumValue": "maximum"}
"""Members of a service's parameter → of a route's."""

_TYPES = {"integer": "integer", "number": "number", "string": "text", "boolean": "boolean", "array": "array"}


def is_routes(root: Any) -> bool:
    """Whether a parsed document holds a map of paths with their methods."""
    return any(any(_operations(below)) for below in routes_of(root).values())


def routes_of(root: Any) -> Mapping[str, Any]:
    """The map of paths to what each of them takes that a document holds, as the root of WordPress and of its namespaces does;
    empty if it holds none."""
    if mapping(root).get("resourceType") == CAPABILITIES:
        return {f"/{name}": ["GET"] for name in _searched(root)}
    for key in _KEYS:
        held = mapping(mapping(root).get(key))
        if held and all(str(path).startswith("/") and isinstance(below, dict | list) for path, below in held.items()):
            return held
    listed = [below for below in mapping(root).values() if isinstance(below, list)]
    return next((found for services in listed if (found := dict(_actions(services)))), {})


def _actions(services: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """(path, what it takes) of the actions of services: `{"path": "api/issues", "actions": [{"key": "search", "params": […]}]}`;
    what says `post` changes something."""
    for service in map(mapping, services):
        base, actions = service.get("path"), sequence(service.get("actions"))
        if not isinstance(base, str) or not all(isinstance(mapping(each).get("key"), str) for each in actions):
            continue
        for action in actions:
            named = (each for each in map(mapping, sequence(action.get("params"))) if isinstance(each.get("key"), str))
            told = {each["key"]: dict(zip(_OF_PARAMETER.values(), map(each.get, _OF_PARAMETER), strict=True)) for each in named}
            yield f"/{base.strip('/')}/{action['key']}", {"methods": ["POST" if action.get("post") else "GET"], "args": told}


def _searched(root: Any) -> Iterator[str]:
    """The types of resources that a CapabilityStatement (FHIR, capabilitystatement.html) lets search."""
    for rest in sequence(mapping(root).get("rest")):
        for resource in sequence(mapping(rest).get("resource")):
            name = mapping(resource).get("type")
            codes = [mapping(each).get("code") for each in sequence(mapping(resource).get("interaction"))]
            if isinstance(name, str) and name.isalpha() and name.isascii() and (not codes or "search-type" in codes):
                yield name


def read_routes(root: Any, name: str, findings: Findings) -> Description:
    """The routes that it lists. Raises DocumentError if none can be asked for."""
    endpoints = catalogued(_listed(routes_of(root), findings), findings)
    if not endpoints:
        raise DocumentError("none of the routes it lists can be asked for", name)
    return Description(
        name=name,
        kind="routes",
        format="1",
        title=brief(mapping(root).get("name"), 200),
        endpoints=endpoints,
        replies={endpoint.path: Reply() for endpoint in endpoints if endpoint.method == "GET"},
        findings=findings.lines(),
    )


def _operations(route: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(method, parameters by name) of a route."""
    if isinstance(route, list):
        yield from ((word, {}) for word in route if isinstance(word, str) and word.upper() in _METHODS)
        return
    inner = [each for each in sequence(mapping(route).get("endpoints")) if isinstance(each, dict)]
    for each in inner or [mapping(route)]:
        arguments = mapping(each.get("args", each.get("parameters")))
        yield from (
            (word, arguments) for word in sequence(each.get("methods")) if isinstance(word, str) and word.upper() in _METHODS
        )


def _listed(routes: Mapping[str, Any], findings: Findings) -> Iterator[dict[str, Any]]:
    for pattern, route in list(routes.items())[:_MOST]:
        path = _path(pattern)
        if path is None:
            findings.add("route whose pattern is no path", pattern)
            continue
        inside = re.findall(r"\{([^}]+)\}", path)
        for method, arguments in _operations(route):
            parameters = [_parameter(name, mapping(told), name in inside) for name, told in arguments.items()]
            known = [each for each in parameters if method.upper() == "GET" or each["location"] == "path"]
            query = [each["name"] for each in known if each["location"] == "query"]
            yield {"method": method, "path": path, "query": query, "parameters": known}


def _parameter(name: str, told: Mapping[str, Any], inside: bool) -> dict[str, Any]:
    values = told.get("enum", mapping(told.get("items")).get("enum"))
    default = told.get("default")
    return {
        "name": brief(name, 120),
        "location": "path" if inside else "query",
        "required": inside or told.get("required") is True,
        "type": _TYPES.get(str(told.get("type")), "unknown"),
        "values": [str(value) for value in sequence(values) if isinstance(value, str | int)][:200],
        "default": str(default) if isinstance(default, str | int | float) else None,
        "minimum": told.get("minimum") if isinstance(told.get("minimum"), int | float) else None,
        "maximum": told.get("maximum") if isinstance(told.get("maximum"), int | float) else None,
    }


def _path(pattern: str) -> str | None:
    """The path of a pattern: `/posts/(?P<id>[\\d]+)` is `/posts/{id}`. None if other expressions are left in it."""
    path, place = "", 0
    while found := _GROUP.search(pattern, place):
        end = _closed(pattern, found.start())
        if end is None:
            return None
        path += f"{pattern[place : found.start()]}{{{found[1]}}}"
        place = end
    path += pattern[place:]
    return None if re.search(r"[()\[\]?*|^$\\]", path) or len(path) > 500 else path


def _closed(pattern: str, start: int) -> int | None:
    """Where the group that begins at `start` ends; brackets of character classes and what is escaped do not count."""
    depth, inside, place = 0, False, start
    while place < len(pattern):
        char = pattern[place]
        if char == "\\":
            place += 1
        elif inside:
            inside = char != "]"
        elif char == "[":
            inside = True
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return place + 1
        place += 1
    return None
