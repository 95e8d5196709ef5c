"""What holds from one version of a table to the next: its records, the units of its numbers, the zones of its instants.

A table agrees with itself also when the source lost half of it, or gives cents for what were euros. The published version tells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import Column, DataType, Table
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.keys import primary_key
from spectra_assets.gates.registry import gate
from spectra_assets.gates.scale import numbers
from spectra_assets.lakehouse.commit import FINGERPRINT, MADE, TableState
from spectra_assets.lakehouse.types import quoted

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

_KNOWN, _MOST_GONE = 20, 0.3
"""Of so many known records at least, more than this share gone at once is worth a word."""

_MOST, _VALUES = 0.9, 5
"""Share of the values that must have changed alike, and how many different ones there must be among them."""

_LARGE, _PART = 100_000, 16
"""Of a table of so many rows, one key in 16 is compared first: nothing happened to nearly all that did not happen to those."""

_RULED_OUT, _TELLING = 0.5, 200
"""Less than this share of the values alike, of so many in that part at least, and it is not nearly all."""

_FACTORS = tuple(10.0**power for power in (1, 2, 3, 6, 9, -1, -2, -3, -6, -9))
_NEAR = 1e-6
_QUARTER, _FARTHEST = 900, 14 * 3600
"""Seconds: zones are apart by quarters of an hour, and by fourteen hours at most."""

_MINUTE = 60
"""Seconds. Who leaves out the zone often leaves out the fractions of a second with it, or the seconds."""

_RUNS = 2 * _FARTHEST
"""Seconds. What the source writes anew from run to run (`nextRunAt`, `heartbeat`, `updatedAt`) and moves by no more than fourteen
hours lies no farther than that from when it is read, fourteen more if its zone is another. So it tells nothing of zones: only
what lay farther from both readings, and moved all the same, does."""

_HOUR, _SEASONS = 3600, 3
"""Two zones are apart by as many hours all year, or by one or two more while only one of them has its summer time."""


@gate("records_stay", kinds=("flattening",), needs=primary_key)
def records_stay(candidate: Candidate) -> Judged:
    """Most of the records that the published table holds are still there, under their keys."""
    before, gone = _gone(candidate)
    row = {"before": before, "gone": gone, "fate": f"{gone} of {before} records"}
    columns = {"before": DataType.INT64, "gone": DataType.INT64, "fate": DataType.TEXT}
    rule = Rule(f"before < {_KNOWN} OR gone <= {_MOST_GONE} * before", "are no longer there")
    advice = (
        "if the source gave them up, or gave them other keys, nothing is to be done: their history is closed. If it lost them, "
        "run again once it has them back"
    )
    return Judged(candidate.small(columns, [row]), (rule,), unit="comparisons", quote="fate", advice=advice)


@gate("units_stay", kinds=("flattening",), needs=primary_key)
def units_stay(candidate: Candidate) -> Judged:
    """In nearly all records that stay, no number is a power of ten times what it was; no instant far from now moved by hours."""
    columns = {"column": DataType.TEXT, "alike": DataType.INT64, "compared": DataType.INT64, "told": DataType.TEXT}
    rule = Rule("alike = 0", "changed alike, as if their unit or time zone had changed")
    advice = (
        "check the source now: later the two units can't be told apart. If the values are right, set this gate to WARN in the "
        "playbook for one run"
    )
    found = list(_alike(candidate))
    return Judged(candidate.small(columns, found), (rule,), unit="columns", quote="told", advice=advice)


def carried(candidate: Candidate) -> str:
    """What the next candidate is compared by, as the commit tells it."""
    return json.dumps(making(candidate.table))


def making(table: Table) -> dict[str, str]:
    """Column → digest of how its values are made from records: their places and form, the table's steps and key.

    The form of an instant is none of it: texts that come in another form are what tells of another zone.
    """
    return {
        column.name: _digest(
            [column.source, None if column.type == DataType.TIMESTAMP else column.date_format, table.steps, table.primary_key]
        )
        for column in table.schema_
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]


def _gone(candidate: Candidate) -> tuple[int, int]:
    """How many records the published table has, and how many of their keys the candidate lacks; (0, 0) if nothing can be said."""
    known = _published(candidate)
    if known is None:
        return 0, 0
    held, state = known
    keys = primary_key(candidate)
    names = [f"key{place}" for place in range(len(keys))]
    gone = held.select(*_keys(keys)).join(candidate.accepted.select(*_keys(keys)), names, "left_anti").count()
    return state.rows, gone


def _published(candidate: Candidate) -> tuple[DataFrame, TableState] | None:
    """The published table and its state; None of a new one, of few records, of one with another key, if it holds just these rows,
    and of the rows of a nested list, which have no life of their own."""
    ref = candidate.table.ref
    if getattr(candidate.table.build, "array", None) is not None or not candidate.lakehouse.exists(ref):
        return None
    state = candidate.lakehouse.describe(ref)
    same = state.metadata.get(FINGERPRINT) == candidate.staged.fingerprint
    if same or state.rows < _KNOWN or not set(primary_key(candidate)) <= set(state.columns):
        return None
    return candidate.engine.read(candidate.lakehouse.path(ref)), state


def _alike(candidate: Candidate) -> Iterator[dict[str, Any]]:
    """Of each number and instant: how many values changed in the same way, of how many that can be compared.

    Where the covenant takes the values from elsewhere now, or reads them otherwise, they may change as they like.
    """
    known = _published(candidate)
    if known is None:
        return
    held, state = known
    was, is_ = json.loads(state.metadata.get(f"spectra.{MADE}", "{}")), making(candidate.table)
    keys = primary_key(candidate)
    instants = [column for column in candidate.table.schema_ if column.type == DataType.TIMESTAMP and column.name not in keys]
    there = state.columns.keys() & set(candidate.staged.schema.names)
    columns = [column for column in (*numbers(candidate).values(), *instants) if column.name in there]
    columns = [column for column in columns if was.get(column.name) == is_[column.name]]
    if not columns:
        return
    told: dict[str, dict[str, Any]] = {
        column.name: {"column": column.name, "alike": 0, "compared": 0, "told": column.name} for column in columns
    }
    now = candidate.accepted
    if state.rows >= _LARGE:
        part = F.pmod(F.xxhash64(*_keys(keys)), F.lit(_PART)) == 0
        columns = _possible(_both(held.where(part), now.where(part), keys, columns, state.written_at), columns)
    both = _both(held, now, keys, columns, state.written_at)
    compared, hits = _counts(both, columns) if columns else ({}, {})
    doubtful = {
        (place, way): hit for (place, way), hit in hits.items() if compared[place] >= _KNOWN and hit >= _MOST * compared[place]
    }
    if doubtful:
        changed = (F.when(_ways(place, columns[place])[way], F.col(f"was{place}")) for place, way in doubtful)
        seen = both.agg(*(F.count_distinct(each).alias(f"values{number}") for number, each in enumerate(changed)))
        for (place, way), different in zip(doubtful, seen.collect()[0], strict=True):
            if different < _VALUES:
                continue
            column, count, of = columns[place], doubtful[place, way], compared[place]
            if column.type == DataType.TIMESTAMP:
                moved = both.where(_ways(place, column)[way]).groupBy(_moved(place).alias("by"))
                count = _as_zones(moved.count().collect())
            if count >= _MOST * of:
                text = f"{count} of {of} values of {column.name} {way}"
                told[column.name] |= {"alike": count, "compared": of, "told": text}
    yield from told.values()


def _as_zones(moved: Sequence[Any]) -> int:
    """How many values moved as those of another zone do: all by as many hours, summer times aside. `moved` are pairs of seconds
    and how often."""
    counts: Mapping[float, int] = dict(moved)
    return max(sum(counts.get(by + hours * _HOUR, 0) for hours in range(_SEASONS)) for by in counts)


def _possible(part: DataFrame, columns: Sequence[Column]) -> list[Column]:
    """The columns of which a part of the records does not rule out that nearly all changed alike."""
    compared, hits = _counts(part, columns)
    most = {place: max(hit for (of, _), hit in hits.items() if of == place) for place in compared}
    return [
        column
        for place, column in enumerate(columns)
        if compared[place] < _TELLING or most[place] >= _RULED_OUT * compared[place]
    ]


def _counts(both: DataFrame, columns: Sequence[Column]) -> tuple[dict[int, int], dict[tuple[int, str], int]]:
    """By the place of each column: its values that can be compared, and how many of them changed in which way."""
    compared = [F.count_if(F.col(f"was{place}").isNotNull() & F.col(f"is{place}").isNotNull()) for place in range(len(columns))]
    ways = {(place, way): hit for place, column in enumerate(columns) for way, hit in _ways(place, column).items()}
    counted = both.agg(
        *(count.alias(f"count{number}") for number, count in enumerate([*compared, *map(F.count_if, ways.values())]))
    )
    counts = [int(count) for count in counted.collect()[0]]
    return dict(enumerate(counts[: len(columns)])), dict(zip(ways, counts[len(columns) :], strict=True))


def _both(held: DataFrame, now: DataFrame, keys: Sequence[str], columns: Sequence[Column], held_at: datetime) -> DataFrame:
    """The records of both, by key: `was0`, `is0`, … are the values of the columns as doubles, of instants in seconds.

    Instants near one of the two readings are NULL. `held_at` is when the published table was written.
    """
    was = held.select(*_keys(keys), *(_number(column).alias(f"was{place}") for place, column in enumerate(columns)))
    is_ = now.select(*_keys(keys), *(_number(column).alias(f"is{place}") for place, column in enumerate(columns)))
    both = was.join(is_, [f"key{place}" for place in range(len(keys))], "inner")
    before, after = held_at.timestamp() - _RUNS, datetime.now(UTC).timestamp() + _RUNS
    far: dict[str, Expression] = {}
    for place, column in enumerate(columns):
        if column.type == DataType.TIMESTAMP:
            pair = F.col(f"was{place}"), F.col(f"is{place}")
            settled = (F.greatest(*pair) < before) | (F.least(*pair) > after)
            far |= {f"{side}{place}": F.when(settled, value) for side, value in zip(("was", "is"), pair, strict=True)}
    return both.withColumns(far) if far else both


def _keys(keys: Sequence[str]) -> list[Expression]:
    return [F.col(quoted(name)).cast("string").alias(f"key{place}") for place, name in enumerate(keys)]


def _number(column: Column) -> Expression:
    value = F.col(quoted(column.name))
    return (F.unix_micros(value) / 1e6 if column.type == DataType.TIMESTAMP else value).cast("double")


def _ways(place: int, column: Column) -> dict[str, Expression]:
    """In which ways a value may have changed with its unit → whether it did."""
    was, is_ = F.col(f"was{place}"), F.col(f"is{place}")
    if column.type == DataType.TIMESTAMP:
        moved = _moved(place)
        return {"moved by hours": (moved != 0) & (F.abs(moved) <= _FARTHEST) & (F.abs(is_ - was - moved) < _MINUTE)}
    return {
        f"are {factor:g} times what they were": (was != 0) & (F.abs(is_ - was * factor) <= _NEAR * F.abs(was * factor))
        for factor in _FACTORS
    }


def _moved(place: int) -> Expression:
    """By how many seconds an instant moved, to the next quarter of an hour."""
    return F.round((F.col(f"is{place}") - F.col(f"was{place}")) / _QUARTER) * _QUARTER
