"""Gates of Transform: the versions of a dimension are one history, and every key of a fact leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.window import Window

from spectra_assets.covenant.build import Bridge, Calendar, Dimension, Enumeration, Fact
from spectra_assets.covenant.model import DataType
from spectra_assets.errors import SpectraError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.links import UNKNOWN, UNMATCHED, unmatched_links
from spectra_assets.gates.registry import gate
from spectra_assets.lakehouse.types import quoted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

VERSIONED = ("dimension", "enumeration")


def _history(candidate: Candidate) -> tuple[str, str]:
    build = candidate.table.build
    if not isinstance(build, Dimension | Enumeration):
        raise SpectraError(f"{candidate.table.table} is no dimension with versions")
    return build.natural_key, build.surrogate_key


def _history_columns(candidate: Candidate) -> list[str]:
    return [*_history(candidate), "validFrom", "validTo", "isCurrent"]


def _member(candidate: Candidate) -> Column:
    """Tells apart the members that have no natural key, such as the unknown one."""
    natural, surrogate = (F.col(quoted(name)) for name in _history(candidate))
    return F.when(natural.isNull(), surrogate)


@gate("one_current_row", kinds=VERSIONED, needs=_history_columns)
def one_current_row(candidate: Candidate) -> Judged:
    """Every natural key has one current version; none only if all its versions are closed."""
    natural, _ = _history(candidate)
    versions = candidate.accepted.groupBy(F.col(quoted(natural)), _member(candidate).alias("member")).agg(
        F.count(F.when(F.col("isCurrent"), F.lit(1))).alias("current"),
        F.count(F.when(F.col("validTo").isNull(), F.lit(1))).alias("open"),
        F.count(F.lit(1)).alias("versions"),
    )
    rules = (
        Rule("current <= 1", f"of {natural} have several current versions", "several"),
        Rule("current > 0 OR open = 0", f"of {natural} have an open version, but no current one", "none"),
    )
    advice = "a new version must close the one before it"
    return Judged(versions, rules, unit="values", show=(natural, "current", "open", "versions"), advice=advice)


@gate("validity_has_no_gap_or_overlap", kinds=VERSIONED, needs=_history_columns)
def validity_has_no_gap_or_overlap(candidate: Candidate) -> Judged:
    """Every version ends after it starts, and not after the next one starts (a key may vanish and come back)."""
    natural, surrogate = _history(candidate)
    order = Window.partitionBy(F.col(quoted(natural)), _member(candidate)).orderBy("validFrom", quoted(surrogate))
    frame = candidate.accepted.select(
        F.col(quoted(natural)), F.col(quoted(surrogate)), "validFrom", "validTo", F.lead("validFrom").over(order).alias("next")
    )
    rules = (
        Rule("validFrom IS NOT NULL AND (validTo IS NULL OR validFrom < validTo)", "end before they start", "order"),
        Rule("next IS NULL OR coalesce(next >= validTo, false)", "last longer than until the next version", "overlap"),
    )
    advice = "validTo of a version is the validFrom of the next one"
    return Judged(frame, rules, unit="versions", show=(natural, surrogate, "validFrom", "validTo", "next"), advice=advice)


@gate("foreign_keys_resolve", kinds=("fact", "bridge"), needs=lambda candidate: [name for name, _, _ in _keys(candidate)])
def foreign_keys_resolve(candidate: Candidate) -> Iterator[Judged]:
    """Every key of a dimension has a value which that dimension holds, and each dimension has its unknown member."""
    keys = _keys(candidate)
    if not keys:
        return
    own = list(dict.fromkeys([*candidate.table.primary_key, *(name for name, _, _ in keys)]))
    frame = candidate.accepted.select(*(F.col(quoted(name)) for name in own))
    rules = []
    for place, (name, dimension, surrogate) in enumerate(keys):
        found = f"_found{place}"
        there = _surrogates(candidate, dimension, surrogate, found)
        frame = frame.join(there, F.col(quoted(name)) == F.col(found), "left")
        rules.append(Rule(f"{found} IS NOT NULL", f"have a {name} that {dimension} does not hold", name))
    advice = "a row without a partner must refer to the unknown member -1"
    yield Judged(frame, tuple(rules), show=tuple(own), advice=advice)
    yield _unknown_members(candidate, {dimension: surrogate for _, dimension, surrogate in keys})


@gate("references_matched", kinds=("fact", "bridge"), needs=lambda candidate: [name for name, _ in _open(candidate)])
def references_matched(candidate: Candidate) -> Iterator[Judged]:
    """Every value of a reference has a member in its dimension; those that have none refer to the unknown member."""
    if isinstance(candidate.table.build, Bridge) and len(candidate.table.build.references) > 2:  # some ends may be absent
        yield unmatched_links(candidate)
        return
    rules = []
    for name, columns in _open(candidate):
        given = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns) or "true"
        problem = f"have a {name} of {UNKNOWN}, though their {' and '.join(columns) or 'source'} has a value"
        rules.append(Rule(f"NOT ({quoted(name)} = {UNKNOWN} AND {given})", problem, name))
    named = [name for key, columns in _open(candidate) for name in (*columns, key)]
    show = tuple(dict.fromkeys([*candidate.table.primary_key, *named]))
    if rules:
        yield Judged(candidate.accepted, tuple(rules), show=show, advice=UNMATCHED)


def _open(candidate: Candidate) -> list[tuple[str, list[str]]]:
    """Each reference whose values may lack a member, with the columns that hold these values (a bridge of two ends keeps none:
    all its pairs have values)."""
    build = candidate.table.build
    if not isinstance(build, Fact | Bridge):
        return []
    found = []
    for reference in build.references:
        columns = [reference.column, *reference.also] if isinstance(build, Fact) else []
        there = all(column in candidate.table.columns for column in columns)
        if reference.unmatched == "unknown" and not reference.via and there:
            found.append((reference.name, columns))
    return found


def _keys(candidate: Candidate) -> list[tuple[str, str, str]]:
    """(column, dimension's table, its surrogate key) of every foreign key."""
    build = candidate.table.build
    if not isinstance(build, Fact | Bridge):
        return []
    keys = []
    for reference in build.references:
        dimension = reference.dimension if "." in reference.dimension else f"transform.{reference.dimension}"
        keys.append((reference.name, dimension, _surrogate(candidate, dimension)))
    if isinstance(build, Fact) and build.dates:
        tables = candidate.covenant.tables()
        calendars = [table for table in tables if isinstance(table.build, Calendar) and table.table in candidate.table.inputs]
        if not calendars:
            raise SpectraError(f"{candidate.table.table} has dates ({', '.join(build.dates)}), but no calendar among its inputs")
        keys += [(name, calendars[0].table, calendars[0].primary_key[0]) for name in build.dates]
    return keys


def _surrogate(candidate: Candidate, dimension: str) -> str:
    try:
        table = candidate.covenant.table(dimension)
    except KeyError:
        raise SpectraError(f"{candidate.table.table} refers to {dimension}, which its covenant does not make") from None
    return table.build.surrogate_key if isinstance(table.build, Dimension | Enumeration) else table.primary_key[0]


def _surrogates(candidate: Candidate, dimension: str, surrogate: str, alias: str) -> DataFrame:
    return candidate.frame(dimension).select(F.col(quoted(surrogate)).alias(alias)).distinct()


def _unknown_members(candidate: Candidate, dimensions: dict[str, str]) -> Judged:
    frame: DataFrame | None = None
    for dimension, surrogate in sorted(dimensions.items()):
        unknown = F.count(F.when(F.col(quoted(surrogate)) == UNKNOWN, F.lit(1)))
        one = candidate.frame(dimension).agg(F.lit(dimension).alias("dimension"), unknown.alias("unknownMembers"))
        frame = one if frame is None else frame.unionAll(one)
    if frame is None:
        frame = candidate.small({"dimension": DataType.TEXT, "unknownMembers": DataType.INT64}, [])
    rule = Rule("unknownMembers = 1", f"do not have exactly one unknown member {UNKNOWN}", "unknown")
    return Judged(frame, (rule,), unit="dimensions", advice="add the unknown member in the dimension's rule")
