"""Tables of before which the covenant no longer makes: told by run and status, put aside only when a person names them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from spectra_assets.covenant.files import read_of
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import RequestError, one_of
from spectra_assets.lakehouse.attic import delivered, put_aside
from spectra_assets.lakehouse.quarantine import table_of
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import LOG, QUARANTINE, TableRef
from spectra_assets.settings import Settings


def left_over(covenant: Covenant, lakehouse: Lakehouse) -> list[TableRef]:
    """Tables of the lakehouse that the covenant does not make, rows that such tables set aside among them."""
    made = {table.table for table in covenant.tables()}
    aside = {str(table_of(table.ref)) for table in covenant.tables()}
    known = {QUARANTINE: aside}
    return [ref for ref in delivered(lakehouse) if ref.schema != LOG and str(ref) not in known.get(ref.schema, made)]


def leftovers(settings: Settings, source: str) -> list[dict[str, Any]]:
    """What is left over of a source, with rows and age. Raises RequestError for a source without covenant."""
    lakehouse = Lakehouse(settings.lakehouse_root, source)
    return [_told(lakehouse, ref) for ref in left_over(read_of(settings.covenants, source), lakehouse)]


def retire(settings: Settings, source: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Put the named tables aside; RequestError, before any is moved, for one that the covenant makes or that is not there."""
    lakehouse = Lakehouse(settings.lakehouse_root, source)
    there = {str(ref): ref for ref in left_over(read_of(settings.covenants, source), lakehouse)}
    for name in names:
        if name not in there:
            raise RequestError(f"{name} is not left over: the covenant of {source} no longer makes {one_of(there)}")
    now = datetime.now(UTC)
    told = [_told(lakehouse, there[name]) for name in dict.fromkeys(names)]
    return [{**entry, "moved_to": str(put_aside(lakehouse, there[entry["table"]], now))} for entry in told]


def _told(lakehouse: Lakehouse, ref: TableRef) -> dict[str, Any]:
    state = lakehouse.describe(ref)
    return {"table": str(ref), "rows": state.rows, "written_at": state.written_at.isoformat()}
