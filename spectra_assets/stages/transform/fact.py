"""Transform, facts and bridges: their rows, and the surrogate keys that their references resolve to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.window import Window

from spectra_assets.covenant.build import Bridge, Dimension, Enumeration, Fact, Hop, Reference
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.conditions import all_of, any_of
from spectra_assets.stages.frames import build_of, col, drafted, finished, first_input
from spectra_assets.stages.transform.completed import rows_of
from spectra_assets.stages.transform.days import day_key
from spectra_assets.stages.transform.deleted import LEFT_OUT, left_out, living
from spectra_assets.stages.transform.history import UNKNOWN
from spectra_assets.stages.work import Draft, Work, action

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

FIRST = ("transform.select_events", "transform.select_pairs")

_ENDS = 2
"""Ends that a pair has at least."""

_EVENT = "_event"
"""Instant that picks the versions of a fact's dimensions."""


@action("transform.select_events", "fact")
def select_events(draft: Draft, work: Work) -> None:
    """One row per row of the input that was not deleted: key, scalars, calendar keys, and in helper columns what references
    start from."""
    build = build_of(work, Fact)
    table = first_input(work)
    clean = rows_of(work, build)
    frame = living(clean, work, build.gone)
    scalars = dict.fromkeys([*work.table.primary_key, *build.scalars])
    event = col(build.event_time) if build.event_time else F.lit(None)
    draft.frame = finished(
        frame.select(
            *(col(name) for name in scalars),
            *(day_key(col(column)).alias(name) for name, column in build.dates.items()),
            *_starts(build.references),
            event.cast("timestamp").alias(_EVENT),
        ),
        work,
        "transform.select_events",
    )
    draft.rows_in = work.count(table)
    if build.gone is not None:
        draft.evidence[LEFT_OUT] = draft.notes["deletedRows"] = left_out(clean, work, build.gone)


@action("transform.select_pairs", "bridge")
def select_pairs(draft: Draft, work: Work) -> None:
    """The distinct pairs of the input, without records that were deleted. Where fewer than two ends are there, there is no pair;
    of what joins more than two (a person in a role on a panel) the others may be absent."""
    build = build_of(work, Bridge)
    ends = [all_of(col(name).isNotNull() for name in (each.column, *each.also)) for each in build.references]
    joined = sum((end.cast("int") for end in ends), F.lit(0)) >= _ENDS
    rows = living(rows_of(work, build), work, build.gone)
    pairs = rows.where(joined).select(*_starts(build.references)).distinct()
    draft.rows_in = pairs.count()
    draft.frame = finished(pairs, work, "transform.select_pairs")


@action("transform.resolve_keys", "fact", "bridge")
def resolve_keys(draft: Draft, work: Work) -> None:
    """Surrogate keys: -1 where there is no value, NULL where no member has the value. Rows neither multiply nor vanish.

    Where the reference says so, a value that no member has refers to the unknown member -1, too; pairs of a bridge that have
    become equal by that are one. A version is taken by the event's instant, the latest without one. A dimension's first version
    also stands for the time before it: that it is not older only means that nobody had looked yet.
    """
    build = build_of(work, Fact, Bridge)
    frame = drafted(draft, work, FIRST)
    walked = _walked(frame, work, build.references)
    frame = walked.frame
    if isinstance(build, Bridge) and any(reference.via for reference in build.references):
        ends = [name for end in walked.ends for name in (end, _found(end))]
        ends += [_start(name) for reference in build.references for name in reference.also]
        frame = frame.select(*(col(name) for name in dict.fromkeys(ends))).distinct()
        draft.rows_in = frame.count()
    timed = isinstance(build, Fact) and build.event_time is not None
    before = frame.columns
    keys: dict[str, Column] = {}
    for number, (reference, end) in enumerate(zip(build.references, walked.ends, strict=True)):
        frame, keys[reference.name] = _resolved(frame, work, reference, number, end, timed and reference.version == "event")
    frame = frame.select(*(col(name) for name in before if name not in keys), *(key.alias(name) for name, key in keys.items()))
    if isinstance(build, Bridge) and any(reference.unmatched == "unknown" for reference in build.references):
        frame = frame.select(*(col(reference.name) for reference in build.references)).distinct()
        draft.rows_in = frame.count()
    draft.frame = finished(frame, work, "transform.resolve_keys")


def _start(column: str) -> str:
    return f"_from_{column}"


def _found(end: str) -> str:
    return f"{end}_found"


def _starts(references: Sequence[Reference]) -> list[Column]:
    return [col(column).alias(_start(column)) for column in dict.fromkeys(c for r in references for c in (r.column, *r.also))]


@dataclass
class _Walked:
    """A frame after all hops; `ends` are the columns with the references' natural keys.

    `<end>_found` is false where a hop's table does not have the value.
    """

    frame: DataFrame
    ends: list[str]


def _walked(frame: DataFrame, work: Work, references: Sequence[Reference]) -> _Walked:
    """Join the hops of all references; a way that several begin with is walked once."""
    ways: dict[tuple[object, ...], str] = {(each.column,): _start(each.column) for each in references}
    if ways:  # a fact may refer to days alone
        frame = frame.withColumns({_found(start): F.lit(True) for start in ways.values()})
    ends: list[str] = []
    for reference in references:
        way: tuple[object, ...] = (reference.column,)
        for hop in reference.via:
            before = ways[way]
            way = (*way, hop.table, hop.key, hop.take)
            if way not in ways:
                ways[way] = f"_hop_{len(ways)}"
                frame = _hopped(frame, work, hop, before, ways[way])
        ends.append(ways[way])
    return _Walked(frame, ends)


def _hopped(frame: DataFrame, work: Work, hop: Hop, before: str, after: str) -> DataFrame:
    """The `take` of the row whose `key` is the value so far, as `after`. Of several rows with one key the greatest value."""
    key, kind = f"{after}_key", ""
    other = work.frame(hop.table)
    kind = other.schema[hop.key].dataType.simpleString()
    taken = other.where(col(hop.key).isNotNull()).groupBy(col(hop.key).alias(key)).agg(F.max(col(hop.take)).alias(after))
    joined = frame.join(taken, col(before).try_cast(kind) == F.col(key), "left")
    found = col(_found(before)) & (col(before).isNull() | F.col(key).isNotNull())
    return joined.withColumn(_found(after), found).drop(key)


def _resolved(frame: DataFrame, work: Work, reference: Reference, number: int, end: str, timed: bool) -> tuple[DataFrame, Column]:
    """The frame beside the versions that the reference leads to, and its surrogate key. One join for each, and nothing else: a
    plan may be nested a hundred levels deep, and a fact may refer to forty dimensions."""
    versions, pairs = _versions(work, reference, number, end)
    surrogate, since, until = (F.col(f"_{part}_{number}") for part in ("surrogate", "since", "until"))
    matches = all_of(col(value).try_cast(kind) == F.col(key) for value, key, kind in pairs)
    absent = any_of(col(value).isNull() for value, _, _ in pairs)
    if timed:
        event = F.col(_EVENT)
        then = (since.isNull() | (since <= event)) & (until.isNull() | (event < until))
        matches = matches & F.coalesce(then, until.isNull())
    else:
        versions = versions.where(until.isNull())
    unknown = F.lit(UNKNOWN).cast("bigint")
    found = F.when(absent & col(_found(end)), unknown).otherwise(surrogate)
    if reference.unmatched == "unknown":
        found = F.coalesce(found, unknown)
    return frame.join(versions, matches, "left"), found


def _versions(work: Work, reference: Reference, number: int, end: str) -> tuple[DataFrame, list[tuple[str, str, str]]]:
    """Every version with the time it stands for (no beginning for the first, no end for the latest), and what finds it:
    (column of the fact, column of the version, its type), all of which must be equal."""
    name = f"transform.{reference.dimension}"
    try:
        build = work.covenant.table(name).build
    except KeyError:
        raise SpectraError(f"{work.table.table} refers to {name}, which its covenant does not make") from None
    if not isinstance(build, Dimension | Enumeration):
        raise SpectraError(f"{work.table.table} refers to {name}, which has no natural key to be found by")
    frame = work.frame(name)
    wanted = {end: reference.key or build.natural_key, **{_start(mine): theirs for mine, theirs in reference.also.items()}}
    pairs = [
        (mine, f"_key_{number}_{place}", frame.schema[theirs].dataType.simpleString())
        for place, (mine, theirs) in enumerate(wanted.items())
    ]
    keys = [col(theirs).alias(key) for (_, key, _), theirs in zip(pairs, wanted.values(), strict=True)]
    whole = all_of(col(theirs).isNotNull() for theirs in wanted.values())
    single = (
        frame.where(whole).groupBy(*keys, F.col("validFrom")).agg(F.max(col(build.surrogate_key)).alias(f"_surrogate_{number}"))
    )
    order = Window.partitionBy(*(key for _, key, _ in pairs)).orderBy("validFrom")
    versions = single.select(
        *(key for _, key, _ in pairs),
        f"_surrogate_{number}",
        F.when(F.lag("validFrom").over(order).isNotNull(), F.col("validFrom")).alias(f"_since_{number}"),
        F.lead("validFrom").over(order).alias(f"_until_{number}"),
    )
    return versions, pairs
