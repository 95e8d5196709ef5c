"""Tables that nothing makes any more: which there are, and how they are put aside. Nothing is ever deleted here."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from spectra_assets.errors import ConfigurationError
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import SCHEMAS, TableRef

_FOLDER = "retired"


def delivered(lakehouse: Lakehouse) -> list[TableRef]:
    """Every table below the lakehouse's folder, stage by stage; none of a lakehouse at a URI, which can't be listed."""
    if "://" in lakehouse.root:
        return []
    found = []
    for schema in SCHEMAS:
        folder = Path(lakehouse.root) / lakehouse.name / "Tables" / schema
        names = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
        refs = (_ref(schema, name) for name in names)
        found += [ref for ref in refs if ref is not None and lakehouse.exists(ref)]
    return found


def put_aside(lakehouse: Lakehouse, ref: TableRef, now: datetime) -> Path:
    """Move the table, with all its versions, to `Files/retired/<stage>.<table>-<instant>`; where it is now.

    Raises MissingInputError for a table that is not there, ConfigurationError for a lakehouse at a URI, StorageError.
    """
    place = lakehouse.files(_FOLDER, f"{ref}-{now:%Y%m%dT%H%M%SZ}")
    if "://" in lakehouse.root:
        raise ConfigurationError(f"{lakehouse.root} is no folder of this machine: move {lakehouse.path(ref)} aside there")
    lakehouse.move_out(ref, place)
    return place


def _ref(schema: str, name: str) -> TableRef | None:
    try:
        return TableRef.parse(f"{schema}.{name}")
    except ConfigurationError:
        return None  # a folder that somebody else put there
