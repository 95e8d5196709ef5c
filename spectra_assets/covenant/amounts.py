"""Which columns of a Clean table hold quantities, and what may be done with them: add up, or only average.

A number is no quantity by being a number: ids, codes, years, coordinates, positions and flags are numbers, too. Names decide, and
the values where there are few of them. What is told in several currencies or units is never added up across them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spectra_assets.covenant.model import Column, DataType, PiiLevel
from spectra_assets.covenant.network import Node
from spectra_assets.covenant.traits import depth, last_words, own_columns

NUMBERS = (DataType.INT64, DataType.FLOAT64, DataType.DECIMAL)


def _known(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MONEY = _known(
    "amount total subtotal sum price cost fee tax discount revenue value balance charge payment refund budget vat salary wage "
    "income expense spend sales turnover profit commission bonus deposit premium freight shipping tip surcharge debit credit "
    "gross net rent"
)
_QUANTITY = _known(
    "quantity qty count duration elapsed hours minutes seconds weight size volume points distance units spent bytes stock "
    "inventory population capacity effort attendance mileage"
)
_AVERAGED = _known(
    "rating score rate ratio percent pct percentage average avg mean median temperature temp humidity pressure speed velocity "
    "latency age share probability confidence grade height length width depth voltage current frequency density efficiency "
    "utilization uptime intensity concentration rainfall"
)
_FLOWS = _known(
    "amount total subtotal sum price cost fee tax discount revenue value quantity qty count duration elapsed hours minutes "
    "seconds weight size volume score points rating distance balance"
)
"""What an event is told by: an entity with one of these is rather something that happened than something that is."""

_NO_QUANTITY = _known(
    "id ids uuid guid no num number code key ref zip postcode postal phone fax mobile year month day week quarter hour minute "
    "lat latitude lon lng long longitude x y z coordinate version revision release build port index idx position pos order "
    "ordinal rank sort sequence seq line row page offset limit priority status state type kind flag flags mask hash checksum "
    "crc serial color colour zoom timestamp epoch pid uid gid sku isbn ean iban bic vin floor room parent level"
)
_SINGULAR = _known("status address class sms dns ios alias bus series gps axis basis analysis bias atlas canvas focus")
"""Words that end like a plural."""

_PER_MONEY, _PER_QUANTITY = frozenset(("currency", "ccy")), frozenset(("unit", "uom", "metric", "measure"))
_AVERAGE = 2
"""Rank from which quantities do not add up."""

_YEARS = range(1800, 2201)


@dataclass(frozen=True)
class Amount:
    """A quantity. `adds_up`: its sum says something. `per`: the column with the currency or unit, where there are several."""

    column: str
    adds_up: bool
    per: str | None = None
    money: bool = False


def flows(node: Node) -> list[str]:
    """Columns whose names say that they hold a quantity of something that happened."""
    numbers = [column for column in _free(node) if column.type in NUMBERS]
    return [c.name for c in numbers if c.type == DataType.DECIMAL or _FLOWS & set(last_words(node, c.name))]


def amounts(node: Node) -> list[Amount]:
    """The quantities of a row, money first, then what else adds up, then what is only averaged."""
    ranked = []
    for place, column in enumerate(_free(node)):
        rank = _rank(node, column)
        if rank is not None:
            money = rank == 0 or _unit_price(node, set(last_words(node, column.name)))
            amount = Amount(column.name, rank < _AVERAGE, _per(node, column.name, 0 if money else rank), money)
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
    """0: money; 1: another quantity; 2: what is averaged; None: no quantity."""
    if column.type not in NUMBERS or column.pii == PiiLevel.DIRECT or _coded(node, column):
        return None
    said = last_words(node, column.name)
    words = set(said)
    if not said or (words & _NO_QUANTITY and said[-1] not in _MONEY | _QUANTITY | _AVERAGED):
        return None
    if words & _AVERAGED or _unit_price(node, words) or (said == ["value"] and _per(node, column.name, 0) is None):
        return _AVERAGE
    if words & _MONEY:
        return 0
    if words & _QUANTITY or (column.type == DataType.INT64 and _plural(said[-1])):
        return 1
    return {DataType.DECIMAL: 0, DataType.FLOAT64: _AVERAGE}.get(column.type)


def _coded(node: Node, column: Column) -> bool:
    """Whether few repeating whole numbers are truth values, years, or codes for something."""
    listed = node.fields[column.name].values if column.type == DataType.INT64 else ()
    numbers = {int(value) for value in listed if value.lstrip("-").isdigit()}
    if not numbers:
        return False
    named = set(last_words(node, column.name)) & (_MONEY | _QUANTITY | _AVERAGED)
    return numbers <= {0, 1} or (not named and (min(numbers) in _YEARS or not _plural(last_words(node, column.name)[-1])))


def _unit_price(node: Node, said: set[str]) -> bool:
    """Whether it is the price of one of several: named so, or beside a quantity."""
    others = {word for column in node.table.schema_ for word in last_words(node, column.name)}
    return bool(said & {"price", "cost"}) and bool("unit" in said or others & {"quantity", "qty"})


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
