"""Entities that tell more of another one's records: seen by keys and values, and one table of the star."""

from __future__ import annotations

from typing import Any

import pytest

from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.covenant.canon import Canon, CanonEntity
from spectra_assets.covenant.model import Severity
from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.model import EntityHint
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.prepare.fields.canonise import canonise
from spectra_assets.stages.prepare.fields.completion import completions
from spectra_assets.stages.prepare.fields.keys import keys_of
from spectra_assets.stages.prepare.fields.naming import named
from tests.covenant.canons import Designer, rule
from tests.stages.test_derived import Pipeline

Records = list[dict[str, Any]]

ORDERS: Records = [
    {"id": f"o{n}", "customerId": n % 3, "orderedAt": f"2026-02-0{n}T10:00:00Z", "status": "open", "deletedAt": None, "total": n}
    for n in range(1, 7)
]
LINES = [{"sku": "a", "quantity": 2, "unitPrice": "1.50"}, {"sku": "b", "quantity": 1, "unitPrice": "2.25"}]
DETAILS: Records = [
    {**order, "carrierId": 7, "giftText": f"to {order['id']}", "lines": LINES[: 1 + place % 2]}
    for place, order in enumerate(ORDERS)
]
CARRIERS: Records = [{"id": 7, "name": "Rail"}, {"id": 8, "name": "Air"}, {"id": 9, "name": "Sea"}]
CUSTOMERS: Records = [{"id": n, "name": f"c{n}"} for n in range(3)]
BY_ID = ParentKey(entity="order", path="id", parameter="id")


def entity(name: str, records: Records, groups: set[str], parent: ParentKey | None = None) -> CanonEntity:
    fetch = Fetch(entity=name, path=f"/{name}", records="$" if parent else "", parent=parent)
    hint = EntityHint(entity=name, description="", routes=["/x"])
    made, _ = canonise(hint, fetch, 0, records, "id" if parent else None, [], groups)
    return made


def canon(
    details: Records, parent: ParentKey | None = BY_ID, whole: bool = True, orders: Records = ORDERS
) -> dict[str, CanonEntity]:
    samples = {"order": orders, "orderDetail": details}
    groups = {"order", "orderdetail"}
    made = {"order": entity("order", orders, groups), "orderDetail": entity("orderDetail", details, groups, parent)}
    keys = {name: keys_of(rows, "id", whole) for name, rows in samples.items()}
    return completions(made, samples, keys)


def completed(*given: Any, **more: Any) -> str | None:
    return canon(*given, **more)["orderDetail"].fetch.completes


def test_the_address_of_single_records_completes_their_list() -> None:
    assert completed(DETAILS) == "order"
    assert completed(DETAILS[:4]) == "order", "each is asked for by its key: a few show it"


def test_a_search_that_tells_more_completes_the_list_if_it_has_its_records() -> None:
    assert completed(DETAILS, None) == "order"
    assert completed(DETAILS, None, whole=False) is None, "who knows what is in the rest"
    assert completed(DETAILS[:3], None) is None, "half of the records: a kind of its own"


@pytest.mark.parametrize(
    "details",
    [
        [{**row, "id": f"x{row['id']}"} for row in DETAILS],
        [{"id": row["id"], "colour": "red", "weight": 3, "lines": row["lines"]} for row in DETAILS],
        [{**row, "status": "x", "total": -1, "customerId": 77, "orderedAt": "2020-01-01T00:00:00Z"} for row in DETAILS],
        ORDERS,
    ],
    ids=["other keys", "other fields", "other values", "nothing more"],
)
def test_what_is_something_else_stays_a_table_of_its_own(details: Records) -> None:
    assert completed(details) is None


def test_nested_tables_and_types_are_as_if_they_lay_in_the_list() -> None:
    orders = [{**row, "deletedAt": "2026-03-01T00:00:00Z"} for row in ORDERS[:1]] + ORDERS[1:]
    found = canon(DETAILS, orders=orders)
    detail = found["orderDetail"]
    assert {field.group for field in detail.fields} == {"orderDetail", "orderLine"}
    types = {field.raw: field.type for field in detail.fields}
    assert types["deletedAt"] == "timestamp", "it never had a value there; the list shows what it is"
    targets = {(field.group, field.target) for field in named(list(found.values()), {}, lambda *_: None)[1].fields}
    assert {("orderDetail", "orderId"), ("orderLine", "orderId"), ("orderLine", "orderLineIndex")} <= targets


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Pipeline:
    groups = {"order", "orderdetail", "customer", "carrier"}
    samples = {"customer": CUSTOMERS, "carrier": CARRIERS, "order": ORDERS, "orderDetail": DETAILS}
    found = {name: entity(name, rows, groups, BY_ID if name == "orderDetail" else None) for name, rows in samples.items()}
    found = completions(found, samples, {name: keys_of(rows, "id", True) for name, rows in samples.items()})
    to = {"customerId": "customer.id", "carrierId": "carrier.id"}
    for name, each in found.items():
        fields = tuple(f.model_copy(update={"references": to.get(f.raw), "values": ()}) for f in each.fields)
        found[name] = each.model_copy(update={"fields": fields})
    made = Pipeline(
        tmp_path_factory.mktemp("completed"), engine, Canon(entities=tuple(named(list(found.values()), {}, lambda *_: None)))
    )
    gone = [row for row in DETAILS if row["id"] != "o6"]
    made.extracted(customers=CUSTOMERS, carriers=CARRIERS, orders=ORDERS, orderDetails=[dict(row) for row in gone])
    made.run()
    return made


def test_the_star_has_one_table_for_both(shop: Pipeline) -> None:
    star = {table.ref.table for table in shop.covenant.tables() if table.ref.schema == "transform"}
    assert star == {"dimCustomer", "dimCarrier", "dimOrder", "dimDate", "factOrder", "factOrderLine"}
    figures = [table.ref.table for table in shop.covenant.tables() if table.build.kind == "kpi"]
    assert not [name for name in figures if "etail" in name]
    assert set(shop.failed.values()) <= {Severity.WARN}


def test_rows_have_the_further_columns_and_stay_without_them(shop: Pipeline) -> None:
    orders = {row["orderId"]: row for row in shop.rows("transform.factOrder")}
    assert len(orders) == 6
    assert (orders["o1"]["giftText"], orders["o6"]["giftText"]) == ("to o1", None)
    carriers = shop.pairs("transform.dimCarrier", "carrierId", "carrierKey")
    assert (orders["o1"]["carrierKey"], orders["o6"]["carrierKey"]) == (carriers[7], -1)
    assert shop.pairs("transform.dimOrder", "orderId", "giftText")["o2"] == "to o2"


def test_nested_rows_reach_what_their_record_refers_to(shop: Pipeline) -> None:
    lines = shop.rows("transform.factOrderLine")
    carriers = shop.pairs("transform.dimCarrier", "carrierId", "carrierKey")
    assert len(lines) == sum(len(row["lines"]) for row in DETAILS if row["id"] != "o6")
    assert {row["carrierKey"] for row in lines} == {carriers[7]}, "the order's own, which only its address tells"
    assert {row["orderId"] for row in lines} == {"o1", "o2", "o3", "o4", "o5"}


def test_a_table_of_another_key_completes_nothing(engine: Engine) -> None:
    both = [entity("order", ORDERS, set()), entity("customer", CUSTOMERS, set())]
    thing = rule(
        id="thing", kind="dimension", name="dimThing", table="clean.order", natural_key="orderId", completed_by="clean.customer"
    )
    with pytest.raises(DocumentError, match=r"clean\.customer can.t complete clean\.order: its primary key must be orderId"):
        Designer(engine).covenant(Canon(entities=tuple(named(both, {}, lambda *_: None))), thing)
