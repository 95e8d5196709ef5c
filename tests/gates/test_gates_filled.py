"""The gate about columns that were filled and are empty now."""

from __future__ import annotations

from typing import Any

import pytest

from spectra_assets.covenant.build import Flattening
from spectra_assets.gates.filled import carried
from tests.gates.conftest import Bench, column, table, text

ORDER = {
    "columns": [
        column("orderId", required=True),
        text("note", source=["note"]),
        text("code", required=True),
        column("gone", sparse=True),
    ],
    "primary_key": ["orderId"],
    "build": Flattening(),
}
PROMISED = table("clean.order", "columns_filled", **ORDER)


def rows(count: int, empty: int = 0) -> list[dict[str, Any]]:
    """So many orders, of which so many have nothing but their key."""
    full = {"note": "x", "code": "c", "gone": 1}
    return [{"orderId": place, **(full if place >= empty else {})} for place in range(count)]


def test_a_new_table_has_nothing_to_be_compared_with(bench: Bench) -> None:
    result = bench.judge(PROMISED, rows(30, 30))
    assert (result.passed, result.total) == (True, 1)


@pytest.mark.parametrize(
    ("before", "now", "passes"),
    [
        ((30, 0), (30, 30), False),
        ((30, 1), (40, 11), False),
        ((30, 0), (40, 10), True),  # a quarter of the rows
        ((30, 2), (30, 30), True),  # it was not full before
        ((19, 0), (30, 29), True),  # too few rows to know
        ((30, 0), (19, 18), True),  # too few rows to tell
        ((19, 0), (19, 19), False),  # none of a few has one any more
        ((4, 0), (30, 30), True),
        ((30, 0), (4, 4), True),
        ((30, 0), (30, 0), True),
    ],
)
def test_a_column_that_is_empty_in_most_rows_is_told(
    bench: Bench, before: tuple[int, int], now: tuple[int, int], passes: bool
) -> None:
    bench.publish(PROMISED, rows(*before), filled=carried(bench.candidate(PROMISED, rows(*before))))
    result = bench.judge(PROMISED, rows(*now))
    assert result.passed == passes
    if not passes:
        assert result.sample == [
            {"column": "note", "path": "note", "before": f"{before[1]} of {before[0]}", "empty": now[1], "rows": now[0]}
        ]
        assert "1 of 1 columns are empty in many rows" in result.message
        assert "kind required" in result.message


def test_what_was_known_is_carried_on_while_it_is_empty(bench: Bench) -> None:
    bench.publish(PROMISED, rows(30), filled=carried(bench.candidate(PROMISED, rows(30))))
    emptied = carried(bench.candidate(PROMISED, rows(50, 40)))
    assert '"note":[30,0]' in emptied
    bench.publish(PROMISED, rows(50, 40), filled=emptied)
    assert not bench.judge(PROMISED, rows(50, 40)).passed
    assert '"note":[60,2]' in carried(bench.candidate(PROMISED, rows(60, 2)))
    assert '"note":[30,0]' in carried(bench.candidate(PROMISED, rows(3)))
    assert "note" not in carried(bench.candidate(PROMISED, rows(60, 9)))


def test_what_another_writer_left_is_no_news(bench: Bench) -> None:
    bench.publish(PROMISED, rows(30))
    assert bench.judge(PROMISED, rows(30, 30)).passed
