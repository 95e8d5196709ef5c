"""How far into a list an API lets anybody read, as a refusal tells: `Only the first 1000 results are available`."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LIMITS = re.compile(
    r"\bwindow\b|\bmax(?:imum)?\b|\bexceed|\bat most\b|\bonly\b|\bup to\b|\bbeyond\b|\bcursor|\bscroll|\bfirst [\d,]"
    r"|\btoo (?:large|deep|far|high)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])|(?<![\w.,])\d{1,9}(?!\w)")
_STATUS = re.compile(r"\s*\d{3}\b")


def windows_in(refusal: str) -> list[int]:
    """The numbers, of rows or of pages, by which a refusal (`400: …`) may say how far a list can be read; none if it says nothing
    of a limit."""
    said = refusal[found.end() :] if (found := _STATUS.match(refusal)) else refusal
    return list(dict.fromkeys(_numbers(said))) if _LIMITS.search(said) else []


def _numbers(said: str) -> Iterator[int]:
    for text in _NUMBER.findall(said):
        number = int(text.replace(",", ""))
        if number > 1:
            yield number
