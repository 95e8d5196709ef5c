"""Text as the source gave it → the covenant's types, as expressions. What can't be cast exactly becomes NULL, never a guess.

The engines' own casts differ in what they let pass ('1e3', '2024', 'now'), so every text is first matched by a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import DataType
from spectra_assets.lakehouse.types import ddl
from spectra_assets.stages.rulings import FORMATS
from spectra_assets.stages.values.dates import (
    EPOCH_MICROS,
    EPOCH_MILLIS,
    EPOCH_MS,
    EPOCH_NANOS,
    EPOCH_SECONDS,
    ISO,
    ODATA,
    PER_SECOND,
)
from spectra_assets.stages.values.numbers import ALL_FORMATS as NUMBER_FORMATS
from spectra_assets.stages.values.numbers import COMMA, GAPS
from spectra_assets.stages.values.truths import NO, YES

if TYPE_CHECKING:
    from pyspark.sql import Column

BLANKS = " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff\u200b" + "".join(
    chr(code) for code in range(0x2000, 0x200B)
)
"""What counts as blank at the ends of a text: Unicode's white space, the byte order mark and the zero-width space."""

_YEARS = (-62_135_596_800_000_000, 253_402_300_799_999_999)
"""Microseconds of the years 1 to 9999."""

_EXACT = 2.0**53
"""Doubles hold all integers up to here."""

_DIGITS = "^[+-]?[0-9]+$"
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_EXPONENT = r"^[+-]?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+$"
_SHORT_EXPONENT = r"^[+-]?([0-9]\.?){1,15}[eE][+-]?[0-9]+$"
_JSON_WORD = r"^(true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)$"
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?|Z|[+-][0-9]{2}:[0-9]{2})?$"
)
_ZONED_DAY = "^([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})$"
_ODATA = r"^/Date\((-?[0-9]{1,15})([+-][0-9]{4})?\)/$"
_NO_SECONDS = "^([0-9-]{10}[T ][0-9]{2}:[0-9]{2})([^:].*)?$"


def trimmed(text: Column) -> Column:
    """Without blanks at both ends; NULL if nothing remains."""
    return F.nullif(F.btrim(text, F.lit(BLANKS)), F.lit(""))


def filled(text: Column) -> Column:
    """A `trimmed` text of a plain value; NULL for an empty list or object, by which PHP and others say that there is none."""
    return F.when(~text.isin("[]", "{}"), text)


def cast(text: Column, kind: DataType, date_format: str | None = None) -> Column:
    """`text`, already `trimmed`, as a value of `kind`; NULL if it is none.

    `date_format` of a decimal is one that `values/numbers.py` names; of others a Spark pattern (perhaps with the day of
    the week first, `EEE`) or one that `values/dates.py` names.

    Pass the result through `plausible`, best in a later projection: what an expression names twice is calculated twice.
    """
    if kind in (DataType.DATE, DataType.TIMESTAMP):
        return _timestamp(text, date_format)
    if kind == DataType.DECIMAL and date_format in NUMBER_FORMATS and date_format is not None:
        return _decimal(_pointed(text, date_format.startswith(COMMA)))
    return _CASTS[kind](text)


def plausible(value: Column, kind: DataType) -> Column:
    """What `cast` made, as the type it has in tables; moments only of the years 1 to 9999."""
    if kind not in (DataType.DATE, DataType.TIMESTAMP):
        return value
    first, last = (F.timestamp_micros(F.lit(bound).cast("bigint")) for bound in _YEARS)
    moment = F.when(value.between(first, last), value)
    return moment.cast("date") if kind == DataType.DATE else moment


def _unchanged(text: Column) -> Column:
    return text


def _integer(text: Column) -> Column:
    """Whole numbers of 64 bits, as JSON writes them: `007` and `+49` are codes, of which the number would be another one."""
    return _whole(text, 19, _EXACT, "-?(0|[1-9][0-9]{0,18})")


def _whole(text: Column, digits: int, most: float, form: str = "") -> Column:
    """Whole numbers of so many digits, or of this form; `12.0` and `1e3` are, up to `most`, which a double holds exactly."""
    form = form or f"[+-]?[0-9]{{1,{digits}}}"
    plain = F.when(text.rlike(f"^{form}$"), text)
    plain = plain.when(text.rlike(rf"^{form}\.0+$"), F.regexp_replace(text, r"\.0+$", ""))
    double = F.when(text.rlike(_EXPONENT), text).try_cast("double")
    exact = F.when((F.abs(double) <= most) & (double == F.floor(double)), double)
    return F.coalesce(plain.try_cast("bigint"), exact.try_cast("bigint"))


def _double(text: Column) -> Column:
    """Finite numbers."""
    number = F.when(text.rlike(_NUMBER), text).try_cast("double")
    return F.when(F.abs(number) < float("inf"), number)


def _decimal(text: Column) -> Column:
    """Numbers with up to 29 digits before the point; from the tenth decimal on rounded half up."""
    kind = ddl(DataType.DECIMAL)
    number = F.when(text.rlike(_NUMBER), text)
    short = F.when(text.rlike(_SHORT_EXPONENT), text)  # a double gives back as many digits; any more would be others
    return F.coalesce(number.try_cast(kind), _double(short).try_cast(kind))


def _pointed(text: Column, comma: bool) -> Column:
    """A number with a decimal comma, or with commas between its thousands, as one with a decimal point; NULL if it is none."""
    gap, mark = (f"[{GAPS}]", ",") if comma else (",", r"\.")
    written = text.rlike(rf"^[+-]?([0-9]{{1,3}}({gap}[0-9]{{3}})+|[0-9]+)({mark}[0-9]+)?$")
    bare = F.when(written, F.regexp_replace(text, gap, ""))
    return F.translate(bare, ",", ".") if comma else bare


def _bool(text: Column) -> Column:
    lower = F.lower(text)
    return F.when(lower.isin(*YES), F.lit(True)).when(lower.isin(*NO), F.lit(False))


def _json(text: Column) -> Column:
    """JSON text. The parser takes the quotes off a text at the top, so they are put back on."""
    is_json = text.rlike(r"^[\[{]") | text.rlike(_JSON_WORD)
    quoted = F.to_json(F.array(text))
    return F.when(is_json, text).when(text.isNotNull(), F.substring(quoted, 2, F.length(quoted) - 2))


def _timestamp(text: Column, date_format: str | None) -> Column:
    """Epoch numbers (milliseconds unless the format says otherwise), ISO 8601 (UTC unless it says otherwise), or the pattern;
    of several formats the first that reads the text."""
    if date_format and FORMATS in date_format:
        formats = date_format.split(FORMATS)
        if not any(each in _EPOCHS for each in formats):
            return F.coalesce(*(_timestamp(text, each) for each in formats))
        return F.coalesce(*(_timestamp(_beside(text, each), each) for each in formats))
    if date_format in _EPOCHS:
        return F.coalesce(F.timestamp_micros(_EPOCHS[date_format](text)), _iso(text))
    if date_format == ODATA:
        millis = F.nullif(F.regexp_extract(text, _ODATA, 1), F.lit("")).try_cast("bigint")
        return F.coalesce(F.timestamp_millis(F.coalesce(millis, _whole(text, 15, 1e15))), _iso(text))
    # beside written dates a number of few digits is a year, a day (20240206) or no moment at all (12 digits: from 1973 on)
    millis = F.when(text.rlike("^[0-9]{12,15}$"), text) if date_format else text
    moments = [F.timestamp_millis(_whole(millis, 15, 1e15)), _iso(text)]
    if date_format and date_format != ISO:
        # a pattern of digits alone (yyyyMMdd) has a fixed length; no other pattern may look like epoch milliseconds
        plain = date_format.isalpha()
        mine = F.length(text) == len(date_format) if plain else ~text.rlike(_DIGITS)
        moments = [F.when(~mine, moment) for moment in moments] if plain else moments
        dated, pattern = F.when(mine, text), date_format
        if weekday := re.match("EEE,? ", date_format):
            # engines read no weekdays
            dated, pattern = F.regexp_replace(dated, "^[A-Za-z]{3},? ", ""), date_format[weekday.end() :]
        moments.insert(0, F.try_to_timestamp(dated, F.lit(pattern)))
    return F.coalesce(*moments)


def _beside(text: Column, date_format: str) -> Column:
    """The text, where it may be of this format among others: a number is of the unit by which it falls in the years that
    `EPOCH_MS` spans, and of no pattern but one of digits alone."""
    if date_format not in _EPOCHS:
        plain = text.rlike(_DIGITS)
        return F.when(~plain | (F.length(text) == len(date_format)) if date_format.isalpha() else ~plain, text)
    number = F.when(text.rlike(r"^[+-]?[0-9]{1,19}(\.[0-9]*)?$"), text).try_cast("double")
    low, high = (F.lit(bound / 1000 * PER_SECOND[date_format]) for bound in EPOCH_MS)
    return F.when(number.isNull() | number.between(low, high), text)


def _millis(text: Column) -> Column:
    """Milliseconds as microseconds."""
    return _whole(text, 15, 1e15) * F.lit(1000).cast("bigint")


def _seconds(text: Column) -> Column:
    """Seconds, with or without a fraction, as microseconds."""
    exact = F.when(text.rlike(r"^[+-]?[0-9]{1,12}(\.[0-9]{0,9})?$"), text).try_cast("decimal(22,9)")
    double = F.when(text.rlike(_EXPONENT), text).try_cast("double").try_cast("decimal(22,9)")
    return (F.coalesce(exact, double) * F.lit(10**6).cast("decimal(7,0)")).try_cast("bigint")


def _micros(text: Column) -> Column:
    return _whole(text, 18, _EXACT)


def _nanos(text: Column) -> Column:
    """Nanoseconds as microseconds, the rest cut off."""
    whole = _whole(text, 19, _EXACT).try_cast("decimal(19,0)")
    return (whole * F.lit("0.001").cast("decimal(4,3)")).try_cast("bigint")


def _iso(text: Column) -> Column:
    upper = F.upper(text)
    full = F.regexp_replace(F.translate(upper, ",", "."), _NO_SECONDS, "$1:00$2")
    full = F.regexp_replace(full, _ZONED_DAY, "$1")
    return F.when(upper.rlike(_ISO), full).try_cast("timestamp")


_EPOCHS: dict[str | None, Callable[[Column], Column]] = {
    EPOCH_SECONDS: _seconds,
    EPOCH_MILLIS: _millis,
    EPOCH_MICROS: _micros,
    EPOCH_NANOS: _nanos,
}

_CASTS: dict[DataType, Callable[[Column], Column]] = {
    DataType.TEXT: _unchanged,
    DataType.INT64: _integer,
    DataType.FLOAT64: _double,
    DataType.DECIMAL: _decimal,
    DataType.BOOL: _bool,
    DataType.JSON: _json,
}
