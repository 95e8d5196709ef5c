"""Values that stand for no value: -999999, 9999-12-31, N/A. They are counted, summed and averaged as if they were one."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from spectra_assets.covenant.amounts import NUMBERS
from spectra_assets.covenant.model import DataType

_TEXTS = frozenset(
    ("n/a", "n.a.", "na", "#n/a", "null", "(null)", "none", "(none)", "nil", "nan", "undefined", "unknown", "(unknown)",
     "missing",
     "not available", "not applicable", "not set", "empty", "(empty)", "tbd", "todo", "string", "redacted", "[redacted]",
     "[object object]", "unbekannt", "k.a.", "k. a.", "keine angabe", "inconnu", "desconocido")
)  # fmt: skip
_MARKS = re.compile(r"[^\w\s]+|[xX]{3,}|_+")
"""Texts of marks alone."""

_MINUS = (-1, -9, -99)
_NINES = re.compile(r"-?(9{3,}|9+\.9+)(\.0)?")
_BOUNDS = frozenset(
    float(sign * each + low) for each in (2**15, 2**31, 2**53, 2**63) for sign, low in ((1, -1), (-1, 0), (-1, 1))
)  # fmt: skip

_START, _DAY, _ABOUT = date(1970, 1, 1), 86_400, 1.6
_DAYS = frozenset(
    (date(*each) - _START).days
    for each in ((1, 1, 1), (1753, 1, 1), (1899, 12, 30), (1900, 1, 1), (1970, 1, 1), (2099, 12, 31), (2999, 12, 31),
                 (3000, 1, 1), (9999, 12, 31))
)  # fmt: skip
"""Days since 1970."""


def is_placeholder(kind: DataType, value: Any, between: tuple[float, float] | None = None) -> bool:
    """Whether a value says that there is none. A number is one only where it lies beyond those there were, `between` the two."""
    if kind == DataType.TEXT:
        text = value.strip().lower()
        return text in _TEXTS or _MARKS.fullmatch(text) is not None
    if kind in NUMBERS:
        low, high = between or (0.0, 0.0)
        return not low <= value <= high and (_is_extreme(value) or (low >= 0 and value in _MINUS))
    if kind == DataType.TIMESTAMP:  # the zone may have moved it over midnight
        return value == 0 or any(abs(value / _DAY - day) < _ABOUT for day in _DAYS if day)
    return kind == DataType.DATE and value in _DAYS


def _is_extreme(value: float) -> bool:
    return value in _BOUNDS or _NINES.fullmatch(f"{value:.12g}") is not None


def spelled(kind: DataType, value: Any) -> str:
    """A value as a person writes it."""
    if kind in (DataType.TIMESTAMP, DataType.DATE):
        if kind == DataType.DATE:
            return (_START + timedelta(days=value)).isoformat()
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(value))
        return moment.isoformat().replace("+00:00", "Z")
    return f"{value:.15g}" if isinstance(value, float) else str(value)
