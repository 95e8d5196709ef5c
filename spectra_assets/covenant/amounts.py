"""Which columns of a Clean table hold quantities, and what may be done with them: add up, or only average.

A number is no quantity by being a number: ids, codes, years, coordinates, positions and flags are numbers, too. Names decide, and
the values where there are few of them. What is told in several currencies or units is never added up across them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from spectra_assets.covenant.model import Column, DataType
from spectra_assets.covenant.network import Node
from spectra_assets.covenant.paths import split_path
from spectra_assets.covenant.traits import depth, event_time, last_words, own_columns
from spectra_assets.names import vocabulary, words

NUMBERS = (DataType.INT64, DataType.FLOAT64, DataType.DECIMAL)


_MONEY = vocabulary(
    "amount total subtotal sum cost fee tax discount revenue value charge payment refund budget vat salary wage "
    "income expense spend sales turnover profit commission bonus deposit premium freight shipping tip surcharge debit credit "
    "gross net rent paid fine penalty toll dues donation grant "
    "earnings loss betrag kosten summe umsatz rabatt gebuehr montant cout taxe frais remise importe monto coste costo"
)
_QUANTITY = vocabulary(
    "quantity qty count duration elapsed hours minutes seconds weight size volume points distance units spent bytes "
    "effort attendance mileage area surface hectares acres sqm tonnage tons tonnes kg km kwh mwh litres liters gallons miles "
    "menge anzahl dauer gewicht flaeche quantite duree superficie cantidad peso"
)
_STATES = vocabulary(
    "balance stock inventory population capacity outstanding occupancy headcount onhand backlog odometer cumulative "
    "saldo kontostand solde bestand"
)
"""What stands at a time: there is no sum of it over times, though there is one over what has it at the same time."""

_AVERAGED = vocabulary(
    "rating score rate ratio percent pct percentage average avg mean median temperature temp humidity pressure speed velocity "
    "latency age share probability confidence grade height length width depth voltage current frequency density efficiency "
    "utilization uptime intensity concentration rainfall stars years bitrate kbps mbps bps fps hz rpm dbm ph ppm bpm lux "
    "moisture max min maximum minimum threshold limit per gpa altitude elevation taux tasa zins zinssatz kurs prozent pourcentage"
)
"""What is only averaged; a limit, and what comes to one of something (`yieldPerHa`), whatever it is a limit or part of."""

_PRICES = vocabulary("price preis prix precio")
_SOLD = vocabulary(
    "ordered purchased booked sold paid issued invoiced billed charged captured settled placed hired amount total subtotal line"
)
"""Words of a price, or of the time of its row, that say that it is what was paid: what several of them come to says something."""

_FLOWS = vocabulary(
    "amount total subtotal sum price cost fee tax discount revenue value quantity qty count duration elapsed hours minutes "
    "seconds weight size volume score points rating distance balance"
)
"""What an event is told by: an entity with one of these is rather something that happened than something that is."""

_TURNOVER = vocabulary("amount total subtotal sum revenue")

_NO_QUANTITY = vocabulary(
    "id ids uuid guid no num number code key ref zip postcode postal phone fax mobile year month day week quarter hour minute "
    "lat latitude lon lng long longitude x y z coordinate version revision release build port index idx position pos order "
    "ordinal rank sort sequence seq line row page offset limit priority status state type kind flag flags mask hash checksum "
    "crc serial color colour zoom timestamp epoch pid uid gid sku isbn ean iban bic vin floor room parent level plz nr nummer "
    "numero annee jahr"
)
_SINGULAR = vocabulary("status address class sms dns ios alias bus series gps axis basis analysis bias atlas canvas focus")
"""Words that end like a plural."""

_PER_MONEY, _PER_QUANTITY = frozenset(("currency", "ccy")), frozenset(("unit", "uom", "metric", "measure"))
_RATES = frozenset(("rate", "pct", "percent", "percentage", "ratio", "share"))
_HOUSEKEEPING = frozenset(("battery", "signal", "rssi", "firmware"))
"""What a device tells of itself, not of what it is there for."""

_AVERAGE, _LAST = 2, 3
"""Rank from which quantities do not add up."""

_YEARS = range(1800, 2201)


Adding = Literal["all", "atOneTime", "never"]
"""What may be added up: all values; those of different things at one time (a balance), but not over times; none."""


@dataclass(frozen=True)
class Amount:
    """A quantity. `per`: the column with the currency or unit, where there are several."""

    column: str
    adds: Adding
    per: str | None = None
    money: bool = False

    @property
    def adds_up(self) -> bool:
        """Whether the sum over any rows says something."""
        return self.adds == "all"


def flows(node: Node) -> list[str]:
    """Columns whose names say that they hold a quantity of something that happened."""
    numbers = [column for column in _free(node) if column.type in NUMBERS]
    return [c.name for c in numbers if c.type == DataType.DECIMAL or _FLOWS & set(last_words(node, c.name))]


def turnover(node: Node) -> bool:
    """Whether a row tells what it comes to."""
    return any(column.type in NUMBERS and _TURNOVER & set(last_words(node, column.name)) for column in _free(node))


def amounts(node: Node) -> list[Amount]:
    """The quantities of a row, money first, then what else adds up, then what is only averaged."""
    ranked = []
    for place, column in enumerate(_free(node)):
        rank = _rank(node, column)
        if rank is not None:
            said = set(_said(node, column.name))
            money = rank == 0 or bool(said & (_PRICES | _MONEY | {"balance", "saldo", "solde"}) and not said & _RATES)
            adds: Adding = "all" if rank < _AVERAGE else "atOneTime" if said & _STATES else "never"
            amount = Amount(column.name, adds, _per(node, column.name, 0 if money else rank), money)
            ranked.append((rank, depth(node, column.name), place, amount))
    return [amount for *_, amount in sorted(ranked, key=lambda each: each[:3])]


def currency(node: Node) -> str | None:
    """The column with the currency of the row's money, if there are several."""
    return next((other.name for other in own_columns(node) if _tells_units(node, other, _PER_MONEY)), None)


def line_amount(node: Node) -> tuple[str, str, str | None] | None:
    """(quantity, unit price, column with the currency) of rows that do not tell what they come to themselves."""
    there = {column.name: set(last_words(node, column.name)) for column in _free(node) if column.type in NUMBERS}
    quantity = next((name for name, said in there.items() if said & {"quantity", "qty"}), None)
    price = next((name for name, said in there.items() if "unit" in said and said & {"price", "cost"}), None)
    told = any(said & {"amount", "total", "subtotal", "sum"} for said in there.values())
    return (quantity, price, _per(node, price, 0)) if quantity and price and not told else None


def _rank(node: Node, column: Column) -> int | None:
    """0: money; 1: another quantity; 2, and last 3: what is averaged; None: no quantity."""
    if column.type not in NUMBERS or column.pii.closed or _coded(node, column):
        return None
    said = _said(node, column.name)
    told = set(said)
    if not said or (told & _NO_QUANTITY and said[-1] not in _MONEY | _QUANTITY | _AVERAGED | _STATES | _PRICES):
        return None
    if told & _HOUSEKEEPING:
        return _LAST
    if told & _AVERAGED or told & _STATES or _nothing_but_value(node, column.name, told):
        return _AVERAGE
    if told & _PRICES or _unit_price(node, told):
        return 0 if _sold(node, told) else _AVERAGE
    if told & _QUANTITY and not told & (_MONEY - {"gross", "net"}):
        return 1
    if told & _MONEY:
        return 0
    if column.type == DataType.INT64 and (_plural(said[-1]) or (len(said) > 1 and said[-1].endswith("ed") and _plural(said[-2]))):
        return 1
    return _AVERAGE if column.type in (DataType.DECIMAL, DataType.FLOAT64) else None


def _nothing_but_value(node: Node, column: str, told: set[str]) -> bool:
    """Whether a column is called a value, and neither its name nor a currency says of what."""
    return "value" in told and not (told - {"value"}) & (_MONEY | _QUANTITY) and _per(node, column, 0) is None


def _said(node: Node, column: str) -> list[str]:
    """The words of a column's last key; where that only says `amount` or `value`, after those of the record it lies in."""
    said = last_words(node, column)
    parts = split_path(node.fields[column].raw) if column in node.fields else []
    around = words(parts[-2].removesuffix("[]")) if len(parts) > 1 and said in (["amount"], ["value"]) else []
    return [*(word.lower() for word in around), *said]


def _sold(node: Node, said: set[str]) -> bool:
    """Whether a price is what was paid for the row, and not that of one of several, or one that stands in a list: by its name,
    by the time of the row, or as what a line of something comes to."""
    if _unit_price(node, said):
        return False
    time = event_time(node)
    sale = {*said, *(last_words(node, time) if time else ())}
    return bool(sale & _SOLD) or node.owner is not None


def _coded(node: Node, column: Column) -> bool:
    """Whether few repeating whole numbers are truth values, years, or codes for something."""
    listed = node.fields[column.name].values if column.type == DataType.INT64 else ()
    numbers = {int(value) for value in listed if value.lstrip("-").isdigit()}
    if not numbers:
        return False
    named = set(last_words(node, column.name)) & (_MONEY | _QUANTITY | _AVERAGED | _STATES | _PRICES)
    return numbers <= {0, 1} or (not named and (min(numbers) in _YEARS or not _plural(last_words(node, column.name)[-1])))


def _unit_price(node: Node, said: set[str]) -> bool:
    """Whether it is the price of one of several: named so, or beside a quantity."""
    others = {word for column in node.table.schema_ for word in last_words(node, column.name)}
    return bool(said & (_PRICES | {"cost"})) and bool("unit" in said or others & {"quantity", "qty"})


def _plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not word.endswith("ss") and word not in _SINGULAR


def _per(node: Node, column: str, rank: int) -> str | None:
    """The column that says in which currency or unit, unless it is known to say the same always; the nearest of several."""
    words = _PER_MONEY if rank == 0 else _PER_QUANTITY
    around = node.fields[column].raw.rpartition(".")[0]
    ranked = []
    for place, other in enumerate(own_columns(node)):
        item = node.fields[other.name]
        if _tells_units(node, other, words):
            ranked.append((item.raw.rpartition(".")[0] != around, place, other.name))
    return min(ranked)[-1] if ranked else None


def _tells_units(node: Node, column: Column, words: frozenset[str]) -> bool:
    """Whether a column says in which of several currencies or units others are."""
    named = bool(words & set(last_words(node, column.name)[-2:]))
    return named and column.type == DataType.TEXT and len(node.fields[column.name].values) != 1


def _free(node: Node) -> Iterator[Column]:
    return (column for column in own_columns(node) if column.name not in node.key)
