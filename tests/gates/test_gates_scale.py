"""The gate about numbers that are all so many times what they were."""

from __future__ import annotations

from typing import Any

import pytest

from spectra_assets.covenant.build import Flattening
from spectra_assets.covenant.model import DataType
from spectra_assets.gates.scale import carried
from tests.gates.conftest import Bench, column, table

ORDER = {
    "columns": [
        column("orderId", required=True),
        column("customerId", references="customer.id"),
        column("price", DataType.FLOAT64, source=["price"]),
    ],
    "primary_key": ["orderId"],
    "build": Flattening(),
}
PROMISED = table("clean.order", "scale_kept", **ORDER)


def rows(prices: list[float], times: float = 1) -> list[dict[str, Any]]:
    return [{"orderId": n * times, "customerId": n * times, "price": price} for n, price in enumerate(prices)]


PRICES = [n % 40 / 4 for n in range(90)]


def judged(bench: Bench, before: list[float], now: list[float]) -> Any:
    bench.publish(PROMISED, rows(before), scale=carried(bench.candidate(PROMISED, rows(before))))
    return bench.judge(PROMISED, rows(now, times=100))


@pytest.mark.parametrize(("times", "told"), [(100, "100"), (0.001, "0.001"), (-60, "60")])
def test_numbers_in_another_unit_are_told(bench: Bench, times: float, told: str) -> None:
    result = judged(bench, PRICES, [price * times for price in PRICES])
    assert not result.passed
    assert [(row["column"], row["path"], row["factor"]) for row in result.sample] == [("price", "price", told)]
    assert "another unit" in result.message


@pytest.mark.parametrize(
    "now",
    [
        [price * 2 for price in PRICES],  # twice as much is no unit
        [*PRICES[:-1], 9_000.0],  # one great number
        [price * 100 if n % 2 else price for n, price in enumerate(PRICES)],
        [price * 100 + 35 for price in PRICES],
        [price * 100 for price in PRICES[:19]],  # too few
        [0.0] * 90,
    ],
)
def test_other_numbers_are_no_other_unit(bench: Bench, now: list[float]) -> None:
    assert judged(bench, PRICES, now).passed


def test_numbers_of_two_sizes_tell_nothing(bench: Bench) -> None:
    ones = [float(n % 2) for n in range(90)]
    assert judged(bench, ones, [each * 100 for each in ones]).passed


def test_after_three_versions_that_is_how_it_is(bench: Bench) -> None:
    cents = rows([price * 100 for price in PRICES])
    bench.publish(PROMISED, rows(PRICES), scale=carried(bench.candidate(PROMISED, rows(PRICES))))
    for _ in range(3):
        assert not bench.judge(PROMISED, cents).passed
        bench.publish(PROMISED, cents, scale=carried(bench.candidate(PROMISED, cents)))
        cents = [*cents, {**cents[-1], "orderId": len(cents)}]
    assert bench.judge(PROMISED, cents).passed


def test_integers_that_no_double_holds_are_judged(bench: Bench) -> None:
    promised = table(
        "clean.order",
        "scale_kept",
        columns=[column("orderId", required=True), column("serial", source=["serial"])],
        primary_key=["orderId"],
        build=Flattening(),
    )
    great = [{"orderId": n, "serial": 2**60 + n} for n in range(30)]
    bench.publish(promised, great, scale=carried(bench.candidate(promised, great)))
    assert bench.judge(promised, great).passed
