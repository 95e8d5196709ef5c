"""Gaps of how values and names are written: other marks, words, forms and kinds of keys, names that cross, records of mixed shapes."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from tests.learning.bench.cases import Case, Change, both, rows
from tests.learning.bench.fresh import Shop
from tests.learning.bench.shapes import Clinic, Depot
from tests.learning.bench.worlds import List, Market, Row, World


class Purse(Market):
    """Orders with a balance that may be below nought, a truth, and a second text."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        lists["order"].rows = [
            {**row, "balance": (n * 37 % 81 - 40) / 4, "gift": n % 3 == 0, "comment": f"see {n * 31 % 97}", "due": row["placed"]}
            for n, row in enumerate(lists["order"].rows)
        ]
        return lists


def _case(name: str, world: type[World], change: Change | None, *fails: str, **more: Any) -> Case:
    lists = {Clinic: ("patient",), Depot: ("depot", "parcel")}.get(world, ("customer", "order"))
    unsure = ("labels", "lines") if world is Shop else ()
    return Case(name, "writings", world, change, fails, **{"lists": lists, "unsure": unsure, **more})


def _without(row: Row, *names: str) -> Row:
    return {key: value for key, value in row.items() if key not in names}


def _set(name: str, change: Any) -> Any:
    return lambda n, row: {**row, name: change(n, row[name])}


def _address(kind: str, number: Any) -> str:
    return f"https://api.example.org/{kind}/{number}"


def _accounted(value: float) -> str:
    return f"({-value:.2f})" if value < 0 else f"{value:.2f}"


def _plain_accounted(row: Row) -> Row:
    value = row.get("balance")
    if not isinstance(value, str):
        return row
    return {**row, "balance": -float(value.strip("()")) if value.startswith("(") else float(value)}


def _day(form: str, *names: str) -> Any:
    return lambda n, row: {**row, **{name: date.fromisoformat(row[name]).strftime(form) for name in names}}


def _read(form: str, *names: str) -> Any:
    def meant(row: Row) -> Row:
        held = {name: row[name] for name in names if name in row}
        return {**row, **{name: datetime.strptime(value, form).date().isoformat() for name, value in held.items()}}

    return meant


def _all_texts(n: int, row: Row) -> Row:
    return {key: ("true" if value else "false") if isinstance(value, bool) else str(value) for key, value in row.items()}


def _typed(row: Row) -> Row:
    """What texts mean: numbers and truths."""
    truths = {"true": True, "false": False}
    number = re.compile(r"-?[0-9]+\.[0-9]+")
    return {
        key: truths.get(value, float(value) if number.fullmatch(value) else value) if isinstance(value, str) else value
        for key, value in row.items()
    }


def _pairs(n: int, row: Row) -> Row:
    told = [{"name": key, "value": str(value)} for key, value in row.items() if key != "id"]
    return {"id": row["id"], "properties": told}


def _swapped(one: str, other: str) -> Any:
    return lambda n, row: {**row, one: row[other], other: row[one]}


def _renamed_row(*pairs: tuple[str, str]) -> Any:
    names = dict(pairs)
    return lambda n, row: {names.get(key, key): value for key, value in row.items()}


def _offset(n: int, row: Row) -> Row:
    """The same instants, written with another zone."""
    moved = datetime.fromisoformat(row["modified"].replace("Z", "+00:00")).timestamp() + 7200
    return {**row, "modified": datetime.fromtimestamp(moved, UTC).strftime("%Y-%m-%dT%H:%M:%S+02:00")}


def _utc(row: Row) -> Row:
    text = row.get("modified", "")
    if not text.endswith("+02:00"):
        return row
    return {**row, "modified": datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _closed(row: Row) -> Row:
    told = row.get("customerId")
    return {**row, "customerId": told["id"]} if isinstance(told, dict) else row


_DRIFT = "extract.orders:no_schema_drift"
_SEEN = "extract.orders:fields_seen"
_TYPES = (_DRIFT, "clean.order:types_hold", "clean.order:quarantine_small")
_STAYS = "clean.order:values_stay"

WRITINGS: tuple[Case, ...] = (
    _case(
        "amounts get a sign of their currency",
        Purse,
        rows("order", _set("weight", lambda n, v: f"€ {v:.2f}")),
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "what is below nought stands in brackets",
        Purse,
        rows("order", _set("balance", lambda n, v: _accounted(v))),
        _DRIFT,
        outcome="asks",
        meant=_plain_accounted,
    ),
    _case(
        "the minus stands behind",
        Purse,
        rows("order", _set("balance", lambda n, v: f"{-v:.2f}-" if v < 0 else f"{v:.2f}")),
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "truths become texts",
        Purse,
        rows("order", _set("gift", lambda n, v: "true" if v else "false")),
        outcome="copes",
        meant=_typed,
    ),
    _case(
        "truths become nought and one",
        Purse,
        rows("order", _set("gift", lambda n, v: int(v))),
        outcome="copes",
        meant=lambda row: {**row, "gift": bool(row["gift"])} if "gift" in row else row,
    ),
    _case(
        "truths become words",
        Purse,
        rows("order", _set("gift", lambda n, v: "enabled" if v else "disabled")),
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "days are written with their weekday",
        Purse,
        rows("order", _day("%a, %d %b %Y", "placed", "due")),
        *_TYPES,
        meant=_read("%a, %d %b %Y", "placed", "due"),
    ),
    _case("years have two digits", Purse, rows("order", _day("%d/%m/%y", "placed", "due")), *_TYPES, outcome="asks"),
    _case(
        "days are written without marks",
        Purse,
        rows("order", _day("%Y%m%d", "placed", "due")),
        *_TYPES,
        meant=_read("%Y%m%d", "placed", "due"),
    ),
    _case(
        "days become numbers",
        Purse,
        rows("order", lambda n, row: {**row, "due": int(row["due"].replace("-", ""))}),
        *_TYPES,
        outcome="asks",
    ),
    _case(
        "days become lists of numbers",
        Purse,
        rows("order", _set("due", lambda n, v: [int(part) for part in v.split("-")])),
        *_TYPES,
        outcome="asks",
    ),
    _case(
        "days become midnights of another zone",
        Purse,
        rows("order", _set("due", lambda n, v: f"{v}T22:00:00Z")),
        "times_kept",
        *_TYPES,
    ),
    _case(
        "missing days are noughts",
        Purse,
        rows("order", _set("due", lambda n, v: "0000-00-00" if n % 10 == 0 else v)),
        *_TYPES,
        outcome="asks",
    ),
    _case(
        "both days of a few records come in another form",
        Purse,
        rows("order", lambda n, row: _day("%d.%m.%Y", "placed", "due")(n, row) if n % 20 == 10 else row),
        *_TYPES,
        "rows_accepted",
        meant=lambda row: _read("%d.%m.%Y", "placed", "due")(row) if "." in row.get("due", "") else row,
    ),
    _case(
        "missing days are a word",
        Purse,
        rows("order", _set("due", lambda n, v: "null" if n % 10 == 0 else v)),
        *_TYPES,
        outcome="asks",
    ),
    _case("the same instants in another zone", Purse, rows("order", _offset), outcome="copes", meant=_utc),
    _case(
        "instants get nine digits",
        Purse,
        rows("order", _set("modified", lambda n, v: v.replace("Z", ".123456789Z"))),
        outcome="copes",
        meant=lambda row: {**row, "modified": row["modified"].replace(".123456789", "")} if "modified" in row else row,
    ),
    _case("every value is a text", Purse, rows("order", _all_texts), outcome="copes", meant=_typed),
    _case(
        "ids become addresses on both sides",
        Market,
        both(
            rows("customer", lambda n, row: {**row, "id": _address("customers", row["id"])}),
            rows("order", lambda n, row: {**row, "customerId": _address("customers", row["customerId"])}),
        ),
        "extract.customers:no_schema_drift",
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "a reference becomes an address",
        Market,
        rows("order", lambda n, row: {**row, "customerId": _address("customers", row["customerId"])}),
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "a reference becomes a list of one",
        Market,
        rows("order", lambda n, row: {**row, "customerId": [row["customerId"]]}),
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "a reference becomes a record in some rows",
        Market,
        rows("order", lambda n, row: {**row, "customerId": {"id": row["customerId"]} if n % 3 == 0 else row["customerId"]}),
        _DRIFT,
        meant=_closed,
        unsure=("customerId.id",),  # a place of the same column
    ),
    _case(
        "ids outgrow 64 bits",
        Market,
        rows("order", lambda n, row: {**row, "id": 2**64 + row["id"] if n >= 70 else row["id"]}),
        _DRIFT,
        "extract.orders:primary_key_present",
        "clean.order:types_hold",
        "clean.order:required_present",
    ),
    _case(
        "codes get leading noughts",
        Depot,
        rows("depot", lambda n, row: {**row, "zipCode": f"0{row['zipCode']}"}),
        "extract.depots:no_schema_drift",
        outcome="asks",  # as a text it is no number any more
    ),
    _case(
        "fields become pairs of name and value",
        Market,
        rows("order", _pairs),
        _DRIFT,
        _SEEN,
        outcome="asks",
        partly=True,
        says="missing field about customerId",
    ),
    _case(
        "names differ in capitals alone",
        Market,
        rows("order", lambda n, row: {**row, "Status": f"x{n % 4}", "NOTE": n % 7}),
        _DRIFT,
    ),
    _case("two fields change names", Purse, rows("order", _swapped("note", "comment")), _STAYS, outcome="asks"),
    _case("two amounts change names", Purse, rows("order", _swapped("weight", "balance")), _STAYS, outcome="asks"),
    _case(
        "a name goes on to another field",
        Purse,
        rows("order", _renamed_row(("reference", "code"), ("note", "reference"))),
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "three names move on in a circle",
        Purse,
        rows("order", _renamed_row(("reference", "note"), ("note", "comment"), ("comment", "reference"))),
        _STAYS,
        outcome="asks",
    ),
    _case(
        "a name comes back with another meaning",
        Purse,
        rows("order", lambda n, row: {**row, "state": row["status"], "status": f"s{n % 2}"}),
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "gone records leave a mark",
        Market,
        rows("order", lambda n, row: {"id": row["id"], "deleted": True} if n % 10 == 0 else row),
        _DRIFT,
    ),
    _case(
        "statuses become numbers",
        Market,
        rows("order", _set("status", lambda n, v: {"open": 1, "paid": 2, "sent": 3}[v])),
        _STAYS,  # as texts they fit
        outcome="asks",
    ),
    _case(
        "two fields go into one",
        Purse,
        rows("order", lambda n, row: {**_without(row, "units", "note"), "line": f"{row['units']} x {row['note']}"}),
        _DRIFT,
        _SEEN,
        outcome="asks",
        partly=True,
        says="missing field about units",
    ),
    _case(
        "a key of two parts",
        Market,
        rows("order", lambda n, row: {**row, "id": {"year": 2024, "number": row["id"]}}),
        _DRIFT,
        "extract.orders:primary_key_present",
        unsure=("id",),  # what it holds stands in the column of its number
        rounds=2,
    ),
    _case(
        "all names get a prefix",
        Market,
        rows("order", lambda n, row: {f"order_{key}": value for key, value in row.items()}),
        _DRIFT,
        "extract.orders:primary_key_present",
        meant=lambda row: {**row, **{key.removeprefix("order_"): value for key, value in row.items()}},
    ),
    _case(
        "a field has another name and its values other letters",
        Purse,
        rows("order", lambda n, row: {**_without(row, "reference"), "code": row["reference"].lower()}),
        _DRIFT,
        outcome="asks",
        partly=True,
        says="missing field about reference",
    ),
    _case(
        "a reference is renamed and becomes a text",
        Market,
        rows("order", lambda n, row: {**_without(row, "customerId"), "buyer": str(row["customerId"])}),
        _DRIFT,
        meant=lambda row: {**row, "customerId": int(row["buyer"])} if "buyer" in row else row,
        fast=True,
    ),
)
