"""Records that are no longer there. The table that stands tells how many went, and what those have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import Column, DataType, PiiLevel
from spectra_assets.gates.altered import CODES
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.keys import primary_key
from spectra_assets.gates.lasting import is_nested, keys_of, published
from spectra_assets.gates.registry import gate
from spectra_assets.gates.sample import one_line
from spectra_assets.gates.together import comes_and_goes
from spectra_assets.lakehouse.types import quoted
from spectra_assets.names import words

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_KNOWN, _MOST_GONE = 20, 0.3
"""Of so many known records at least, more than this share gone at once is worth a word."""

_SOME, _MOST = 10, 0.9
"""Records that had one value and are gone, all of them, and their share of those that are gone: a filter leaves out such."""


@gate("records_stay", kinds=("flattening",), needs=primary_key)
def records_stay(candidate: Candidate) -> Judged:
    """Most of the records that the published table holds are still there, under their keys, and not all are gone that had one
    state or were of one kind."""
    before, gone, odd = _fate(candidate)
    fate = f"{gone} of {before} records are no longer there{odd or ''}"
    row = {"before": before, "gone": gone, "stays": odd is None, "fate": fate}
    columns = {"before": DataType.INT64, "gone": DataType.INT64, "stays": DataType.BOOL, "fate": DataType.TEXT}
    advice = (
        "if the source gave them up, or gave them other keys, nothing is to be done: their history is closed. If it lost them, "
        "run again once it has them back"
    )
    frame = candidate.small(columns, [row])
    rule, show = Rule("stays", "known records went", whole=True), ("before", "gone", "fate")
    return Judged(frame, (rule,), unit="comparisons", show=show, quote="fate", advice=advice)


def _fate(candidate: Candidate) -> tuple[int, int, str | None]:
    """How many records the published table has, how many of their keys the candidate lacks, and what is odd about that: nothing
    but their number, if it is empty; None if nothing is, or a person takes other keys over."""
    known = None if is_nested(candidate) else published(candidate, _KNOWN)
    keys = primary_key(candidate)
    if known is None or candidate.accepts(known[1].version, keys[0]):
        return 0, 0, None
    held, state = known
    names = [f"_key{place}" for place in range(len(keys))]
    lost = held.select("*", *keys_of(keys)).join(candidate.accepted.select(*keys_of(keys)), names, "left_anti")
    gone = lost.count()
    if gone > _MOST_GONE * state.rows:
        return state.rows, gone, ""
    if gone < _SOME or comes_and_goes(candidate):
        return state.rows, gone, None
    return state.rows, gone, next(_left_out(candidate, held, lost, gone), None)


def _left_out(candidate: Candidate, held: DataFrame, lost: DataFrame, gone: int) -> Iterator[str]:
    """The value that nearly all lost records have, if no other record has it any more: a filter leaves them out."""
    there = set(held.columns) & set(candidate.staged.schema.names)
    for column in candidate.table.schema_:
        if column.name not in there or not _tells_kinds(column):
            continue
        value = F.col(quoted(column.name)).cast("string").alias("value")
        went, had = (_counts(rows.select(value)) for rows in (lost, held))
        top = next((each for each in went if each is not None), None)
        if top is None or went[top] < max(_SOME, _MOST * gone) or went[top] < had.get(top, 0) or len(had) < 2:
            continue
        if not candidate.accepted.select(value).where(F.col("value") == F.lit(top)).limit(1).collect():
            yield f", all of those whose {column.name} was {one_line(top, 40)}"


def _counts(values: DataFrame) -> dict[str | None, int]:
    """Value → its rows, of those that have most."""
    counted = values.groupBy("value").agg(F.count(F.lit(1)).alias("rows")).orderBy(F.desc("rows")).limit(_KNOWN)
    return {row["value"]: row["rows"] for row in counted.collect()}


def _tells_kinds(column: Column) -> bool:
    """Whether a column says of what state or kind a record is."""
    said = {word.lower() for word in words(column.name)}
    return column.pii == PiiLevel.NONE and (column.type == DataType.BOOL or bool(CODES & said))
