"""Which form a description has, and the reader for it."""

from __future__ import annotations

from typing import Any

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description.blueprint import is_blueprint, read_blueprint
from spectra_assets.intelligence.description.catalogue import is_catalogue, read_catalogue
from spectra_assets.intelligence.description.findings import Findings
from spectra_assets.intelligence.description.model import Description
from spectra_assets.intelligence.description.openapi import is_openapi, read_openapi
from spectra_assets.intelligence.description.page import is_page, read_page
from spectra_assets.intelligence.description.routes import is_routes, read_routes
from spectra_assets.intelligence.description.text import decoded, parsed

VALID = (
    "OpenAPI 3, Swagger 2.0 (JSON or YAML), API Blueprint, a list of endpoints (method, path, query), or a page that tells paths"
)

_OTHERS = {
    "swaggerVersion": "Swagger 1", "asyncapi": "AsyncAPI", "_postman_id": "a Postman collection", "log": "a HAR recording",
    "discoveryVersion": "a Google discovery document", "__schema": "a GraphQL schema", "$schema": "a JSON schema",
}  # fmt: skip


def read_description(text: bytes, name: str) -> Description:
    """Read the description of an API that came from `name`, a file or an address. Nothing else is opened or asked for.

    Raises DocumentError, with the line where it is known, if it is too large, neither JSON nor YAML, or in a form that is not
    one of `VALID`. Whatever is odd in one that can be read is among its findings.
    """
    findings = Findings()
    whole = decoded(text, name, findings)
    start = whole.lstrip()[:200].lower()
    if is_page(whole):
        page = read_page(whole, name, findings)
        if page is None:
            raise DocumentError(f"this is a web page that tells no paths of an API, not a description: valid are {VALID}", name)
        return page
    if start.startswith("<"):
        raise DocumentError(f"this is XML, not a description: valid are {VALID}", name)
    if not start.startswith(("{", "[")) and is_blueprint(whole):
        return read_blueprint(whole, name, findings)
    root = parsed(whole, name, findings)
    if is_openapi(root):
        return read_openapi(root, name, findings)
    if is_routes(root):
        return read_routes(root, name, findings)
    if is_catalogue(root):
        return read_catalogue(root, name, findings)
    raise DocumentError(f"this is {_what(root)}, not a description that is understood: valid are {VALID}", name)


def _what(root: Any) -> str:
    if isinstance(root, dict):
        info = root.get("info")
        if isinstance(info, dict) and "_postman_id" in info:
            return _OTHERS["_postman_id"]
        known = next((told for key, told in _OTHERS.items() if key in root), None)
        keys = ", ".join(repr(str(key)[:30]) for key in list(root)[:5])
        return known or f"a mapping with {keys or 'nothing in it'}"
    return "a list without endpoints" if isinstance(root, list) else f"a {type(root).__name__}"
