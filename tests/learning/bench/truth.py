"""What the lakehouse holds against what the API holds: every record once, every value in its column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.covenant.paths import escaped
from spectra_assets.lakehouse.store import Lakehouse
from tests.learning.bench.cases import Case
from tests.learning.bench.worlds import Row, World

_TOLD = 4


def faults(case: Case, world: World, covenant: Covenant, lakehouse: Lakehouse) -> list[str]:
    """What is wrong in Clean; empty if everything is right."""
    found: list[str] = []
    for name in case.lists:
        table = next((t for t in covenant.tables() if t.table == f"clean.{name}"), None)
        if table is None or not lakehouse.exists(table.ref):
            found.append(f"clean.{name} is not there")
            continue
        rows = lakehouse.read(table.ref).to_pylist()
        found += list(_faults(case, [case.meant(row) for row in world.lists[name].rows], table, rows))[:_TOLD]
    return found


def _faults(case: Case, true: list[Row], table: Table, rows: list[Row]) -> Iterator[str]:
    if len(true) != len(rows):
        yield f"{table.table} has {len(rows)} rows, there are {len(true)}"
    places = {raw: column.name for column in table.schema_ for raw in column.source}
    missing = sorted({raw for row in true for raw in flat(row)} - places.keys() - set(case.unsure))
    if missing:
        yield f"{table.table} has no column for {', '.join(missing)}"
    claimed = [raw for raw in places if raw not in (*missing, *case.unsure)]
    held = sorted((tuple(_plain(row.get(places[raw])) for raw in claimed) for row in rows), key=str)
    wanted = sorted((tuple(_plain(flat(row).get(raw)) for raw in claimed) for row in true), key=str)
    for mine, right in zip(held, wanted, strict=False):
        if mine != right:
            pairs = zip(claimed, mine, right, strict=True)
            yield f"{table.table}: {', '.join(f'{raw} is {a!r}, not {b!r}' for raw, a, b in pairs if a != b)}"[:300]


def flat(row: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A record's plain values by their path."""
    values: dict[str, Any] = {}
    for key, value in row.items():
        path = f"{above}{escaped(key)}"
        values |= flat(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return values


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
