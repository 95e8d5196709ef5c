"""Dimensions that refer to dimensions: a product's category, found by the columns' references to the keys of other entities.

An outrigger is no surrogate key: it is the member's natural key, and means the version that is current.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spectra_assets.covenant.build import Dimension
from spectra_assets.covenant.model import Column, Table
from spectra_assets.names import Stage


@dataclass(frozen=True)
class Outrigger:
    """Column of a dimension with the natural keys, `key`, of the members of another one."""

    column: str
    dimension: Table
    key: str


def outriggers(dimension: Table, tables: Iterable[Table]) -> Iterator[Outrigger]:
    """Those of a dimension of Transform among all tables of a design or covenant, in the order of its columns."""
    made = {table.table: table for table in tables}
    others = [each for each in made.values() if isinstance(each.build, Dimension) and each.ref.schema == Stage.TRANSFORM]
    keys = {place: other for other in others for place in _key_places(other, made)}
    for column in dimension.schema_ if isinstance(dimension.build, Dimension) else ():
        origin = _origin(column, made)
        other = keys.get(origin.references) if origin is not None and origin.references else None
        if other is not None and other.table != dimension.table and isinstance(other.build, Dimension):
            yield Outrigger(column.name, other, other.build.natural_key)


def _key_places(dimension: Table, tables: dict[str, Table]) -> Iterator[str]:
    """What columns that hold the natural key of a dimension refer to: `entity.path`."""
    build = dimension.build
    if isinstance(build, Dimension) and not build.composed_of:
        key = _origin(dimension.columns[build.natural_key], tables)
        yield from (f"{dimension.entity}.{path}" for path in (key.source if key is not None else ()))


def _origin(column: Column, tables: dict[str, Table]) -> Column | None:
    """The column of Clean that a dimension's is."""
    table, _, name = column.lineage[0].rpartition(".") if len(column.lineage) == 1 else ("", "", "")
    return tables[table].columns.get(name) if table in tables else None
