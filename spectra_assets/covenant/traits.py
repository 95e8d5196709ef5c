"""What the columns of a Clean table are for, by their types, names and values: times, statuses, labels, amounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from spectra_assets.covenant.model import Column, DataType, PiiLevel
from spectra_assets.covenant.network import Node
from spectra_assets.covenant.paths import split_path
from spectra_assets.names import words

USABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,119}")
"""Names that rules may refer to."""

Time = Literal["happened", "created", "started", "settled", "ended", "other", "aside"]


def _known(text: str) -> dict[str, None]:
    """The words of `text`, in order."""
    return dict.fromkeys(text.split())


_TIMES: dict[Time, dict[str, None]] = {
    "aside": _known(
        "modified modification updated update changed change deleted archived due deadline until expires expired expire expiry "
        "expiration valid birth birthday birthdate born last next previous estimated expected synced sync indexed cached edited "
        "refreshed viewed seen accessed"
    ),
    "happened": _known(
        "occurred happened performed executed ordered placed issued invoiced billed received sent visited played held logged "
        "recorded measured observed spent worked committed posted published submitted booked enrolled hired purchased triggered "
        "raised reported transaction timestamp event order invoice purchase sale booking"
    ),
    "created": _known("created creation inserted added registered registration joined entered"),
    "started": _known(
        "started start starts begin began begins beginning opened open arrived arrival in borrowed loaned lent rented admitted "
        "boarded"
    ),
    "settled": _known("paid charged captured settled shipped sold"),
    "ended": _known(
        "ended end ends finished finish completed completion complete closed close resolved resolution merged done "
        "cancelled canceled delivered stopped solved fixed departed departure left out returned discharged"
    ),
}
_EVENT_TIMES: tuple[Time, ...] = ("happened", "created", "started", "settled", "other")
_SPAN_FROM: tuple[Time, ...] = ("started", "created", "happened")
_FILLED = 0.95
"""Share of the rows that must have a time by which all are told."""

_STATUS = (
    _known(
        "status state phase stage resolution outcome result conclusion statut zustand estado stato resultat ergebnis resultado"
    ),
    _known("type priority severity kind category level typ art kategorie categorie tipo categoria"),
    _known("channel method mode class group rank currency country language"),
)
_WRAPPERS = frozenset(("attributes", "fields", "properties", "data", "profile", "info", "details", "general"))
"""Records that only wrap what the row has itself."""
_TECHNIQUE = frozenset(
    ("self", "url", "uri", "href", "link", "links", "etag", "hash", "sha", "checksum", "token", "cursor", "avatar", "gravatar",
     "allow", "allows", "allowed", "can", "locked", "admin", "template", "protected", "truncated", "editable", "embeddable")
)  # fmt: skip
"""Words of what is there for the API's sake."""

_TECHNICAL = re.compile(r"[a-z][a-z0-9+.-]*://|/[^ ]*/|[0-9a-f]{16,}$|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""Addresses, hashes, UUIDs."""

CHANGED = frozenset(("updated", "update", "modified", "modification", "changed", "change"))
"""Words of a column that says when its record was changed last."""

_DONE = _known(
    "closed resolved done complete completed finished cancelled canceled rejected declined merged paid delivered archived failed "
    "succeeded success expired ended refunded inactive deleted won lost solved fixed duplicate dismissed terminated settled "
    "fulfilled void voided aborted left withdrawn "
    "abgeschlossen erledigt geschlossen storniert bezahlt geliefert termine annule paye cerrado "
    "terminado cancelado pagado"
)
_NOT_DONE = _known("not partially partly pending awaiting to be ready")
_DENIED = _NOT_DONE.keys() - {"to"}
_OPEN = _known(
    "open pending awaiting incomplete unfinished opened reopened new active ongoing running progress started doing todo draft "
    "backlog queued waiting scheduled planned submitted requested assigned unassigned review blocked hold paused suspended "
    "unpaid outstanding overdue due unresolved undelivered processing offen ausstehend laufend ouvert encours abierto pendiente"
)
_LABELS = list(
    _known(
        "name title label displayname fullname lastname surname familyname firstname givenname "
        "summary subject headline login username slug code key email bezeichnung titel nom "
        "nombre"
    )
)


_NAMES = frozenset(("name", "title", "summary", "subject", "headline", "slug", "login", "username"))
"""What tells a row and not its kind, even if it repeats."""


def usable(column: Column) -> bool:
    """Whether rules can refer to the column."""
    return USABLE.fullmatch(column.name) is not None and column.type != DataType.JSON


def last_words(node: Node, column: str) -> list[str]:
    """The words of the last key of a column's path, in lower case; of control fields none."""
    raw = node.fields[column].raw if column in node.fields else "@"
    return [] if raw.startswith("@") else [word.lower() for word in words(split_path(raw)[-1].removesuffix("[]"))]


def depth(node: Node, column: str) -> int:
    """How many records a column's field lies in, its own included."""
    return len(split_path(node.fields[column].raw)) if column in node.fields else 9


def own_columns(node: Node) -> Iterator[Column]:
    """Usable columns that tell of the row itself: no references, and nothing out of an embedded record of another entity."""
    embedded = {_around(node, name) for name in node.linked} - {_around(node, name) for name in node.key} - {""}
    for column in node.table.schema_:
        told = usable(column) and column.name in node.fields and column.name not in node.linked
        if told and _around(node, column.name) not in embedded:
            yield column


def _around(node: Node, column: str) -> str:
    raw = node.fields[column].raw if column in node.fields else ""
    parts = split_path(raw)
    inner = max((place + 1 for place, part in enumerate(parts) if part.endswith("[]")), default=0)
    return ".".join(parts[inner:-1])


def time_kind(node: Node, column: str) -> Time:
    """What a time tells of, by the words of its name; the last word that is known decides, one that sets it aside always."""
    found: Time = "other"
    for word in last_words(node, column):
        kind = next((kind for kind, known in _TIMES.items() if word in known), None)
        if kind == "aside":
            return kind
        found = kind or found
    return found


def times(node: Node) -> list[Column]:
    """Columns with an instant or a day of the row itself, the outermost first."""
    found = [column for column in own_columns(node) if column.type in (DataType.TIMESTAMP, DataType.DATE)]
    return sorted(found, key=lambda column: depth(node, column.name))


def event_time(node: Node) -> str | None:
    """The column that tells when the row happened; None if there are only times of changes, ends and terms.

    One that nearly every row has comes first: by a time of payment the unpaid would have none. Then its name decides: what
    happened, was created or began, before what settled it.
    """
    ranked = []
    for place, column in enumerate(times(node)):
        kind = time_kind(node, column.name)
        if kind in _EVENT_TIMES:
            exact = column.type == DataType.TIMESTAMP
            ranked.append(
                (_sparse(node, column.name), _EVENT_TIMES.index(kind), not column.required, not exact, place, column.name)
            )
    return min(ranked)[-1] if ranked else None


def span(node: Node) -> tuple[str, str] | None:
    """(start, end): the columns between which the row lasted. What is paid or shipped later ends it if it has no other end."""
    found = [(time_kind(node, column.name), column.name) for column in times(node)]
    ended = [name for kind, name in found if kind == "ended"]
    later = [name for kind, name in found if kind == "settled" and _sparse(node, name)]
    end = next(iter([*ended, *later]), None)
    start = next((name for wanted in _SPAN_FROM for kind, name in found if kind == wanted), None)
    return (start, end) if start and end else None


def _sparse(node: Node, column: str) -> bool:
    """Whether more than a few rows have no value in the column."""
    return node.fields[column].filled < _FILLED


def statuses(node: Node) -> list[str]:
    """Columns with few values that repeat, those first whose names say that they are a state or a kind."""
    ranked = []
    for place, column in enumerate(own_columns(node)):
        listed = node.fields[column.name].values
        personal = column.pii.closed
        if column.name in node.key or personal or column.type not in (DataType.TEXT, DataType.INT64) or len(listed) < 2:
            continue
        said = _said_of(node, column.name)
        if technical(node, column.name) or any(_TECHNICAL.match(value) for value in listed):
            continue
        rank = next((rank for rank, known in enumerate(_STATUS) if known.keys() & set(said)), len(_STATUS))
        if rank < len(_STATUS) or (column.type == DataType.TEXT and not {*said[-1:]} & _NAMES):
            ranked.append((rank, depth(node, column.name), place, column.name))
    return [name for *_, name in sorted(ranked)]


def technical(node: Node, column: str) -> bool:
    """Whether a column's name says that it is an address or a hash, or tells what may be done by the API: nobody counts by it."""
    return bool(_TECHNIQUE & {*last_words(node, column)})


def flags(node: Node) -> list[str]:
    """Truth values that tell of the row itself, and not of a record that lies in it or of what may be done by the API."""
    own = (column for column in own_columns(node) if column.type == DataType.BOOL and not technical(node, column.name))
    return [column.name for column in own if all(part.lower() in _WRAPPERS for part in _parts_around(node, column.name))]


def _parts_around(node: Node, column: str) -> list[str]:
    return [part for part in split_path(_around(node, column)) if part]


def is_status(node: Node, column: str) -> bool:
    """Whether the column's name says that it is a state that changes over the row's life."""
    return bool(_STATUS[0].keys() & set(_said_of(node, column)))


_SAME_AS_AROUND = frozenset(
    ("name", "title", "label", "value", "key", "code", "raw", "html", "text", "plain", "rendered", "markdown")
)
"""What a record holds that is only what the record is called: `status.name`, `summary.raw`."""


def _said_of(node: Node, column: str) -> list[str]:
    """The words of a column's last key; of a name within a record those of that record: `status.name` tells the status."""
    parts = split_path(node.fields[column].raw) if column in node.fields else []
    named = len(parts) > 1 and parts[-1].lower() in _SAME_AS_AROUND
    return [word.lower() for word in words(parts[-2].removesuffix("[]"))] if named else last_words(node, column)


def changed_time(node: Node) -> str | None:
    """The column that tells when the row was changed last."""
    return next((column.name for column in times(node) if CHANGED & set(last_words(node, column.name))), None)


def done(value: str) -> bool:
    """Whether a status says that nothing more will happen to the row."""
    said = {word.lower() for word in words(value)}
    return bool(_DONE.keys() & said) and not _NOT_DONE.keys() & said


def going(value: str) -> bool:
    """Whether a status says that the row still goes on. A word that says neither this nor that it is done says nothing."""
    said = {word.lower() for word in words(value)}
    denied = _DONE.keys() & said and _DENIED & said
    return bool(_OPEN.keys() & said or denied) and not done(value)


def label(node: Node, personal: bool = False) -> str | None:
    """The text by which people know a row; one that names a person only if `personal` is allowed.

    What a nested record is called (a student's guardian) is not what the row is called.
    """
    own = {_around(node, name) for name in node.key}
    ranked = []
    for place, column in enumerate(own_columns(node)):
        name = "".join(last_words(node, column.name))
        around = _around(node, column.name)
        apart = around not in own and any(part.lower() not in _WRAPPERS for part in split_path(around) if part)
        shown = not column.pii.closed or (personal and column.pii == PiiLevel.DIRECT)
        if column.type == DataType.TEXT and name in _LABELS and not apart and shown:
            ranked.append((depth(node, column.name), _LABELS.index(name), place, column.name))
    return min(ranked)[-1] if ranked else None
