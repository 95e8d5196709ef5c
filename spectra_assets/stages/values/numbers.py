"""Numbers as texts: how they are written, and whether a comma is the decimal point or parts the thousands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")

COMMA, GROUPED = "decimal_comma", "decimal_grouped"
"""Formats of text decimals: `1.234,50` (points, blanks or apostrophes between the thousands), and `1,234.50`."""

OR_NONE = "number_or_none"
"""Format of numbers beside words that say that there is none; with one of the others in front, `_or_none`."""

FORMATS = frozenset((COMMA, GROUPED))
WITH_NONE = frozenset((OR_NONE, f"{COMMA}_or_none", f"{GROUPED}_or_none"))
ALL_FORMATS = FORMATS | WITH_NONE

NONE = frozenset(
    ("unknown", "n/a", "na", "n.a.", "none", "null", "nil", "nan", "undefined", "indefinite", "unspecified", "not available",
     "not applicable", "tbd", "-", "--", "–", "?", "unbekannt", "k.a.", "keine", "inconnu", "desconocido")
)  # fmt: skip
"""What stands in lower case in a number's place where there is none."""

GAPS = " .'’\u00a0\u202f"
"""What parts the thousands of a number with a decimal comma."""

_COMMA = re.compile(rf"-?(0|[1-9][0-9]{{0,2}}([{GAPS}])[0-9]{{3}}(\2[0-9]{{3}})*|[1-9][0-9]{{0,28}})(,[0-9]{{1,9}})?")
_GROUPED = re.compile(r"-?(0|[1-9][0-9]{0,2}(,[0-9]{3})+|[1-9][0-9]{0,28})(\.[0-9]{1,9})?")
_PLAIN = re.compile(r"-?(0|[1-9][0-9]{0,28})(\.[0-9]{1,18})?")
_NO_GAPS = str.maketrans("", "", GAPS)
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
        alone = mine - others
        shown = alone if format_ == GROUPED and any("," in text for text in mine) else {text for text in alone if "," in text}
        if len(mine) == len(texts) and shown:  # beside 78.2 the comma of 1,358 is none of decimals
            return Writing(format_, len(shown) >= _TWICE)
    both = len(commas) == len(texts) == len(grouped) and any("," in text for text in texts)
    return Writing(None, sure=False) if both else None


def without_none(values: Sequence[Any]) -> list[Any]:
    """The values but for texts that say that there is no number."""
    return [value for value in values if not (isinstance(value, str) and value.strip().lower() in NONE)]


def readings(text: str) -> set[Decimal]:
    """The numbers that a text may be: `1,234` is a thousand and more, or one and some."""
    plain = text.strip()
    found = {plain} if _PLAIN.fullmatch(plain) else set()
    if _COMMA.fullmatch(plain):
        found.add(plain.translate(_NO_GAPS).replace(",", "."))
    if _GROUPED.fullmatch(plain):
        found.add(plain.replace(",", ""))
    return {Decimal(each) for each in found}


def padded(values: Sequence[str]) -> bool:
    """Whether decimals were written with the zeros at the end that their scale has: `0.250` beside `12` and `1.500`."""
    return len({value for value in values if _PADDED.fullmatch(value.strip())}) >= _TWICE


def is_integer(text: str) -> bool:
    """Whether a text holds an integer in its one canonical form: no plus sign, no leading zeros, 64 bits."""
    return INTEGER.fullmatch(text) is not None
