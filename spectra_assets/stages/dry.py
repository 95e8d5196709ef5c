"""A run without rows: which columns, of which types, a table's actions would make. Design asks it; nothing is read or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.errors import PySparkException

from spectra_assets.covenant.model import Column, Table
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.types import arrow_schema, data_type, ddl_schema
from spectra_assets.stages.work import Draft, Work, registered

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class DryWork(Work):
    """Work on inputs that have columns and no rows."""

    columns: Mapping[str, list[Column]] | None = None

    def frame(self, table: str) -> DataFrame:
        assert self.columns is not None  # noqa: S101 (always given)
        return self.engine.session.createDataFrame([], ddl_schema(self.columns[table]))

    def read(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        assert self.columns is not None  # noqa: S101 (always given)
        return arrow_schema(self.columns[table]).empty_table()

    def count(self, table: str) -> int:
        return 0


def columns_of(table: Table, columns: Mapping[str, list[Column]], engine: Engine) -> list[Column]:
    """Names and types of the columns that the table's actions make. Raises SpectraError for what the engine refuses."""
    nothing: Any = None
    work = DryWork(
        settings=nothing,
        covenant=nothing,
        table=table,
        lakehouse=nothing,
        engine=engine,
        playbooks=nothing,
        run_id="",
        now=nothing,
        columns=columns,
    )
    draft = Draft()
    try:
        for name in table.steps:
            step = registered(name, table)
            if step.shapes:
                step.run(draft, work)
        if draft.frame is None:
            raise SpectraError(f"the actions of {table.table} made no frame: {', '.join(table.steps)}")
        schema = draft.frame.limit(0).toArrow().schema
    except PySparkException as error:
        raise SpectraError(" ".join(str(error).split())[:500]) from None
    return [Column(name=field.name, type=data_type(field.type)) for field in schema]
