"""Types of fields by evidence: what the sampled values are, with what the description says where they leave a choice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from spectra_assets.covenant.canon import StructureType
from spectra_assets.covenant.model import DataType
from spectra_assets.intelligence.model import TYPES, FieldSpec
from spectra_assets.names import words
from spectra_assets.stages.asking.moments import timelike
from spectra_assets.stages.values.dates import ODATA, reading, unit_of
from spectra_assets.stages.values.numbers import OR_NONE, is_integer, padded, without_none, writing
from spectra_assets.stages.values.shapes import Kind, Shape
from spectra_assets.stages.values.truths import DIGITS, PAIRS

MOST_VALUES = 50
"""An enumeration has at most so many values, of at most LONGEST_VALUE characters."""

LONGEST_VALUE = 100

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,28})(\.[0-9]{1,9})?")
_INT64 = (-(2**63), 2**63 - 1)
_EXACT = 2**53
"""Doubles hold all integers up to here."""

_DOUBLE_DIGITS = 15
"""Digits of a decimal number that a double always gives back."""

_DECIMAL_MOST = 10**29
_DISTINCT = 3
"""Different texts that must all hold integers before a field that the description is silent about is one."""

_PLENTY = 20
"""Texts of figures alone that an empty text may stand beside: it says that there is no value. Beside fewer it may be one."""

_NUMBERS = 0.25
"""Share of the filled texts that must be numbers where the others are words for none."""

_REPEATED = 3
"""Times that each value of an enumeration occurs on average."""

_TOLERANCE = 0.8
"""Share of texts that must be dates where the description says date: the others are bad rows, not another type."""

_UNDECIDED = 0.5
"""How sure the order of day and month is where nothing shows it."""

_TEXT_WORDS = frozenset(
    ("name", "description", "key", "tag", "tags", "text", "comment", "comments", "title", "label", "data", "result", "details",
     "url", "code", "build", "environment", "step", "value", "summary", "note", "notes", "phone", "zip", "version", "postcode",
     "fax", "mobile", "sku", "isbn", "ean", "iban", "serial", "hash", "sha", "token", "number", "no",
     "plz", "postleitzahl", "postal", "cp", "hausnummer", "nummer", "nr", "numero", "telefon", "telephone", "telefono", "bic")
)  # fmt: skip
_TEXT_LEAVES = frozenset(("externalid", "altid", "refid", "bugid", "sku"))
_MONEY_WORDS = frozenset(
    ("amount", "price", "cost", "total", "subtotal", "balance", "fee", "tax", "revenue", "salary", "discount", "paid", "money",
     "charge", "payment", "refund", "budget", "vat")
)  # fmt: skip
_MEASURE_WORDS = frozenset(
    ("weight", "length", "width", "height", "depth", "distance", "area", "volume", "quantity", "qty", "rate", "ratio", "percent",
     "percentage", "pct", "temperature", "temp", "humidity", "pressure", "speed", "score", "rating", "average", "avg", "mean",
     "mass", "diameter", "hours", "latitude", "longitude", "lat", "lon", "lng", "kwh", "kg", "km", "liters",
     "litres", "interest", "share", "factor")
)  # fmt: skip
_ID_WORDS = frozenset(("id", "ids", "uuid", "guid", "key", "ref", "hash", "token"))
_PROSE_WORDS = frozenset(
    ("description", "comment", "comments", "details", "summary", "note", "notes", "text", "body", "content", "message", "url",
     "link")
)  # fmt: skip

_DAY = "yyyy-MM-dd"
"""What is written so is a day even where there is one of it: nothing else is."""

_DESCRIBED: dict[str, frozenset[Kind]] = {
    "integer": frozenset(("int",)),
    "number": frozenset(("int", "float")),
    "text": frozenset(("text",)),
    "boolean": frozenset(("bool",)),
    "epoch": frozenset(("int", "float")),
    "date": frozenset(("text",)),
    "record": frozenset(("record",)),
    "array": frozenset(("array",)),
}
"""Kinds of JSON value that a described type lets expect."""


@dataclass(frozen=True)
class Typed:
    """Type of one column. `share` of the values have it; `certainty` is less than 1 where they leave a choice."""

    structure: StructureType
    type: DataType
    share: float = 1.0
    date_format: str | None = None
    values: tuple[str, ...] = ()
    """All values of an enumeration."""
    certainty: float = 1.0
    note: str = ""


def typed(leaf: str, shape: Shape, spec: FieldSpec | None) -> Typed:
    """Type of the column for a field that is no record with known keys and no array with known items."""
    found = _typed(leaf, shape, spec)
    difference = _difference(shape, spec)
    if found.type in (DataType.TEXT, DataType.INT64) and found.structure == "scalar":
        found = replace(found, values=enumeration(leaf, shape.scalars))
    return replace(found, note="; ".join(filter(None, (difference, found.note)))) if difference else found


def confidence(share: float, values: int) -> float:
    """How sure a type is: the share of values that have it, less where few values were seen."""
    return round(share * (1 - 1 / (values + 2)), 3)


def enumeration(leaf: str, values: Sequence[Any]) -> tuple[str, ...]:
    """All values, sorted, if they are few and repeat; none of an identifier or of prose."""
    if {word.lower() for word in words(leaf)} & (_ID_WORDS | _PROSE_WORDS):
        return ()
    seen: set[Any] = set()
    for value in values:
        seen.add(value)
        if len(seen) > MOST_VALUES:
            return ()
    if len(values) < max(2, len(seen)) * _REPEATED or any(len(str(value)) > LONGEST_VALUE for value in seen):
        return ()
    numbers, texts = (v for v in seen if not isinstance(v, str)), (v for v in seen if isinstance(v, str) and v.strip())
    return (*map(str, sorted(numbers)), *sorted(texts))


def _difference(shape: Shape, spec: FieldSpec | None) -> str:
    """Where the description and the values differ, in words; empty if they don't."""
    other = sorted(shape.seen - _DESCRIBED.get(spec.type, shape.seen)) if spec is not None else []
    return f"described as {spec.type}, seen {', '.join(other)}" if spec is not None and other else ""


def _typed(leaf: str, shape: Shape, spec: FieldSpec | None) -> Typed:
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
    values = [value for value in shape.scalars if not (isinstance(value, str) and not value.strip())]
    if seen == {"int"}:
        return _integer(leaf, values, spec)
    if seen <= {"int", "float"}:
        return _number(leaf, values, spec)
    if seen == {"bool", "text"} and {str(value).lower() for value in values} <= {"true", "false"}:
        return Typed("scalar", DataType.BOOL)
    if seen == {"int", "text"} and _says(spec, "integer") and _all_integers(values):
        return Typed("scalar", DataType.INT64)
    if seen <= {"int", "float", "text"} and _decimal(leaf, values, spec) and _all_decimals(values):
        return Typed("scalar", DataType.DECIMAL)
    sparse = _sparse(leaf, values, spec) if seen <= {"int", "float", "text"} else None
    return sparse or Typed("scalar", DataType.TEXT, share=shape.kinds["text"] / shape.values)


def _unseen(spec: FieldSpec | None) -> Typed:
    if spec is None:
        return Typed("scalar", DataType.TEXT)
    structure: StructureType = {"record": "objectDump", "array": "array"}.get(spec.type, "scalar")  # type: ignore[assignment]
    return Typed(structure, TYPES[spec.type], date_format="MM/dd/yyyy" if spec.type == "date" else None)


def _integer(leaf: str, values: Sequence[int], spec: FieldSpec | None) -> Typed:
    if _says(spec, "boolean") and set(values) <= {0, 1}:
        return Typed("scalar", DataType.BOOL)
    if min(values) < _INT64[0] or max(values) > _INT64[1]:
        return Typed("scalar", DataType.DECIMAL if max(map(abs, values)) < _DECIMAL_MOST else DataType.TEXT)
    if _says(spec, "epoch", "date") or timelike(leaf):
        unit = unit_of(values)
        if unit:
            return Typed("scalar", DataType.TIMESTAMP, date_format=unit[0])
        days = reading([str(value) for value in values])
        if days:
            return Typed("scalar", DataType.DATE, date_format=days.pattern)
    return Typed("scalar", DataType.INT64)


def _number(leaf: str, values: Sequence[float], spec: FieldSpec | None) -> Typed:
    """Numbers some of which are no integers. Integers that a double rounds make decimals, or texts if those are too short."""
    unit = unit_of(values) if _says(spec, "epoch") or timelike(leaf) else None
    if unit:
        return Typed("scalar", DataType.TIMESTAMP, date_format=unit[0])
    if all(abs(value) <= _EXACT for value in values if isinstance(value, int)):
        return Typed("scalar", DataType.FLOAT64)
    return Typed("scalar", DataType.DECIMAL if _all_decimals(values) else DataType.TEXT)


def _text(leaf: str, values: Sequence[str], spec: FieldSpec | None) -> Typed:
    filled = [value for value in values if value.strip()]
    if not filled:
        return _unseen(spec) if _says(spec, "text") else Typed("scalar", DataType.TEXT)
    sparse = _sparse(leaf, filled, spec)
    if sparse:
        return sparse
    found = _moment(leaf, filled, spec)
    if found:
        return found
    if _says(spec, "integer") and _all_integers(filled):
        return Typed("scalar", DataType.INT64)
    silent = spec is None or spec.type == "unknown"
    if _yes_or_no({value.strip().lower() for value in filled}, silent, _says(spec, "boolean")):
        return Typed("scalar", DataType.BOOL)
    distinct = len(set(filled)) >= _DISTINCT and not _wordy(leaf)
    whole = len(filled) == len(values) or len(filled) >= _PLENTY
    if silent and whole and distinct and _all_integers(filled):
        return Typed("scalar", DataType.INT64)
    if any("," in value for value in filled):
        return _written_with_commas(leaf, filled, spec, distinct)
    if not _all_decimals(filled):
        return Typed("scalar", DataType.TEXT)
    if _decimal(leaf, filled, spec) and (silent or _says(spec, "number", "text")):
        return Typed("scalar", DataType.DECIMAL)
    if silent and distinct and not _says_version(leaf) and (padded(filled) or (_measured(leaf) and _cents(filled))):
        return Typed("scalar", DataType.DECIMAL)
    alike = len({len(value.partition(".")[2]) for value in filled}) == 1 or not any(value.endswith("0") for value in filled)
    exact = all(sum(map(str.isdigit, value)) <= _DOUBLE_DIGITS for value in filled)
    if silent and distinct and alike and exact and any("." in value for value in filled):
        return Typed("scalar", DataType.FLOAT64)
    return Typed("scalar", DataType.TEXT)


def _sparse(leaf: str, filled: Sequence[Any], spec: FieldSpec | None) -> Typed | None:
    """The type of numbers with words for none beside them; None for anything else."""
    others = without_none(filled)
    if len(others) == len(filled) or len(others) < _NUMBERS * len(filled) or len(set(others)) < _DISTINCT:
        return None
    texts = [value for value in others if isinstance(value, str)]
    found = _text(leaf, texts, spec) if len(texts) == len(others) else None if texts else _number(leaf, others, spec)
    if found is None or found.type not in (DataType.INT64, DataType.FLOAT64, DataType.DECIMAL):
        return None
    kind = DataType.FLOAT64 if found.type == DataType.INT64 else found.type
    said = sorted({value.strip() for value in filled if not without_none([value])})
    told = f"{', '.join(said)[:80]}: read as no value"
    return replace(found, type=kind, date_format=f"{found.date_format}_or_none" if found.date_format else OR_NONE, note=told)


def _written_with_commas(leaf: str, filled: Sequence[str], spec: FieldSpec | None, distinct: bool) -> Typed:
    """Decimals with a comma somewhere: by the writing that all of them have and some of them show, else text.

    The name or the description must say that it is a number, or several values must show the writing.
    """
    found = writing(filled)
    said = {word.lower() for word in words(leaf)}
    named = measures(leaf) and not _wordy(leaf)
    silent = spec is None or spec.type in ("unknown", "text")
    if found is None or not (silent or _says(spec, "number")) or said & (_ID_WORDS | _PROSE_WORDS):
        return Typed("scalar", DataType.TEXT)
    if found.format is None:
        note = "a decimal comma and one between thousands can't be told apart: kept as text"
        return Typed("scalar", DataType.TEXT, note=note if named or distinct else "")
    if named or _says(spec, "number") or (distinct and found.sure):
        return Typed("scalar", DataType.DECIMAL, date_format=found.format)
    return Typed("scalar", DataType.TEXT)


def _moment(leaf: str, filled: Sequence[str], spec: FieldSpec | None) -> Typed | None:
    """Texts that are dates, or epoch numbers; None if they are something else."""
    dated, named = _says(spec, "date", "epoch"), timelike(leaf)
    found = reading(filled, _TOLERANCE if dated else 1.0)
    digits = found is not None and found.pattern.isalpha() and found.pattern != ODATA and "yyyyMMdd" in found.pattern
    if found and digits and not (dated or named):
        found = None
    plain = found is not None and found.pattern == _DAY and not (_wordy(leaf) or _says_version(leaf))
    if found and (dated or named or found.timed or plain or len(set(filled)) >= _DISTINCT):
        kind = DataType.TIMESTAMP if found.timed else DataType.DATE
        note = f"day and month can't be told apart: read as {found.pattern}" if found.ambiguous else ""
        sure = _UNDECIDED if found.ambiguous else 1.0
        return Typed("scalar", kind, found.share, found.pattern, certainty=sure, note=note)
    if (named or dated) and not _wordy(leaf) and all(is_integer(value) for value in filled):
        unit = unit_of([int(value) for value in filled])
        if unit:
            return Typed("scalar", DataType.TIMESTAMP, date_format=unit[0])
    return None


def _yes_or_no(lower: set[str], silent: bool, described: bool) -> bool:
    """Whether texts are truth values: `true` and `false`; others only where both are there, or the description says so."""
    pair = next((set(pair) for pair in PAIRS if pair != DIGITS and lower <= set(pair)), None)
    if described:
        return pair is not None or lower <= set(DIGITS)
    return pair is not None and ("true" in pair or (silent and lower == pair))


def _says(spec: FieldSpec | None, *types: str) -> bool:
    return spec is not None and spec.type in types


def _decimal(leaf: str, values: Sequence[Any], spec: FieldSpec | None) -> bool:
    """Whether the description says that texts are numbers, or their name that they are money, and there are cents."""
    said = {word.lower() for word in words(leaf)}
    return _says(spec, "number") or (bool(_MONEY_WORDS & said) and not _wordy(leaf) and _cents(values))


def measures(leaf: str) -> bool:
    """Whether a name says that it is money or measured."""
    return bool((_MONEY_WORDS | _MEASURE_WORDS) & {word.lower() for word in words(leaf)})


def _cents(values: Sequence[Any]) -> bool:
    return any(isinstance(value, str) and "." in value for value in values)


def _measured(leaf: str) -> bool:
    """Whether a name says that its value is measured, which no version or code is."""
    return bool(_MEASURE_WORDS & {word.lower() for word in words(leaf)}) and not _wordy(leaf)


def _says_version(leaf: str) -> bool:
    return bool({"version", "versions", "release", "build", "firmware", "os", "sdk"} & {word.lower() for word in words(leaf)})


def _all_integers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int) or is_integer(value) for value in values)


def _all_decimals(values: Sequence[Any]) -> bool:
    """Whether a decimal with 29 digits before the point and 9 after it holds each exactly as it is written."""
    return all(_DECIMAL.fullmatch(value if isinstance(value, str) else _written(value)) for value in Counter(values))


def _written(value: float) -> str:
    return str(value) if isinstance(value, int) else format(Decimal(repr(value)), "f")


def _wordy(leaf: str) -> bool:
    parts = [word.lower() for word in words(leaf)]
    compound = bool(parts) and parts[-1].endswith(("nummer", "kennung"))
    return leaf.lower() in _TEXT_LEAVES or compound or "numero" in parts or (bool(parts) and parts[-1] in _TEXT_WORDS)
