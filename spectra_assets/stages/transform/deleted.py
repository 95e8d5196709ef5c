"""Transform, deleted records: which rows the API marks as deleted, by themselves or by the record that they lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Gone
from spectra_assets.covenant.model import DataType
from spectra_assets.lakehouse.conditions import all_of
from spectra_assets.stages.frames import col
from spectra_assets.stages.prepare.fields.marks import UNMARKED
from spectra_assets.stages.work import Work

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

LEFT_OUT = "deleted"
"""Key of `Draft.evidence` with the number of rows that are left out because the API marks them as deleted."""


def told(work: Work, gone: Gone) -> Column:
    """Whether a row of `gone.table` is marked; never NULL."""
    if gone.values:
        return F.coalesce(col(gone.column).cast("string").isin(*gone.values), F.lit(False))
    kind = work.covenant.table(gone.table).columns[gone.column].type
    if kind in (DataType.TIMESTAMP, DataType.DATE):
        return col(gone.column).isNotNull()
    return F.coalesce(~F.lower(F.trim(col(gone.column).cast("string"))).isin(*UNMARKED), F.lit(False))


def marked(frame: DataFrame, work: Work, gone: Gone, name: str) -> DataFrame:
    """The rows of a clean table with a truth value called `name`: whether they are deleted."""
    if not gone.on:
        return frame.withColumn(name, told(work, gone))
    theirs = [col(other).alias(f"_of_{place}") for place, other in enumerate(gone.on.values())]
    dead = work.frame(gone.table).where(told(work, gone)).select(*theirs, F.lit(True).alias("_gone")).distinct()
    same = all_of(col(mine) == F.col(f"_of_{place}") for place, mine in enumerate(gone.on))
    found = frame.join(dead, same, "left")
    return found.select(*(col(each) for each in frame.columns), F.coalesce(F.col("_gone"), F.lit(False)).alias(name))


def living(frame: DataFrame, work: Work, gone: Gone | None) -> DataFrame:
    """The rows of a clean table that are not deleted."""
    return frame if gone is None else marked(frame, work, gone, "_dead").where("NOT _dead").drop("_dead")


def left_out(frame: DataFrame, work: Work, gone: Gone | None) -> int:
    """How many rows of a clean table are deleted."""
    return 0 if gone is None else marked(frame, work, gone, "_dead").where("_dead").count()
