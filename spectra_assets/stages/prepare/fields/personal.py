"""Personal data where no rule says so: by what fields are called, whose records they are in, and what their values look like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType, PiiLevel
from spectra_assets.covenant.paths import split_path
from spectra_assets.names import camel, singular, words
from spectra_assets.stages.asking.answers import Record, values_at

PERSONS = frozenset(
    ("user", "account", "person", "people", "member", "employee", "customer", "contact", "agent", "staff", "patient", "student",
     "teacher", "passenger", "guest", "applicant", "candidate", "subscriber", "author", "owner", "creator", "assignee",
     "reporter", "tester", "reviewer", "approver", "driver", "buyer", "seller", "sender", "recipient", "guardian", "spouse",
     "pupil", "instructor")
)  # fmt: skip
"""Entities and nested records with one of these names are people."""

_NAMES = frozenset(("name", "title", "label", "handle", "bio", "about", "photo", "picture", "image", "signature"))
_PARTS = frozenset(("first", "last", "given", "family", "middle", "full", "display", "nick", "maiden", "prefix", "suffix"))
"""Parts of a name that is a record of its own, `name.first`."""

_DOCUMENTS = frozenset(("licence", "license", "passport", "identity", "visa", "ssn", "tax", "insurance"))
"""Documents of a person, whose numbers name that person."""

_PLACES = frozenset(("latitude", "longitude", "lat", "lng", "lon", "geo", "location", "coordinates", "city", "company", "age"))

_SHARE = 0.8
"""Share of a field's texts that must look alike."""

_LOOKS: tuple[tuple[re.Pattern[str], PiiLevel], ...] = (
    (re.compile(r"[^@\s<>]{1,64}@[^@\s<>.]+(\.[^@\s<>.]+)+"), PiiLevel.DIRECT),
    (re.compile(r"(\+|00)[1-9][0-9 ()./-]{7,18}"), PiiLevel.DIRECT),
    (re.compile(r"[A-Z]{2}[0-9]{2} ?([A-Z0-9]{4} ?){3,7}[A-Z0-9]{0,4}"), PiiLevel.DIRECT),
    (re.compile(r"((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"), PiiLevel.INDIRECT),
    (re.compile(r"(?=.*:.*:)[0-9a-fA-F:]{6,39}"), PiiLevel.INDIRECT),
)
"""Mail addresses, international telephone numbers, bank accounts (IBAN), IP addresses."""

_MOST = 200


def by_values(entity: CanonEntity, records: Sequence[Record]) -> dict[str, PiiLevel]:
    """Raw path → level of the fields whose values show what they are."""
    found: dict[str, PiiLevel] = {}
    for field in entity.fields:
        if field.type == DataType.TEXT and field.evidence == "sample" and not field.raw.startswith("@"):
            level = look_of(value for record in records for value in values_at(record, field.raw))
            if level is not PiiLevel.NONE:
                found[field.raw] = level
    return found


def look_of(values: Iterable[object]) -> PiiLevel:
    """How personal most of some texts are by their look."""
    texts: list[str] = []
    for value in values:
        if isinstance(value, str) and value.strip():
            texts.append(value.strip()[:_MOST])
        if len(texts) >= _MOST:
            break
    for pattern, level in _LOOKS if texts else ():
        if sum(bool(pattern.fullmatch(text)) for text in texts) >= _SHARE * len(texts):
            return level
    return PiiLevel.NONE


def by_place(entity: str, field: CanonField) -> PiiLevel:
    """How personal a field is because it belongs to a person, or refers to one."""
    parts = [part.removesuffix("[]") for part in split_path(field.raw)]
    if field.group != entity and "[]" not in field.raw:
        return PiiLevel.NONE  # what ties a nested record to its own
    if not parts or field.raw.startswith("@"):
        return _referring(field)
    leaf = parts[-1].lower()
    around = parts[-2] if len(parts) > 1 else entity
    if is_person(around):
        if leaf in _NAMES:
            return PiiLevel.DIRECT
        if leaf in _PLACES:
            return PiiLevel.INDIRECT
    owner = parts[-3] if len(parts) > 2 else entity
    said = {word.lower() for word in words(around)}
    if len(parts) > 1 and is_person(owner) and ((said & _NAMES and leaf in _PARTS) or (said & _DOCUMENTS and leaf == "number")):
        return PiiLevel.DIRECT
    if len(parts) > 2 and leaf in _PLACES and (is_person(parts[-3]) or (is_person(entity) and len(parts) < 5)):
        return PiiLevel.INDIRECT
    return _referring(field)


def is_person(name: str) -> bool:
    """Whether an entity or a nested record of this name is a person."""
    said = [singular(word.lower()) for word in words(name)]
    return bool(said) and (said[-1] in PERSONS or name.lower() in PERSONS)


def other_spelling(raw: str) -> str:
    """The last key of a path in the spelling that rules use: `first_name` → `firstName`."""
    parts = split_path(raw)
    return camel(parts[-1].removesuffix("[]")) if parts else raw


def _referring(field: CanonField) -> PiiLevel:
    return PiiLevel.INDIRECT if field.references and is_person(field.references.partition(".")[0]) else PiiLevel.NONE


_NAMES_OF_PERSONS = frozenset(
    ("firstname", "lastname", "fullname", "givenname", "familyname", "surname", "forename", "vorname", "nachname", "prenom")
)


def tells_persons(entity: CanonEntity) -> bool:
    """Whether the records have what only persons have: a first or last name, or a login beside an address for mail."""
    own = (split_path(field.raw)[-1] for field in entity.fields if field.group == entity.entity and not field.raw.startswith("@"))
    told = {"".join(words(leaf)).lower() for leaf in own}
    return bool(told & _NAMES_OF_PERSONS) or bool(told & {"email", "mail", "emailaddress"} and told & {"login", "username"})
