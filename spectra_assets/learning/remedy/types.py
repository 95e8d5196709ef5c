"""Types: a field that holds other values than the sample showed, and dates that come in a second form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from spectra_assets.covenant.amounts import NUMBERS
from spectra_assets.covenant.canon import CanonField
from spectra_assets.covenant.diff import Consent, consent_to_type
from spectra_assets.covenant.model import DataType
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.fields import scalar_values
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import PREPARE, carried, paths_of, remedies_for, rule, scope
from spectra_assets.learning.remedy.words import few_as_none
from spectra_assets.playbook.rules import TypeRule
from spectra_assets.stages.extract.drift import fits, plain_text
from spectra_assets.stages.extract.places import Place
from spectra_assets.stages.prepare.fields.inference import typed
from spectra_assets.stages.rulings import FORMATS
from spectra_assets.stages.values.dates import EPOCH_MILLIS, ISO, PER_SECOND, as_date, day_first, reading, turned, unit_of
from spectra_assets.stages.values.numbers import is_integer
from spectra_assets.stages.values.shapes import Shape, kind_of, shape_at

_DATED = (DataType.DATE, DataType.TIMESTAMP)
_NUMERAL = re.compile(r"[+-]?[0-9.,' ]*[0-9][0-9.,' ]*([eE][+-]?[0-9]+)?")
"""What may be a number, however it is written."""

_UNCLEAR = "day and month can't be told apart between these forms: only a person knows how such a date is read"
_FEW = 0.1
"""Share of the values up to which those of another type are slips, and the column is what it was."""

_READ = 0.95
"""Share of the texts that no known form reads which one further form must read."""


@remedies_for(Cause.CHANGED_TYPE, Cause.SECOND_DATE_FORMAT)
def other_type(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """A further date format; else the type that holds all values seen."""
    entity = facts.entity(facts.entity_of(gap.full_table))
    if entity is None:
        return
    for path in paths_of(gap, facts):
        known = facts.promised(entity, path)
        if known is None or not carried(path):
            continue
        came = facts.fetched(entity.entity) or facts.published(entity.entity)
        values = scalar_values([*facts.sampled(entity.entity), *came], path)
        if known.type in _DATED:
            yield from _date_format(gap, facts, known, values)
        yield from _wider(gap, facts, known, values, scalar_values(came, path))


def _date_format(gap: Gap, facts: Facts, known: CanonField, values: Sequence[Any]) -> Iterator[Remedy]:
    """The one form in which the texts, or the numbers, are written that the known ones do not read."""
    formats = [text for text in (known.date_format or "").split(FORMATS) if text]
    if (unit := _unit(formats, values)) is not None:
        yield _with_formats(gap, facts, known, [unit], f"numbers of {known.raw} are moments of the unit {unit}")
        return
    if formats and not set(formats) <= PER_SECOND.keys():
        yield from _text_format(gap, facts, known, formats, values)
        return
    texts = [value.strip() for value in values if isinstance(value, str) and value.strip() and not is_integer(value.strip())]
    found = reading(texts, _READ) if texts else None
    if found is not None:
        iso = found.pattern == ISO or found.pattern.startswith("yyyy-")
        new = ISO if iso else found.pattern
        why = f"{len(texts)} of {len(values)} values of {known.raw} are texts of the form {new}, beside numbers"
        needs = _UNCLEAR if found.ambiguous and day_first(found.pattern) else None
        yield _with_formats(gap, facts, known, [new], why, needs)


def _unit(formats: Sequence[str], values: Sequence[Any]) -> str | None:
    """The unit of the numbers that none of the known formats can mean, if it is one."""
    known = [each for each in formats if each in PER_SECOND] if formats else [EPOCH_MILLIS]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    counts = {PER_SECOND[each] for each in known}
    strange = [value for value in numbers if (unit := unit_of([value])) is None or PER_SECOND[unit[0]] not in counts]
    found = unit_of(strange) if strange else None
    return (found[0] or EPOCH_MILLIS) if found is not None else None


def _with_formats(gap: Gap, facts: Facts, known: CanonField, new: list[str], why: str, needs: str | None = None) -> Remedy:
    """The formats known with the new ones, whatever is sampled next; milliseconds, which have none, are called by their name."""
    formats = [*(known.date_format or EPOCH_MILLIS).split(FORMATS), *new]
    return rule(RemedyKind.DATE_FORMAT, PREPARE, "date_format", scope(gap, facts, known.raw), {"formats": formats}, why, needs)


def _text_format(gap: Gap, facts: Facts, known: CanonField, formats: Sequence[str], values: Sequence[Any]) -> Iterator[Remedy]:
    """The one form in which the texts are written that the known ones do not read."""
    texts = [value.strip() for value in values if isinstance(value, str) and value.strip()]
    unread = [text for text in texts if not _reads(text, formats)]
    found = reading(unread, _READ) if unread else None
    if found is None or found.pattern in formats:
        return
    why = (
        f"{len(unread)} of {len(texts)} texts of {known.raw} are dates of the form {found.pattern}, "
        f"beside {' and '.join(formats) or 'numbers'}"
    )
    needs = None
    if day_first(found.pattern) and (found.ambiguous or any(turned(each) == found.pattern for each in formats)):
        needs = _UNCLEAR
    yield _with_formats(gap, facts, known, [found.pattern], why, needs)


def _reads(text: str, formats: Sequence[str]) -> bool:
    """Whether a text is read already: ISO 8601 is in any case."""
    iso = reading([text])
    if iso is not None and (iso.pattern == ISO or iso.pattern.startswith("yyyy-")):
        return True
    return any(iso is not None and _form(each) == _form(iso.pattern) and as_date(text, each) for each in formats)


def _form(pattern: str) -> str:
    """A pattern without what differs between texts of one form: the number of digits, the order of day and month."""
    squeezed = "".join(char for place, char in enumerate(pattern) if place == 0 or pattern[place - 1] != char)
    return squeezed.replace("d/M", "M/d").replace("d.M", "M.d").replace("d-M", "M-d")


def _wider(gap: Gap, facts: Facts, known: CanonField, values: Sequence[Any], came: Sequence[Any]) -> Iterator[Remedy]:
    """The type that holds all values; where nearly all that came last still have the type, what is said of the others."""
    leaf, shape = shape_at(known.raw, values)
    found = typed(leaf, shape, None).type
    timed = known.type == DataType.DATE and found == DataType.TIMESTAMP
    if found == known.type or (found in _DATED and known.type in _DATED and not timed):
        found = _holds_all(shape)
    if found == known.type or not values:
        return
    entity = str(facts.entity_of(gap.full_table))
    person = [each for each in facts.playbooks.rules(TypeRule, gap.source, entity, known.raw) if each.lesson is None]
    needs = f"the rule {person[-1].id} says the type {person[-1].data_type}: only a person may change that" if person else None
    needs = needs or breaks(known.type, found)
    strange = [value for value in came if not _holds(known, value)]
    if needs is not None and len(strange) <= _FEW * len(came):  # nobody gives up a column for them
        yield from few_as_none(gap, facts, known, strange, len(came))
        return
    kinds = ", ".join(sorted(shape.seen)) or "no value"
    why = f"{known.raw} was {known.type} by the sample; of its {len(values)} values now seen some are {kinds}: {found} holds all"
    yield rule(RemedyKind.WIDEN_TYPE, PREPARE, "type", scope(gap, facts, known.raw), {"data_type": str(found)}, why, needs)


def breaks(was: DataType, found: DataType) -> str | None:
    """Why only a person may give a column this type: what reads it would fail, whether or not a table of ours does."""
    if consent_to_type(was, found) != Consent.PERSON:
        return None
    if was in _DATED:
        return f"as {found} these are no dates any more, which measures by time need: a person decides"
    if was == DataType.BOOL:
        return f"as {found} these are no truths any more, and what counts or filters by them breaks: a person decides"
    if was in NUMBERS:
        return f"as {found} these are no numbers any more, and what sums or compares them breaks: a person decides"
    return f"what reads it as {was} can't read it as {found}: a person decides"


def _holds(known: CanonField, value: Any) -> bool:
    """Whether a column holds a value as it is written. Where that can't be told here, it does."""
    place = Place(known.raw, known.type, known.date_format)
    text = plain_text(value)
    if known.type in NUMBERS and text is not None and _NUMERAL.fullmatch(text):
        return True
    if known.type in _DATED and isinstance(value, str) and not is_integer(value.strip()):
        formats = [each for each in (known.date_format or "").split(FORMATS) if each]
        return _reads(value.strip(), formats)
    return fits(kind_of(value), value, place)


def _holds_all(shape: Shape) -> DataType:
    """The narrowest type that surely holds what was seen."""
    if shape.seen & {"record", "array"}:
        return DataType.JSON
    if shape.seen <= {"int"}:
        return DataType.INT64
    if shape.seen <= {"int", "float"}:
        return DataType.FLOAT64
    return DataType.BOOL if shape.seen == {"bool"} else DataType.TEXT
