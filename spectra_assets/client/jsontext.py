"""JSON as some servers write it, made JSON that can be read: NaN, infinities, numbers beyond all bounds, halves of characters.

Python's `json` writes `NaN` and `Infinity`, which RFC 8259 (section 6) has no numbers for; a text that was cut in the middle of a
character beyond U+FFFF ends with a lone surrogate (section 8.2), which no UTF-8 text can hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any, TypeVar

import msgspec

Decoded = TypeVar("Decoded")

BOM = b"\xef\xbb\xbf"
"""What some servers put in front of UTF-8."""

_LONGEST = 4_000
"""Digits of an integer from which on it is kept as a text (Python reads 4,300)."""

_TOKEN = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?'
    rb"|-?\b(?:Infinity|NaN)\b"
    rb"|-?(?<![\w.])[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?",
    re.DOTALL,
)
_SURROGATE = re.compile(
    rb"(?P<kept>\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}", re.DOTALL
)
_SIGNS = re.compile(rb"NaN|Infinity|\\u[dD]|[0-9][eE][+]?[0-9]{2}|(?<![0-9])[0-9]{300}")


def decoded(text: bytes | str) -> Any:
    """The value of a record; numbers that nothing here can hold as texts. Raises msgspec.DecodeError for what is no JSON."""
    return lenient(text if isinstance(text, bytes) else text.encode(), msgspec.json.decode)


def utf8(body: bytes, content_type: str) -> bytes:
    """The body as UTF-8 without a byte order mark, by the character set in `Content-Type`. Raises UnicodeError with the byte."""
    charset = content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    bare = body.removeprefix(BOM)
    if charset in ("", "utf-8", "utf8", "us-ascii"):
        if not bare.isascii():
            _characters(bare, "utf-8")
        return bare
    return _characters(bare, charset).encode()


def lenient(text: bytes, decode: Callable[[bytes], Decoded]) -> Decoded:
    """What `decode` makes of the text, as it is or else `mended`. Raises what `decode` raises."""
    try:
        return decode(text)
    except msgspec.DecodeError:
        made = mended(text)
        if made is None:
            raise
        return decode(made)


def mended(text: bytes) -> bytes | None:
    """`text` with null for NaN, a text for an infinity and for a number that nothing here can hold (which no column of numbers
    takes), and U+FFFD for half a character. None if it holds none of these.
    """
    if not _SIGNS.search(text):
        return None
    made = _TOKEN.sub(_token, text)
    return made if made != text else None


def _characters(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        raise UnicodeError(f"invalid {error.encoding} (byte {error.start})") from None
    except LookupError:
        raise UnicodeError(f"unknown character set {charset[:40]!r}, from byte 0") from None


def _token(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if token.startswith(b'"'):
        return _SURROGATE.sub(_whole, token) if b"\\u" in token else token
    if token.endswith(b"NaN"):
        return b"null"
    return token if token[-1:].isdigit() and _is_held(token) else b'"' + token + b'"'


def _is_held(number: bytes) -> bool:
    """Whether a number is one that a double or an integer holds."""
    return len(number) < _LONGEST and (number.lstrip(b"-").isdigit() or isfinite(float(number)))


def _whole(match: re.Match[bytes]) -> bytes:
    return match["kept"] or b"\\ufffd"
