"""Days: the calendar's rows and the keys that refer to them, without the engines' locale and week-day functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

UNKNOWN_DAY = -1

YEARS = (1900, 2200)
"""Years that the calendar may hold; a date beyond them is a mistyped one, and refers to the unknown day."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_A_MONDAY = "1900-01-01"


def day_key(moment: Column) -> Column:
    """The day as yyyymmdd (UTC), -1 for no date and for one beyond YEARS."""
    number = F.year(moment) * 10000 + F.month(moment) * 100 + F.dayofmonth(moment)
    return F.coalesce(F.when(F.year(moment).between(*YEARS), number), F.lit(UNKNOWN_DAY)).cast("bigint")


def year_span(frame: DataFrame, column: Column) -> DataFrame:
    """First and last year in the column, as one row `_first`, `_last`; NULL if there is none within YEARS."""
    year = F.year(column)
    return frame.select(F.when(year.between(*YEARS), year).alias("_year")).agg(
        F.min("_year").alias("_first"), F.max("_year").alias("_last")
    )


def days(spans: DataFrame) -> DataFrame:
    """Every day from the first to the last year of the `spans`, and the unknown day."""
    one = F.lit(1)
    years = spans.agg(F.min("_first").alias("_first"), F.max("_last").alias("_last"))
    first, last = F.make_date("_first", one, one), F.make_date("_last", F.lit(12), F.lit(31))
    dates = years.select(F.explode(F.sequence(first, last, F.expr("INTERVAL 1 DAY"))).alias("date"))
    unknown = years.select(F.lit(None).cast("date").alias("date"))
    return _described(dates.unionByName(unknown))


def _described(dates: DataFrame) -> DataFrame:
    date = F.col("date")
    week_day = F.pmod(F.datediff(date, F.lit(_A_MONDAY).cast("date")), F.lit(7)) + 1
    return dates.select(
        day_key(date).alias("dateKey"),
        date,
        F.year(date).cast("bigint").alias("year"),
        F.quarter(date).cast("bigint").alias("quarter"),
        F.month(date).cast("bigint").alias("month"),
        _named(_MONTHS, F.month(date)).alias("monthName"),
        F.weekofyear(date).cast("bigint").alias("week"),
        F.year(F.date_add(date, 4 - week_day)).cast("bigint").alias("weekYear"),
        F.dayofmonth(date).cast("bigint").alias("dayOfMonth"),
        week_day.cast("bigint").alias("dayOfWeek"),
        _named(_DAYS, week_day).alias("dayName"),
        (week_day >= 6).alias("isWeekend"),
    )


def _named(names: tuple[str, ...], number: Column) -> Column:
    """The name of a number from 1, NULL for NULL."""
    found = F.when(number == 1, F.lit(names[0]))
    for place, name in enumerate(names[1:], start=2):
        found = found.when(number == place, F.lit(name))
    return found
