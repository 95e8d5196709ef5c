"""The semantic model: what a reporting tool is told of the refined tables and the measures, from the covenant alone."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from spectra_assets.covenant.build import Bridge, Calendar, Dimension, Enumeration, Fact, Kpi
from spectra_assets.covenant.forms import FORMS
from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.covenant.outriggers import outriggers
from spectra_assets.lakehouse.types import arrow_schema
from spectra_assets.names import Stage

TABLE = "analyse.semanticModel"

Row = dict[str, str | None]


def described(covenant: Covenant) -> pa.Table:
    """One row per refined table, column, relationship and measure, in the covenant's order.

    `type` is a table's role and a relationship's cardinality; `expression` a column's lineage.
    """
    rows: list[Row] = []
    for table in covenant.tables():
        if table.ref.schema == Stage.REFINE:
            rows += [_row("table", table.ref.table, table, None, _role(table), table.description), *_columns(table)]
            rows += _relationships(covenant, table)
        elif isinstance(table.build, Kpi):
            rows += _measures(table, table.build)
    return pa.Table.from_pylist(rows, schema=arrow_schema(FORMS[TABLE]))


def _row(kind: str, name: str, table: Table, expression: str | None, type_: str | None, description: str) -> Row:
    return {
        "kind": kind,
        "name": name,
        "table": table.table,
        "expression": expression,
        "type": type_,
        "description": description,
    }


def _role(table: Table) -> str:
    name = table.ref.table
    return next((role for prefix, role in _ROLES.items() if name.startswith(prefix)), "table")


_ROLES = {"dim": "dimension", "fact": "fact", "bridge": "bridge"}


def _columns(table: Table) -> Iterator[Row]:
    for column in table.schema_:
        yield _row("column", column.name, table, ", ".join(column.lineage) or None, column.type.value, column.description)


def _relationships(covenant: Covenant, table: Table) -> Iterator[Row]:
    """Foreign keys of the transform table that this one refines, to the refined dimensions; of a dimension to others by their
    natural keys, which each version of a member has."""
    by_name = {other.table: other for other in covenant.tables()}
    base = by_name.get(table.inputs[0]) if table.inputs else None
    for each in outriggers(base, by_name.values()) if base is not None else ():
        refined = f"{Stage.REFINE}.{each.dimension.ref.table}"
        if refined in by_name and each.column in table.columns:
            end, about = f"{refined}.{each.key}", f"{each.column} of {table.table} names a member by {refined}.{each.key}"
            yield _row("relationship", each.column, table, end, "many to many", f"{about}; where isCurrent holds, one version.")
    if base is None or not isinstance(base.build, Fact | Bridge):
        return
    ends = [(reference.name, f"transform.{reference.dimension}") for reference in base.build.references]
    if isinstance(base.build, Fact):
        calendar = next((n for n in base.inputs if n in by_name and isinstance(by_name[n].build, Calendar)), None)
        ends += [(name, calendar) for name in base.build.dates if calendar]
    for column, dimension in ends:
        refined = f"{Stage.REFINE}.{dimension.partition('.')[2]}"
        if dimension in by_name and refined in by_name and column in table.columns:
            end = f"{refined}.{_key(by_name[dimension])}"
            yield _row("relationship", column, table, end, "many to one", f"{column} of {table.table} refers to {end}.")


def _key(dimension: Table) -> str:
    build = dimension.build
    return build.surrogate_key if isinstance(build, Dimension | Enumeration) else dimension.primary_key[0]


def _measures(table: Table, build: Kpi) -> Iterator[Row]:
    for name, expression in {**build.measures, **build.after}.items():
        column = table.columns.get(name)
        text = (column.description if column else "") or f"{table.description} Per {table.grain or 'row'}."
        yield _row("measure", name, table, expression, column.type.value if column else None, text)
