"""Which type a column is given by the machine alone."""

from __future__ import annotations

import pytest

from spectra_assets.covenant.model import DataType
from spectra_assets.learning.remedy.types import breaks


@pytest.mark.parametrize(
    ("was", "found", "told"),
    [
        ("int64", "float64", None), ("int64", "decimal", None), ("float64", "decimal", None), ("date", "timestamp", None),
        ("text", "json", "what reads it as text"), ("json", "text", None), ("decimal", "float64", None), ("bool", "text", "as text these are no truths"),
        ("float64", "text", "as text these are no numbers"), ("int64", "text", "as text these are no numbers"),
        ("decimal", "json", "as json these are no numbers"), ("int64", "timestamp", "as timestamp these are no numbers"),
        ("date", "text", "as text these are no dates"), ("timestamp", "int64", "as int64 these are no dates"),
    ],
)  # fmt: skip
def test_what_breaks_those_who_read_a_column_is_for_a_person(was: str, found: str, told: str | None) -> None:
    """A run said that the covenant is kept since a number would become a text, and the loop made it one in the same breath."""
    why = breaks(DataType(was), DataType(found))
    assert (why is None) if told is None else (why or "").startswith(told)
