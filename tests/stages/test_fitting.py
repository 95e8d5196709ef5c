"""Whether a page is like the one before: what tells that a list changed, and what does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from spectra_assets.covenant.access import CursorPaging, NoPaging, OffsetPaging, Paging
from spectra_assets.stages.asking.answers import Sight, sight_of
from spectra_assets.stages.asking.fitting import misfit

NONE = NoPaging()
BY_OFFSET = OffsetPaging(offset_param="offset", size_param="limit", size=5)
BY_TOKEN = CursorPaging(cursor_param="after", next="next")


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "price": number + 0.5,
        "at": f"2026-01-{number:02}T08:00:00Z",
        "amount": f"{number}.50",
        "url": f"https://h/{number}",
        "of": {"name": f"n{number}", "tags": ["a"]},
        "gone": None,
    } | more


def seen(rows: list[dict[str, Any]], **around: Any) -> Sight:
    return sight_of({"items": rows} | around, "items")


ROWS = [row(n) for n in range(1, 6)]


@pytest.mark.parametrize(
    ("paging", "now"),
    [
        (NONE, seen(list(reversed(ROWS)))),
        (NONE, seen([row(n + 10, price=7, gone=None) for n in range(1, 6)])),
        (BY_OFFSET, seen([row(n + 3) for n in range(1, 6)])),
    ],
)
def test_other_records_are_no_misfit(paging: Paging, now: Sight) -> None:
    assert misfit(seen(ROWS), now, paging) == ""


@pytest.mark.parametrize(
    ("paging", "now", "told"),
    [
        (NONE, seen([*ROWS, row(6)]), "its first page has 6 rows, and had 5"),
        (NONE, seen(ROWS[:4]), "its first page has 4 rows, and had 5"),
        (BY_OFFSET, seen(ROWS[:4]), "it ends where it went on before"),
        (BY_OFFSET, seen([]), "its records are at no place|it ends"),
        (NONE, seen([*ROWS[:4], row(5, colour="red")]), "colour is new"),
        (NONE, seen([*ROWS[:4], row(5, gone=True)]), "gone is new"),
        (NONE, seen([{k: v for k, v in each.items() if k != "url"} for each in ROWS]), "url does not come any more"),
        (NONE, seen([*ROWS[:4], row(5, id="5")]), "id is written number 9, and was int"),
        (NONE, seen([*ROWS[:4], row(5, amount="5,50")]), "amount is written number 9,9, and was number 9.9"),
        (NONE, seen([row(n, at=f"{n:02}.01.2026 08:00") for n in range(1, 6)]), "at is written time"),
        (NONE, seen([row(n, at=f"2026-01-{n:02}T08:00:00+02:00") for n in range(1, 6)]), "at is written time"),
        (NONE, seen([row(n, of={"name": "n", "tags": [{"a": 1}]}) for n in range(1, 6)]), r"of.tags\[\].a is new"),
        (NONE, seen(ROWS, total=9), "its records are at items"),
        (NONE, seen(ROWS, page=1), "beside the records are other keys: page"),
        (NONE, sight_of({"rows": ROWS}, "rows"), "its records are at rows .*, and were at items"),
        (NONE, Sight("forbidden", "text", reason="403: no"), "it answers 403: no, and was readable"),
    ],
)
def test_what_changed_is_told(paging: Paging, now: Sight, told: str) -> None:
    assert re.match(told, misfit(seen(ROWS), now, paging)), misfit(seen(ROWS), now, paging)


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (lambda n: 1_704_067_200 + n, lambda n: 1_704_067_200_000 + n, "at may be millis since 1970, and seconds before"),
        (lambda n: 1_704_067_200_000 + n, lambda n: 1_704_067_200 + n, "at may be seconds since 1970, and millis before"),
        (
            lambda n: f"{1_704_067_200_000 + n}",
            lambda n: f"{1_704_067_200 + n}",
            "at may be seconds since 1970, and millis before",
        ),
        (lambda n: (1_704_067_200 + n) * (n > 1), lambda n: (1_704_067_200 + n) * 10**6 * (n > 1), "at may be micros since 1970"),
        (lambda n: 1_704_067_200 + n, lambda n: 1_904_067_200 + n, ""),
        (lambda n: 99_999_000 + n, lambda n: 100_000_000 + n, ""),  # ids that go on
        (lambda n: 10**n, lambda n: 10 ** (n + 7), ""),  # sizes of any kind
    ],
)
def test_moments_in_another_unit_are_a_misfit(was: Callable[[int], Any], now: Callable[[int], Any], told: str) -> None:
    before, after = (seen([row(n, at=made(n)) for n in range(1, 6)]) for made in (was, now))
    assert misfit(before, after, NONE).startswith(told)
    assert bool(misfit(before, after, NONE)) == bool(told)


def test_a_page_that_leads_on_is_as_long_as_before() -> None:
    before = seen(ROWS, next="t1")
    assert misfit(before, seen(ROWS, next="t2"), BY_TOKEN) == ""
    assert misfit(before, seen(ROWS[:3], next="t2"), BY_TOKEN) == "its first page has 3 rows, and had 5"
    assert misfit(before, seen(ROWS, next=None), BY_TOKEN) == "it ends where it went on before"
    assert misfit(seen(ROWS, next=None), seen(ROWS, next="t"), BY_TOKEN) == "it goes on where it ended before"
    assert misfit(seen(ROWS, next=None), seen(ROWS[:3], next=None), BY_TOKEN) == ""
