"""What a bridge joins, against what its Clean table says belongs together: read anew, by the values and not by the keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Bridge, Dimension, Enumeration, Reference
from spectra_assets.errors import SpectraError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.lakehouse.conditions import all_of
from spectra_assets.lakehouse.types import quoted
from spectra_assets.names import Stage

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

UNKNOWN = -1
"""Surrogate key of a dimension's unknown member."""

_ENDS = 2
"""Ends that a link has at least."""


UNMATCHED = "the source refers to records that it does not list, such as deleted ones, or they were read before they were there"
"""What a value without a member means."""


def lost_links(candidate: Candidate) -> Judged | None:
    """The links of Clean that the bridge lacks, by the values of their members: NULL where an end is absent, or no member has the
    value. None where each is there: there are as many pairs as different links. Ends that lie behind other tables are not looked
    at, nor are links that are marked as deleted themselves."""
    build = candidate.table.build
    if not isinstance(build, Bridge) or (build.gone is not None and not build.gone.on):
        return None
    direct = [reference for reference in build.references if not reference.via]
    if len(direct) < _ENDS:
        return None
    clean = _links(candidate, build, direct)
    if len(direct) == len(build.references) and candidate.counts.accepted >= clean.count():
        return None
    wanted, held = clean, candidate.accepted
    for place, reference in enumerate(direct):
        wanted = _known(candidate, wanted, place, reference, living=build.gone is not None)
        held = _valued(candidate, held, place, reference)
    names = [name for place, reference in enumerate(direct) for name in _names(place, reference)]
    there = held.select(*(F.col(name).alias(f"_t{number}") for number, name in enumerate(names))).distinct()
    same = all_of(F.col(name).eqNullSafe(F.col(f"_t{number}")) for number, name in enumerate(names))
    told = wanted.select(*(F.col(name) for name in names)).distinct()
    frame = told.join(there.withColumn("_there", F.lit(True)), same, "left")
    shown = _shown(direct)
    frame = frame.select(*(F.col(name).alias(column) for column, name in shown.items()), "_there")
    rule = Rule("_there", f"of {candidate.table.inputs[0]} are not in the bridge", "links")
    advice = "what belongs together there must be joined here: pairs were dropped on the way to their keys"
    return Judged(frame, (rule,), unit="links", show=tuple(shown), advice=advice)


def unmatched_links(candidate: Candidate) -> Judged:
    """The links of Clean with values that no member has, where the bridge itself can't tell these from ends that are absent."""
    build = candidate.table.build
    assert isinstance(build, Bridge)  # noqa: S101  (the caller's condition)
    direct = [reference for reference in build.references if not reference.via]
    frame, rules = _links(candidate, build, direct), []
    for place, reference in enumerate(direct):
        if reference.unmatched == "unknown":
            found = _beside_members(candidate, frame, place, reference)
            given, matched = F.col(f"_e{place}_0").isNotNull(), f"_matched{place}"
            frame = found.select(*(F.col(quoted(n)) for n in frame.columns), (~given | F.col("_m0").isNotNull()).alias(matched))
            problem = f"have a {reference.name} of {UNKNOWN}, though their {reference.column} has a value"
            rules.append(Rule(matched, problem, reference.name))
    shown = _shown(direct)
    frame = frame.select(*(F.col(name).alias(column) for column, name in shown.items()), *(rule.good for rule in rules))
    return Judged(frame, tuple(rules), unit="links", show=tuple(shown), advice=UNMATCHED)


def _shown(references: Sequence[Reference]) -> dict[str, str]:
    """Column of Clean → its values among those of the ends, each once."""
    return {reference.column: f"_e{place}_0" for place, reference in reversed([*enumerate(references)])}


def _names(place: int, reference: Reference) -> list[str]:
    return [f"_e{place}_{number}" for number in range(1 + len(reference.also))]


def _links(candidate: Candidate, build: Bridge, references: Sequence[Reference]) -> DataFrame:
    """The different links of Clean, as the values `_e<reference>_<number>` of their ends, two of which are there at least."""
    rows, completion = candidate.frame(candidate.table.inputs[0]), build.completed_by
    if completion is not None:
        keys = [F.col(quoted(name)).alias(f"_same_{place}") for place, name in enumerate(completion.on)]
        further = candidate.frame(completion.table).select(*keys, *(F.col(quoted(name)) for name in completion.columns))
        rows = rows.join(further, all_of(F.col(quoted(n)) == F.col(f"_same_{p}") for p, n in enumerate(completion.on)), "left")
    ends = [[F.col(quoted(name)) for name in (each.column, *each.also)] for each in references]
    whole = [all_of(column.isNotNull() for column in end) for end in ends]
    rows = rows.where(sum((each.cast("int") for each in whole), F.lit(0)) >= _ENDS)
    return rows.select(*_absent_together(references, ends, whole)).distinct()


def _absent_together(
    references: Sequence[Reference], ends: Sequence[Sequence[Column]], whole: Sequence[Column]
) -> Iterator[Column]:
    """Each end's values under its names; NULL all of them where one is."""
    for place, (reference, end, there) in enumerate(zip(references, ends, whole, strict=True)):
        yield from (F.when(there, column).alias(name) for name, column in zip(_names(place, reference), end, strict=True))


def _members(candidate: Candidate, reference: Reference) -> tuple[DataFrame, str, list[str]]:
    """The dimension's frame, its surrogate key, and its columns that the reference's values are found in."""
    name = f"{Stage.TRANSFORM}.{reference.dimension}"
    build = candidate.covenant.table(name).build
    if not isinstance(build, Dimension | Enumeration):
        raise SpectraError(f"{candidate.table.table} refers to {name}, which has no natural key to be found by")
    return candidate.frame(name), build.surrogate_key, [reference.key or build.natural_key, *reference.also.values()]


def _known(candidate: Candidate, links: DataFrame, place: int, reference: Reference, living: bool) -> DataFrame:
    """The links with NULL for values that no member has; with `living` without those whose member is closed: it was deleted."""
    found = _beside_members(candidate, links, place, reference)
    if living:
        found = found.where("coalesce(_current, 1) = 1")
    names = _names(place, reference)
    others = [F.col(quoted(name)) for name in links.columns if name not in names]
    return found.select(*others, *(F.col(f"_m{number}").alias(name) for number, name in enumerate(names)))


def _beside_members(candidate: Candidate, links: DataFrame, place: int, reference: Reference) -> DataFrame:
    """The links beside the member that has their values: `_m0`, `_m1`, … and whether a version of it is `_current`."""
    frame, _, theirs = _members(candidate, reference)
    kinds = [frame.schema[name].dataType.simpleString() for name in theirs]
    keys = [F.col(quoted(name)).alias(f"_m{number}") for number, name in enumerate(theirs)]
    there = frame.groupBy(*keys).agg(F.max(F.col("isCurrent").cast("int")).alias("_current"))
    pairs = enumerate(zip(_names(place, reference), kinds, strict=True))
    same = all_of(F.col(name).try_cast(kind) == F.col(f"_m{number}") for number, (name, kind) in pairs)
    return links.join(there, same, "left")


def _valued(candidate: Candidate, pairs: DataFrame, place: int, reference: Reference) -> DataFrame:
    """The bridge's rows with the values that its keys stand for; of the unknown member NULL."""
    frame, surrogate, theirs = _members(candidate, reference)
    named = frame.where(F.col(quoted(surrogate)) != F.lit(UNKNOWN)).select(
        F.col(quoted(surrogate)).alias("_key"),
        *(F.col(quoted(column)).alias(name) for column, name in zip(theirs, _names(place, reference), strict=True)),
    )
    return pairs.join(named, F.col(quoted(reference.name)) == F.col("_key"), "left").drop("_key")
