"""Numbers as texts of the world write them, cast by real engines: exactly, or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import DataType
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.clean.casts import cast, plausible
from spectra_assets.stages.values.dates import ISO
from spectra_assets.stages.values.numbers import COMMA, GROUPED

WRITTEN = {
    COMMA: {
        "1.234,50": "1234.5", "12,5": "12.5", "-0,75": "-0.75", "1 234 567,8": "1234567.8", "1\u00a0000": "1000", "7": "7",
        "1'234,5": "1234.5", "1.234": "1234", "12.5": None, "1,234.5": None, "1,2,3": None, "12,5 kg": None, "": None, "1.23,4": None,
    },
    GROUPED: {"1,234.50": "1234.5", "1,234,567": "1234567", "12.5": "12.5", "-7": "-7", "12,5": None, "1.234,5": None, "1,2345": None},
}  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_decimals_with_commas(written: str, engine: Engine) -> None:
    texts = WRITTEN[written]
    frame = engine.session.createDataFrame([(text,) for text in texts], "text string")
    rows = frame.select("text", cast(F.col("text"), DataType.DECIMAL, written).alias("value")).collect()
    found = {row["text"]: row["value"] for row in rows}
    assert found == {text: None if value is None else Decimal(value) for text, value in texts.items()}


WHOLE = {
    "7": 7, "0": 0, "-0": 0, "-12": -12, "12.0": 12, "1e3": 1000, "9223372036854775807": 2**63 - 1, "9223372036854775808": None,
    "007": None, "00123": None, "00": None, "-07": None, "+7": None, "+49": None, "007.0": None, "12.5": None,
}  # fmt: skip
"""A text of figures may be a code: `00123` was published as 123, and two records became one under the key 7."""


def test_whole_numbers_are_written_as_json_writes_them(engine: Engine) -> None:
    frame = engine.session.createDataFrame([(text,) for text in WHOLE], "text string")
    rows = frame.select("text", cast(F.col("text"), DataType.INT64).alias("value")).collect()
    assert {row["text"]: row["value"] for row in rows} == WHOLE


UNITS = {
    "1700000000": "2023-11-14 22:13:20",
    "1700000000000": "2023-11-14 22:13:20",
    "315532800000": "1980-01-01 00:00:00",
    "2023-11-14T22:13:20Z": "2023-11-14 22:13:20",
    "14.11.2023": "2023-11-14 00:00:00",
    "99": None,
    "soon": None,
}
"""Numbers beside other formats are told by the years that their unit makes of them."""


def test_moments_of_several_units(engine: Engine) -> None:
    frame = engine.session.createDataFrame([(text,) for text in UNITS], "text string")
    moment = cast(F.col("text"), DataType.TIMESTAMP, "epoch_seconds | epoch_millis | dd.MM.yyyy")
    rows = frame.select("text", F.date_format(moment, "yyyy-MM-dd HH:mm:ss").alias("value")).collect()
    assert {row["text"]: row["value"] for row in rows} == UNITS


ISO_TEXTS = {
    "9999-12-31T23:59:59.9999999Z": "9999-12-31 23:59:59",
    "2024-01-31": "2024-01-31 00:00:00",
    "2019-04-12-08:00": "2019-04-12 00:00:00",
    "2019-04-12+14:00": "2019-04-12 00:00:00",
    "2019-04-12Z": "2019-04-12 00:00:00",
    "2019-04-12-08": None,
    "1700000000000": "2023-11-14 22:13:20",
    "20240131": None,
    "2024": None,
}
"""Beside written dates a year or a day in figures is no number of milliseconds; .NET's last moment is one; a day with a
zone (XML Schema) is the day that is written."""


def test_moments_in_iso_8601(engine: Engine) -> None:
    frame = engine.session.createDataFrame([(text,) for text in ISO_TEXTS], "text string")
    for form in (ISO, "yyyy-MM-dd", "dd.MM.yyyy"):
        moments = frame.select("text", cast(F.col("text"), DataType.TIMESTAMP, form).alias("value"))
        shown = moments.select(
            "text", F.date_format(plausible(F.col("value"), DataType.TIMESTAMP), "yyyy-MM-dd HH:mm:ss").alias("value")
        )
        assert {row["text"]: row["value"] for row in shown.collect()} == ISO_TEXTS, form


DECIMALS = {
    "1e2": "100",
    "1.5E-3": "0.0015",
    "0.1234567895": "0.12345679",
    "99999999999999999999999999999.999999999": "99999999999999999999999999999.999999999",
    "99999999999999999999999999999.9999999999": None,
    "1234567890.1234567891e0": None,
}


def test_decimals_are_exact_or_none(engine: Engine) -> None:
    frame = engine.session.createDataFrame([(text,) for text in DECIMALS], "text string")
    rows = frame.select("text", cast(F.col("text"), DataType.DECIMAL).alias("value")).collect()
    assert {row["text"]: row["value"] for row in rows} == {text: value and Decimal(value) for text, value in DECIMALS.items()}
