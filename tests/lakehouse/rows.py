"""Rows to publish that nobody staged: they are written anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa


class Rows:
    """A candidate of these rows; what it is known by are its values."""

    def __init__(self, table: pa.Table) -> None:
        self.rows, self.schema, self._table = table.num_rows, table.schema, table

    @property
    def fingerprint(self) -> str:
        return str(self._table.to_pylist()[:100])

    def batches(self) -> pa.RecordBatchReader:
        return self._table.to_reader()

    def files(self) -> Sequence[Path]:
        return ()
