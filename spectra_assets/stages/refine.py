"""Refine: a table of the star with business meaning, added by the declared rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.window import Window

from spectra_assets.covenant.build import Derivation, Enrichment, Refinement
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.conditions import all_of
from spectra_assets.stages.frames import build_of, col, finished, first_input
from spectra_assets.stages.refusal import refused
from spectra_assets.stages.work import Draft, Work, action

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ENRICH, DERIVE = "refine.enrich", "refine.derive"

_STEP = {"enrich": ENRICH, "derive": DERIVE}


@action(ENRICH, "refinement")
def enrich(draft: Draft, work: Work) -> None:
    """Columns from other tables, looked up or grouped; see `_refine` for the order of rules."""
    _refine(draft, work, ENRICH)


@action(DERIVE, "refinement")
def derive(draft: Draft, work: Work) -> None:
    """Columns calculated from the row; see `_refine` for the order of rules."""
    _refine(draft, work, DERIVE)


def _refine(draft: Draft, work: Work, step: str) -> None:
    """Apply the rules in the order in which they are declared, whatever their kinds: a rule may use what any rule before it made.

    So whichever of the two steps comes first applies them all, but those of a kind whose step the table does not have.
    """
    build = build_of(work, Refinement)
    if draft.frame is None:
        draft.rows_in = work.count(first_input(work))
        rules = [rule for rule in build.rules if _STEP[rule.kind] in work.table.steps]
        draft.frame = _refined(work, rules)
    draft.frame = finished(draft.frame, work, step)


def _refined(work: Work, rules: list[Enrichment | Derivation]) -> DataFrame:
    frame = work.frame(first_input(work))
    for rule in rules:
        frame = _applied(frame, work, rule)
    try:
        frame.schema  # noqa: B018  (the engine looks at the expressions only when asked)
    except PySparkException as error:
        raise _culprit(work, rules, error) from error
    return frame


def _culprit(work: Work, rules: list[Enrichment | Derivation], error: PySparkException) -> SpectraError:
    """The error about the first rule that does not work."""
    frame = work.frame(first_input(work))
    for rule in rules:
        known = work.frame(rule.table).columns if isinstance(rule, Enrichment) else frame.columns
        try:
            frame = _applied(frame, work, rule)
            frame.schema  # noqa: B018
        except PySparkException as first:
            return SpectraError(f"{work.table.table}: the rule {rule.rule} does not work: {refused(first, known)}")
    return SpectraError(f"{work.table.table}: its rules do not work: {' '.join(str(error).split())[:300]}")


def _applied(frame: DataFrame, work: Work, rule: Enrichment | Derivation) -> DataFrame:
    if isinstance(rule, Derivation):
        return frame.withColumn(rule.column, F.expr(rule.expression))
    other = _grouped(work, rule) if rule.aggregate else _single(work, rule)
    matches = all_of(col(mine) == F.col(f"_on_{number}") for number, mine in enumerate(rule.on))
    joined = frame.join(other, matches, "left")
    brought = {name: F.col(f"_new_{number}") for number, name in enumerate(rule.columns)}
    kept = [name for name in frame.columns if name not in brought]
    return joined.select(*(col(name) for name in kept), *(column.alias(name) for name, column in brought.items()))


def _grouped(work: Work, rule: Enrichment) -> DataFrame:
    """The aggregates per value of the other table's `on` columns; rows without one match nothing and are left out."""
    measures = [F.expr(expression).alias(f"_new_{number}") for number, expression in enumerate(rule.columns.values())]
    return _matchable(work, rule).groupBy(*_keys(rule)).agg(*measures)


def _single(work: Work, rule: Enrichment) -> DataFrame:
    """One row per value of the other table's `on` columns: the current version, then the latest, then the greatest values."""
    other = _matchable(work, rule)
    columns = [F.expr(expression).alias(f"_new_{number}") for number, expression in enumerate(rule.columns.values())]
    newest = [name for name in ("isCurrent", "validFrom") if name in other.columns]
    chosen = other.select(*_keys(rule), *columns, *(col(name).alias(f"_by_{name}") for name in newest))
    order = [F.col(f"_by_{name}").desc_nulls_last() for name in newest]
    order += [F.col(f"_new_{number}").desc_nulls_last() for number in range(len(columns))]
    window = Window.partitionBy(*(f"_on_{number}" for number in range(len(rule.on)))).orderBy(*order)
    ranked = chosen.withColumn("_rank", F.row_number().over(window))
    return ranked.where("_rank = 1").drop("_rank", *(f"_by_{name}" for name in newest))


def _matchable(work: Work, rule: Enrichment) -> DataFrame:
    frame = work.frame(rule.table)
    for theirs in rule.on.values():
        frame = frame.where(col(theirs).isNotNull())
    return frame


def _keys(rule: Enrichment) -> list[Column]:
    return [col(theirs).alias(f"_on_{number}") for number, theirs in enumerate(rule.on.values())]
