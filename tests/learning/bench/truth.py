"""What the lakehouse holds against what the API holds: every record once, every value in its column."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from spectra_assets.covenant.build import Derivation, Refinement
from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.covenant.paths import escaped
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import Stage
from tests.learning.bench.cases import Case
from tests.learning.bench.worlds import Row, World

_TOLD = 4
_NO_DATA = frozenset(("recordHash",))
"""Columns that say how a record was written, and not what it says."""


def faults(case: Case, world: World, covenant: Covenant, lakehouse: Lakehouse) -> list[str]:
    """What is wrong in Clean; empty if everything is right."""
    found: list[str] = []
    for name in case.lists:
        table = next((t for t in covenant.tables() if t.table == f"clean.{name}"), None)
        if table is None or not lakehouse.exists(table.ref):
            found.append(f"clean.{name} is not there")
            continue
        rows = lakehouse.read(table.ref).to_pylist()
        true = [meant for row in world.lists[name].rows if (meant := case.meant(row)) is not None]
        found += list(_faults(case, true, table, rows))[:_TOLD]
        for key in sorted({key for row in true for key, value in row.items() if _is_nested(value)}):
            told = [row[key] for row in true if row.get(key)]
            elements = [element for each in told for element in (each if isinstance(each, list) else (each,))]
            found += list(_nested(case, elements, f"{escaped(key)}[].", (name, covenant, lakehouse)))[:_TOLD]
    return found


def others(before: Covenant, now: Covenant) -> list[str]:
    """Tables of Clean that have other columns than in another covenant."""
    was, is_ = ({t.table: {*t.columns} for t in each.tables() if t.table.startswith("clean.")} for each in (before, now))
    return [
        f"{name} has other columns: {', '.join(sorted(was[name] ^ is_.get(name, set())))}"
        for name in was
        if was[name] != is_.get(name)
    ]


def changes(case: Case, before: tuple[Covenant, Lakehouse], now: tuple[Covenant, Lakehouse]) -> list[str]:
    """Where Clean, or what Refine derives of its rows, is not what it was in a healthy pipeline over the same data: in each column
    that it had, a few of each table."""
    found: list[str] = []
    for table in before[0].tables():
        names = _compared(table, {name.rpartition(".")[2] for name in case.unsure})
        if not names or not before[1].exists(table.ref):
            continue
        kept = [name for name in names if name not in _NO_DATA and f"{table.table}.{name}" not in case.unsure]
        after = next((each for each in now[0].tables() if each.table == table.table), None)
        if after is None or not now[1].exists(table.ref) or not {*kept} <= after.columns.keys():
            found.append(f"{table.table} is gone, or columns of it")
            continue
        held, wanted = (
            sorted(
                (tuple(_plain(value) for value in row.values()) for row in lakehouse.read(table.ref, kept).to_pylist()), key=str
            )
            for lakehouse in (now[1], before[1])
        )
        if len(held) != len(wanted):
            found.append(f"{table.table} has {len(held)} rows, there are {len(wanted)}")
        differ = [pair for pair in zip(held, wanted, strict=False) if pair[0] != pair[1]]
        found += [f"{table.table}: {mine} is not {right}"[:300] for mine, right in differ[:1]]
    return found


def _compared(table: Table, unsure: Collection[str]) -> list[str]:
    """All columns of a table of Clean; of a refined fact its key and what rules derive, but from columns that are `unsure`."""
    if table.ref.schema == Stage.CLEAN:
        return [column.name for column in table.schema_]
    rules = table.build.rules if isinstance(table.build, Refinement) and table.ref.table.startswith("fact") else []
    made = [table.columns[rule.column] for rule in rules if isinstance(rule, Derivation)]
    derived = [each.name for each in made if not {place.rpartition(".")[2] for place in each.lineage} & {*unsure}]
    return [*table.primary_key, *derived] if derived else []


def _nested(case: Case, true: list[Row], inside: str, held: tuple[str, Covenant, Lakehouse]) -> Iterator[str]:
    """What is wrong in the table of the records that a list inside of records holds."""
    name, covenant, lakehouse = held
    tables = [t for t in covenant.tables() if t.entity == name and t.table.startswith("clean.") and t.table != f"clean.{name}"]
    table = next((t for t in tables if any(raw.startswith(inside) for c in t.schema_ for raw in c.source)), None)
    if table is None or not lakehouse.exists(table.ref):
        yield f"no table holds what is in {inside}"
        return
    yield from _faults(case, true, table, lakehouse.read(table.ref).to_pylist(), inside)


def _faults(case: Case, true: list[Row], table: Table, rows: list[Row], inside: str = "") -> Iterator[str]:
    """`inside`: what stands before the paths in the table's columns; its other columns are not of these records."""
    if len(true) != len(rows):
        yield f"{table.table} has {len(rows)} rows, there are {len(true)}"
    sources = {raw: column.name for column in table.schema_ for raw in column.source if raw.startswith(inside)}
    places = {raw.removeprefix(inside): name for raw, name in sources.items()}
    unsure = {raw.removeprefix(inside) for raw in case.unsure if raw.startswith(inside)}
    missing = sorted({raw for row in true for raw in flat(row)} - places.keys() - unsure)
    if missing:
        yield f"{table.table} has no column for {', '.join(missing)}"
    claimed = [raw for raw in places if raw not in (*missing, *unsure) and not raw.startswith("@")]
    held = sorted((tuple(_plain(row.get(places[raw])) for raw in claimed) for row in rows), key=str)
    together = {raw: [each for each in places if places[each] == places[raw]] for raw in claimed}
    wanted = sorted((tuple(_plain(_value(flat(row), raw, together[raw])) for raw in claimed) for row in true), key=str)
    for mine, right in zip(held, wanted, strict=False):
        if mine != right:
            pairs = zip(claimed, mine, right, strict=True)
            yield f"{table.table}: {', '.join(f'{raw} is {a!r}, not {b!r}' for raw, a, b in pairs if a != b)}"[:300]


def _value(values: Mapping[str, Any], raw: str, together: list[str]) -> Any:
    """The value of a field; where a record lacks it, of another one that goes into the same column."""
    return next((values[each] for each in (raw, *together) if values.get(each) is not None), None)


def flat(row: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A record's plain values by their path; lists of records are left out."""
    values: dict[str, Any] = {}
    for key, value in row.items():
        path = f"{above}{escaped(key)}"
        if not _is_nested(value):
            values |= flat(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return values


def _is_nested(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _plain(value: Any) -> Any:
    """A value as a text, so that equal ones are equal in whatever type they are kept."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="seconds").removesuffix("T00:00:00")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return f"{float(value):g}"
    return str(value).removesuffix("Z").removesuffix("T00:00:00")
