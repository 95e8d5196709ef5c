"""Clean: typed flat tables from raw records."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from spectra_assets.covenant.model import Table
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.commit import ELEMENTS, FINGERPRINT
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.names import TableRef
from spectra_assets.stages.clean import clean
from spectra_assets.stages.deliver import Delivery
from tests.golden.scenarios import clean_arrays, clean_composite, clean_entity, column
from tests.relational import STEPS, World, plain


@pytest.fixture
def world(tmp_path: Path, engine: Engine) -> World:
    return World(tmp_path, engine)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> dict[str, Any]:
    return clean_entity(World(tmp_path_factory.mktemp("items"), engine))


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> dict[str, Any]:
    return clean_arrays(World(tmp_path_factory.mktemp("arrays"), engine))


def row(items: dict[str, Any], key: int, place: int = 0) -> dict[str, Any]:
    return [row for row in items["rows"] if row["itemId"] == key][place]


def test_every_record_has_one_fate(items: dict[str, Any]) -> None:
    fates = [("rejected" if r["_reasons"] else "duplicate" if r["_duplicate"] else "good") for r in items["rows"]]
    assert items["rows_in"] == len(fates) == 21
    assert (fates.count("good"), fates.count("duplicate")) == (6, 1)


def test_columns_are_those_of_the_covenant_then_the_control_columns(items: dict[str, Any]) -> None:
    assert items["columns"][-4:] == ["nowhere", "_raw", "_reasons", "_duplicate"]
    assert items["columns"][:3] == ["itemId", "upper", "itemName"]


def test_values_of_all_types(items: dict[str, Any]) -> None:
    assert row(items, 1) | {"_raw": ""} == {
        "itemId": 1, "upper": None, "itemName": "Ärger 😀", "qty": 12, "price": 1.5, "amount": "1.100000000", "isOn": True,
        "at": "2024-05-01T00:00:00.123000Z", "day": None, "date": None, "meta": '{"a":[1,"x"]}', "dotted": None, "ticked": None,
        "deep": None, "parentId": "p1", "treeParentId": "t1", "nowhere": None, "_raw": "", "_reasons": [], "_duplicate": False,
    }  # fmt: skip


def test_numbers_are_exact_or_rejected(items: dict[str, Any]) -> None:
    assert (row(items, 2)["qty"], row(items, 5)["qty"]) == (12, 1000)
    for key in (9, 10):
        assert row(items, key)["qty"] is None
        assert "types_hold:qty" in row(items, key)["_reasons"], "+7 and 0012 are codes"
    assert row(items, 8)["qty"] == 9223372036854775807
    assert row(items, 4)["qty"] is None
    assert row(items, 4)["_reasons"] == ["types_hold:qty", "types_hold:price", "types_hold:amount"]
    assert row(items, 2)["amount"] == "12.123456790"
    assert "types_hold:price" in row(items, 10)["_reasons"], "NaN is no number"


def test_moments(items: dict[str, Any]) -> None:
    assert row(items, 2)["at"] == "2024-02-29T21:59:59.500000Z"
    assert row(items, 5)["at"] == "2024-02-29T10:11:00Z"
    assert row(items, 4)["at"] == "1969-12-31T23:59:59.999000Z"
    assert row(items, 10)["at"] == "9999-12-31T23:59:59Z"
    for key in (3, 7, 8, 9):
        assert row(items, key)["at"] is None
        assert "types_hold:at" in row(items, key)["_reasons"]


def test_of_several_sources_the_first_that_can_be_used_counts(items: dict[str, Any]) -> None:
    assert row(items, 6)["day"] == "2024-02-29T00:00:00Z"
    assert row(items, 6)["date"] == "2024-02-29", "the first source is no date, the second is"
    assert row(items, 6)["_reasons"] == []
    assert row(items, 9)["_reasons"] == ["types_hold:qty", "types_hold:at", "types_hold:day", "types_hold:date"]


def test_json_stays_json(items: dict[str, Any]) -> None:
    found = {key: row(items, key)["meta"] for key in (4, 5, 7, 9)}
    assert found == {4: '"text"', 5: "12", 7: "[]", 9: '"007"'}
    assert row(items, 6)["deep"] == '{"x.y":"dotted","`q":"ticked"}'


def test_paths_may_have_dots_ticks_and_twins_in_another_case(items: dict[str, Any]) -> None:
    assert (row(items, 6)["dotted"], row(items, 6)["ticked"], row(items, 6)["upper"]) == ("dotted", "ticked", "upper")


def test_records_that_are_none_are_rejected_for_their_key(items: dict[str, Any]) -> None:
    without = [r for r in items["rows"] if r["itemId"] is None]
    assert len(without) == 7
    assert all(r["_reasons"] == ["required_present:itemId"] for r in without)


def test_the_latest_good_row_of_a_key_is_kept(items: dict[str, Any]) -> None:
    kept, left = row(items, 5, 0), row(items, 5, 1)
    assert (kept["at"] is None, kept["_duplicate"], left["_duplicate"]) == (False, False, True)
    assert [r["_duplicate"] for r in items["rows"] if r["itemId"] == 11] == [False, False], "a rejected row beats no good one"


def test_elements_of_arrays_are_rows(arrays: dict[str, Any]) -> None:
    lines = arrays["clean.orderLine"]
    assert len(lines) == arrays["clean.orderLine rows_in"] == 10
    good = {(r["orderName"], r["lineIndex"], r["lineId"], r["qty"]) for r in lines if not r["_reasons"] and not r["_duplicate"]}
    assert good == {("one again", 0, 10, None), ("one", 1, 11, 2), ("one again", 1, 13, None)}
    assert sum(r["_duplicate"] for r in lines) == 2
    assert {r["_raw"] for r in lines if r["_reasons"]} == {"null", "5", "text", '{"id":"x"}', '{"sku":"no id"}'}


def test_elements_may_be_plain_values(arrays: dict[str, Any]) -> None:
    tags = {r["tagIndex"]: (r["tag"], r["_reasons"]) for r in arrays["clean.orderTag"]}
    missing = (None, ["required_present:tag"])
    assert tags == {0: ("p", []), 1: ("1", []), 2: ('{"o":1.0}', []), 3: missing, 4: missing}


def test_arrays_in_arrays(arrays: dict[str, Any]) -> None:
    found = [(r["orderId"], r["lineId"], r["tagIndex"], r["tag"]) for r in arrays["clean.lineTag"]]
    assert sorted(found, key=str) == [(1, 10, 0, "x"), (1, 10, 1, None), (1, 10, 2, "y"), (1, 13, 0, "true"), (1, 13, 1, "[1,2]")]
    assert arrays["clean.lineTag rows_in"] == 5


def simple(world: World, steps: list[str]) -> list[dict[str, Any]]:
    world.records("extract.things", [{"id": 1, "n": " x "}, {"id": "a"}, {"id": 1}, {}])
    table = world.declare(
        table="clean.thing",
        **{"from": ["extract.things"]},
        primary_key=["thingId"],
        build={"kind": "flattening"},
        schema=[column("thingId", "int64", "id"), column("n", "text", "n")],
    )
    return world.made(table.model_copy(update={"steps": steps}))


@pytest.mark.parametrize("left_out", STEPS["flattening"][1:])
def test_a_step_that_is_taken_out_is_not_done_and_the_others_are(left_out: str, world: World) -> None:
    rows = simple(world, [step for step in STEPS["flattening"] if step != left_out])
    reasons = [reason for r in rows for reason in r["_reasons"]]
    duplicates = sum(r.get("_duplicate", False) for r in rows)
    texts = {r["n"] for r in rows}
    cast = left_out != "clean.cast_types"
    assert texts == ({None, " x "} if left_out == "clean.trim_text" else {None, "x"})
    assert ("types_hold:thingId" in reasons) == cast
    assert {type(r["thingId"]) for r in rows} - {type(None)} == {int if cast else str}
    assert ("required_present:thingId" in reasons) == (left_out != "clean.require_fields")
    if left_out == "clean.require_fields":
        assert duplicates == 1
    else:
        assert duplicates == (0 if left_out == "clean.deduplicate" else 1)


def test_only_parsing_gives_the_covenants_columns_as_text(world: World) -> None:
    rows = simple(world, STEPS["flattening"][:1])
    assert rows[0].keys() == {"thingId", "n", "_raw"}
    assert {r["thingId"] for r in rows} == {"1", "a", None}


def test_without_parsing_the_error_says_what_comes_first(world: World) -> None:
    with pytest.raises(SpectraError, match=r"clean\.thing has no rows yet: .* none before this one is clean\.parse_records"):
        simple(world, STEPS["flattening"][1:])


def test_no_records_make_no_rows(world: World) -> None:
    world.records("extract.things", [])
    table = world.declare(
        table="clean.thing",
        **{"from": ["extract.things"]},
        primary_key=["thingId"],
        build={"kind": "flattening", "array": "xs"},
        schema=[column("thingId", "int64", "id"), column("x", "text", "xs[].x")],
    )
    assert world.made(table) == []
    assert world.last.rows_in == 0


@pytest.mark.parametrize(("told", "believed"), [('{"xs": 3}', 3), ('{"xs": 7}', 7), ('{"xs": "3"}', 3), ('{"ys": 9}', 3)])
def test_elements_that_extract_counted_are_counted_again_where_that_does_not_fit(told: str, believed: int, world: World) -> None:
    world.records("extract.things", [{"id": 1, "xs": [{"x": "a"}, {"x": "b"}]}, {"id": 2, "xs": [{"x": "c"}]}, {"id": 3}])
    place = world.lakehouse.path(TableRef.parse("extract.things"))
    metadata = {"spectra.run_id": "run", FINGERPRINT: "same", f"spectra.{ELEMENTS}": told}
    write_deltalake(
        place,
        DeltaTable(place).to_pyarrow_table(),
        mode="overwrite",
        commit_properties=CommitProperties(custom_metadata=metadata),
    )
    table = world.declare(
        table="clean.thingX",
        **{"from": ["extract.things"]},
        primary_key=["thingId", "place"],
        build={"kind": "flattening", "array": "xs"},
        schema=[column("thingId", "int64", "id"), column("place", "int64", "@index"), column("x", "text", "xs[].x")],
    )
    assert world.draft(table).rows_in == believed
    with Delivery(world.work(table, datetime(2024, 6, 1, tzinfo=UTC))) as delivery:
        delivery.audit()
    assert delivery.draft.rows_in == 3


def test_several_values_of_a_parent_are_columns_of_their_own(world: World) -> None:
    rows = {r["title"]: r for r in clean_composite(world)["clean.issue"]}
    assert (rows["a"]["owner"], rows["a"]["repo"]) == ('oc"to', 7)
    assert {rows[title]["owner"] for title in "bc"} == {"x"}
    assert [rows[title]["_duplicate"] for title in "abc"] in ([False, False, True], [False, True, False])
    assert rows["d"]["_reasons"] == ["required_present:owner", "required_present:repo"]


def things(world: World, *columns: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a Clean table with these columns, by their ids."""
    table = world.declare(
        table="clean.thing",
        **{"from": ["extract.things"]},
        primary_key=["thingId"],
        build={"kind": "flattening"},
        schema=[column("thingId", "int64", "id"), *columns],
    )
    return sorted(world.made(table), key=lambda row: row["thingId"])


def test_texts_are_read_as_rules_say(world: World) -> None:
    came = [("1", -999999, "9999-12-31"), (2, "N/A", "2026-01-02"), (" 1 ", 7, None), ("3", 8, "soon")]
    world.records("extract.things", [{"id": n, "status": word, "n": size, "on": day} for n, (word, size, day) in enumerate(came)])
    read = {"status": {"1": "OPEN", "2": "CLOSED"}, "n": {"-999999": None, "N/A": None}, "on": {"9999-12-31": None}}
    kinds = {"status": "text", "n": "int64", "on": "date"}
    rows = things(world, *({**column(name, kind, name), "read_as": read[name]} for name, kind in kinds.items()))
    assert [row["status"] for row in rows] == ["OPEN", "CLOSED", "OPEN", "3"]
    assert [row["n"] for row in rows] == [None, None, 7, 8]
    assert [row["on"] is None for row in rows] == [True, False, True, True]
    assert [row["_reasons"] for row in rows] == [[], [], [], ["types_hold:on"]]


def test_words_for_none_are_no_numbers(world: World) -> None:
    came = [("172", "1,358.5"), ("Unknown", " n/a "), (96.5, "78.2"), (None, "soon")]
    world.records("extract.things", [{"id": n, "height": tall, "mass": mass} for n, (tall, mass) in enumerate(came)])
    kinds = {"height": ("float64", "number_or_none"), "mass": ("decimal", "decimal_grouped_or_none")}
    rows = things(world, *({**column(name, kind, name), "date_format": form} for name, (kind, form) in kinds.items()))
    assert [row["height"] for row in rows] == [172, None, 96.5, None]
    assert [None if row["mass"] is None else float(row["mass"]) for row in rows] == [1358.5, None, 78.2, None]
    assert [row["_reasons"] for row in rows] == [[], [], [], ["types_hold:mass"]], "another word is a bad value"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table counts as a large one."""
    monkeypatch.setattr(clean, "MANY", 0)


def delivered(world: World, table: Table) -> list[dict[str, Any]]:
    """The rows as they wait for their gates."""
    with Delivery(world.work(table, datetime(2024, 6, 1, tzinfo=UTC))) as delivery:
        delivery.audit()
        assert delivery.draft.unrepeated is not None
        assert delivery.staged is not None
        assert delivery.staged.rows == delivery.staged.accepted().count()
        return plain(delivery.staged.frame().toArrow())


def fates(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(tuple(str(row[name]) for name in sorted(row) if name != "_index") for row in rows)


@pytest.mark.usefixtures("large")
def test_a_large_table_has_the_same_rows(items: dict[str, Any], arrays: dict[str, Any], world: World) -> None:
    clean_entity(world)
    clean_arrays(world)
    for name, rows in {"clean.item": items["rows"], **arrays}.items():
        if isinstance(rows, list):
            assert fates(delivered(world, world.tables[name])) == fates(rows), name


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    ("ids", "duplicates"),
    [([1, 2, 3], 0), ([1, "1", 2], 1), ([1, " 1 ", 1.0], 2), (["a", "b"], 0), ([None, None], 0), ([1, "x", "x"], 0)],
)
def test_keys_of_a_large_table_are_compared_as_the_table_has_them(world: World, ids: list[Any], duplicates: int) -> None:
    world.records("extract.things", [{"n": f"row {number}", "id": key} for number, key in enumerate(ids)])
    table = world.declare(
        table="clean.thing",
        **{"from": ["extract.things"]},
        primary_key=["thingId"],
        build={"kind": "flattening"},
        schema=[column("thingId", "int64", "id"), column("n", "text", "n"), column("m", "text", "m")],
    )
    rows = delivered(world, table)
    assert len(rows) == len(ids)
    assert sum(row["_duplicate"] for row in rows) == duplicates


@pytest.mark.usefixtures("large")
def test_elements_of_a_record_that_came_twice_are_duplicates(world: World) -> None:
    world.records("extract.things", [{"id": 1, "xs": [{"x": 1}, {"x": 2}]}, {"id": 2, "xs": []}, {"id": 1, "xs": [{"x": 3}]}])
    table = world.declare(
        table="clean.thingX",
        **{"from": ["extract.things"]},
        primary_key=["thingId", "place"],
        build={"kind": "flattening", "array": "xs"},
        schema=[column("thingId", "int64", "id"), column("place", "int64", "@index"), column("x", "int64", "xs[].x")],
    )
    assert sorted((row["x"], row["_duplicate"]) for row in delivered(world, table)) == [(1, True), (2, False), (3, False)]


def test_only_rows_that_stay_behind_keep_what_they_were_made_from(items: dict[str, Any]) -> None:
    assert {row["_raw"] is None for row in items["rows"] if row["_reasons"]} == {False}
    assert {row["_raw"] is None for row in items["rows"] if not row["_reasons"]} == {True}
