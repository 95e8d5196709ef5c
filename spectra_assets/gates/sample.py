"""A few of the rows that broke a rule, safe to show: personal data masked, JSON reduced to its keys, text cut and on one line.

Masking and cutting happen in the engine, so that neither personal data nor a megabyte of text ever leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812  # the name every Spark programmer reads

from spectra_assets.lakehouse.types import quoted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROWS = 20
"""Rows shown at most."""

WIDTH = 120
"""Characters of a value shown at most."""

COLUMNS = 12
"""Columns shown at most."""

HIDDEN = "***"

_PLAIN = frozenset({"boolean", "tinyint", "smallint", "int", "bigint", "float", "double"})


def one_line(text: str, width: int = WIDTH) -> str:
    """At most `width` characters; whatever is not printable (control characters, direction marks) is escaped."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[: width + 1])
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def take(
    frame: DataFrame,
    broken: Column,
    show: Sequence[str],
    personal: Collection[str] = (),
    dumps: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Up to 20 rows of `frame` for which `broken` holds, with the columns `show` (none: the first twelve), JSON-able.

    `personal` and `dumps` are lower-case names of columns to mask and of JSON text. Sorted by what is shown.
    """
    types = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    names = [name for name in show or types if name in types and not name.startswith("_")][:COLUMNS]
    shown = [_shown(name, types[name], personal, dumps).alias(name) for name in names]
    rows = frame.where(broken).select(*shown).orderBy(*(F.col(quoted(name)) for name in names)).limit(ROWS)
    return [{name: _jsonable(value, name.lower() in dumps) for name, value in row.items()} for row in rows.toArrow().to_pylist()]


def example(row: Mapping[str, Any]) -> str:
    """A row as a sentence quotes it: `cycleId = 7, cycleName = 'x'`."""
    return ", ".join(f"{name} = {_short(value)}" for name, value in list(row.items())[:4])


def _short(value: Any) -> str:
    return "null" if value is None else f"'{one_line(value, 60)}'" if isinstance(value, str) else one_line(str(value), 60)


def _shown(name: str, kind: str, personal: Collection[str], dumps: Collection[str]) -> Column:
    column = F.col(quoted(name))
    if name.lower() in personal:
        return F.when(column.isNotNull(), F.lit(HIDDEN))
    if kind == "string" and name.lower() in dumps:
        keys = F.coalesce(F.json_object_keys(column), F.array(F.lit(HIDDEN)))
        return F.when(column.isNotNull(), _pieces(keys))
    if kind == "string":
        return F.substring(column, 1, WIDTH + 1)
    if kind in _PLAIN:
        return column
    if kind == "array<string>":
        return _pieces(column)
    if kind.startswith(("array", "struct", "map")):
        return F.substring(F.to_json(column), 1, WIDTH + 1)
    if kind == "binary":
        return F.when(column.isNotNull(), F.lit("(binary)"))
    return F.substring(column.cast("string"), 1, WIDTH + 1)


def _pieces(column: Column) -> Column:
    return F.slice(F.transform(column, lambda item: F.substring(item, 1, WIDTH + 1)), 1, ROWS)


def _jsonable(value: Any, dump: bool) -> Any:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        items = [one_line(item) if isinstance(item, str) else item for item in value]
        if dump:
            return HIDDEN if items == [HIDDEN] else one_line("{" + ", ".join(map(str, items)) + "}")
        return items
    return value
