"""Rows set aside, judged by how many they are: single bad values block nothing, but a rule that many rows break is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import DataType
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.lakehouse.parts import REASONS
from spectra_assets.lakehouse.types import quoted

if TYPE_CHECKING:
    from pyspark.sql import Column

TOO_MANY = 0.20
"""Share of a column's values that may break one rule. Above it the covenant's promise is broken, not some rows."""

FEW = 5
"""With fewer broken values than this, it takes more than half of them: one bad row of three proves nothing."""


def too_many(candidate: Candidate, gate: str, problem: str, advice: str) -> Judged | None:
    """Per column the rows set aside for `<stage>.<gate>:<column>`, of the rows with a value or that reason; None if none were."""
    if REASONS not in candidate.everything.columns or not candidate.counts.rejected:
        return None
    shares = _shares(candidate, gate)
    if not shares:
        return None
    rules = tuple(
        Rule(
            f"place <> {place} OR failed <= {TOO_MANY} * total OR (failed < {FEW} AND failed * 2 <= total)",
            f"{problem}: {row['column']} on {row['failed']} of {row['total']} rows",
            row["column"],
        )
        for place, row in enumerate(shares)
    )
    columns = {"place": DataType.INT64, "column": DataType.TEXT, "failed": DataType.INT64, "total": DataType.INT64}
    frame = candidate.small(columns, ({**row, "place": place} for place, row in enumerate(shares)))
    return Judged(frame, rules, unit="columns", show=("column", "failed", "total"), advice=advice)


def _shares(candidate: Candidate, gate: str) -> list[dict[str, Any]]:
    pattern = rf"^([^.:]+\.)?{re.escape(gate)}:"
    reason = F.explode(F.col(REASONS)).alias("reason")
    found = candidate.everything.select(reason).where(F.col("reason").rlike(pattern)).distinct().collect()
    by_column: dict[str, list[str]] = {}
    for (text,) in found:
        by_column.setdefault(text.split(":", 1)[1], []).append(text)
    if not by_column:
        return []
    there = set(candidate.everything.columns)
    names = sorted(by_column)
    measures = []
    for name in names:
        fails = _has_any(by_column[name])
        judged = fails | F.col(quoted(name)).isNotNull() if name in there else F.lit(True)
        measures += [F.count(F.when(fails, F.lit(1))), F.count(F.when(judged, F.lit(1)))]
    row = candidate.everything.agg(*measures).collect()[0]
    return [{"column": name, "failed": int(row[2 * place]), "total": int(row[2 * place + 1])} for place, name in enumerate(names)]


def _has_any(reasons: list[str]) -> Column:
    """Whether a row has one of the reasons. Not by array_contains, whose NULLs differ between engines."""
    wanted = [F.lit(text) for text in sorted(reasons)]
    return F.coalesce(F.exists(F.col(REASONS), lambda reason: reason.isin(*wanted)), F.lit(False))
