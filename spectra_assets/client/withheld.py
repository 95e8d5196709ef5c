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
from dataclasses import replace
from pathlib import Path
from secrets import token_bytes
from types import MappingProxyType

import msgspec

from spectra_assets.client.jsontext import mended
from spectra_assets.client.transport import Answer
from spectra_assets.client.wire import Wire
from spectra_assets.covenant.access import Withheld
from spectra_assets.covenant.paths import split_path

_KEY_BYTES = 32
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
        body = cleared(answer.body, self._rules, self._key)
        return answer if body is answer.body else replace(answer, body=body)


def how_withheld(path: Sequence[str], rules: Sequence[Withheld]) -> str | None:
    """How the field whose keys are `path`, arrays left out, is withheld; None if it is not. The last rule that fits counts."""
    lower = [key.lower() for key in path]
    fitting = (rule.how for rule in reversed(rules) if lower[-len(keys := _keys(rule)) :] == keys)
    return next(fitting, None)


def cleared(body: bytes, rules: Sequence[Withheld], key: bytes) -> bytes:
    """The JSON text, or one per line, without what is withheld; the very same if it has nothing of it.

    A text that is neither, and names such a field, is emptied: nobody can tell what it holds.
    """
    text = body.lstrip()
    if not text.startswith((b"{", b"[")):
        return b"" if _names(body, rules) else body
    try:
        return _value(body, (), rules, key)
    except msgspec.DecodeError:
        pass
    try:
        made = mended(body)
        return _value(made, (), rules, key) if made is not None else b"\n".join(_lines(body, rules, key))
    except msgspec.DecodeError:
        return b"" if _names(body, rules) else body


def hash_key(folder: Path) -> bytes:
    """The key of a lakehouse's hashes, made when it is wanted first. Without it equal values still hash alike, and none is found
    by trying. Raises OSError."""
    file = folder / "withheld.key"
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".withheld.key.{os.getpid()}"
    if not file.exists():
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(token_bytes(_KEY_BYTES))
        with suppress(FileExistsError):  # of two runs the first one's stays
            os.link(draft, file)
        draft.unlink()
    return file.read_bytes()


def _keys(rule: Withheld) -> list[str]:
    return [key.removesuffix("[]").lower() for key in split_path(rule.field)]


def _names(body: bytes, rules: Sequence[Withheld]) -> bool:
    text = body.lower()
    return any(_keys(rule)[-1].encode() in text for rule in rules)


def _lines(body: bytes, rules: Sequence[Withheld], key: bytes) -> list[bytes]:
    return [_value(line, (), rules, key) if line.strip() else line for line in body.split(b"\n")]


def _value(text: bytes, path: tuple[str, ...], rules: Sequence[Withheld], key: bytes) -> bytes:
    """A JSON text without what is withheld below it. What nothing is withheld of keeps its bytes."""
    start = text.lstrip()[:1]
    if start == b"[":
        items = [bytes(item) for item in msgspec.json.decode(text, type=list[msgspec.Raw])]
        made = [_value(item, path, rules, key) for item in items]
        return text if made == items else b"[" + b",".join(made) + b"]"
    if start != b"{":
        return text
    fields: dict[str, bytes] = {}
    changed = False
    for name, raw in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items():
        held, inner = bytes(raw), (*path, name)
        how = how_withheld(inner, rules)
        if how == "drop":
            changed = True
            continue
        fields[name] = _hashed(held, key) if how == "hash" else _value(held, inner, rules, key)
        changed = changed or fields[name] != held
    return msgspec.json.encode({name: msgspec.Raw(held) for name, held in fields.items()}) if changed else text


def _hashed(text: bytes, key: bytes) -> bytes:
    """A text in place of a value, the same for equal ones; nothing and what is hashed already stay."""
    bare = text.strip()
    if bare == b"null" or _HASHED.fullmatch(bare):
        return text
    value = msgspec.json.decode(bare)
    plain = value.encode() if isinstance(value, str) else bare
    return b'"h:' + hmac.new(key, plain, "sha256").hexdigest()[:32].encode() + b'"'
