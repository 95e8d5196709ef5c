"""JSON as some servers write it, made the JSON that it should have been: NaN, infinities and halves of characters.

Python's `json` writes `NaN` and `Infinity`, which RFC 8259 (section 6) has no numbers for; a text that was cut in the middle of a
character beyond U+FFFF ends with a lone surrogate (section 8.2), which no UTF-8 text can hold.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|-?\bInfinity\b|-?\bNaN\b', re.DOTALL)
_SURROGATE = re.compile(
    rb"(?P<kept>\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}", re.DOTALL
)
_SIGNS = (b"NaN", b"Infinity", b"\\ud", b"\\uD")


def mended(text: bytes) -> bytes | None:
    """`text` with null for NaN, a text for an infinity (which no number column takes), and U+FFFD for half a character.

    None if it holds none of these.
    """
    if not any(sign in text for sign in _SIGNS):
        return None
    made = _TOKEN.sub(_token, text)
    return made if made != text else None


def _token(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if token.startswith(b'"'):
        return _SURROGATE.sub(_whole, token) if b"\\u" in token else token
    return b"null" if token.endswith(b"NaN") else b'"' + token + b'"'


def _whole(match: re.Match[bytes]) -> bytes:
    return match["kept"] or b"\\ufffd"
