"""What a gate is given: a table that waits to be published, what was measured as it was made, and its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spectra_assets.covenant.model import Covenant, DataType, PiiLevel, Table
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.staged import Counts, Staged
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.lakehouse.types import arrow, ddl
from spectra_assets.names import Stage, TableRef

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Candidate:
    """Rows of `table` that wait for their gates. `rows_in` is what the inputs held; None if nobody counted.

    `evidence` is what the table's actions measured beside its rows (see `stages/evidence.py`).
    """

    covenant: Covenant
    table: Table
    lakehouse: Lakehouse
    engine: Engine
    staged: Staged
    rows_in: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    accepted_changes: frozenset[str] = frozenset()
    """What a person takes over as it is: after a version of a table (`clean.order@3`) whatever comes, or a column of it
    (`clean.order.total@3`); without a version always."""

    def accepts(self, version: int, *column: str) -> bool:
        """Whether a person takes over what the table, or a column of it, is after this version, which stands."""
        name = ".".join((self.table.table, *column))
        return not self.accepted_changes.isdisjoint((name, f"{name}@{version}"))

    @cached_property
    def accepted(self) -> DataFrame:
        """Rows that will be published."""
        return self.staged.accepted()

    @cached_property
    def everything(self) -> DataFrame:
        """All rows, also those that stay behind, with the control columns `_reasons` and `_duplicate` if they have any."""
        return self.staged.frame()

    @property
    def counts(self) -> Counts:
        """How many rows there are and what becomes of them: one query, when first asked for."""
        return self.staged.counts()

    def frame(self, table: str) -> DataFrame:
        """Another table as it is published, or this one as it will be. Raises MissingInputError."""
        if table == self.table.table:
            return self.accepted
        return self.engine.read(self.lakehouse.require(TableRef.parse(table)))

    def extracted(self, table: Table) -> Table | None:
        """The table of Extract that `table` is made from; None if it is made from tables of other stages."""
        return next((t for t in self.covenant.tables() if t.table in table.inputs and t.ref.schema == Stage.EXTRACT), None)

    def small(self, columns: Mapping[str, DataType], rows: Iterable[Mapping[str, Any]]) -> DataFrame:
        """Measured facts as a frame, so that they are judged like any rows. For up to some ten thousand."""
        schema = pa.schema([pa.field(name, arrow(kind)) for name, kind in columns.items()])
        try:
            facts = pa.Table.from_pylist([{name: row.get(name) for name in columns} for row in rows], schema=schema)
        except pa.ArrowException as error:
            raise SpectraError(f"the evidence of {self.table.table} is not of the types {dict(columns)}: {error}") from error
        if not facts.num_rows:  # Connect infers no schema from no rows
            form = ", ".join(f"`{name}` {ddl(kind)}" for name, kind in columns.items())
            return self.engine.session.createDataFrame(facts, schema=form)
        return self.engine.session.createDataFrame(facts)

    def known(self, key: str) -> Any:
        """The evidence under `key`. Raises SpectraError naming what there is: no evidence is no proof."""
        if key not in self.evidence:
            there = ", ".join(sorted(self.evidence)) or "none"
            raise SpectraError(
                f"a gate of {self.table.table} needs the evidence {key}, which its actions did not leave; there is {there}"
            )
        return self.evidence[key]

    @cached_property
    def personal(self) -> frozenset[str]:
        """Columns with personal data, in lower case."""
        return frozenset(column.name.lower() for column in self.table.schema_ if column.pii != PiiLevel.NONE)

    @cached_property
    def dumps(self) -> frozenset[str]:
        """Columns of JSON text, in lower case."""
        return frozenset(column.name.lower() for column in self.table.schema_ if column.type == DataType.JSON)
