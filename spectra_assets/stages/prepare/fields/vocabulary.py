"""Words of an enumeration that no record of the sample has at the moment: known once, they stay known while the field stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import replaced
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.fields.inference import MOST_VALUES

Instead = Callable[[CanonField], Mapping[str, str | None]]
"""A field → the texts in whose place rules have others read."""


def remembered(entity: CanonEntity, before: CanonEntity | None, records: Sequence[Record], instead: Instead) -> CanonEntity:
    """The entity, its enumerations with the words that the covenant in force knows of them, those first.

    A field whose words are all others, as rules have them read, has another vocabulary and remembers none. Of one that shows too
    few values to be an enumeration the words stay as well, unless one of its values is none of them.
    """
    stood = {field.raw: field for field in before.fields} if before is not None else {}

    def known(field: CanonField) -> CanonField:
        former = stood.get(field.raw)
        if former is None or not former.values or field.key or field.type != former.type:
            return field
        shown = field.values or tuple(str(value) for record in records for value in values_at(record, field.raw))
        told, now = ({*replaced(texts, instead(field))} for texts in (former.values, shown))
        values = tuple(dict.fromkeys((*former.values, *field.values)))
        stays = told & now if field.values else now <= told
        return field.model_copy(update={"values": values}) if stays and len(values) <= MOST_VALUES else field

    return entity.model_copy(update={"fields": tuple(map(known, entity.fields))})
