"""Changes of texts: charsets, masks, hashes, cut ends, capitals."""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote_plus

from spectra_assets.gates.altered.pairs import DIFFERENT, LONGEST, MOST, Alteration, Form, Pairs, alteration, different
from spectra_assets.gates.sample import one_line

_SOME = 10
"""Values that only some records can show (an umlaut, an ampersand, a long text)."""


def cased(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    for write in (str.upper, str.lower, str.title, str.capitalize):
        other = [(was, now) for was, now in both if write(was) != was]
        alike = [was for was, now in other if now == write(was)]
        if (found := _text(Form.CASED, pairs, alike, other, "differ in capital and small letters")) is not None:
            return found
    return None


def garbled(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Letters beyond ASCII were read in another charset, or became question marks, or lost their marks."""
    beyond = [(was, now) for was, now in both if not was.isascii()]
    alike = [was for was, now in beyond if was != now and any(_same(made, now) for made in _misread(was))]
    return _text(Form.GARBLED, pairs, alike, beyond, "lost letters, as in another charset")


def _misread(text: str) -> Iterator[str]:
    coded = text.encode("utf-8", "replace")
    yield coded.decode("latin-1")
    yield coded.decode("cp1252", "replace")
    yield from (re.sub(r"[^\x00-\x7f]", mark, text) for mark in ("?", "\ufffd", "", "_"))
    yield from (re.sub(r"[^\x00-\x7f]", mark, coded.decode("latin-1")) for mark in ("?", "\ufffd"))
    yield unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def encoded(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Texts are written as something that carries texts writes them: HTML, an address, JSON, base64."""
    for told, marks, decode in _CODINGS:
        marked = [(was, now) for was, now in both if marks.search(was)]
        alike = [was for was, now in marked if was != now and _same(decode(now), was)]
        if (found := _text(Form.ESCAPED, pairs, alike, marked, f"are written as in {told}")) is not None:
            return found
    return None


def _of_json(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _of_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return text


_CODINGS: tuple[tuple[str, re.Pattern[str], Callable[[str], str]], ...] = (
    ("HTML (&amp;)", re.compile("[&<>\"']"), html.unescape),
    ("an address (%20)", re.compile(r"[^\w.~*()!'/-]"), unquote_plus),
    ("JSON (\\u00fc)", re.compile(r"[^\x20-\x7e]|[\"\\]"), _of_json),
    ("base64", re.compile("."), _of_base64),
)
"""What texts are written as, which characters show it, and how it is undone."""


def cut(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Long texts end after as many characters."""
    most = max(len(now) for _, now in both)
    longer = [(was, now) for was, now in both if len(was) > most]
    alike = [was for was, now in longer if was.startswith(now) and most - len(now) <= 1]  # a blank at the end was trimmed
    return _text(Form.CUT, pairs, alike, longer, f"end after {most} characters")


def unpadded(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Each code of digits with noughts in front lost them: it came as a number."""
    padded = [(was, now) for was, now in both if _PADDED.fullmatch(was)]
    alike = [was for was, now in padded if now == was.lstrip("0")]
    if len(alike) < _CODES or len(alike) < len(padded):
        return None
    return alteration(Form.CUT, pairs, len(alike), len(padded), "lost the noughts in front of them: they came as numbers")


_PADDED = re.compile(r"0+[1-9][0-9]*")

_CODES = 3
"""Codes that must have lost their noughts, and all of them."""


def shortened(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Of texts of several words only the first or the last ones are left, or their first letters: names without a surname."""
    if sum(was != now for was, now in both) < _SOME:
        return None
    several = [(was, now) for was, now in both if len(_WORD.findall(was)) > 1]
    alike = [was for was, now in several if _is_part(_WORD.findall(now), _WORD.findall(was))]
    return _text(Form.CUT, pairs, alike, several, "lost a part of their words")


_WORD = re.compile(r"\w+")


def _is_part(now: Sequence[str], was: Sequence[str]) -> bool:
    """Whether words are the first or the last ones of those, some of them as a letter; and not all as they were."""
    if not now or len(now) > len(was) or list(now) == list(was):
        return False
    ends = (was[: len(now)], was[-len(now) :])
    return any(all(one == other or one == other[:1] for one, other in zip(now, end, strict=True)) for end in ends)


def masked(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    alike = [was for was, now in both if was != now and _MASK.search(now) and not _MASK.search(was)]
    return _text(Form.MASKED, pairs, alike, both, "are masked")


_MASK = re.compile(r"\*{2,}|•{2,}|#{3,}|[xX]{4,}|…|\[(?:redacted|masked|hidden|removed)\]", re.IGNORECASE)


def hashed(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Texts became codes of one length."""
    lengths = Counter(len(now) for _, now in both)
    length, _ = lengths.most_common(1)[0]
    alike = [was for was, now in both if len(now) == length and _is_code(now) and not _is_code(was)]
    return _text(Form.HASHED, pairs, alike, both, f"are codes of {length} characters now, as hashes are")


def _is_code(text: str) -> bool:
    bare = text.replace("-", "")
    if len(bare) < 16 or not any(map(str.isdigit, bare)):
        return False
    return bool(re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", bare)) or (
        bool(re.fullmatch(r"[A-Za-z0-9+/_=]{20,}", bare)) and bare.lower() != bare != bare.upper()
    )


def affixed(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """The same was put before or behind each text, or taken off it."""
    found: Counter[tuple[str, str, str]] = Counter()
    for was, now in both:
        inner, outer, word = (was, now, "got") if len(was) < len(now) else (now, was, "lost")
        if was != now and inner in outer:
            found[word, *outer.split(inner, 1)] += 1
    (word, before, behind), count = found.most_common(1)[0] if found else (("", "", ""), 0)
    if count < MOST * len(both) or different(both) < DIFFERENT or "://" in before + behind:
        return None
    shown = " and ".join(one_line(each, 20) for each in (before, behind) if each)
    return alteration(Form.AFFIXED, pairs, count, len(both), f"{word} the same at an end: {shown}")


def _same(made: str, now: str) -> bool:
    """Whether both are one text, as far as texts are compared."""
    return made[:LONGEST] == now[:LONGEST]


def _text(form: Form, pairs: Pairs, alike: Sequence[str], among: Sequence[Any], told: str) -> Alteration | None:
    """`alike` of those `among` that could show it."""
    if len(alike) < max(_SOME, MOST * len(among)) or len(set(alike)) < DIFFERENT:
        return None
    return alteration(form, pairs, len(alike), len(among), told)
