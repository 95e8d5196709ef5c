"""Descriptions of the little APIs: OpenAPI 3.0, 3.1 and Swagger 2.0 from a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.servers.api import Api

_TYPES: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True)
class Operation:
    """One GET. `query`: parameter → its schema's type, with `!` at the end if it is required; `answer`: the JSON schema of 200."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    method: str = "get"
    body: Mapping[str, Any] | None = None
    """JSON schema of the body."""
    status: str = "200"
    name: str = ""
    """operationId."""


def array_of(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema_of(record)}


def envelope_of(record: Mapping[str, Any], *path: str, **others: Any) -> dict[str, Any]:
    """The array of such records at `path` of an envelope, whose other members look like `others`."""
    schema = array_of(record)
    for key in reversed(path):
        schema = {"type": "object", "properties": {key: schema}}
    schema["properties"] |= {key: schema_of(value) for key, value in others.items()}
    return schema


def schema_of(value: Any) -> dict[str, Any]:
    """The JSON schema of a value."""
    if isinstance(value, Mapping):
        return {"type": "object", "properties": {key: schema_of(below) for key, below in value.items()}}
    if isinstance(value, list | tuple):
        return {"type": "array", "items": schema_of(value[0]) if value else {}}
    return {"type": _TYPES[type(value)]} if value is not None else {}


def openapi(
    api: Api,
    operations: Sequence[Operation],
    version: str = "3.0.3",
    security: Mapping[str, Any] | None = None,
    servers: Sequence[str] | None = None,
) -> dict[str, Any]:
    """An OpenAPI document of version 3. `security`: one scheme."""
    document: dict[str, Any] = {
        "openapi": version,
        "info": {"title": f"The {api.name()} API", "version": "1"},
        "servers": [{"url": url} for url in (servers or [api.base_path or "/"])],
        "paths": {},
    }
    for operation in operations:
        content = {"application/json": {"schema": operation.answer}} if operation.answer else {}
        document["paths"].setdefault(operation.path, {})[operation.method] = {
            "summary": operation.summary,
            "parameters": [
                {"name": name, "in": where, "required": required, "schema": {"type": kind}}
                for name, where, required, kind in _parameters(operation)
            ],
            "responses": {operation.status: {"description": "OK", "content": content}},
            **({"operationId": operation.name} if operation.name else {}),
            **({"requestBody": {"content": {"application/json": {"schema": operation.body}}}} if operation.body else {}),
        }
    if security:
        document["components"] = {"securitySchemes": {"key": security}}
        document["security"] = [{"key": []}]
    return document


def swagger(api: Api, operations: Sequence[Operation], security: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A Swagger 2.0 document."""
    document: dict[str, Any] = {
        "swagger": "2.0",
        "info": {"title": f"The {api.name()} API", "version": "1"},
        "basePath": api.base_path or "/",
        "produces": ["application/json"],
        "paths": {},
    }
    for operation in operations:
        document["paths"].setdefault(operation.path, {})[operation.method] = {
            "summary": operation.summary,
            "parameters": [
                {"name": name, "in": where, "required": required, "type": kind}
                for name, where, required, kind in _parameters(operation)
            ],
            "responses": {"200": {"description": "OK"} | ({"schema": operation.answer} if operation.answer else {})},
        }
    if security:
        document["securityDefinitions"] = {"key": security}
        document["security"] = [{"key": []}]
    return document


def _parameters(operation: Operation) -> list[tuple[str, str, bool, str]]:
    in_path = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    return [(name, "path", True, "string") for name in in_path] + [
        (name, "query", kind.endswith("!"), kind.rstrip("!")) for name, kind in operation.query.items()
    ]
