"""From a fetch plan to pages of raw records, complete and without a loop.

How offset paging stays complete. A server may cap a page below the size that was asked for, and say nothing. So a short
page is the last one only if something shows that it was not capped:

- it is empty;
- or an earlier page of the same endpoint held more rows: the cap, a property of the endpoint, is above this page's rows;
- or it completes the total the API declares, which is trusted only from the second page on and when it differs from the
  page's own row count (some APIs put the page's row count, or 0, into the field of that name).

Otherwise one more request is made at the next offset. That happens only while pages set a new record in length: about
ln(n) times for n parents of random length, and never again once one page was full. Ties with the record under ten rows
(every parent has exactly one) end it after three empty answers, since nobody caps a page at so few. A full page is always
followed by another request, whatever the declared total. The offset goes on by the rows received, not by the size asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

import msgspec

from spectra_assets.covenant.model import Fetch, NoPaging, OffsetPaging
from spectra_assets.errors import ConfigurationError, SkippableError, SourceError

ParentValue = str | int

_TOTALS = ("total", "totalCount", "totalResults", "totalElements", "totalRecords", "resultSize")
_SMALLEST_CAP = 10
_PROOFS = 3


@dataclass(frozen=True)
class Page:
    """One page: `records` are the raw JSON texts, byte for byte as the API sent them (UTF-8).

    `number` counts from 1. `repeated` is how many of the records stood on the page before as well; they are not removed.
    A fetch without rows gives one page without records. `declared_total` is the API's own count of all rows, if it
    declares one.
    """

    number: int
    records: list[bytes] = field(repr=False)
    query: Mapping[str, str]
    request_id: str
    declared_total: int | None = None
    repeated: int = 0


@dataclass(frozen=True)
class Sheet:
    """What one body holds: its records, the identity of each, the declared total, and the overlap."""

    records: list[bytes]
    identities: list[bytes]
    declared_total: int | None
    repeated: int


Request = Callable[[Mapping[str, str], int, Callable[[bytes], Sheet]], tuple[str, Sheet]]
"""(query, page number, what to make of the body) → (request id, sheet)."""


class Widest:
    """The longest page seen of each endpoint: what tells a capped page from a last one. Safe for threads."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], int] = {}
        self._proofs: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()

    def is_last(self, endpoint: tuple[str, int], rows: int) -> bool:
        """Whether a page of `rows` rows of `endpoint` (path template, size asked) is proven not to be capped."""
        with self._lock:
            widest = self._rows.get(endpoint, 0)
            if rows > widest:
                self._rows[endpoint] = rows
                self._proofs[endpoint] = 0
            if rows == 0 or rows < min(widest, endpoint[1]):
                return True
            return rows == widest and rows < min(_SMALLEST_CAP, endpoint[1]) and self._proofs[endpoint] >= _PROOFS

    def nothing_followed(self, endpoint: tuple[str, int], rows: int) -> None:
        """Note that after a page of `rows` rows an empty one came."""
        with self._lock:
            if rows == self._rows.get(endpoint):
                self._proofs[endpoint] += 1


def target(fetch: Fetch, parent_value: ParentValue | None) -> tuple[str, dict[str, str]]:
    """Path and query of the fetch for one parent.

    Raises ConfigurationError if plan and parent don't fit, SkippableError for a value that can't stand in a path.
    """
    path, query = fetch.path, dict(fetch.query)
    if (fetch.parent is None) != (parent_value is None):
        needs = "needs no parent value" if fetch.parent is None else f"needs a value for {fetch.parent.parameter}"
        raise ConfigurationError(f"the fetch of {fetch.entity} ({fetch.path}) {needs}")
    if fetch.parent is not None:
        value = str(parent_value)
        if fetch.parent.location == "query":
            query[fetch.parent.parameter] = value
        elif value in ("", ".", ".."):
            raise SkippableError(f"{value!r} can't stand for {fetch.parent.parameter} in {fetch.path}")
        else:
            path = path.replace(f"{{{fetch.parent.parameter}}}", quote(value, safe=""))
            if path == fetch.path:
                raise ConfigurationError(f"{fetch.path} of {fetch.entity} has no place for {{{fetch.parent.parameter}}}")
    if "{" in path:
        raise ConfigurationError(f"nothing fills {path[path.index('{') :]} in {fetch.path} of {fetch.entity}")
    return path, query


def walk(fetch: Fetch, query: dict[str, str], request: Request, widest: Widest, limit: int | None) -> Iterator[Page]:
    """Every page of one fetch, or pages until `limit` records are there.

    Raises SkippableError if the answer has another shape than `fetch.records` says, SourceError if the server ignores
    the offset or repeats a page; and what `request` raises.
    """
    if isinstance(fetch.paging, NoPaging):
        reader = _Reader(fetch)
        request_id, sheet = request(query, 1, reader.read)
        yield Page(1, sheet.records[:limit], query, request_id, sheet.declared_total)
    else:
        yield from _walk_offsets(fetch, fetch.paging, query, request, widest, limit)


def _walk_offsets(
    fetch: Fetch, paging: OffsetPaging, query: dict[str, str], request: Request, widest: Widest, limit: int | None
) -> Iterator[Page]:
    size = paging.size if limit is None else min(paging.size, max(limit, 1))
    endpoint = (fetch.path, size)
    reader = _Reader(fetch)
    offset, before, number = 0, 0, 1
    while True:
        asked = {**query, paging.offset_param: str(offset), paging.size_param: str(size)}
        request_id, sheet = request(asked, number, reader.read)
        rows = len(sheet.records)
        if rows == 0 and number > 1:
            widest.nothing_followed(endpoint, before)
            return
        reader.turn(sheet, number, paging)
        keep = rows if limit is None else limit - offset
        yield Page(number, sheet.records[:keep], asked, request_id, sheet.declared_total, sheet.repeated)
        offset += rows
        whole = number > 1 and rows < size and sheet.declared_total == offset > rows
        if whole or (limit is not None and offset >= limit) or widest.is_last(endpoint, rows):
            return
        before, number = rows, number + 1


class _Reader:
    """Reads the bodies of one fetch in turn; remembers what is needed to notice overlaps and loops."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._key = _key_decoder(fetch.primary_key)
        self._last: frozenset[bytes] = frozenset()
        self._seen: dict[bytes, int] = {}

    def read(self, body: bytes) -> Sheet:
        """The sheet of one body. Raises SkippableError (another shape) and msgspec.DecodeError (not JSON)."""
        records, total = split(body, self._fetch.records, self._fetch.path)
        if isinstance(self._fetch.paging, NoPaging):
            return Sheet(records, [], total, 0)
        identities = self._identities(records)
        return Sheet(records, identities, total, sum(identity in self._last for identity in identities))

    def turn(self, sheet: Sheet, number: int, paging: OffsetPaging) -> None:
        """Go on to the next page. Raises SourceError if this one came before."""
        self._last = frozenset(sheet.identities)
        if not sheet.records:
            return
        mark = blake2b(b"\0".join(sheet.identities), digest_size=16).digest()
        first = self._seen.setdefault(mark, number)
        if first < number:
            fault = "server ignores offset" if first == 1 else "server repeats a page"
            raise SourceError(
                f"{fault}: page {number} of GET {self._fetch.path} holds the same {len(sheet.records)} rows as page "
                f"{first}, although {paging.offset_param} went on"
            )

    def _identities(self, records: list[bytes]) -> list[bytes]:
        """What tells the records apart: their keys where each has one of its own, else their bytes."""
        keys = [self._key(record) for record in records]
        if None not in keys and len(set(keys)) == len(keys):
            return [key for key in keys if key is not None]
        return [blake2b(record, digest_size=16).digest() for record in records]


def split(body: bytes, location: str, path: str) -> tuple[list[bytes], int | None]:
    """Records at `location` of an answer, and the total it declares.

    `location` is empty for the answer itself (an array), `$` for one object which is the record, else the dotted path of
    an array. No body and `null` are no records. Raises SkippableError naming expected and found shape.
    """
    if not body or body.strip() == b"null":
        return [], None
    if location == "$":
        _expect(b"{", body, "one object", path)
        return [bytes(msgspec.json.decode(body, type=msgspec.Raw)).strip()], None
    value = body
    total: int | None = None
    for key in location.split(".") if location else ():
        _expect(b"{", value, f"an object with {key!r} (records at {location!r})", path)
        envelope = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        if key not in envelope:
            found = ", ".join(sorted(envelope)[:12])[:200]
            raise SkippableError(f"GET {path}: expected records at {location!r}, found an object with only: {found or 'nothing'}")
        counts = (bytes(envelope.get(name, b"")) for name in _TOTALS)
        total = next((int(count) for count in counts if count.isdigit() and len(count) < 19), total)
        value = bytes(envelope[key]).strip()
    if value == b"null":
        return [], total
    _expect(b"[", value, f"an array at {location!r}" if location else "an array", path)
    records = [bytes(record).strip() for record in msgspec.json.decode(value, type=list[msgspec.Raw])]
    return records, None if records and not total else total


def _expect(opening: bytes, body: bytes, expected: str, path: str) -> None:
    start = body.lstrip()[:1]
    if start != opening:
        msgspec.json.decode(body, type=msgspec.Raw)  # malformed text is another error than another shape
        found = {b"{": "an object", b"[": "an array", b'"': "a text"}.get(start, "a plain value")
        raise SkippableError(f"GET {path}: expected {expected}, found {found}")


def _key_decoder(primary_key: str) -> Callable[[bytes], bytes | None]:
    """A function from a record to the JSON text of its key; None if it has none. Skips everything else in the record."""
    parts = primary_key.split(".")
    kind: Any = msgspec.Raw
    for depth, part in enumerate(reversed(parts)):
        shape = msgspec.defstruct(f"Key{depth}", [("value", kind)], rename={"value": part})
        kind = shape
    decoder = msgspec.json.Decoder(kind)

    def key(record: bytes) -> bytes | None:
        try:
            found: Any = decoder.decode(record)
        except msgspec.DecodeError:
            return None
        for _ in parts:
            found = found.value
        text = bytes(found)
        return None if text == b"null" else text

    return key
