"""The simplest description: a YAML or JSON list of endpoints (`method, path, group, query`), as a person writes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description.findings import Findings, brief
from spectra_assets.intelligence.description.model import Description, Reply
from spectra_assets.intelligence.description.openapi import first_segment
from spectra_assets.intelligence.description.pointers import mapping, sequence
from spectra_assets.intelligence.description.templates import template
from spectra_assets.intelligence.model import Endpoint

_MOST = 50_000
_KNOWN = frozenset(Endpoint.model_fields)


def is_catalogue(root: Any) -> bool:
    """Whether a parsed document is a list of endpoints, or has one under `endpoints`."""
    listed = root.get("endpoints") if isinstance(root, dict) else root
    return isinstance(listed, list) and any(isinstance(each, dict | str) for each in listed)


def read_catalogue(root: Any, name: str, findings: Findings) -> Description:
    """Endpoints as they are listed: mappings, or texts such as `GET /project/{id}`. What is none is a finding.

    Raises DocumentError if no entry is an endpoint.
    """
    about = mapping(root)
    listed = about.get("endpoints") if about else root
    endpoints = catalogued(sequence(listed)[:_MOST], findings)
    if not endpoints:
        raise DocumentError(
            f"none of its {len(sequence(listed))} entries is an endpoint: one is written {{method: GET, path: /project/{{id}}, "
            "query: [page]}", name,
        )  # fmt: skip
    base = mapping(about.get("server")).get("base_path", about.get("base_path"))
    return Description(
        name=name,
        kind="catalogue",
        format="1",
        title=brief(about.get("title"), 200),
        base_path=f"/{base.strip('/')}" if isinstance(base, str) and base.strip("/") else "",
        endpoints=endpoints,
        replies={endpoint.path: Reply() for endpoint in endpoints if endpoint.method == "GET"},
        findings=findings.lines(),
    )


def catalogued(listed: Iterable[Any], findings: Findings) -> list[Endpoint]:
    """The endpoints of a list, each once."""
    found: dict[tuple[str, str], Endpoint] = {}
    for place, value in enumerate(listed, 1):
        endpoint = _endpoint(value, place, findings)
        if endpoint is None:
            continue
        if (endpoint.method, endpoint.path) in found:
            findings.add("operation that is there twice, the first one counts", f"{endpoint.method} {endpoint.path}")
        found.setdefault((endpoint.method, endpoint.path), endpoint)
    return list(found.values())


def _endpoint(value: Any, place: int, findings: Findings) -> Endpoint | None:
    if isinstance(value, str):
        method, _, rest = value.strip().partition(" ")
        entry: dict[str, Any] = {"method": method, "path": rest} if rest else {"path": method}
    else:
        entry = {key: below for key, below in mapping(value).items() if below is not None}
    path = entry.get("path")
    read = template(path) if isinstance(path, str) and path.strip() else None
    if read is None:
        findings.add("entry without a path that can be asked for", f"entry {place}: {path}")
        return None
    for key in sorted(set(entry) - _KNOWN):
        findings.add("key of an endpoint that is not known", key)
    known = {key: below for key, below in entry.items() if key in _KNOWN}
    query: Any = known.get("query", [])
    given: list[Any] = (
        list(query) if isinstance(query, list | dict) else [part.strip() for part in str(query).split(",") if part.strip()]
    )
    known |= {
        "method": str(entry.get("method", "GET")).upper(),
        "path": read.path,
        "group": brief(str(entry.get("group", "")), 80) or first_segment(read.path),
        "query": list(dict.fromkeys([*given, *read.query])),
    }
    try:
        return Endpoint.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        findings.add("entry that is no endpoint", f"entry {place}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
        return None
