"""What an API's answer holds: its shape, where the records are, what the status means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from spectra_assets.client.transport import Answer
from spectra_assets.covenant.paths import split_path

AnswerShape = Literal["array", "envelope", "object", "empty", "html", "text"]
Category = Literal[
    "readable", "needsParameters", "unauthorized", "forbidden", "gone", "notFound", "broken", "notJson", "unreachable",
    "notProbed", "write",
]  # fmt: skip
Record = dict[str, Any]

_CATEGORIES: Mapping[int, Category] = {401: "unauthorized", 403: "forbidden", 404: "notFound", 405: "notFound", 410: "gone"}
_TOTALS = ("total", "totalCount", "totalResults", "totalElements", "totalRecords", "resultSize")
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
    reason: str = ""

    @property
    def keys(self) -> list[str]:
        """Keys of the first record, or of the object."""
        if self.records:
            return list(self.records[0])
        return list(self.value) if isinstance(self.value, dict) else []


def sight(answer: Answer, records: str | None = None) -> Sight:
    """Read an answer. `records` says where the records are, where that is known and the answer has it."""
    status = answer.status
    if status in (204, 205) or (status == 200 and not answer.body.strip()):
        return Sight("readable", "empty")
    if status != 200:
        return Sight(_category(status), "text", reason=_refusal(answer))
    if answer.content_type in ("text/html", "application/xhtml+xml") or answer.body.lstrip()[:1] == b"<":
        return Sight("notJson", "html", reason="a web page came instead of JSON: the base URL looks wrong")
    try:
        value = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Sight("notJson", "text", reason=f"the body is no JSON: {str(error)[:120]}")
    return sight_of(value, records)


def sight_of(value: Any, records: str | None = None) -> Sight:
    """Read a decoded answer.

    A bare array holds the records itself; of an object with one array of records beside plain values that array does; an
    object with an id of its own is one record.
    """
    if value is None or value == {}:
        return Sight("readable", "empty", value=value)
    if isinstance(value, list):
        found = [entry for entry in value if isinstance(entry, dict)]
        return Sight("readable", "array", "" if len(found) == len(value) else None, found, len(value), value=value)
    if not isinstance(value, dict):
        return Sight("readable", "text", value=value)
    key = records if records and isinstance(value.get(records), list) else _envelope_key(value)
    if key is None:
        return Sight("readable", "object", "$", [value], 1, value=value)
    found = [entry for entry in value[key] if isinstance(entry, dict)]
    total = next((value[name] for name in _TOTALS if isinstance(value.get(name), int)), None)
    return Sight("readable", "envelope", key, found, len(value[key]), total, value)


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


def _values(value: Any, parts: Sequence[str]) -> Iterator[Any]:
    if not parts:
        if value is not None:
            yield value
        return
    key, many = parts[0].removesuffix("[]"), parts[0].endswith("[]")
    below = value.get(key) if isinstance(value, dict) else None
    for each in (below if isinstance(below, list) else []) if many else [below]:
        yield from _values(each, parts[1:])


def _envelope_key(value: Record) -> str | None:
    lists = [key for key, below in value.items() if isinstance(below, list)]
    if len(lists) != 1 or value.get("id") is not None:
        return None
    entries = value[lists[0]]
    plain = all(not isinstance(below, dict) for below in value.values())
    return lists[0] if plain and all(isinstance(entry, dict) for entry in entries) else None


def _category(status: int) -> Category:
    if status in _CATEGORIES:
        return _CATEGORIES[status]
    return "needsParameters" if 400 <= status < 500 and status not in (408, 425, 429) else "broken"


def _refusal(answer: Answer) -> str:
    """The status and what the answer says about it, bounded and on one line."""
    try:
        body = msgspec.json.decode(answer.body) if answer.body else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        body = None
    said = next((text for text in body.values() if isinstance(text, str) and text), "") if isinstance(body, dict) else ""
    return f"{answer.status}{': ' + ' '.join(said.split())[:160] if said else ''}"
