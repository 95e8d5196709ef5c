"""The ids of all records that Prepare saw, kept as files beside the samples: what foreign keys are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from spectra_assets.covenant.paths import escaped, split_path
from spectra_assets.draft import write_whole
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import words
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.sampling import SAMPLES
from spectra_assets.stages.prepare.routes.identity import OF_ALL

_MOST = 200_000
"""Ids kept of one path."""

_LONGEST = 200
_NAMES = frozenset(
    ("id", "_id", "@id", "uuid", "guid", "key", "code", "slug", "login", "username", "url", "uri", "href", "self", "iri",
     "sku", "number",
     "numero", "nummer", "codigo", "bic", "iban", "isin", "imo", "iata", "icao", "gtin", "isbn", "ean", "vin", "serial",
     "serialnumber", "imei", "mmsi", "plate", "matricule", "kennung", "kennzeichen")
)  # fmt: skip
"""Keys beside the primary one that other records may refer to, where they are unique."""


@dataclass(frozen=True)
class Keys:
    """Ids of one entity: path → values that are there in every record and all different. `whole`: of all records there are."""

    values: dict[str, list[int | str]] = field(default_factory=dict)
    whole: bool = False


def keys_of(records: Sequence[Record], primary_key: str, whole: bool) -> Keys:
    """The keys of these records: the primary one, others with the name of a key, `id`s of nested records."""
    paths = dict.fromkeys([primary_key])
    for record in records:
        for name, value in record.items():
            named = name.lower() in _NAMES or "".join(words(name)).lower() in OF_ALL
            if named and not isinstance(value, dict | list):
                paths.setdefault(escaped(name))
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                paths.update({f"{escaped(name)}[].{key}": None for key in ("id", "key", "uuid") if key in value[0]})
    found: dict[str, list[int | str]] = {}
    for path in paths:
        values = _plain(records, path)
        nested = any(part.endswith("[]") for part in split_path(path))
        unique = values is not None and len(set(values)) == len(values)
        if values and (path == primary_key or (unique and (nested or len(values) == len(records)))):
            found[path] = list(dict.fromkeys(values))[:_MOST]
    return Keys(found, whole)


def keep_keys(lakehouse: Lakehouse, entity: str, keys: Keys) -> None:
    """Write the keys, replacing older ones at once."""
    write_whole(lakehouse.files(SAMPLES, f"{entity}.keys.json"), msgspec.json.encode(keys))


def read_keys(lakehouse: Lakehouse, entity: str) -> Keys | None:
    """The keys kept for the entity; None if none were kept."""
    path = lakehouse.files(SAMPLES, f"{entity}.keys.json")
    return msgspec.json.decode(path.read_bytes(), type=Keys) if path.exists() else None


def _plain(records: Iterable[Record], path: str) -> list[int | str] | None:
    """All values at a path; None if one of them can't be an id."""
    values = [value for record in records for value in values_at(record, path)]
    plain = all(isinstance(v, int | str) and not isinstance(v, bool) and len(str(v)) <= _LONGEST for v in values)
    return values if plain else None
