"""Gates of Refine: the declared rules are there, each as a column."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Derivation, Refinement
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.refined import STATUSES_KNOWN, truths
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate
from spectra_assets.lakehouse.types import quoted


@gate("rules_applied", kinds=("refinement",))
def rules_applied(candidate: Candidate) -> Iterator[Judged]:
    """Every column that a rule declares is there, with the covenant's type."""
    build = candidate.table.build
    made: dict[str, DataType | None] = {}
    for rule in build.rules if isinstance(build, Refinement) else ():
        for name in [rule.column] if isinstance(rule, Derivation) else rule.columns:
            column = candidate.table.columns.get(name)
            made[name] = column.type if column else None
    if made:
        advice = "the step that follows the rules was left out, or the covenant is older than the rules"
        yield Judged(candidate.accepted, columns=made, advice=advice)


@gate(STATUSES_KNOWN, kinds=("refinement",), needs=lambda candidate: [name for pair in _told(candidate) for name in pair])
def statuses_known(candidate: Candidate) -> Iterator[Judged]:
    """A value that no published row has does not leave open whether a row is what others are by theirs: a status that came later
    is neither open nor closed. Nothing is known before the first version."""
    if not candidate.lakehouse.exists(candidate.table.ref):
        return
    published = candidate.engine.read(candidate.lakehouse.require(candidate.table.ref))
    for truth, column in _told(candidate):
        if column not in published.columns:
            continue
        known = published.select(F.col(quoted(column)).alias("_known")).distinct()
        told = candidate.accepted.groupBy(F.col(quoted(column)).cast("string").alias("value")).agg(
            F.count(F.lit(1)).alias("rows"), F.count(F.when(F.col(quoted(truth)).isNull(), F.lit(1))).alias("open")
        )
        frame = told.join(known, F.col("value") == F.col("_known"), "left").select(
            "value", F.lit(f"neither {truth} nor not").alias("label"), F.lit(column).alias("column"), "rows", "open", "_known"
        )
        good = "value IS NULL OR _known IS NOT NULL OR open = 0"
        problem = f"of {column} are new, and leave open whether a row {truth}"
        advice = f"a rule of kind derive for {truth} says what they mean; until then their rows count as neither"
        yield Judged(
            frame, (Rule(good, problem, truth),), unit="values", show=("value", "label", "column", "rows"), advice=advice
        )


def _told(candidate: Candidate) -> list[tuple[str, str]]:
    """(column with a truth, column with texts of nobody that decides it)."""
    build, columns = candidate.table.build, candidate.table.columns
    found = truths(build) if isinstance(build, Refinement) else {}
    texts = {name for name, each in columns.items() if each.type == DataType.TEXT and name.lower() not in candidate.personal}
    return [
        (truth, name) for truth, names in found.items() for name in dict.fromkeys(names) if name in texts and truth in columns
    ]
