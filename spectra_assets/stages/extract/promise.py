"""What the covenant promises of an entity: what its records are compared with while they stream by."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from spectra_assets.covenant.build import Flattening
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import Column, Covenant, DataType


def promised(known: CanonEntity, covenant: Covenant) -> CanonEntity:
    """The entity as the covenant's tables hold it: what Prepare found out since is drift until the covenant says so too.

    Where the covenant has no table of it (its data are not flattened), the canon alone tells.
    """
    tables = [each for each in covenant.tables() if each.entity == known.entity and isinstance(each.build, Flattening)]
    columns = {raw: (column, each.table) for each in tables for column in each.schema_ for raw in column.source}
    if not columns:
        return known
    types = {raw: column.type for raw, (column, _) in columns.items()}
    fields = [_as_promised(item, columns) for item in known.fields if item.raw.startswith("@") or _covered(item, types)]
    raws = {item.raw for item in fields}
    for raw, (column, table) in columns.items():
        if raw not in raws and not raw.startswith("@") and not any(_above(raw, other) or _above(other, raw) for other in raws):
            fields.append(
                CanonField(
                    raw=raw,
                    structure="scalar",
                    target=column.name,
                    type=column.type,
                    required=column.required,
                    group=table.split(".", 1)[1],
                    date_format=column.date_format,
                )
            )
    return known.model_copy(update={"fields": tuple(fields)})


def read_otherwise(entity: str, covenant: Covenant) -> dict[str, Collection[str]]:
    """Path → the texts that rules have read as others, in the tables of an entity."""
    mine = [table for table in covenant.tables() if table.entity == entity and isinstance(table.build, Flattening)]
    return {raw: column.read_as for table in mine for column in table.schema_ if column.read_as for raw in column.source}


def _as_promised(item: CanonField, columns: Mapping[str, tuple[Column, str]]) -> CanonField:
    """The field with the type of its column, if it has one for itself."""
    column = columns[item.raw][0] if item.raw in columns else None
    if column is None or column.source != [item.raw]:
        return item
    return item.model_copy(update={"type": column.type, "date_format": column.date_format})


def _covered(item: CanonField, types: Mapping[str, DataType]) -> bool:
    """Whether a column holds the field, or as JSON what it lies in. Where columns hold what lies in it, they are what is
    promised: a list that is one record here and there is no JSON for that."""
    return item.raw in types or any(_above(raw, item.raw) for raw, kind in types.items() if kind == DataType.JSON)


def _above(outer: str, inner: str) -> bool:
    return inner.startswith((f"{outer}.", f"{outer}[]"))
