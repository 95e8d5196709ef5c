"""Fields that must not reach the lake: taken out of every answer, or hashed, before anything else sees it.

What goes through here comes neither onto a tape nor into a recording, a sample, a table or a lesson.
"""

from __future__ import annotations

import hmac
import os
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from secrets import token_bytes
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from spectra_assets.client.headers import Headers
from spectra_assets.client.jsontext import lenient, utf8
from spectra_assets.client.transport import Answer
from spectra_assets.client.wire import Wire
from spectra_assets.covenant.access import Withheld
from spectra_assets.covenant.paths import split_path

_KEY_BYTES = 32
_BLANKS = b" \t\r\n\x1e"
_UNREADABLE = b'{"withheld": unreadable'
"""No JSON on purpose: what is cut may come whole the next time it is asked for, and must not pass for an empty list."""

_HASHED = re.compile(rb'"h:[0-9a-f]{32}"')
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Withholding:
    """A wire whose answers lack what `rules` withhold. `key` makes hashes that nobody without it can try values on."""

    def __init__(self, wire: Wire, rules: Sequence[Withheld], key: bytes) -> None:
        self._wire = wire
        self._rules = rules
        self._key = key

    def get(self, url: str, stop: threading.Event, seconds: float | None = None, more: Mapping[str, str] = _NOTHING) -> Answer:
        """What the wire answers, without what is withheld. Raises what the wire raises."""
        return self._cleared(self._wire.get(url, stop, seconds, more))

    def search(self, url: str, body: bytes, stop: threading.Event, seconds: float | None = None) -> Answer:
        """As `get`."""
        return self._cleared(self._wire.search(url, body, stop, seconds))

    def close(self) -> None:
        """Close the wire."""
        self._wire.close()

    def _cleared(self, answer: Answer) -> Answer:
        kind = answer.headers.get("Content-Type", "")
        try:
            text = utf8(answer.body, kind)
        except UnicodeError:
            other = "charset=" in kind.lower() or cleared(answer.body, self._rules, self._key) is not answer.body
            return replace(answer, body=_UNREADABLE) if other else answer
        body = cleared(text, self._rules, self._key)
        if body == answer.body:
            return answer
        plain = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
        return replace(answer, body=body, headers=Headers({**plain, "Content-Type": kind.partition(";")[0]}))


def how_withheld(path: Sequence[str], rules: Sequence[Withheld]) -> str | None:
    """How the field whose keys are `path`, arrays left out, is withheld; None if it is not. The last rule that fits counts."""
    return _how(path, _by_last_key(tuple((rule.field, rule.how) for rule in rules))) if rules else None


_ByLastKey = Mapping[str, Sequence[tuple[list[str], str]]]
"""Last key of a rule → the rules' keys and how, the last rule first."""


@lru_cache(64)
def _by_last_key(rules: tuple[tuple[str, str], ...]) -> _ByLastKey:
    found: dict[str, list[tuple[list[str], str]]] = {}
    for field, how in reversed(rules):
        keys = _keys(field)
        found.setdefault(keys[-1], []).append((keys, how))
    return found


def _how(path: Sequence[str], rules: _ByLastKey) -> str | None:
    """As `how_withheld`. Nearly every key is that of no rule: it is looked up, and no more."""
    fitting = rules.get(path[-1].lower(), ()) if path else ()
    return next((how for keys, how in fitting if [key.lower() for key in path[-len(keys) :]] == keys), None)


def cleared(body: bytes, rules: Sequence[Withheld], key: bytes) -> bytes:
    """The JSON text, or one per line, without what is withheld; the very same bytes if nothing in it has such a name.

    In place of a text that is neither, and names such a field, comes one that no reader takes for an answer without records:
    nobody can tell what it holds.
    """
    patterns = _patterns(tuple(_keys(rule.field)[-1] for rule in rules))
    if not patterns.name.search(body):
        return body
    text = body.lstrip(_BLANKS)
    if not text.startswith((b"{", b"[")):
        return b"<withheld/>" if text.startswith(b"<") else _UNREADABLE
    clear = _Clearing(_by_last_key(tuple((rule.field, rule.how) for rule in rules)), key, patterns.field).whole
    try:
        made = lenient(text, clear)
        return body if made is text else made
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return b"\n".join(clear(line) for line in map(_bare, body.split(b"\n")) if line)
    except (msgspec.DecodeError, RecursionError):
        return _UNREADABLE


def hash_key(folder: Path) -> bytes:
    """The key of a lakehouse's hashes, made when it is wanted first. Without it equal values still hash alike, and none is found
    by trying. Raises OSError."""
    file = folder / "withheld.key"
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".withheld.key.{os.getpid()}"
    if not file.exists():
        made = token_bytes(_KEY_BYTES)
        try:
            _write(draft, made, os.O_TRUNC)
            _link(draft, file, made)
        finally:
            draft.unlink(missing_ok=True)
    return file.read_bytes()


def _link(draft: Path, file: Path, made: bytes) -> None:
    """The draft as the file; of two runs the first one's stays."""
    with suppress(FileExistsError):
        try:
            os.link(draft, file)
        except FileExistsError:
            raise
        except OSError:  # a file system that knows no such links
            _write(file, made, os.O_EXCL)


def _write(file: Path, content: bytes, flag: int) -> None:
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | flag, 0o600), "wb") as opened:
        opened.write(content)


def _keys(field: str) -> list[str]:
    return [key.removesuffix("[]").lower() for key in split_path(field)]


class _Patterns(NamedTuple):
    """What finds a field by its name: anywhere, and as the key of an object, also of one that lies in a text."""

    name: re.Pattern[bytes]
    field: re.Pattern[bytes]


@lru_cache(64)
def _patterns(names: tuple[str, ...]) -> _Patterns:
    """A name may be written with escapes; in capitals too, which bytes have for ASCII alone."""
    any_of = "|".join(re.escape(name) if name.isascii() else "" for name in names).encode()
    name, field = (re.compile(rb"\\u|(?:" + any_of + rb")" + end, re.IGNORECASE) for end in (b"", rb'\\*"\s*:'))
    return _Patterns(name, field)


def _bare(line: bytes) -> bytes:
    return line.strip(_BLANKS)


@dataclass(frozen=True)
class _Clearing:
    """Takes what `rules` withhold out of JSON texts."""

    rules: _ByLastKey
    key: bytes
    field: re.Pattern[bytes]

    def whole(self, text: bytes) -> bytes:
        """One JSON text. Raises msgspec.DecodeError."""
        msgspec.json.decode(text, type=msgspec.Raw)
        return self._value(text, ())

    def _value(self, text: bytes, path: tuple[str, ...]) -> bytes:
        """What has a field of such a name is written anew: of a key that comes twice in an object the last stays, as for readers.
        All else, and numbers and texts inside, keep their bytes."""
        if not self.field.search(text):
            return text
        start = text.lstrip()[:1]
        if start == b"[":
            items = msgspec.json.decode(text, type=list[msgspec.Raw])
            return b"[" + b",".join(self._value(bytes(item), path) for item in items) + b"]"
        if start == b'"':
            return self._text(text, path)
        if start != b"{":
            return text
        fields: dict[str, msgspec.Raw] = {}
        for name, raw in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items():
            held, inner = bytes(raw), (*path, name)
            how = _how(inner, self.rules)
            if how != "drop":
                fields[name] = msgspec.Raw(_hashed(held, self.key) if how == "hash" else self._value(held, inner))
        return msgspec.json.encode(fields)

    def _text(self, text: bytes, path: tuple[str, ...]) -> bytes:
        """A text that holds JSON, as payloads of events do; any other stays."""
        inside = msgspec.json.decode(text, type=str).encode()
        if not inside.lstrip().startswith((b"{", b"[")):
            return text
        try:
            made = self._value(inside, path)
        except msgspec.DecodeError:
            return text
        return text if made is inside else msgspec.json.encode(made.decode())


def _hashed(text: bytes, key: bytes) -> bytes:
    """A text in place of a value, the same for equal ones; nothing and what is hashed already stay."""
    bare = text.strip()
    if bare == b"null" or _HASHED.fullmatch(bare):
        return text
    value = msgspec.json.decode(bare)
    plain = value.encode() if isinstance(value, str) else bare
    return b'"h:' + hmac.new(key, plain, "sha256").hexdigest()[:32].encode() + b'"'
