"""Transform, completed rows: what another clean table tells of the same records, such as their own address beside their list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Bridge, Dimension, Fact
from spectra_assets.lakehouse.conditions import all_of
from spectra_assets.stages.frames import col, first_input
from spectra_assets.stages.work import Work

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def rows_of(work: Work, build: Dimension | Fact | Bridge) -> DataFrame:
    """The rows of the clean table, each with the further columns of its record in the table that completes it: NULL where that
    has no such record. Rows neither multiply nor vanish, as the key is unique in both."""
    rows, completion = work.frame(first_input(work)), build.completed_by
    if completion is None:
        return rows
    keys = [col(name).alias(f"_same_{place}") for place, name in enumerate(completion.on)]
    further = work.frame(completion.table).select(*keys, *(col(name) for name in completion.columns))
    same = all_of(col(name) == F.col(f"_same_{place}") for place, name in enumerate(completion.on))
    return rows.join(further, same, "left").drop(*(f"_same_{place}" for place in range(len(keys))))
