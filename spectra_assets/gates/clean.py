"""Gates of Clean: the types of the canon hold, and few rows had to be set aside."""

from __future__ import annotations

from collections.abc import Iterator

from spectra_assets.covenant.model import DataType
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate
from spectra_assets.gates.rejected import too_many

QUARANTINE = 0.05
"""Share of the rows that may go to quarantine before somebody is told."""


@gate("types_hold")
def types_hold(candidate: Candidate) -> Iterator[Judged]:
    """Every column has the covenant's type, and no type fails so often that it must be wrong."""
    advice = "sample the entity again so that the canon learns the type which the source has now"
    types: dict[str, DataType | None] = {column.name: column.type for column in candidate.table.schema_}
    if types:
        yield Judged(candidate.accepted, columns=types, advice=advice)
    broken = too_many(candidate, "types_hold", "hold values that are not of their type too often", advice)
    if broken is not None:
        yield broken


@gate("quarantine_small", kinds=("flattening",))
def quarantine_small(candidate: Candidate) -> Judged:
    """At most one row in twenty goes to quarantine."""
    counts = candidate.counts
    rows = counts.rows if candidate.rows_in is None else candidate.rows_in
    columns = {"rejected": DataType.INT64, "rowsIn": DataType.INT64}
    frame = candidate.small(columns, [{"rejected": counts.rejected, "rowsIn": rows}])
    problem = f"is too high: {counts.rejected} of {rows} rows were set aside"
    advice = f"look at quarantine.{candidate.table.ref.schema}_{candidate.table.ref.table} for the reasons"
    return Judged(frame, (Rule(f"rejected <= {QUARANTINE} * rowsIn", problem),), unit="shares", advice=advice)
