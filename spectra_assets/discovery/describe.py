"""Where an API's description is: given by a person, or at one of the addresses where servers put it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import msgspec

from spectra_assets.client.address import origin
from spectra_assets.client.pager import linked, query_of
from spectra_assets.discovery.scout import Scout, joined, segments
from spectra_assets.errors import DocumentError, RequestError, SourceError
from spectra_assets.intelligence.description.model import Description
from spectra_assets.intelligence.description.text import MOST_BYTES
from spectra_assets.intelligence.model import Evidence
from spectra_assets.stages.asking.links import links_of

Read = Callable[[bytes, str], Description]

USUAL = (
    "/openapi.json", "/swagger.json", "/openapi.yaml", "/v3/api-docs", "/swagger/v1/swagger.json", "/api-docs",
    "/v2/api-docs", "/api/openapi.json", "/api/schema/?format=json", "/api/swagger.json", "/docs/openapi.json",
    "/api-docs.json", "/schema/?format=json", "/.well-known/openapi.json", "/openapi.yml", "/swagger.yaml",
    "/openapi", "/__api__", "/metadata", "/api/webservices/list",
)  # fmt: skip
PAGES = ("/docs", "/swagger-ui.html", "/swagger/index.html", "/redoc", "/api-docs/")
"""Pages for people which name the description's address."""

_REQUESTS = 60
_IS_DESCRIPTION = re.compile(rb"[\"']?(?:openapi|swagger)[\"']?\s*:\s*[\"']?[123]\.")
_START = 1 << 16
_LOOKED_AT = 1 << 22
"""Bytes in which a description must say that it is one: some have their keys sorted."""

_DESCRIBING = frozenset(("service-desc", "openapi", "swagger", "api-docs", "apidocs"))
"""Names by which a root document links its description (RFC 8631)."""

_NAMED_IN_PAGE = re.compile(r"(?:spec-?url|openapi_?url|\burl)[\"']?\s*[:=]\s*[\"']([^\"'\s<>]{1,500})[\"']", re.IGNORECASE)
_LISTS_ROUTES = re.compile(
    rb"\"(?:routes|endpoints|paths)\"\s*:\s*\{\s*\"(?:\\)?/|\"CapabilityStatement\"|\"actions\"\s*:\s*\[\s*\{\s*\"key\""
)
_TELLING = re.compile(r"openapi|swagger|api-docs|schema|\.ya?ml|\.json", re.IGNORECASE)


@dataclass
class Finding:
    """The description, if there is one, and what was learnt on the way. `refused` are addresses that want a credential."""

    description: Description | None = None
    evidence: list[Evidence] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def given(place: str, scout: Scout, read: Read) -> Description:
    """The description in a file, or at an address (another host's is asked without the credential).

    Raises RequestError, SourceError if it can't be had, DocumentError if it is none.
    """
    if re.match(r"https?://", place, re.IGNORECASE):
        return read(_downloaded(place, scout), place.partition("?")[0][:200])
    file = Path(place).expanduser()
    try:
        if file.stat().st_size > MOST_BYTES:
            raise DocumentError(f"a description of more than {MOST_BYTES >> 20} MiB is not read", place)
        data = file.read_bytes()
    except OSError as error:
        raise RequestError(f"--openapi names {place!r}, which can't be read: {error.strerror}") from None
    return read(data, file.name)


def found(scout: Scout, read: Read, paths: list[str] | None = None) -> Finding:
    """Look where servers put their description: at the base URL and above. A broken one is a finding, not an error."""
    finding = Finding()
    most = scout.sent + min(_REQUESTS, scout.budget // 3)
    queue = list(paths or _addresses(scout))
    seen: set[str] = set()
    told: list[tuple[Description, str]] = []
    for address in queue:
        if address in seen or scout.sent >= most:
            continue
        seen.add(address)
        path, _, query = address.partition("?")
        body, why, headers = scout.document(path, query_of(f"?{query}"))
        if why in ("401", "403"):
            finding.refused.append(address)
        named = linked(headers.get("Link", ""), "service-desc")
        if named and (local := _local(named, scout, path)):
            queue.append(local)
        if not body:
            continue
        if _IS_DESCRIPTION.search(body[:_LOOKED_AT]) and body.lstrip()[:1] != b"<":
            try:
                finding.description = read(body, f"{scout.origin}{path}")
            except DocumentError as error:
                finding.evidence.append(_evidence("description", f"{address} can't be read", str(error), 0.5))
                continue
            finding.evidence.append(_evidence("description", f"read from {address}", f"GET {address} answers it", 1.0))
            return finding
        if (listed := _listed_by(body, f"{scout.origin}{path}", read)) is not None:
            if listed.kind == "routes":
                finding.description = listed
                finding.evidence.append(_evidence("description", f"read from {address}", f"GET {address} lists its routes", 1.0))
                return finding
            told.append((listed, address))
        queue += [local for url in _named_in(body) if (local := _local(url, scout, path))]
        if b"<" in body[:200]:
            text = body[: 4 * _START].decode("utf-8", "replace")
            for url in dict.fromkeys(_NAMED_IN_PAGE.findall(text)):
                if _TELLING.search(url) and (local := _local(url, scout, path)):
                    queue.append(local)
    if told:
        finding.description, address = max(told, key=lambda each: len(each[0].replies))
        finding.evidence.append(_evidence("description", f"read from {address}", "a page for people tells the paths", 0.5))
    return finding


def _listed_by(body: bytes, name: str, read: Read) -> Description | None:
    """The description that a root document or a web page is although it was not made to be one; None if it is none."""
    if (
        body.lstrip()[:1] not in (b"{", b"<")
        or len(body) > _LOOKED_AT
        or not (body.lstrip()[:1] == b"<" or _LISTS_ROUTES.search(body))
    ):
        return None
    try:
        listed = read(body, name)
    except DocumentError:
        return None
    return listed if listed.kind in ("routes", "page") else None


def _named_in(body: bytes) -> list[str]:
    """Addresses of a description that a root document names."""
    if body[:1] != b"{" or len(body) > _START:
        return []
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return []
    return [link.url for link in links_of(value, document=True) if link.name.lower().replace("_", "-") in _DESCRIBING]


def _addresses(scout: Scout) -> Iterator[str]:
    """Usual addresses below the base URL first, then at the host, then of each path between."""
    parts = segments(scout.base)
    below = [joined(parts[:length]) if length else "" for length in range(len(parts), -1, -1)]
    yield f"{below[0]}/"
    for number, prefix in enumerate(dict.fromkeys((below[0], below[-1], *below[1:-1]))):
        yield from (f"{prefix}{path}" for path in (USUAL if number < 2 else USUAL[:5]))
    yield from PAGES
    if parts:
        yield from (f"{below[0]}{path}" for path in PAGES[:2])


def _local(url: str, scout: Scout, path: str) -> str | None:
    """Path and query of an address on this host."""
    try:
        full = urljoin(f"{scout.origin}{path}", url)
        if origin(full) != origin(scout.origin):
            return None
    except ValueError:
        return None
    parts = urlsplit(full)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _downloaded(url: str, scout: Scout) -> bytes:
    try:
        parts, same = urlsplit(url), origin(url) == origin(scout.origin)
    except ValueError:
        raise RequestError(f"--openapi names {url[:200]!r}, which is no valid address") from None
    other = scout if same else Scout(f"{parts.scheme}://{parts.netloc}", "--openapi", 1)
    body, why, _ = other.document(parts.path or "/", query_of(url))
    if not same:
        other.close()
    if not body:
        raise SourceError(
            f"--openapi names {parts.scheme}://{parts.netloc}{parts.path}, which gives no description: {why or 'empty'}"
        )
    return body


def _evidence(about: str, finding: str, evidence: str, confidence: float) -> Evidence:
    return Evidence(about=about, finding=finding[:300], evidence=evidence[:500], confidence=confidence)
