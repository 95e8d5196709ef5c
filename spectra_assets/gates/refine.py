"""Gates of Refine: the declared rules are there, each as a column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Derivation, Refinement
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.refined import STATUSES_KNOWN, flagged, truths
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate
from spectra_assets.lakehouse.types import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SHOWN = ("value", "label", "column", "rows")

_REPEATED = 5
"""Rows that a word must have had before another one can be said to stand in its place."""

_MOST_FRESH = 20
"""New values of a column that are looked at, those with most rows."""


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
    is neither open nor closed. Nor does it stand where one did that alone decides a truth: the status has another name now.
    Nothing is known before the first version but the words that decide truths."""
    if not candidate.lakehouse.exists(candidate.table.ref):
        return
    published = candidate.engine.read(candidate.lakehouse.require(candidate.table.ref))
    flags = _flagged(candidate)
    for truth, column in _told(candidate):
        if column not in published.columns:
            continue
        if truth in flags:
            yield _renamed(candidate, published, truth, *flags[truth])
            continue
        known = published.select(F.col(quoted(column)).alias("_known")).distinct()
        told = candidate.accepted.groupBy(F.col(quoted(column)).cast("string").alias("value")).agg(
            F.count(F.lit(1)).alias("rows"), F.count(F.when(F.col(quoted(truth)).isNull(), F.lit(1))).alias("open")
        )
        frame = told.join(known, F.col("value") == F.col("_known"), "left").select(
            "value", F.lit(f"neither {truth} nor not").alias("label"), F.lit(column).alias("column"), "rows", "open", "_known"
        )
        words = [word for name, word in flags.values() if name == column]
        frame = frame.withColumn("_told", F.col("value").isin(words) if words else F.lit(False))
        good = "value IS NULL OR _known IS NOT NULL OR _told OR open = 0"
        problem = f"of {column} are new, and leave open whether a row {truth}"
        advice = f"a rule of kind derive for {truth} says what they mean; until then their rows count as neither"
        yield Judged(frame, (Rule(good, problem, truth),), unit="values", show=_SHOWN, advice=advice)


def _renamed(candidate: Candidate, published: DataFrame, flag: str, column: str, word: str) -> Judged:
    """Whether a new value has the rows of the word that alone decides a truth: about as many, and the word none any more."""
    kinds = {"value": DataType.TEXT, "label": DataType.TEXT, "column": DataType.TEXT, "rows": DataType.INT64}
    before, now = (_having(rows, column, word) for rows in (published, candidate.accepted))
    fresh = _fresh(candidate, published, column) if before >= _REPEATED and now == 0 else []
    instead = next(((value, rows) for value, rows in fresh if before / 2 <= rows <= before * 2), None)
    value, rows = instead or (word, now)
    row = {"value": value, "label": f"not {flag}", "column": column, "rows": rows, "same": instead is None}
    problem = f"of {column} are new, {before} rows that were {word!r} are so no more, and none {flag} any more"
    advice = f"a rule of kind read_as reads the new word as {word!r}, or a rule of kind derive for {flag} says what it means"
    frame = candidate.small({**kinds, "same": DataType.BOOL}, [row])
    return Judged(frame, (Rule("same", problem, flag),), unit="values", show=_SHOWN, advice=advice)


def _having(rows: DataFrame, column: str, word: str) -> int:
    return int(rows.where(F.col(quoted(column)) == F.lit(word)).count())


def _fresh(candidate: Candidate, published: DataFrame, column: str) -> list[tuple[str, int]]:
    """Values that no published row has, with their rows, those with most first."""
    value = F.col(quoted(column)).alias("value")
    counted = candidate.accepted.select(value).where("value IS NOT NULL").groupBy("value").agg(F.count(F.lit(1)).alias("rows"))
    fresh = counted.join(published.select(value).distinct(), ["value"], "left_anti").orderBy(F.desc("rows")).limit(_MOST_FRESH)
    return [(row["value"], row["rows"]) for row in fresh.collect()]


def _told(candidate: Candidate) -> list[tuple[str, str]]:
    """(column with a truth, column with texts of nobody that decides it)."""
    build, columns = candidate.table.build, candidate.table.columns
    found = {flag: [column] for flag, (column, _) in _flagged(candidate).items()}  # first: they tell what a word became
    found |= truths(build) if isinstance(build, Refinement) else {}
    texts = {name for name, each in columns.items() if each.type == DataType.TEXT and name.lower() not in candidate.personal}
    return [
        (truth, name) for truth, names in found.items() for name in dict.fromkeys(names) if name in texts and truth in columns
    ]


def _flagged(candidate: Candidate) -> dict[str, tuple[str, str]]:
    build = candidate.table.build
    return flagged(build) if isinstance(build, Refinement) else {}
