"""Instants as records name and hold them and as parameters take them, so that a list can be asked for what changed since."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from spectra_assets.covenant.paths import split_path
from spectra_assets.names import words

EPOCH_SECONDS, EPOCH_MILLIS = "epoch_seconds", "epoch_millis"
"""Forms of a number; any other form is a strftime pattern."""

ZULU, OFFSET, NAIVE, SPACED, DAY = (
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S+00:00",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d",
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLIS_FROM = 10**11
_LATEST = 5 * 10**12
_EARLIEST_SECONDS = 10**8
_TEXT = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?(?:Z|[+-]\d{2}(?::?\d{2})?))?)?", re.ASCII
)


_TIME_WORDS = frozenset(
    ("date", "time", "datetime", "timestamp", "on", "at", "created", "modified", "updated", "start", "end", "expiry", "expires",
     "since", "until", "ts", "epoch", "unix", "utc", "expire", "expiration", "published", "deleted", "closed", "merged", "pushed",
     "finished", "completed", "started", "ended", "opened", "resolved", "joined", "registered", "due", "when", "birthday",
     "birthdate", "dob", "iat", "exp", "nbf", "mtime", "ctime", "atime")
)  # fmt: skip
_SPAN_WORDS = frozenset(
    ("duration", "elapsed", "timeout", "ttl", "interval", "spent", "estimate", "estimated", "latency", "uptime", "runtime",
     "response", "remaining", "cpu", "wait", "took")
)  # fmt: skip
"""Lengths of time are no points in time."""

_JOINED_TIME = re.compile(r"(created|updated|modified|changed|deleted|published|started|finished)(at|on)", re.IGNORECASE)


def timelike(leaf: str) -> bool:
    """Whether a name says that its value is a point in time."""
    said = {word.lower() for word in words(leaf)}
    return bool(_TIME_WORDS & said or _JOINED_TIME.search(leaf)) and not _SPAN_WORDS & said


def micros(value: Any) -> int | None:
    """The instant in microseconds since 1970: of ISO 8601 texts (without a zone as if in UTC), epoch seconds or milliseconds.

    None for anything else.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        if _MILLIS_FROM <= value < _LATEST:
            return int(value * 1_000)
        return int(value * 1_000_000) if _EARLIEST_SECONDS <= value < _MILLIS_FROM else None
    if not isinstance(value, str) or not _TEXT.fullmatch(value.strip()):
        return None
    text = value.strip()
    try:
        moment = datetime.fromisoformat(re.sub(r"([.,]\d{6})\d+", r"\1", text).replace(" Z", "Z"))
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def forms_like(value: Any) -> list[str]:
    """The forms in which a parameter may take such a value, that of the value itself first."""
    if isinstance(value, int | float):
        return [EPOCH_MILLIS, EPOCH_SECONDS, ZULU] if value >= _MILLIS_FROM else [EPOCH_SECONDS, EPOCH_MILLIS, ZULU]
    text = str(value).strip()
    if len(text) == len("2026-01-31"):
        return [DAY, ZULU]
    if text.endswith(("Z", "z")):
        return [ZULU, DAY, EPOCH_SECONDS]
    if re.search(r"[+-]\d{2}:?\d{2}$", text[10:]):
        return [OFFSET, ZULU, DAY]
    return [SPACED if text[10] == " " else NAIVE, ZULU, DAY]


def written(moment: int, form: str) -> str:
    """An instant in microseconds as a parameter takes it; what the form can't say is rounded down."""
    if form in (EPOCH_SECONDS, EPOCH_MILLIS):
        return str(moment // (1_000_000 if form == EPOCH_SECONDS else 1_000))
    return (_EPOCH + timedelta(microseconds=moment)).strftime(form)


def reader(path: str) -> Callable[[bytes | str], Any]:
    """A function from a record's JSON text to the value at `path`, None if there is none. Skips everything else in the record."""
    parts = split_path(path)
    kind: Any = Any
    for depth, part in enumerate(reversed(parts)):
        kind = msgspec.defstruct(f"At{depth}", [("value", kind, None)], rename={"value": part})
    decoder = msgspec.json.Decoder(kind)

    def value(record: bytes | str) -> Any:
        try:
            found: Any = decoder.decode(record)
        except msgspec.DecodeError:
            return None
        for _ in parts:
            if found is None:
                return None
            found = found.value
        return found

    return value
