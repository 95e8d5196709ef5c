"""Gates of Refine: the declared rules are there, each as a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Derivation, Refinement
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.refined import STATUSES_KNOWN, flagged, truths
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.registry import gate
from spectra_assets.gates.sample import one_line
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
    told = [(truth, column) for truth, column in _told(candidate) if column in published.columns]
    flags = _flagged(candidate)
    deciding: dict[str, dict[str, str]] = {}
    for truth, column in told:
        if truth in flags:
            deciding.setdefault(column, {})[truth] = flags[truth][1]
    for column, words in deciding.items():  # first: they tell what a word became
        yield _renamed(candidate, published, column, words)
    for truth, column in told:
        if truth in flags:
            continue
        known = published.select(F.col(quoted(column)).alias("_known")).distinct()
        values = candidate.accepted.groupBy(F.col(quoted(column)).cast("string").alias("value")).agg(
            F.count(F.lit(1)).alias("rows"), F.count(F.when(F.col(quoted(truth)).isNull(), F.lit(1))).alias("open")
        )
        frame = values.join(known, F.col("value") == F.col("_known"), "left").select(
            "value", F.lit(f"neither {truth} nor not").alias("label"), F.lit(column).alias("column"), "rows", "open", "_known"
        )
        known_words = list(deciding.get(column, {}).values())
        frame = frame.withColumn("_told", F.col("value").isin(known_words) if known_words else F.lit(False))
        good = "value IS NULL OR _known IS NOT NULL OR _told OR open = 0"
        problem = f"of {column} are new, and leave open whether a row {truth}"
        advice = f"a rule of kind derive for {truth} says what they mean; until then their rows count as neither"
        yield Judged(frame, (Rule(good, problem, truth),), unit="values", show=_SHOWN, advice=advice)


def _renamed(candidate: Candidate, published: DataFrame, column: str, words: Mapping[str, str]) -> Judged:
    """Of each truth and the word that alone decides it, whether a new value has the word's rows: about as many, and the word none
    any more."""
    before, now = (_counts(rows, column, words.values()) for rows in (published, candidate.accepted))
    gone = [word for word in words.values() if before.get(word, 0) >= _REPEATED and word not in now]
    fresh = _fresh(candidate, published, column) if gone else []
    rows = []
    for flag, word in words.items():
        had = before.get(word, 0)
        found = next(((value, count) for value, count in fresh if had / 2 <= count <= had * 2), None) if word in gone else None
        value, count = found or (word, now.get(word, 0))
        told = f"{had} rows were {word}, {count} are {one_line(value, 40)}, and none {flag}"
        row = {"value": value, "label": f"not {flag}", "column": column, "rows": count}
        rows.append({**row, "told": told, "same": found is None})
    kinds = dict.fromkeys(("value", "label", "column", "told"), DataType.TEXT) | {"rows": DataType.INT64, "same": DataType.BOOL}
    rule = Rule("same", f"of {column} that alone tell a truth have no rows any more, and a new one has about as many", "word")
    advice = "a rule of kind read_as reads the new word as the former one, or a rule of kind derive says what it means"
    show = (*_SHOWN, "told")
    return Judged(candidate.small(kinds, rows), (rule,), unit="values", show=show, quote="told", advice=advice)


def _counts(rows: DataFrame, column: str, words: Iterable[str]) -> dict[str, int]:
    """Word → its rows; not there if it has none."""
    found = rows.select(F.col(quoted(column)).alias("value")).where(F.col("value").isin(list(words)))
    return {row["value"]: row["rows"] for row in found.groupBy("value").agg(F.count(F.lit(1)).alias("rows")).collect()}


def _fresh(candidate: Candidate, published: DataFrame, column: str) -> list[tuple[str, int]]:
    """Values that no published row has, with their rows, those with most first."""
    value = F.col(quoted(column)).alias("value")
    counted = candidate.accepted.select(value).where("value IS NOT NULL").groupBy("value").agg(F.count(F.lit(1)).alias("rows"))
    fresh = counted.join(published.select(value).distinct(), ["value"], "left_anti").orderBy(F.desc("rows")).limit(_MOST_FRESH)
    return [(row["value"], row["rows"]) for row in fresh.collect()]


def _told(candidate: Candidate) -> list[tuple[str, str]]:
    """(column with a truth, column with texts of nobody that decides it)."""
    build, columns = candidate.table.build, candidate.table.columns
    found = {flag: [column] for flag, (column, _) in _flagged(candidate).items()}
    found |= truths(build) if isinstance(build, Refinement) else {}
    texts = {name for name, each in columns.items() if each.type == DataType.TEXT and name.lower() not in candidate.personal}
    return [
        (truth, name) for truth, names in found.items() for name in dict.fromkeys(names) if name in texts and truth in columns
    ]


def _flagged(candidate: Candidate) -> dict[str, tuple[str, str]]:
    build = candidate.table.build
    return flagged(build) if isinstance(build, Refinement) else {}
