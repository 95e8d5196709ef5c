"""What the names of fields say of the ids they hold: whose, whether any, and whether it is somebody's."""

from __future__ import annotations

from spectra_assets.covenant.paths import split_path
from spectra_assets.intelligence.nouns import stem
from spectra_assets.names import words

ID_WORDS = frozenset(("id", "ids", "uuid", "uuids", "guid", "guids", "key", "keys", "ref", "refs", "oid", "iri", "href"))
UP_WORDS = frozenset(
    ("parent", "root", "previous", "next", "original", "duplicate", "reply", "predecessor", "successor", "child", "children")
)
"""Names of fields that hold an id of their own entity."""

PERSONS = frozenset(("user", "account", "person", "people", "member", "employee", "customer", "contact", "agent", "staff"))
"""What persons are called."""

ROLES = frozenset(
    ("author", "owner", "creator", "editor", "assignee", "reporter", "tester", "manager", "lead", "approver", "reviewer", "by",
     "modifier", "updater", "writer", "assigned", "assignedto", "requester", "submitter", "sender", "recipient", "actor",
     "responsible", "supervisor", "recruiter", "coordinator", "interviewer")
)  # fmt: skip
"""What persons are called by what they do to a record."""

_WRAPPERS = frozenset(("attributes", "fields", "properties", "relationships", "data", "links"))
_PARTIES = frozenset(("to", "by", "for", "with"))
_PARTICIPLES = frozenset(
    ("lent", "sold", "held", "given", "taken", "led", "taught", "sent", "paid", "made", "run", "written", "let")
)
"""`rentedTo`, `taughtBy`: somebody that something is done to, by or for."""

_COUNTS = frozenset(("count", "counts", "total", "totals", "quantity", "qty"))

_LONG = 4
"""Letters that a participle in -ed has more than."""

_SHORTEST_GLUED = 3


def stem_of(raw: str) -> str:
    """What a field's name says without the word for id: `authorId`, `author.id` and `author` all say `author`."""
    parts = [part.removesuffix("[]") for part in split_path(raw)]
    inner = [part for part in parts if part.lower() not in _WRAPPERS]
    for part in reversed(inner):
        said = [_unglued(word) for word in words(part)]
        while said and said[-1].lower() in ID_WORDS:
            said = said[:-1]
        if said:
            return "".join(said[:1] + [word.capitalize() for word in said[1:]])
    return ""


def is_idlike(raw: str) -> bool:
    """Whether a field's name says that it holds ids."""
    parts = [part.removesuffix("[]") for part in split_path(raw)]
    said = words(parts[-1]) if parts else []
    return bool(said) and (said[-1].lower() in ID_WORDS or _unglued(said[-1]) != said[-1])


def is_count(raw: str) -> bool:
    """Whether a field's name says how many there are of something, small numbers as ids may be: `user_notes_count`."""
    said = [word.lower() for word in words(split_path(raw)[-1].removesuffix("[]"))]
    return bool(said) and (said[-1] in _COUNTS or said[:1] == ["num"] or said[:2] == ["number", "of"])


def names_party(raw: str) -> bool:
    """Whether a field's name says that it tells somebody or something that something is done to, by or for; of an id in
    a record (`credited_to.id`) the record's name."""
    parts = [part.removesuffix("[]") for part in split_path(raw)]
    named = parts[-2] if len(parts) > 1 and parts[-1].lower() in ID_WORDS else parts[-1]
    said = [word.lower() for word in words(named)]
    done = said[-2] if len(said) > 1 and said[-1] in _PARTIES else ""
    return done in _PARTICIPLES or (done.endswith("ed") and len(done) > _LONG)


def _unglued(word: str) -> str:
    """What a word names that has `id` at its end in one piece: `builderid` says `builder`, `valid` itself."""
    named = stem(word)
    return named.of if named.by == "id" and len(named.of) >= _SHORTEST_GLUED else word
