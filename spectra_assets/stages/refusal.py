"""What the engine refuses of a rule's expression, told to the person who wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from spectra_assets.playbook.rules import unknown

_MISSING = (
    re.compile(r"attribute ObjectName\(\[(?P<parts>.+?)\]\) is missing from the schema"),
    re.compile(r"UNRESOLVED_COLUMN.*?name (?P<parts>`[^`]+`(?:\.`[^`]+`)*)"),
)
"""How engines say that a column is not there."""

_PART = re.compile(r"Identifier\(\"(?P<told>[^\"]+)\"\)|`(?P<quoted>[^`]+)`")
_LONGEST = 300


def refused(error: Exception, columns: Iterable[str]) -> str:
    """The refusal in words: of a column that is not there its name and those that are; else what the engine says, on one line."""
    text = " ".join(str(error).split())
    found = next((match for pattern in _MISSING if (match := pattern.search(text))), None)
    parts = [told or quoted for told, quoted in _PART.findall(found["parts"])] if found else []
    return unknown("column", ".".join(parts), columns) if parts else text[:_LONGEST]
