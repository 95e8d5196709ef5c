"""Transform, dimensions: their members, the values of enumerations, the history of both, and the calendar."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Calendar, Dimension, Enumeration
from spectra_assets.covenant.model import Column as Promise
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.conditions import all_of
from spectra_assets.lakehouse.types import ddl
from spectra_assets.stages.clean.casts import cast, plausible
from spectra_assets.stages.frames import build_of, col, drafted, finished, first_input
from spectra_assets.stages.transform.completed import rows_of
from spectra_assets.stages.transform.days import days, year_span
from spectra_assets.stages.transform.deleted import marked
from spectra_assets.stages.transform.history import DELETED, HISTORY, UNKNOWN, Versioning
from spectra_assets.stages.work import Draft, Work, action

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@action("transform.select_members", "dimension")
def select_members(draft: Draft, work: Work) -> None:
    """The rows of the clean table, with those marked that were deleted, and the declared members which it does not have."""
    build = build_of(work, Dimension)
    table = first_input(work)
    tables = {table, *([build.completed_by.table] if build.completed_by else [])}
    attributes = [c for c in work.table.schema_ if c.name not in (build.surrogate_key, *HISTORY)]
    made = {build.natural_key: _composed(build.composed_of)} if build.composed_of else {}
    clean, further = rows_of(work, build), []
    if build.gone is not None:
        clean, further = marked(clean, work, build.gone, DELETED), [col(DELETED)]
    rows = clean.select(*(made.get(c.name, col(_origin(c, tables))).alias(c.name) for c in attributes), *further)
    declared = _members(work, build.members, attributes, tables)
    natural = build.natural_key
    delivered = rows.select(col(natural).alias("_delivered"))
    missing = declared.join(delivered, col(natural).eqNullSafe(F.col("_delivered")), "left_anti")
    missing = missing.withColumn(DELETED, F.lit(False)) if further else missing
    draft.rows_in = work.count(table)
    draft.frame = finished(rows.unionByName(missing), work, "transform.select_members")


@action("transform.list_values", "enumeration")
def list_values(draft: Draft, work: Work) -> None:
    """Every value of the column or with a label, and the absent value -1; a value without a label is `unmapped`."""
    build = build_of(work, Enumeration)
    table, column = build.column.rsplit(".", 1)
    kind = ddl(work.table.columns[build.natural_key].type)
    seen = work.frame(table).select(col(column).try_cast(kind).alias("_value"))
    labels = {UNKNOWN: build.absent, **build.labels}
    labelled = _small(work, {"_labelled": "bigint", "_label": "string"}, [list(pair) for pair in labels.items()])
    labelled = labelled.select(F.col("_labelled").try_cast(kind).alias("_labelled"), "_label")
    values = seen.unionByName(labelled.select(F.col("_labelled").alias("_value"))).where("_value IS NOT NULL").distinct()
    frame = values.join(labelled, F.col("_value") == F.col("_labelled"), "left").select(
        F.col("_value").alias(build.natural_key),
        F.coalesce(F.col("_label"), F.lit(build.unmapped)).alias(build.label),
    )
    draft.rows_in = work.count(table)
    draft.frame = finished(frame, work, "transform.list_values")


@action("transform.track_history", "dimension", "enumeration")
def track_history(draft: Draft, work: Work) -> None:
    """The members as versions: unchanged ones stay as they are, a changed or vanished one is closed, and nothing is deleted."""
    build = build_of(work, Dimension, Enumeration)
    members = drafted(draft, work, ("transform.select_members", "transform.list_values"))
    versioning = Versioning(build.natural_key, build.surrogate_key, work.now)
    so_far = _so_far(work, build.natural_key)
    frame = versioning.first(members) if so_far is None else versioning.continued(members, so_far)
    draft.frame = finished(frame, work, "transform.track_history")


@action("transform.span_calendar", "calendar")
def span_calendar(draft: Draft, work: Work) -> None:
    """Every day from the first to the last year that the columns have dates in, and the unknown day -1."""
    build = build_of(work, Calendar)
    spans: DataFrame | None = None
    for name in build.columns:
        table, column = name.rsplit(".", 1)
        span = year_span(work.frame(table), col(column))
        spans = span if spans is None else spans.unionByName(span)
    if spans is None:
        raise SpectraError(f"{work.table.table} names no columns to span")
    draft.frame = finished(days(spans), work, "transform.span_calendar")


def _composed(columns: Sequence[str]) -> Column:
    """The values of several columns as one text: a JSON array of their texts, NULL if one is absent."""
    whole = all_of(col(name).isNotNull() for name in columns)
    return F.when(whole, F.to_json(F.array(*(col(name).cast("string") for name in columns))))


def _origin(column: Promise, tables: Collection[str]) -> str:
    """Name of the column in the table it comes from."""
    return next((place.rsplit(".", 1)[1] for place in column.lineage if place.rsplit(".", 1)[0] in tables), column.name)


def _members(
    work: Work, members: Sequence[Mapping[str, str | int | None]], attributes: Sequence[Promise], tables: Collection[str]
) -> DataFrame:
    """The declared members with all attributes: by the attribute's name or by its column's in the clean table."""
    names = [{column.name, _origin(column, tables)} for column in attributes]
    known = {name for pair in names for name in pair}
    surplus = sorted({name for member in members for name in member if name not in known})
    if surplus:
        raise SpectraError(f"a member of {work.table.table} has {', '.join(surplus)}, which is none of its columns")
    rows = [[_text(member, pair) for pair in names] for member in members]
    texts = _small(work, {column.name: "string" for column in attributes}, rows)
    typed = texts.select(*(cast(col(c.name), c.type, c.date_format).alias(c.name) for c in attributes))
    return typed.select(*(plausible(col(c.name), c.type).cast(ddl(c.type)).alias(c.name) for c in attributes))


def _text(member: Mapping[str, str | int | None], names: set[str]) -> str | None:
    value = next((member[name] for name in names if name in member), None)
    return None if value is None else str(value)


def _small(work: Work, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> DataFrame:
    """A frame of a few literal rows."""
    schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    return work.engine.session.createDataFrame([tuple(row) for row in rows], schema)


def _so_far(work: Work, natural_key: str) -> DataFrame | None:
    """The versions as published last; None before the first load, and if what is there has no versions."""
    if not work.lakehouse.exists(work.table.ref):
        return None
    frame = work.frame(work.table.table)
    return frame if {natural_key, *HISTORY} <= set(frame.columns) else None
