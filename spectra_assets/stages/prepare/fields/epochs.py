"""Numbers that are instants although their names don't say so: by what they are, and by how they go with another time.

That whole numbers lie in a window of years proves nothing, for so do many ids. That they are within a day of another time of
nearly every record, over months, no id does.
"""

from __future__ import annotations

from collections.abc import Sequence

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.moments import micros
from spectra_assets.stages.values.dates import PER_SECOND, unit_of

_ENOUGH = 20
"""Records with both times, and different numbers among them."""

_NEARLY_ALL = 0.9
_DAY = 86_400 * 1_000_000
_MONTHS = 60 * _DAY
"""How far apart the first and the last time must be: what only counts on from an instant does not get so far with it."""


def with_epochs(entity: CanonEntity, records: Sequence[Record]) -> CanonEntity:
    """The entity, with the whole numbers as timestamps that are proven to be such."""
    own = [field for field in entity.fields if field.group == entity.entity and "[]" not in field.raw and field.raw[0] != "@"]
    times = [field for field in own if field.type == DataType.TIMESTAMP and field.evidence == "sample"]
    plain = [each for each in own if each.type == DataType.INT64 and each.evidence == "sample" and not each.key]
    found = {field.raw: made for field in plain if (made := _proven(field, times, records)) is not None}
    return (
        entity.model_copy(update={"fields": tuple(found.get(field.raw, field) for field in entity.fields)}) if found else entity
    )


def _proven(field: CanonField, times: Sequence[CanonField], records: Sequence[Record]) -> CanonField | None:
    values = [value for record in records for value in values_at(record, field.raw)]
    if any(not isinstance(value, int) or isinstance(value, bool) for value in values) or len(set(values)) < _ENOUGH:
        return None
    unit = unit_of(values)
    if unit is None:
        return None
    each_second = PER_SECOND[unit[0]]
    for time in times:
        pairs = [
            (moment, number * 1_000_000 // each_second)
            for record in records
            for number in values_at(record, field.raw)
            for other in values_at(record, time.raw)
            if (moment := micros(other)) is not None
        ]
        near = sum(abs(one - other) <= _DAY for one, other in pairs)
        spread = max((moment for moment, _ in pairs), default=0) - min((moment for moment, _ in pairs), default=0)
        if len(pairs) >= _ENOUGH and near >= _NEARLY_ALL * len(pairs) and spread >= _MONTHS:
            note = f"read as a time: within a day of {time.raw} in {near} of {len(pairs)} records"
            told = "; ".join(filter(None, (field.note, note)))[:300]
            return field.model_copy(
                update={"type": DataType.TIMESTAMP, "date_format": unit[0], "values": (), "references": None, "note": told}
            )
    return None
