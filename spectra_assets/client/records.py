"""Where the records are in the body of an answer, and how many there are in all, if the answer says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from spectra_assets.client.headers import Headers
from spectra_assets.client.refusal import refusal_in
from spectra_assets.client.totals import ABOUT, COUNT, DEPTH, RANGE, TOTAL_HEADERS, TOTALS, plain
from spectra_assets.covenant.paths import chosen, join_path, one_record, only_entry, split_path, way_to
from spectra_assets.errors import SkippableError

LINES = "@lines"
MAP = "{}"

_BESIDE = 200
"""Names of an object among which a total is looked for."""

_envelope = msgspec.json.Decoder(dict[str, list[msgspec.Raw] | dict[str, msgspec.Raw] | int | float | str | bool | None]).decode
"""An object that holds records, and what stands beside them. (A number beyond a double is looked for in the slower way.)"""

_encoded = msgspec.json.Encoder().encode
_begins, _AS_OBJECTS = itemgetter(0), {ord("{")}

_BLANKS = b" \t\r\n\x1e"
_OPENINGS = {b"{": "an object", b"[": "an array", b'"': "a text"}


def split(body: bytes, location: str, what: str) -> tuple[list[bytes], int | None]:
    """Records at `location` (see covenant Fetch.records) of the answer to `what` (`GET /flows`), and the total it declares.

    Each record is the text the API sent, byte for byte; of a map the key stands in front of it as `_mapKey`. What is no object
    becomes `{"value": …}`. No body and `null` are no records. Raises SkippableError naming expected and found shape, or what an
    answer says that is an error in place of records, and msgspec.DecodeError for what is not JSON.
    """
    records, total = _split(body, location, what)
    whole = one_record(location) or location.endswith(MAP)
    refusal = refusal_in(body) if whole or not records else None
    if refusal is not None and (refusal.alone if whole else not refusal.of_nothing):
        raise SkippableError(f"{what}: {refusal.told}")
    return records, total


def _split(body: bytes, location: str, what: str) -> tuple[list[bytes], int | None]:
    """As `split`, whatever the answer says beside its records."""
    if not body or body.strip() == b"null":
        return [], None
    if one_record(location):
        text, _ = _descended(body, way_to(location), what)
        if text != b"null" and only_entry(location):
            text = _only(text, what)
        if text == b"null":
            return [], None
        _expect(b"{", text, "one object", what)
        return [bytes(msgspec.json.decode(text, type=msgspec.Raw)).strip()], None
    if location == LINES:
        return _lines(body, what), None
    way = location.removesuffix(MAP)
    if way == location and (found := _enveloped(body, way)) is not None:
        return found
    value, total = _descended(body, split_path(way), what)
    if value == b"null":
        return [], total
    if location.endswith(MAP):
        _expect(b"{", value, f"a map at {way!r}" if way else "a map", what)
        entries = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        records = [_keyed(key, bytes(entry).strip()) for key, entry in entries.items()]
    else:
        _expect(b"[", value, f"an array at {way!r}" if way else "an array", what)
        records = _records(msgspec.json.decode(value, type=list[msgspec.Raw]))
    return records, None if records and not total else total


def header_total(headers: Mapping[str, str]) -> int | None:
    """The total of all rows which the headers declare."""
    if isinstance(headers, Headers) and not headers.mention("total", "count", "range"):
        return None
    for name in TOTAL_HEADERS:
        total = _number(headers.get(name, "").strip().encode())
        if total is not None:
            return total
    found = RANGE.fullmatch(headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def sparse(body: bytes, path: str) -> Any:
    """The answer reduced to the plain value at a JSON path, in its objects: `{"meta": {"next": "…"}}`. None if there is none."""
    keys, value = split_path(path), body.strip()
    for key in keys:
        if value[:1] != b"{":
            return None
        fields = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        value = (bytes(fields[key]) if key in fields else _element(fields, key)).strip()
    if not value or value[:1] in b"{[":
        return None
    found: Any = msgspec.json.decode(value)
    for key in reversed(keys):
        found = {key: found}
    return found


def _element(fields: Mapping[str, msgspec.Raw], key: str) -> bytes:
    """The element of an array that a key chooses (see covenant.paths.chosen); nothing if there is none."""
    choice = chosen(key)
    if choice is None or choice.array not in fields:
        return b""
    found = choice.of(msgspec.json.decode(fields[choice.array]))
    return _encoded(found) if found is not None else b""


def _enveloped(body: bytes, way: str) -> tuple[list[bytes], int | None] | None:
    """The records in an array of the body's own object, and the total beside it, in one pass; None for any other body."""
    keys = split_path(way)
    if len(keys) != 1:
        return None
    try:
        envelope = _envelope(body)
    except msgspec.ValidationError:
        return None
    key = keys[0]
    found = envelope.pop(key, None)
    if not isinstance(found, list):
        return None
    # an array says nothing of the total; where the records were, there is one too
    beside = {name: msgspec.Raw(b"[]" if isinstance(value, list) else _encoded(value)) for name, value in envelope.items()}
    records, total = _records(found), next(_totals(beside, key, DEPTH), None)
    return records, None if records and not total else total


def _records(found: list[msgspec.Raw]) -> list[bytes]:
    records = list(map(bytes, found))
    return records if _AS_OBJECTS.issuperset(map(_begins, records)) else list(map(_record, records))


def _descended(body: bytes, keys: Sequence[str], what: str) -> tuple[bytes, int | None]:
    """The text that the keys lead to, and the total beside it: the one nearest to the records counts."""
    value, total, way = body, None, join_path([*keys])
    for key in keys:
        _expect(b"{", value, f"an object with {key!r} (records at {way!r})", what)
        envelope = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        if key not in envelope and next(_totals(envelope, key, DEPTH), total) == 0:
            return b"null", 0  # some leave out what would be empty
        if key not in envelope:
            found = ", ".join(sorted(envelope)[:12])[:200]
            raise SkippableError(f"{what}: expected records at {way!r}, found an object with only: {found or 'nothing'}")
        total = next(_totals(envelope, key, DEPTH), total)
        value = bytes(envelope[key])
    return value.strip(), total


def _totals(envelope: dict[str, msgspec.Raw], records: str, depth: int) -> Iterator[int]:
    """The totals in an object beside the records, and in those that speak of the list, the surest first."""
    beside = {plain(name): name for name in reversed([*envelope][:_BESIDE]) if name != records}
    yield from _named(envelope, beside, TOTALS)
    for known, name in reversed(beside.items()):
        if depth and known in ABOUT:
            text = bytes(envelope[name]).strip()
            if text[:1] == b"{":
                yield from _totals(msgspec.json.decode(text, type=dict[str, msgspec.Raw]), "", depth - 1)
    yield from _named(envelope, beside, (COUNT,))


def _named(envelope: dict[str, msgspec.Raw], beside: Mapping[str, str], names: Sequence[str]) -> Iterator[int]:
    """The totals under these plain names; `beside` are the names of the object by their plain ones."""
    for name in names:
        if name in beside:
            text = bytes(envelope[beside[name]]).strip()
            total = _number(_exact(text) if text[:1] == b"{" else text)
            if total is not None:
                yield total


def _exact(text: bytes) -> bytes:
    """The value of a total that is an object, `{"value": 57, "relation": "eq"}`; nothing if it is only a bound."""
    parts = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    relation = bytes(parts.get("relation", b'"eq"')).strip()
    return bytes(parts.get("value", b"")).strip() if relation == b'"eq"' else b""


def _number(text: bytes) -> int | None:
    text = text.strip(b'"')
    return int(text) if text.isdigit() and len(text) < 19 else None


def _lines(body: bytes, what: str) -> list[bytes]:
    lines = [line for line in (line.strip(_BLANKS) for line in body.split(b"\n")) if line]
    for line in lines:
        msgspec.json.decode(line, type=msgspec.Raw)
    if len(lines) == 1:
        _expect(b"{", lines[0], "one JSON object per line", what)
    return [_record(line) for line in lines]


def _record(text: bytes) -> bytes:
    return text if text[:1] == b"{" else b'{"value": ' + text + b"}"


def _keyed(key: str, text: bytes) -> bytes:
    front = b'{"_mapKey":' + msgspec.json.encode(key)
    if text[:1] != b"{":
        return front + b',"value":' + text + b"}"
    rest = text[1:].lstrip()
    return front + (b"" if rest == b"}" else b",") + (rest if rest == b"}" else text[1:])


def _only(text: bytes, what: str) -> bytes:
    """The only entry of an array; null of an empty one."""
    _expect(b"[", text, "an array of one record", what)
    entries = msgspec.json.decode(text, type=list[msgspec.Raw])
    if len(entries) > 1:
        raise SkippableError(f"{what}: expected an array of one record, found one of {len(entries)}")
    return bytes(entries[0]).strip() if entries else b"null"


def _expect(opening: bytes, body: bytes, expected: str, what: str) -> None:
    start = body.lstrip()[:1]
    if start != opening:
        msgspec.json.decode(body, type=msgspec.Raw)  # malformed text is another error than another shape
        raise SkippableError(f"{what}: expected {expected}, found {_OPENINGS.get(start, 'a plain value')}")
