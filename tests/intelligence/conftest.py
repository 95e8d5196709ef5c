"""Descriptions written for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from spectra_assets.intelligence.description import Description, read_description

Read = Callable[..., Description]


@pytest.fixture
def openapi() -> Read:
    """Reads an OpenAPI 3 document made of its paths, schemas and whatever else is given."""

    def read(paths: dict[str, Any], schemas: dict[str, Any] | None = None, **more: Any) -> Description:
        components = {"schemas": schemas or {}, **more.pop("components", {})}
        root = {"openapi": "3.0.3", "info": {"title": "Test", "version": "1"}, "paths": paths, "components": components, **more}
        return read_description(json.dumps(root).encode(), "test.json")

    return read


@pytest.fixture
def get() -> Callable[..., dict[str, Any]]:
    """A path item whose GET answers 200 with a JSON of this schema."""

    def item(schema: Any = None, media: str = "application/json", **more: Any) -> dict[str, Any]:
        content = {"content": {media: {"schema": schema}}} if schema is not None else {}
        return {"get": {"responses": {"200": {"description": "ok", **content}}, **more}}

    return item
