"""What an API's answer holds: its shape, where the records are, what the status means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from spectra_assets.client.jsontext import lenient, utf8
from spectra_assets.client.mask import Mask
from spectra_assets.client.pair import opened
from spectra_assets.client.refusal import refusal_of
from spectra_assets.client.transport import Answer
from spectra_assets.client.verdict import is_web_page
from spectra_assets.covenant.paths import ITSELF, one_record, split_path
from spectra_assets.stages.asking.locations import LINES, MAP, holds_nothing, is_page, location_of, noun_of, records_at
from spectra_assets.stages.asking.locations import Record as Record
from spectra_assets.stages.asking.totals import declared_total

AnswerShape = Literal["array", "envelope", "map", "lines", "object", "empty", "html", "text"]
Category = Literal[
    "readable", "needsParameters", "unauthorized", "forbidden", "gone", "notFound", "broken", "notJson", "unreachable",
    "notProbed", "write",
]  # fmt: skip
_CATEGORIES: Mapping[int, Category] = {401: "unauthorized", 403: "forbidden", 404: "notFound", 405: "notFound", 410: "gone"}
_LINED = re.compile(r"application/(x-)?(nd-?json|json-?lines|jsonl|stream\+json|json-seq)|text/(x-)?(ndjson|jsonl)")
"""Content types of one JSON text per line."""

_WORDS = ("message", "title", "detail", "description", "msg", "reason", "hint")
_PLAIN = 500
_ADDRESS = re.compile(r"(?<![\w/.:<])(?:https?:/)?/[\w~][\w~./:-]{0,199}")
"""An address in what a refusal says, without a query."""

_TOLD: tuple[tuple[Category, re.Pattern[str]], ...] = (
    ("notFound", re.compile(r"not\W?found|no such|unknown|no route|does(n't| not) exist", re.IGNORECASE)),
    ("needsParameters", re.compile(r"required|missing|parameter|invalid", re.IGNORECASE)),
)
"""What the words of an error tell, if no code does."""

_SAME_KIND = 0.8
"""Share of a record's keys that nested records must have to be of its kind."""


@dataclass(frozen=True)
class Sight:
    """What one answer shows. `location` is where the records are, as covenant Fetch.records says; None if there are none."""

    category: Category
    shape: AnswerShape
    location: str | None = None
    records: list[Record] = field(default_factory=list)
    rows: int = 0
    """Entries of the list, records or not."""
    declared_total: int | None = None
    value: Any = None
    """The decoded answer; of one JSON text per line the list of them."""
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    total_at: str = ""
    """Where the declared total stands: a JSON path of the answer, or `header <name>`."""
    named: tuple[str, ...] = ()
    """Addresses that a refusal names in its body, unless that is a page for people."""

    @property
    def keys(self) -> list[str]:
        """Keys of the first record, or of the object."""
        if self.records:
            return list(self.records[0])
        return list(self.value) if isinstance(self.value, dict) else []


def sight(answer: Answer, mask: Mask, records: str | None = None) -> Sight:
    """Read an answer. `records` says where the records are, where that is known and the answer has it.

    What the API says to a refusal is untrusted: the `reason` is one line without control characters and without secrets.
    """
    found = _seen(answer, records)
    return replace(found, reason=mask.line(found.reason)) if found.reason else found


def _seen(answer: Answer, records: str | None) -> Sight:
    status = answer.status
    if status in (204, 205) or (status == 200 and not answer.body.strip()):
        return Sight("readable", "empty", headers=answer.headers)
    if status not in (200, 203, 206):
        said = answer.body[:_PLAIN].decode(errors="replace").replace("\\/", "/")
        page = said.lstrip()[:1] == "<"
        named = () if page else tuple(dict.fromkeys(text.rstrip(".") for text in _ADDRESS.findall(said)))
        return Sight(_category(status), "text", reason=_refusal(answer), headers=answer.headers, named=named)
    if is_web_page(answer):
        return Sight("notJson", "html", reason="a web page came instead of JSON: the base URL looks wrong")
    try:
        text = utf8(answer.body, answer.headers.get("Content-Type", ""))
        value, lined = lenient(text, partial(_decoded, answer))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Sight("notJson", "text", reason=f"the body is no JSON: {str(error)[:120]}")
    return sight_of(value, LINES if lined else records, answer.headers, noun_of(urlsplit(answer.url).path))


def sight_of(value: Any, records: str | None = None, headers: Mapping[str, str] = MappingProxyType({}), noun: str = "") -> Sight:
    """Read a decoded answer. Where `records` does not say where the records are, evidence does (see `location_of`).

    `noun` is what the path calls them.
    """
    value = opened(value)
    if value is None or value == {}:
        return Sight("readable", "empty", value=value, headers=headers)
    if not isinstance(value, list | dict):
        return Sight("readable", "text", value=value, headers=headers)
    if isinstance(value, dict) and (refused := told_refusal(value)):
        category, reason = refused
        return Sight(category, "object", value=value, reason=reason, headers=headers)
    if holds_nothing(value):
        return Sight("readable", "empty", value=value, headers=headers)
    if records == ITSELF and is_page(value):
        records = None  # described as one object, shown as a list: what is seen counts
    found = records_at(value, records) if records else None
    location = records if found is not None else location_of([value], noun).path
    if found is None:
        found = records_at(value, location) if location is not None else None
    rows = len(found) if found is not None else len(value) if isinstance(value, list) else 1
    total, where = declared_total(value, location, headers)
    return Sight("readable", shape_of(value, location), location, found or [], rows, total, value, "", headers, where)


def told_refusal(value: Mapping[str, Any]) -> tuple[Category, str] | None:
    """What an object says that is an error in spite of its status 200: its category, and its words. None if it is no error."""
    refusal = refusal_of(value)
    if refusal is None or refusal.of_record:
        return None
    worded: Category = next((kind for kind, words in _TOLD if words.search(refusal.text)), "broken")
    return _category(refusal.status) if refusal.status else worded, refusal.told


def _decoded(answer: Answer, body: bytes) -> tuple[Any, bool]:
    """The decoded body, and whether it is one JSON text per line: by its content type, or because only that can be read."""
    if _LINED.fullmatch(answer.content_type):
        return _lines(body), True
    try:
        return msgspec.json.decode(body), False
    except msgspec.DecodeError:
        if body.lstrip()[:1] != b"{" or b"\n" not in body.strip():
            raise
        try:
            values = _lines(body)
        except msgspec.DecodeError:
            values = []
        if not values or not all(isinstance(value, dict) for value in values):
            raise
        return values, True


def _lines(body: bytes) -> list[Any]:
    return [msgspec.json.decode(line) for line in (line.strip(b" \t\r\x1e") for line in body.split(b"\n")) if line]


def shape_of(value: Any, location: str | None) -> AnswerShape:
    """The shape of a decoded answer whose records are at `location`."""
    if location == LINES:
        return "lines"
    if isinstance(value, list):
        return "array"
    if location is None or one_record(location):
        return "object"
    return "map" if location.endswith(MAP) else "envelope"


def recursive_field(records: Sequence[Record]) -> str | None:
    """The key under which records of the same kind are nested, by evidence; None if there is none."""
    common = set.intersection(*(set(record) for record in records)) if records else set()
    for key in sorted(common):
        nested = [entry for record in records if isinstance(record[key], list) for entry in record[key]]
        if nested and all(isinstance(entry, dict) and len(common & set(entry)) >= _SAME_KIND * len(common) for entry in nested):
            return key
    return None


def flattened(records: Sequence[Record], recursive: str | None) -> list[Record]:
    """The records and, after each, those nested in it, which are cut out of it."""
    if recursive is None:
        return list(records)
    flat: list[Record] = []
    for record in records:
        nested = record.get(recursive)
        flat.append({key: value for key, value in record.items() if key != recursive})
        if isinstance(nested, list):
            flat += flattened([entry for entry in nested if isinstance(entry, dict)], recursive)
    return flat


def values_at(record: Any, path: str) -> Iterator[Any]:
    """Every value at a JSON path (`cyclePhases[].id`) of a record; nothing where it is absent, nulls left out."""
    yield from _values(record, split_path(path))


def key_alone(record: Any, path: str) -> Record:
    """A record with nothing but the plain value at a path, and the records around it: what tells who it is."""
    *around, leaf = split_path(path)
    for key in around:
        record = record.get(key) if isinstance(record, dict) else None
    found: Record = {leaf: record[leaf]} if isinstance(record, dict) and leaf in record else {}
    for key in reversed(around):
        found = {key: found}
    return found


def _values(value: Any, parts: Sequence[str]) -> Iterator[Any]:
    if not parts:
        if value is not None:
            yield value
        return
    key, many = parts[0].removesuffix("[]"), parts[0].endswith("[]")
    below = value.get(key) if isinstance(value, dict) else None
    for each in (below if isinstance(below, list) else []) if many else [below]:
        yield from _values(each, parts[1:])


def _category(status: int) -> Category:
    if status in _CATEGORIES:
        return _CATEGORIES[status]
    return "needsParameters" if 400 <= status < 500 and status not in (408, 425, 429) else "broken"


def _messages(body: object) -> list[str]:
    """The messages of an error, those of its member `error` too; the first text of one that has none."""
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return [first] if isinstance(first, str) else []
    inner = next((below for key in ("error", "errors") if (below := first.get(key))), None)
    said = [inner] if isinstance(inner, str) else _messages(inner) if inner else []
    said += [_filled(text, first.get("parameters")) for key in _WORDS if isinstance(text := first.get(key), str) and text]
    return list(dict.fromkeys(said)) or [text for text in first.values() if isinstance(text, str) and text][:1]


def _filled(text: str, values: object) -> str:
    """A message whose `%name` stand for values beside it, as Magento's `"%fieldName" is required`."""
    for name, value in values.items() if isinstance(values, dict) else ():
        text = text.replace(f"%{name}", str(value)[:80])
    return text


def _refusal(answer: Answer) -> str:
    """The status and what the answer says about it, bounded and on one line: of JSON its messages, else a plain text."""
    try:
        body = msgspec.json.decode(answer.body) if answer.body else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        body = None
    plain = body is None and answer.headers.get("Content-Type", "").lower().startswith("text/plain")
    said = answer.body[:_PLAIN].decode(errors="replace") if plain else ". ".join(_messages(body))
    return f"{answer.status}{': ' + ' '.join(said.split())[:160] if said else ''}"
