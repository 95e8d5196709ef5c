"""Text that came from an API: taken for an address only if it is one, and made fit to stand in Markdown that people read:
there it can't link, load a picture, or end its place."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_SPAN = re.compile(r"(`[^`]*`)")
_RUN = re.compile(r"``+")
_OPENING = re.compile(r"^([0-9]{0,9})([.)#+*~_=-])(?=[ #*~_=-]|$)")
"""What a line begins with that is a heading, a list, a rule or a fence."""
_ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)[^\s<>()\[\]`]*[^\s<>()\[\]`.,;:!?'\"*_]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.IGNORECASE
)
"""What GitHub and the Dagster UI make a link of without being told: addresses of pages and of mail."""
_COLUMN = re.compile(r"`([A-Za-z_][A-Za-z0-9_]*)`")


def parts_of(address: str) -> SplitResult | None:
    """The parts of an address that an API gave; None if it is none (`http://[x`)."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def printable(text: str) -> str:
    """`text` with control characters and marks of direction as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def flat(text: str) -> str:
    """`text` as one printable line."""
    return printable(" ".join(text.split()))


def lines(text: str) -> str:
    """Lines for a terminal: each printable."""
    return "\n".join(map(printable, text.split("\n")))


def prose(text: str) -> str:
    """Prose on one line, also in a table's cell: code spans stay, addresses become such; links, pictures, HTML, headings and
    lists become plain text."""
    line = flat(text).replace("\\", "\\\\").replace("|", "\\|")
    # only single backticks in pairs: CommonMark (section 6.1) pairs runs of equal length, which may leave another one open
    line = _RUN.sub(lambda run: "'" * len(run[0]), line)
    if line.count("`") % 2:
        line = "'".join(line.rsplit("`", 1))
    line = "".join(part if place % 2 else _plain(part) for place, part in enumerate(_SPAN.split(line)))
    return _OPENING.sub(r"\1\\\2", line)


def code(text: str) -> str:
    """A code span, also in a table's cell; columns quoted in an expression stand plain in it."""
    line = _COLUMN.sub(r"\1", flat(text))
    return "`" + line.replace("`", "'").replace("|", "\\|") + "`"


def _plain(text: str) -> str:
    return "".join(part if place % 2 else _bare(part) for place, part in enumerate(_SPAN.split(_ADDRESS.sub(r"`\g<0>`", text))))


def _bare(text: str) -> str:
    return text.replace("[", "\\[").replace("]", "\\]").replace("<", "&lt;").replace(">", "&gt;")
