"""A candidate that is the table as it stands: nothing is staged, and the gates judge the published rows again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.commit import FINGERPRINT, TableState
from spectra_assets.lakehouse.parts import Sorted
from spectra_assets.lakehouse.staged import Counts, Staged
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.lakehouse.types import storable
from spectra_assets.names import TableRef

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spectra_assets.lakehouse.engine import Engine


@dataclass(frozen=True)
class Standing(Staged):
    """The rows of the published table, with the counts and the fingerprint that its log tells."""

    location: str
    state: TableState

    def accepted(self) -> DataFrame:
        """All rows."""
        return self.engine.read(self.location)

    def batches(self) -> pa.RecordBatchReader:
        """Raises StorageError: the table is there already, unless someone else wrote it just now."""
        raise StorageError(f"{self.ref} was written by someone else while it was compared with its source; run again")

    def files(self) -> list[Path]:
        """None: the rows are in the table already."""
        return []

    def discard(self) -> None:
        """Nothing was staged."""

    @cached_property
    def _measured(self) -> tuple[Counts, str]:
        return Counts(self.state.rows, self.state.rows, 0, 0), self.state.metadata.get(FINGERPRINT, "")


def standing(
    engine: Engine, lakehouse: Lakehouse, ref: TableRef, schema: pa.Schema, volatile: frozenset[str] = frozenset()
) -> Staged:
    """The published table as a candidate. Raises MissingInputError, StorageError."""
    location = lakehouse.require(ref)
    state = lakehouse.describe(ref)
    found = Sorted(state.rows, 0, 0, None)
    return Standing(engine, ref, Path(location), storable(schema), volatile, (), None, found, location, state)
