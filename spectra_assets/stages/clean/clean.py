"""Clean: one typed, flat table per entity and one per nested array, from the raw records of Extract.

The actions pass rows on with columns of their own: `_raw` (JSON text of the record or element), `_sequence` and `_index` (its
order), `_source_<i>_<column>` (the texts of a column with several sources), and at the end `_reasons` and `_duplicate`.
Each works without the others, on what there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.window import Window

from spectra_assets.covenant.build import Flattening
from spectra_assets.covenant.model import Column as Promise
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import HASH, INDEX, PARENT, PARENTS, TREE_PARENT, asked_path, asked_place
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.commit import ELEMENTS, FINGERPRINT
from spectra_assets.lakehouse.parts import DUPLICATE, REASONS
from spectra_assets.names import Stage, TableRef
from spectra_assets.stages.clean.casts import cast, filled, plausible, trimmed
from spectra_assets.stages.clean.records import HELD, count_elements, element, flattened
from spectra_assets.stages.frames import RAW, build_of, col, drafted, finished
from spectra_assets.stages.values.numbers import NONE, WITH_NONE
from spectra_assets.stages.work import Draft, Unrepeated, Work, action

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

FIRST = ("clean.parse_records",)
KINDS = ("flattening",)

_FROM_REQUEST = {PARENT: "parentKey", TREE_PARENT: "treeParentKey", HASH: "recordHash"}
_HELPERS = ("_sequence", "_index")

MANY = 50_000
"""Rows from which on a table is large."""


@action("clean.parse_records", *KINDS)
def parse_records(draft: Draft, work: Work) -> None:
    """Every column as the text it is in the record; of several sources the first with a value."""
    build = build_of(work, Flattening)
    table = _records_of(work)
    array = None if build.array == PARENT else build.array  # the parents that list a record are no array of it
    frame = _read(work, work.table.schema_, array)
    if array is None:
        draft.rows_in = work.count(table)
    else:
        counted = partial(count_elements, work.frame(table), "record", array)
        told = _elements(work, table, array)
        # those who read the records counted them in their own way; where that does not fit the rows, ours decides
        draft.rows_in, draft.recount = (counted(), None) if told is None else (told, counted)
    draft.frame = _passed(frame, work, "clean.parse_records")


def _elements(work: Work, table: str, array: str) -> int | None:
    """How many elements of `array` the records have, as Extract counted them; None if it did not, or others changed the rows."""
    told = work.lakehouse.describe(TableRef.parse(table)).metadata
    found = json.loads(told.get(f"spectra.{ELEMENTS}", "{}")).get(array) if FINGERPRINT in told else None
    return found if type(found) is int else None


def _records_of(work: Work) -> str:
    """The table of raw records that the table is made from. Raises SpectraError."""
    table = next((name for name in work.table.inputs if name.startswith(f"{Stage.EXTRACT}.")), None)
    if table is None:
        raise SpectraError(f"{work.table.table} reads no table of {Stage.EXTRACT}, so it has no records to be made from")
    return table


def _read(work: Work, promised: Sequence[Promise], array: str | None) -> DataFrame:
    """These columns as texts, and the actions' own; `array` as in `flattened`."""
    frame = work.frame(_records_of(work))
    sources = [(column.name, path) for column in promised for path in column.source]
    paths = list(dict.fromkeys(path for _, path in sources if not path.startswith("@")))
    carried = [*_FROM_REQUEST.values(), "sequence"]
    decimals = {path for column in promised if column.type == DataType.DECIMAL for path in column.source}
    rows = flattened(frame, "record", paths, array, carried, decimals, work.engine.embedded)
    texts = {path: F.col(f"_leaf_{i}") for i, path in enumerate(paths)}
    texts |= {path: F.col(name).cast("string") for path, name in _FROM_REQUEST.items()}
    asked = {path: place for _, path in sources if (place := asked_place(path)) is not None and place >= 0}
    texts |= {path: F.get_json_object("parentKey", f"$[{place}]") for path, place in asked.items()}  # a JSON array of texts
    texts[PARENTS] = texts[PARENT]
    texts[INDEX] = F.col("_index").cast("string")
    columns: list[Column] = []
    for column in promised:
        found = [_known(texts, path, work) for path in column.source] or [F.lit(None).cast("string")]
        columns.append(F.coalesce(*found).alias(column.name))
        columns += [text.alias(_source(i, column.name)) for i, text in enumerate(found) if len(found) > 1]
    made_from = F.col(HELD) if HELD in rows.columns else F.coalesce(F.col(RAW), F.lit("null")).alias(RAW)
    return rows.select(*columns, made_from, F.col("sequence").alias("_sequence"), F.col("_index"))


@action("clean.trim_text", *KINDS)
def trim_text(draft: Draft, work: Work) -> None:
    """No blanks at both ends of texts; a text without anything else is absent."""
    frame = drafted(draft, work, FIRST)
    made = {
        column.name: F.coalesce(*(trimmed(text) for text in _texts(frame, column)))
        for column in work.table.schema_
        if column.type == DataType.TEXT and column.name in frame.columns
    }
    draft.frame = _passed(_replaced(frame, made), work, "clean.trim_text")


@action("clean.cast_types", *KINDS)
def cast_types(draft: Draft, work: Work) -> None:
    """Each text as its column's type: the first source that can be cast. With a text that can't, the row gets a reason."""
    frame = _with_reasons(drafted(draft, work, FIRST))
    columns = [c for c in work.table.schema_ if c.type != DataType.TEXT and c.name in frame.columns]
    # one projection after the other, so that nothing is calculated twice
    texts = [(c, i, text) for c in columns for i, text in enumerate(_texts(frame, c))]
    names = frame.columns
    bare = [(c, i, trimmed(text)) for c, i, text in texts]
    plain = (text if c.type == DataType.JSON else filled(text) for c, _, text in bare)
    staged = frame.select("*", *(text.alias(_step("text", i, c)) for (c, i, _), text in zip(bare, plain, strict=True)))
    staged = staged.select(
        "*", *(cast(col(_step("text", i, c)), c.type, c.date_format).alias(_step("cast", i, c)) for c, i, _ in texts)
    )
    made: dict[str, Column] = {}
    reasons: list[Column] = []
    for column in columns:
        mine = [i for c, i, _ in texts if c is column]
        made[column.name] = F.coalesce(*(plausible(col(_step("cast", i, column)), column.type) for i in mine))
        given = F.coalesce(*(col(_step("text", i, column)) for i in mine)).isNotNull()
        reasons.append(F.when(given & made[column.name].isNull(), F.lit(f"types_hold:{column.name}")))
    frame = _replaced(staged, {**made, REASONS: _added(reasons)}, names)
    draft.frame = _passed(frame, work, "clean.cast_types")


@action("clean.require_fields", *KINDS)
def require_fields(draft: Draft, work: Work) -> None:
    """A row without a value in a required column or its key gets a reason, unless it has one for that value's type."""
    frame = _with_reasons(drafted(draft, work, FIRST))
    required = [column.name for column in work.table.schema_ if column.required]
    reasons = [
        F.when(
            col(name).isNull() & ~F.array_contains(F.col(REASONS), f"types_hold:{name}"),
            F.lit(f"required_present:{name}"),
        )
        for name in dict.fromkeys([*work.table.primary_key, *required])
        if name in frame.columns
    ]
    draft.frame = _passed(_replaced(frame, {REASONS: _added(reasons)}), work, "clean.require_fields")


@action("clean.deduplicate", *KINDS)
def deduplicate(draft: Draft, work: Work) -> None:
    """Of the good rows with one key (or, with `repeats_by`, one value of that) the last is kept, by `deduplicate_by`, then by
    the order seen; the others are marked. After the table's last step only rows with a reason keep what they were made from."""
    build = build_of(work, Flattening)
    frame = _with_reasons(drafted(draft, work, FIRST))
    good = F.size(F.col(REASONS)) == 0
    if {RAW, HELD} & set(frame.columns) and work.table.steps[-1] == "clean.deduplicate":
        frame = frame.withColumn(RAW, F.when(~good, _made_from(frame)))  # or else it is sorted and written with every row
    repeats = [build.repeats_by] if build.repeats_by else work.table.primary_key
    key = [name for name in repeats if name in frame.columns]
    newest = [build.deduplicate_by] if build.deduplicate_by else []
    order = [col(name).desc_nulls_last() for name in (*newest, *_HELPERS, RAW) if name in frame.columns]
    single = frame.withColumn(DUPLICATE, F.lit(False))
    if not key or not order:
        draft.frame = _passed(single, work, "clean.deduplicate")
        return
    window = Window.partitionBy(*(col(name) for name in key), good).orderBy(*order)
    marked = frame.withColumn(DUPLICATE, good & (F.row_number().over(window) > 1))
    draft.frame = _passed(marked, work, "clean.deduplicate")
    if work.count(_records_of(work)) >= MANY:  # to order whole rows by their key takes half as long again as to make them
        draft.unrepeated = Unrepeated(_passed(single, work, "clean.deduplicate"), tuple(key), draft.frame)


def _made_from(frame: DataFrame) -> Column:
    """The record or element that each row was made from."""
    return F.coalesce(element(), F.lit("null")) if HELD in frame.columns else F.col(RAW)


def _passed(frame: DataFrame, work: Work, action: str) -> DataFrame:
    """`frame` for the next action; after the table's last step as it is published, with what each row was made from."""
    if work.table.steps[-1:] == [action] and HELD in frame.columns and RAW not in frame.columns:
        frame = frame.withColumn(RAW, _made_from(frame))
    return finished(frame, work, action)


def _step(step: str, number: int, column: Promise) -> str:
    return f"_{step}_{number}_{column.name}"


def _source(number: int, column: str) -> str:
    return f"_source_{number}_{column}"


def _known(texts: dict[str, Column], path: str, work: Work) -> Column:
    if path not in texts:
        known = [*_FROM_REQUEST, asked_path(0, True), INDEX]
        raise SpectraError(f"{work.table.table} has the source {path}; beside paths there are {', '.join(known)}")
    return texts[path]


def _texts(frame: DataFrame, column: Promise) -> list[Column]:
    """The column's texts, in the order of its sources, as rules have them read; those that say that there is none are NULL."""
    there = set(frame.columns)
    several = [_source(i, column.name) for i in range(len(column.source)) if _source(i, column.name) in there]
    texts = [col(name) for name in several or [column.name]]
    texts = [_read_as(text, column.read_as) for text in texts] if column.read_as else texts
    if column.date_format in WITH_NONE:
        return [F.when(~F.lower(trimmed(text)).isin(*sorted(NONE)), text) for text in texts]
    return texts


def _read_as(text: Column, values: Mapping[str, str | None]) -> Column:
    """The text, or the one that a rule gives in its place."""
    bare = trimmed(text)
    (first, instead), *rest = ((each, F.lit(other).cast("string")) for each, other in values.items())
    found = F.when(bare == first, instead)
    for each, other in rest:
        found = found.when(bare == each, other)
    return found.otherwise(text)


def _with_reasons(frame: DataFrame) -> DataFrame:
    return frame if REASONS in frame.columns else frame.withColumn(REASONS, F.array().cast("array<string>"))


def _added(reasons: Iterable[Column]) -> Column:
    """The reasons so far and those of the new ones that are not NULL."""
    new = [F.array_compact(F.array(*reasons))] if (reasons := list(reasons)) else []
    return F.concat(F.col(REASONS), *new)


def _replaced(frame: DataFrame, made: dict[str, Column], names: Sequence[str] | None = None) -> DataFrame:
    """The columns (all, or those called `names`), these calculated anew, all from the old ones, each in its place."""
    return frame.select(*(made[n].alias(n) if n in made else col(n) for n in names or frame.columns))
