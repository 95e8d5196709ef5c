"""What holds from one version of a table to the next: its keys, and what their values mean.

A table agrees with itself also when the source gives cents for what were euros. The published version tells.
Of a large table some thousand records are compared: what was done to nearly all of them was done to nearly all of those.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.client.withheld import how_withheld
from spectra_assets.covenant.access import Withheld
from spectra_assets.covenant.amounts import NUMBERS
from spectra_assets.covenant.model import Column, DataType, Table
from spectra_assets.covenant.paths import ARRAY, split_path
from spectra_assets.gates.altered import LONGEST, MOST, Alteration, Form, Pairs, alterations
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.keys import primary_key
from spectra_assets.gates.registry import gate
from spectra_assets.lakehouse.commit import FINGERPRINT, MADE, TableState
from spectra_assets.lakehouse.types import quoted
from spectra_assets.names import words

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

_KNOWN = 20
"""Different values by which records that have other keys are known again."""

_FEW = 8
"""Of so many known records at least, something may be seen that was done to all."""

_PLACES = frozenset(("rank", "position", "place", "index", "order", "row", "line", "slot", "ordinal"))
"""Words of a key that is a place: what stands there changes, as in a table of leaders."""

_OF_PLACES = frozenset((Form.SCALED, Form.ROUNDED, Form.CASED, Form.ESCAPED, Form.GARBLED, Form.MASKED, Form.HASHED))
"""What is seen of rows that only their place in a list tells apart, of lists as long as before: another row may stand there now,
but it would not be a hundred times what stood there."""

_COMPARED = 8_192
"""Records of a table that are compared, about; all of a smaller one."""

_LARGE, _HEAD = 100_000, 1_024
"""Of a table of so many rows, so many at each of some places are compared first: to nearly all of them nothing was done."""

_FARTHEST = 14 * 3600
"""Seconds: zones are apart by fourteen hours at most."""

_RUNS = 2 * _FARTHEST
"""Seconds. What the source writes anew from run to run (`nextRunAt`, `heartbeat`, `updatedAt`) and moves by no more than fourteen
hours lies no farther than that from when it is read, fourteen more if its zone is another. So it tells nothing of zones: only
what lay farther from both readings, and moved all the same, does."""

_DISTINCT = 0.5
"""Of so many of the rows a column's values must differ, to tell records apart by them."""

_COMPARABLE = frozenset((*NUMBERS, DataType.TEXT, DataType.BOOL, DataType.DATE, DataType.TIMESTAMP))

_DAY = str(pa.date32())

_SHOWN = ("column", "path", "references", "form", "seen", "count", "compared", "told")


@gate("values_stay", kinds=("flattening",), needs=primary_key)
def values_stay(candidate: Candidate) -> Judged:
    """Nothing was done to nearly all records that stay at once and alike: to a unit, a zone, a vocabulary, a charset, by a mask,
    to their keys; and no value that stands for none came into many."""
    found = dict(_altered(candidate))
    kinds = dict.fromkeys(_SHOWN, DataType.TEXT) | dict.fromkeys(("count", "compared"), DataType.INT64) | {"stays": DataType.BOOL}
    rows = [
        {
            "column": name,
            "path": next((path for path in candidate.table.columns[name].source if not path.startswith("@")), None),
            "references": candidate.table.columns[name].references,
            "stays": change is None,
            **(asdict(change) if change is not None else {}),
        }
        for name, change in found.items()
    ]
    rule = Rule("stays", "changed in nearly all records at once and alike")
    advice = (
        "look at the source now: later the two can't be told apart. What stands stays; if the new values are right, "
        "`solution-engine lessons approve` takes them over once"
    )
    return Judged(candidate.small(kinds, rows), (rule,), unit="columns", show=_SHOWN, quote="told", advice=advice)


def carried(candidate: Candidate) -> str:
    """What the next candidate is compared by, as the commit tells it."""
    return json.dumps(making(candidate.table, candidate.covenant.pipeline.server.withheld))


def making(table: Table, withheld: Sequence[Withheld] = ()) -> dict[str, str]:
    """Column → digest of how its values are made from records: their places and form, what is hashed of them, the table's steps
    and key.

    The form of a day or an instant is none of it: texts that come in another form are what tells of another zone.
    """
    return {
        column.name: _digest(
            [column.source, table.steps, table.primary_key]
            + ([column.read_as] if column.read_as else [])
            + [
                how
                for path in column.source
                if (how := how_withheld([key.removesuffix(ARRAY) for key in split_path(path)], withheld))
            ]
        )
        for column in table.schema_
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]


def published(candidate: Candidate, least: int) -> tuple[DataFrame, TableState] | None:
    """The published table and its state; None of a new one, of fewer records, of one with another key, if it holds just these
    rows, or the key is of another type."""
    ref = candidate.table.ref
    if not candidate.lakehouse.exists(ref):
        return None
    state = candidate.lakehouse.describe(ref)
    same = state.metadata.get(FINGERPRINT) == candidate.staged.fingerprint
    if same or state.rows < least or not all(_is_written_alike(candidate, state, name) for name in primary_key(candidate)):
        return None
    return candidate.engine.read(candidate.lakehouse.path(ref)), state


def _is_written_alike(candidate: Candidate, state: TableState, key: str) -> bool:
    """Whether a part of the key that was there reads the same as a text now: 7 and '7' do, 7 and 7.00 do not."""
    types = (state.columns.get(key, ""), str(candidate.staged.schema.field(key).type))
    return types[0] == types[1] or (all(types) and not any(each.startswith(("decimal", "double", "float")) for each in types))


def is_nested(candidate: Candidate) -> bool:
    """Whether the rows are those of a nested list: they may come, go and get other keys with their record."""
    return candidate.table.array is not None


def _is_made(candidate: Candidate) -> bool:
    """Whether a part of the key is nothing that records say, but made of them."""
    columns = candidate.table.columns
    return any(path.startswith("@") for name in primary_key(candidate) for path in columns[name].source)


def _owning(candidate: Candidate) -> list[str]:
    """The parts of the key that tell in which record a row lies, where only its place there tells it from others; else none."""
    columns = candidate.table.columns
    of_record = [name for name in primary_key(candidate) if not any(path.startswith("@") for path in columns[name].source)]
    return of_record if is_nested(candidate) and _is_made(candidate) else []


def _altered(candidate: Candidate) -> Iterator[tuple[str, Alteration | None]]:
    """Column → what was done to it since the published version; the key first. Nothing of a column whose values the covenant
    takes from elsewhere now, or reads otherwise: those may change as they like."""
    known = published(candidate, _FEW)
    if known is None or candidate.accepts(known[1].version):
        return
    held, state = known
    key = primary_key(candidate)[0]
    columns = [column for column in _comparable(candidate, state) if not candidate.accepts(state.version, column.name)]
    found: dict[str, Alteration] = {}
    left = _doubtful(candidate, state, columns) if state.rows >= _LARGE else columns
    if left is not None:
        compared, kept = _pairs(candidate, held, state, left)
        found = alterations(compared)
        if _owning(candidate):
            found = {name: change for name, change in found.items() if change.form in _OF_PLACES}
        elif _PLACES & {word.lower() for word in words(key)}:
            found = {name: change for name, change in found.items() if change.form != Form.REPLACED}
        if kept <= 1 - MOST and not is_nested(candidate) and not candidate.accepts(state.version, key):
            found |= _rekeyed(candidate, held, state)
    yield from ((name, found.get(name)) for name in (key, *(column.name for column in columns)))


def _comparable(candidate: Candidate, state: TableState) -> list[Column]:
    was, is_ = json.loads(state.metadata.get(f"spectra.{MADE}", "{}")), json.loads(carried(candidate))
    schema, keys = candidate.staged.schema, primary_key(candidate)
    found = []
    for column in candidate.table.schema_:
        made = column.name in keys or any(path.startswith("@") for path in column.source)
        if column.type not in _COMPARABLE or made or column.name not in schema.names or was.get(column.name) != is_[column.name]:
            continue
        before, now = state.columns.get(column.name), str(schema.field(column.name).type)
        if before == now:
            found.append(column)
        elif before == _DAY and column.type == DataType.TIMESTAMP:
            found.append(column.model_copy(update={"type": DataType.DATE}))  # days that became moments are the same days
    return found


def _doubtful(candidate: Candidate, state: TableState, columns: Sequence[Column]) -> list[Column] | None:
    """The columns to which something may have been done, as the first rows at some places show: most tables are as they were.
    None if it is nothing at all; all of them where those places do not hold the same records."""
    keys = primary_key(candidate)
    names = list(dict.fromkeys([*keys, *(column.name for column in columns)]))
    tables = [candidate.lakehouse.heads(candidate.table.ref, names, _HEAD), candidate.staged.heads(names, _HEAD)]
    both = [
        pa.table(
            {
                **{f"_key{place}": table.column(name).cast(pa.string()) for place, name in enumerate(keys)},
                **{f"value{place}": _plain(column, table.column(column.name)) for place, column in enumerate(columns)},
            }
        )
        for table in tables
    ]
    compared, kept = _matched(candidate, both, state, columns)
    if kept * both[0].num_rows < _HEAD:
        return list(columns)
    found = alterations(compared)
    return [column for column in columns if column.name in found] or None


def _pairs(candidate: Candidate, held: DataFrame, state: TableState, columns: Sequence[Column]) -> tuple[list[Pairs], float]:
    """The values of both, by key, of some thousand records, and the share of those that stand which are still there."""
    keys = primary_key(candidate)
    parts = max(1, max(state.rows, candidate.counts.accepted) // _COMPARED)
    whole = _owning(candidate) or keys  # lists inside of records are compared whole
    told = [*keys_of(keys), *(_value(column).alias(f"value{place}") for place, column in enumerate(columns))]
    both = []
    for frame in (held, candidate.accepted):
        part = frame.where(F.pmod(F.xxhash64(*keys_of(whole)), F.lit(parts)) == 0) if parts > 1 else frame
        both.append(part.select(*told).toArrow())
    return _matched(candidate, both, state, columns)


def _matched(
    candidate: Candidate, both: Sequence[pa.Table], state: TableState, columns: Sequence[Column]
) -> tuple[list[Pairs], float]:
    keys = primary_key(candidate)
    names = [f"_key{place}" for place in range(len(keys))]
    was, now = (
        {name: place for place, name in enumerate(zip(*(_list(table, name) for name in names), strict=True))} for table in both
    )
    kept = [key for key in was if key in now]
    if owning := _owning(candidate):
        record = itemgetter(*map(keys.index, owning))
        lengths, are = Counter(map(record, was)), Counter(map(record, now))
        kept = [key for key in kept if lengths[record(key)] == are[record(key)]]
    fresh = [place for key, place in now.items() if key not in was]
    before, after = state.written_at.timestamp() - _RUNS, datetime.now(UTC).timestamp() + _RUNS
    found = []
    for place, column in enumerate(columns):
        values = [_list(table, f"value{place}") for table in both]
        pair = [values[0][was[key]] for key in kept], [values[1][now[key]] for key in kept]
        settled = [_is_settled(each, before, after) for each in zip(*pair, strict=True)] if _is_moment(column) else []
        found.append(Pairs(column, *pair, [values[1][place] for place in fresh], settled))
    return found, len(kept) / max(1, len(was))


def _list(table: pa.Table, name: str) -> list[Any]:
    return list(table.column(name).to_pylist())


def _is_moment(column: Column) -> bool:
    return column.type == DataType.TIMESTAMP


def _is_settled(pair: Sequence[float | None], before: float, after: float) -> bool:
    """Whether both moments lie far from either reading."""
    values = [value for value in pair if value is not None]
    return len(values) > 1 and (max(values) < before or min(values) > after)


def _rekeyed(candidate: Candidate, held: DataFrame, state: TableState) -> dict[str, Alteration]:
    """Key → whether nearly all records have another one, and are the same by a column that tells them apart. Where it is made
    of the record, or of a day, it may change."""
    keys, table = primary_key(candidate), candidate.table
    if _is_made(candidate) or any(table.columns[name].type in (DataType.DATE, DataType.TIMESTAMP) for name in keys):
        return {}
    names = [f"_key{place}" for place in range(len(keys))]
    lost = held.select("*", *keys_of(keys)).join(candidate.accepted.select(*keys_of(keys)), names, "left_anti")
    gone = lost.count()
    if gone < MOST * state.rows or candidate.counts.accepted < MOST * gone:
        return {}
    columns = [column.name for column in _comparable(candidate, state) if column.type in (*NUMBERS, DataType.TEXT)]
    for name in columns:
        values = lost.select(F.col(quoted(name)).alias("value")).where("value IS NOT NULL")
        different = values.distinct()
        count = different.count()
        if count < max(_KNOWN, _DISTINCT * gone):
            continue
        there = candidate.accepted.select(F.col(quoted(name)).alias("value")).distinct()
        same = different.join(there, ["value"], "left_semi").count()
        if same >= MOST * count:
            told = (
                f"{gone} of {state.rows} records have another {' and '.join(keys)}, but {same} of {count} values of {name} stay"
            )
            return {keys[0]: Alteration(Form.REKEYED, gone, state.rows, told)}
    return {}


def keys_of(keys: Sequence[str]) -> list[Expression]:
    return [F.col(quoted(name)).cast("string").alias(f"_key{place}") for place, name in enumerate(keys)]


def _value(column: Column) -> Expression:
    """A value as it is compared: numbers as doubles, moments in seconds, dates in days, the beginning of a text."""
    value = F.col(quoted(column.name))
    if column.type == DataType.TEXT:
        return F.substring(value, 1, LONGEST)
    if column.type == DataType.TIMESTAMP:
        return (F.unix_micros(value) / 1e6).cast("double")
    if column.type == DataType.DATE:
        return F.datediff(value, F.lit("1970-01-01").cast("date")).cast("int")
    return value.cast("double") if column.type in NUMBERS else value


def _plain(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same of values that Arrow reads."""
    if column.type == DataType.TEXT:
        return pc.utf8_slice_codeunits(values, 0, LONGEST)
    if column.type == DataType.TIMESTAMP:
        return pc.divide(values.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).cast(pa.float64(), safe=False), 1e6)
    if column.type == DataType.DATE:
        return values.cast(pa.date32()).cast(pa.int32())
    return values.cast(pa.float64(), safe=False) if column.type in NUMBERS else values
