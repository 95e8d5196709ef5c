"""Numbers as texts: how they are written, and whether a comma is the decimal point or parts the thousands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")

COMMA, GROUPED = "decimal_comma", "decimal_grouped"
"""Formats of text decimals: `1.234,50` (points, blanks or apostrophes between the thousands), and `1,234.50`."""

FORMATS = frozenset((COMMA, GROUPED))

GAPS = " .'’\u00a0\u202f"
"""What parts the thousands of a number with a decimal comma."""

_COMMA = re.compile(rf"-?(0|[1-9][0-9]{{0,2}}([{GAPS}])[0-9]{{3}}(\2[0-9]{{3}})*|[1-9][0-9]{{0,28}})(,[0-9]{{1,9}})?")
_GROUPED = re.compile(r"-?(0|[1-9][0-9]{0,2}(,[0-9]{3})+|[1-9][0-9]{0,28})(\.[0-9]{1,9})?")
_PADDED = re.compile(r"-?[0-9]+\.[0-9]{2,8}0")

_TWICE = 2
"""Different texts that must show how a number is written: one alone may be a slip, or no number at all."""


@dataclass(frozen=True)
class Writing:
    """How texts are written as numbers. `sure`: several of them can be read in this way only."""

    format: str | None
    sure: bool


def writing(values: Sequence[str]) -> Writing | None:
    """How all of the texts, some of which have a comma, are written; None if not all are numbers of one writing.

    A format of None means that they are, but nothing tells `1,234` from a thousand and more.
    """
    texts = {value.strip() for value in values}
    commas = {text for text in texts if _COMMA.fullmatch(text)}
    grouped = {text for text in texts if _GROUPED.fullmatch(text)}
    for format_, mine, others in ((COMMA, commas, grouped), (GROUPED, grouped, commas)):
        shown = {text for text in mine - others if "," in text}
        if len(mine) == len(texts) and shown:
            return Writing(format_, len(shown) >= _TWICE)
    both = len(commas) == len(texts) == len(grouped) and any("," in text for text in texts)
    return Writing(None, sure=False) if both else None


def padded(values: Sequence[str]) -> bool:
    """Whether decimals were written with the zeros at the end that their scale has: `0.250` beside `12` and `1.500`."""
    return len({value for value in values if _PADDED.fullmatch(value.strip())}) >= _TWICE


def is_integer(text: str) -> bool:
    """Whether a text holds an integer in its one canonical form: no plus sign, no leading zeros, 64 bits."""
    return INTEGER.fullmatch(text) is not None
