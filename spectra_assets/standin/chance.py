"""Deterministic chance: numbers, words and dates that depend on nothing but seed, kind and position."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache

DAY_MS = 86_400_000
"""Milliseconds of one day."""

FIRST_DAY_MS = 1_704_067_200_000
"""2024-01-01 00:00 UTC, when the oldest project starts."""

TODAY_MS = FIRST_DAY_MS + 700 * DAY_MS
"""2025-12-01 00:00 UTC: the server's day 0. Its clock moves only by `advance`."""

_MASK = (1 << 64) - 1


class Kind(IntEnum):
    """What a number is drawn for, so that two kinds at one position are independent."""

    PROJECT = 1
    RELEASE = 2
    CYCLE = 3
    PHASE = 4
    NODE = 5
    TESTCASE = 6
    STEP = 7
    REQUIREMENT = 8
    USER = 9
    EXECUTION = 10
    DAY = 11


def mix(seed: int, kind: int, position: int) -> int:
    """An unsigned 64-bit number, the same on every machine and Python; its bits are independent enough to be sliced."""
    x = (seed * 0x9E3779B97F4A7C15 + kind * 0xD1B54A32D192ED03 + position * 0xBF58476D1CE4E5B9) & _MASK
    x ^= x >> 30
    x = x * 0x94D049BB133111EB & _MASK
    x ^= x >> 27
    x = x * 0xBF58476D1CE4E5B9 & _MASK
    return x ^ x >> 31


@lru_cache(maxsize=8192)
def _us_date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%m/%d/%Y")


def us_date(epoch_ms: int) -> str:
    """MM/DD/YYYY of the UTC day of `epoch_ms` (the API gives release, cycle and phase dates both ways)."""
    return _us_date(epoch_ms // DAY_MS)


_VERBS = (
    "Verify",
    "Check",
    "Überprüfe",
    "Проверить",
    "登录",
    "Validate",
    "Zażółć",
    "تحقق",
    "Probar",
    "確認する",
    "Ensure",
)
_THINGS = (
    "login form", "payment flow", "Größe der Tabelle", "корзина", "购物车", "naïve café search", "export to CSV",
    "İstanbul timezone", "password reset", "O'Brien's account", "emoji 🚀 upload", "permissions matrix", "日付の形式",
    '"quoted" label', "A | B toggle", "<b>bold</b> title", "rate & retry", "back\\slash path",
)  # fmt: skip
_DETAILS = (
    "Given a user\nWhen they sign in\nThen the dashboard opens",
    "<p>Steps &amp; data: see <a href=\"https://example.com/?a=1&b=2\">wiki</a></p>",
    "pipes | and, commas; 'single' and \"double\" quotes",
    "Многострочное\r\nописание 🙂",
    "plain text",
    "  leading and trailing blanks  ",
    "{\"json\": [1, 2, 3]} inside a text",
    "第一行\n第二行\t制表符",
)  # fmt: skip


def title(number: int) -> str:
    """A short name; many hold Unicode, quotes, pipes or HTML."""
    return f"{_VERBS[number % len(_VERBS)]} {_THINGS[(number >> 8) % len(_THINGS)]}"


def detail(number: int) -> str:
    """A longer text; many span lines or look like markup."""
    return _DETAILS[(number >> 16) % len(_DETAILS)]
