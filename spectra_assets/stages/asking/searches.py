"""The body of a search by POST while an API is being found out: parameters as text, by what the description says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from spectra_assets.client.body import as_number, body_of
from spectra_assets.intelligence.model import Endpoint

_TOKENS = re.compile(r"cursor|token|marker|bookmark|scroll|continu", re.IGNORECASE)
"""Names of what is handed back as the text that it came as."""


def body(endpoint: Endpoint, ids: Mapping[str, str | int], told: Mapping[str, str]) -> bytes:
    """`ids` are values of records, as they came; `told` what description and paging say, as text."""
    values: dict[str, Any] = {name: typed(endpoint, name, text) for name, text in told.items()}
    for name, value in ids.items():
        described = isinstance(value, str) and endpoint.parameter(name).type in ("integer", "number")
        values[name] = as_number(str(value)) if described else value
    return body_of(endpoint.body or {}, values)


def always(endpoint: Endpoint, told: Mapping[str, str]) -> dict[str, Any]:
    """What every body of this search holds (covenant Fetch.body): what must be in it, and constants."""
    values = {name: typed(endpoint, name, text) for name, text in told.items()}
    return _decoded(body_of(endpoint.body or {}, values))


def typed(endpoint: Endpoint, name: str, text: str) -> Any:
    """A parameter's text as a body has it: a number, a truth value, or text."""
    if endpoint.parameter(name).type == "boolean" and text in ("true", "false"):
        return text == "true"
    return as_number(text) if numeric(endpoint, name) else text


def numeric(endpoint: Endpoint, name: str) -> bool:
    """Whether digits are a number there: by the description, else unless the name is one of a token."""
    kind = endpoint.parameter(name).type
    return kind in ("integer", "number") or (kind == "unknown" and not _TOKENS.search(name))


def _decoded(text: bytes) -> dict[str, Any]:
    found = msgspec.json.decode(text)
    return found if isinstance(found, dict) else {}
