"""Ids of an entity that is not known: which fields ask a person whether the source lists it somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.paths import join_path, split_path
from spectra_assets.names import singular, words
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.fields.idnames import ID_WORDS, PERSONS, ROLES, UP_WORDS, names_party
from spectra_assets.stages.prepare.fields.personal import tells_persons
from spectra_assets.stages.prepare.fields.targets import TELLING

_ENOUGH = 3
"""Different values below which they tell nothing, and fields of a record that is hardly more than a reference."""

_IDS = frozenset(("id", "ids", "uuid", "guid", "uuids", "guids"))
_NO_ENTITY = frozenset(
    ("external", "correlation", "request", "trace", "session", "transaction", "message", "device", "client", "global", "node",
     "unique", "public", "legacy", "old", "alt", "self", "api", "tax", "vat", "national", "import", "sync", "short", "long",
     "version", "crm", "erp", "norad", "web")
)  # fmt: skip
"""First words of ids that name no entity of the source."""

_FOREIGN = frozenset(("graphql", "gid"))
"""Words of the record's own id in another form."""

_FREE = frozenset(("metadata", "meta", "annotations", "extra", "extras", "extensions"))
"""Records whose keys somebody chose, or that tell of the record."""

_NAMED = (["name"], ["title"], ["label"])

_OWN = ID_WORDS | TELLING | {"self", "url", "uri"}
"""What a record that stands for another is told by."""


def dangles(entity: CanonEntity, field: CanonField, stem: str, records: Sequence[Record]) -> bool:
    """Whether a field is named for an entity that is not known, and is not just another number of the record itself."""
    parts = [part.removesuffix("[]") for part in split_path(field.raw)]
    said, whole = _words(stem), _words(parts[-1])
    if not said or said[0] in _NO_ENTITY or not whole or whole[-1] not in _IDS:
        return False
    if (UP_WORDS | _FOREIGN) & set(said) or singular("".join(said)) == singular(entity.entity.lower()):
        return False
    if field.key or field.raw == entity.primary_key or _FREE & {part.lower() for part in parts[:-1]}:
        return False
    if _kind_beside(entity, field, whole) or _of_the_record(entity, field, said, records):
        return False
    if len(whole) == 1:
        beside = [other for other in entity.fields if other.raw.rpartition(".")[0] == field.raw.rpartition(".")[0]]
        return "[]" not in field.raw and len(beside) <= _ENOUGH and not _is_told(field, said, beside)
    return True


def _is_told(field: CanonField, said: Sequence[str], beside: Sequence[CanonField]) -> bool:
    """Whether what stands beside an id tells all that a list of the like would: the name of a stage, of a reason. Of a person
    more is to be had."""
    persons = (PERSONS | ROLES) & {singular(word) for word in said} or names_party(field.raw)
    return not persons and any(_words(_leaf(other.raw))[-1:] in _NAMED for other in beside)


def known_otherwise(entity: CanonEntity, lost: Sequence[str]) -> Iterator[str]:
    """The fields of `lost` that lie in a record of which another field tells whose it is: its address, its name."""
    told = {around_of(field.raw) for field in entity.fields if field.references and set(_words(_leaf(field.raw))) <= _OWN}
    for raw in lost:
        around = around_of(raw)
        if around and not around.endswith("[]") and around in told:
            yield raw


def around_of(raw: str) -> str:
    """The path of the record that a field lies in; empty for the entity's own."""
    return join_path(split_path(raw)[:-1]) if len(split_path(raw)) > 1 else ""


def _kind_beside(entity: CanonEntity, field: CanonField, whole: Sequence[str]) -> bool:
    """Whether a field beside tells of which kind the other is (`noteable_id`, `noteable_type`): no one entity is meant."""
    around = around_of(field.raw)
    beside = [_words(_leaf(other.raw)) for other in entity.fields if around_of(other.raw) == around]
    return [*whole[:-1], "type"] in beside


def _of_the_record(entity: CanonEntity, field: CanonField, said: Sequence[str], records: Sequence[Record]) -> bool:
    """Whether each record has an id of its own there: that of a person called so, or a number that only counts the records."""
    values = [list(values_at(record, field.raw)) for record in records] if "[]" not in field.raw else []
    flat = [value for found in values for value in found]
    if around_of(field.raw) or len(flat) < _ENOUGH or len(set(map(str, flat))) < len(records):
        return False
    if singular(said[-1]) in PERSONS:
        return tells_persons(entity) or bool(PERSONS & {singular(word) for word in _words(entity.entity)})
    return all(isinstance(value, int) for value in flat) and sorted(flat) in (
        list(range(len(flat))),
        list(range(1, len(flat) + 1)),
    )


def _leaf(raw: str) -> str:
    return split_path(raw)[-1].removesuffix("[]")


def _words(text: str) -> list[str]:
    return [word.lower() for word in words(text)]
