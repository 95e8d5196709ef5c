"""Types of fields by evidence: what the sampled values are, with what the description says where they leave a choice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from spectra_assets.covenant.canon import StructureType
from spectra_assets.covenant.model import DataType
from spectra_assets.intelligence.model import TYPES, FieldSpec
from spectra_assets.names import words
from spectra_assets.stages.shapes import Shape

EPOCH_MS = (10**11, 5 * 10**12)
"""Integers in here may be epoch milliseconds: from 1973 to 2128."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_INT64 = (-(2**63), 2**63 - 1)
_DISTINCT = 3
"""Different texts that must all hold integers before a field that the description is silent about is one."""

_TOLERANCE = 0.8
"""Share of texts that must be dates where the description says date: the others are bad rows, not another type."""

_TIME_WORDS = frozenset(
    ("date", "time", "datetime", "timestamp", "on", "at", "created", "modified", "updated", "start", "end", "expiry", "expires",
     "since", "until")
)  # fmt: skip
_TEXT_WORDS = frozenset(
    ("name", "description", "key", "tag", "tags", "text", "comment", "comments", "title", "label", "data", "result", "details",
     "url", "code", "build", "environment", "step", "value", "summary", "note", "notes", "phone", "zip", "version")
)  # fmt: skip
_TEXT_LEAVES = frozenset(("externalid", "altid", "refid", "bugid", "sku"))

_SECOND = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}"
_ZONE = r"(Z|[+-]\d{2}:\d{2})"

_FORMATS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), spark, python)
    for pattern, spark, python in (
        (r"\d{2}/\d{2}/\d{4}", "MM/dd/yyyy", "%m/%d/%Y"),
        (r"\d{2}/\d{2}/\d{4}", "dd/MM/yyyy", "%d/%m/%Y"),
        (r"\d{1,2}/\d{1,2}/\d{4}", "M/d/yyyy", "%m/%d/%Y"),
        (r"\d{1,2}/\d{1,2}/\d{4}", "d/M/yyyy", "%d/%m/%Y"),
        (r"\d{2}\.\d{2}\.\d{4}", "dd.MM.yyyy", "%d.%m.%Y"),
        (r"\d{4}-\d{2}-\d{2}", "yyyy-MM-dd", "%Y-%m-%d"),
        (r"\d{4}/\d{2}/\d{2}", "yyyy/MM/dd", "%Y/%m/%d"),
        (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", "yyyy-MM-dd HH:mm:ss", "%Y-%m-%d %H:%M:%S"),
        (_SECOND, "yyyy-MM-dd'T'HH:mm:ss", "%Y-%m-%dT%H:%M:%S"),
        (_SECOND + _ZONE, "yyyy-MM-dd'T'HH:mm:ssXXX", "%Y-%m-%dT%H:%M:%S%z"),
        (_SECOND + r"\.\d{3}" + _ZONE, "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "%Y-%m-%dT%H:%M:%S.%f%z"),
        (_SECOND + r"\.\d{3}[+-]\d{4}", "yyyy-MM-dd'T'HH:mm:ss.SSSxx", "%Y-%m-%dT%H:%M:%S.%f%z"),
    )
)  # fmt: skip
"""How a text date looks, its Spark pattern, and Python's. Of two that fit all values the first wins."""


@dataclass(frozen=True)
class Typed:
    """Type of one column. `share` of the values have it."""

    structure: StructureType
    type: DataType
    share: float = 1.0
    date_format: str | None = None


def typed(leaf: str, shape: Shape, spec: FieldSpec | None) -> Typed:
    """Type of the column for a field that is no record with known keys and no array with known items."""
    seen = shape.seen
    if not seen:
        return _unseen(spec)
    if "record" in seen:
        return Typed("objectDump", DataType.JSON)
    if "array" in seen:
        return Typed("array", DataType.JSON)
    if seen == {"text"}:
        return _text(leaf, shape.scalars, spec)
    if seen == {"bool"}:
        return Typed("scalar", DataType.BOOL)
    if seen == {"int"}:
        return _integer(leaf, shape.scalars, spec)
    if seen <= {"int", "float"}:
        return Typed("scalar", DataType.FLOAT64)
    if seen == {"int", "text"} and _says(spec, "integer") and _all_integers(shape.scalars):
        return Typed("scalar", DataType.INT64)
    return Typed("scalar", DataType.TEXT, share=shape.kinds["text"] / shape.values)


def confidence(share: float, values: int) -> float:
    """How sure a type is: the share of values that have it, less where few values were seen."""
    return round(share * (1 - 1 / (values + 2)), 3)


def as_date(text: object, date_format: str) -> date | None:
    """The day of a text date in a Spark pattern; None if it can't be read."""
    for pattern, spark, python in _FORMATS:
        if spark == date_format and isinstance(text, str) and pattern.fullmatch(text):
            try:
                return datetime.strptime(text, python).date()
            except ValueError:
                return None
    return None


def utc_day(epoch_ms: object) -> date | None:
    """The UTC day of epoch milliseconds; None if it is none."""
    if isinstance(epoch_ms, int) and not isinstance(epoch_ms, bool) and EPOCH_MS[0] <= epoch_ms <= EPOCH_MS[1]:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).date()
    return None


def date_format(values: Sequence[Any], tolerance: float = 1.0) -> tuple[str, float] | None:
    """Spark pattern that reads at least `tolerance` of the texts, best first, with its share; None if there is none."""
    best: tuple[str, float] | None = None
    for _, spark, _ in _FORMATS:
        share = sum(as_date(value, spark) is not None for value in values) / len(values)
        if share >= tolerance and (best is None or share > best[1]):
            best = (spark, share)
    return best


def is_integer(text: str) -> bool:
    """Whether a text holds an integer in its one canonical form: no plus sign, no leading zeros, 64 bits."""
    return _INTEGER.fullmatch(text) is not None


def timelike(leaf: str) -> bool:
    """Whether a name says that its value is a point in time."""
    return bool(_TIME_WORDS & {word.lower() for word in words(leaf)})


def _unseen(spec: FieldSpec | None) -> Typed:
    if spec is None:
        return Typed("scalar", DataType.TEXT)
    structure: StructureType = {"record": "objectDump", "array": "array"}.get(spec.type, "scalar")  # type: ignore[assignment]
    return Typed(structure, TYPES[spec.type], date_format="MM/dd/yyyy" if spec.type == "date" else None)


def _integer(leaf: str, values: Sequence[int], spec: FieldSpec | None) -> Typed:
    if min(values) < _INT64[0] or max(values) > _INT64[1]:
        return Typed("scalar", DataType.DECIMAL if max(map(abs, values)) < 10**29 else DataType.TEXT)
    inside = all(EPOCH_MS[0] <= value <= EPOCH_MS[1] for value in values)
    if inside and (_says(spec, "epoch") or timelike(leaf)):
        return Typed("scalar", DataType.TIMESTAMP)
    return Typed("scalar", DataType.INT64)


def _text(leaf: str, values: Sequence[str], spec: FieldSpec | None) -> Typed:
    filled = [value for value in values if value.strip()]
    if not filled:
        return _unseen(spec) if _says(spec, "text") else Typed("scalar", DataType.TEXT)
    dated = _says(spec, "date", "epoch")
    found = date_format(filled, _TOLERANCE if dated else 1.0)
    if found and (dated or timelike(leaf) or len(set(filled)) >= _DISTINCT):
        return Typed("scalar", DataType.TIMESTAMP, share=found[1], date_format=found[0])
    if _says(spec, "integer"):
        return Typed("scalar", DataType.INT64 if _all_integers(filled) else DataType.TEXT)
    silent = spec is None or spec.type == "unknown"
    if silent and len(filled) == len(values) and len(set(filled)) >= _DISTINCT and not _wordy(leaf) and _all_integers(filled):
        return Typed("scalar", DataType.INT64)
    return Typed("scalar", DataType.TEXT)


def _says(spec: FieldSpec | None, *types: str) -> bool:
    return spec is not None and spec.type in types


def _all_integers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int) or is_integer(value) for value in values)


def _wordy(leaf: str) -> bool:
    parts = [word.lower() for word in words(leaf)]
    return leaf.lower() in _TEXT_LEAVES or (bool(parts) and parts[-1] in _TEXT_WORDS)
