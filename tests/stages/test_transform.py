"""Transform: dimensions with history, the calendar, facts and bridges."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.engine import Engine
from tests.golden.scenarios import CYCLE, DAY, column, dimension, empty_star, history, star
from tests.relational import World


@pytest.fixture
def world(tmp_path: Path, engine: Engine) -> World:
    return World(tmp_path, engine)


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> dict[str, Any]:
    return history(World(tmp_path_factory.mktemp("history"), engine))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> dict[str, Any]:
    return star(World(tmp_path_factory.mktemp("star"), engine))


def versions(rows: list[dict[str, Any]], key: int) -> list[tuple[Any, ...]]:
    """(name, valid from, valid to, current) of a key, days only, oldest first."""
    found = [r for r in rows if r["cycleId"] == key]
    found.sort(key=lambda r: r["validFrom"])
    return [(r["cycleName"], r["validFrom"][:10], (r["validTo"] or "")[:10], r["isCurrent"]) for r in found]


def test_the_first_load_holds_for_all_time_before(loads: dict[str, Any]) -> None:
    rows = loads["1 first"]
    assert {r["validFrom"] for r in rows} == {"1900-01-01T00:00:00Z"}
    assert [r["cycleId"] for r in rows if r["cycleKey"] == -1] == [-1]
    assert versions(rows, 2) == [("two", "1900-01-01", "", True)], "a delivered member wins over a declared one"
    assert versions(rows, 0) == [("Anyone", "1900-01-01", "", True)]


@pytest.mark.parametrize(
    ("before", "after"), [("1 first", "1 again later"), ("2 changed, vanished, new", "2 again in the same instant")]
)
def test_the_same_data_changes_nothing(before: str, after: str, loads: dict[str, Any]) -> None:
    assert loads[before] == loads[after]


def test_changed_vanished_and_new_members(loads: dict[str, Any]) -> None:
    rows = loads["2 changed, vanished, new"]
    assert versions(rows, 1) == [("one", "1900-01-01", "2024-06-04", False), ("ONE", "2024-06-04", "", True)]
    assert versions(rows, 2) == [("two", "1900-01-01", "", True)]
    assert versions(rows, 3) == [("drei 😀", "1900-01-01", "2024-06-04", False)]
    assert versions(rows, 4) == [("vier", "2024-06-04", "", True)]


def test_a_second_change_in_one_instant_replaces_the_version(loads: dict[str, Any]) -> None:
    rows = loads["2 other change in the same instant"]
    assert versions(rows, 1) == [("one", "1900-01-01", "2024-06-04", False), ("uno", "2024-06-04", "", True)]
    assert versions(loads["2 new member vanishes in the same instant"], 4) == []


def test_a_member_that_comes_back_gets_a_new_version(loads: dict[str, Any]) -> None:
    assert versions(loads["3 back"], 3) == [("drei 😀", "1900-01-01", "2024-06-04", False), ("drei 😀", "2024-06-05", "", True)]


def test_a_clock_that_runs_backwards_makes_no_overlap(loads: dict[str, Any]) -> None:
    assert versions(loads["4 clock ran backwards"], 1)[-1] == ("eins", "2024-06-04", "", True)


def test_a_clock_that_runs_backwards_loses_no_version(loads: dict[str, Any]) -> None:
    rows = loads["4 clock ran backwards"]
    assert [name for name, *_ in versions(rows, 1)] == ["one", "uno", "eins"]
    assert [name for name, *_ in versions(rows, 2)] == ["two", "two", "declared"]


def test_a_new_attribute_is_filled_in_without_new_versions(loads: dict[str, Any]) -> None:
    before, after, changed = (loads[name] for name in ("4 clock ran backwards", "5 new attribute", "6 changed new attribute"))
    assert [r | {"owner": None} for r in before] == [r | {"owner": None} for r in after]
    assert {r["owner"] for r in after if r["cycleId"] == 1} == {None, "ann"}
    assert [r["owner"] for r in sorted(changed, key=lambda r: r["validFrom"]) if r["cycleId"] == 1] == [None, None, "ann", "bob"]


def test_every_load_is_a_history(loads: dict[str, Any]) -> None:
    for name, rows in loads.items():
        assert len({r["cycleKey"] for r in rows}) == len(rows), name
        for key in {r["cycleId"] for r in rows}:
            mine = sorted((r for r in rows if r["cycleId"] == key), key=lambda r: r["validFrom"])
            assert sum(r["isCurrent"] for r in mine) <= 1, name
            assert all(r["validTo"] is None or r["validFrom"] < r["validTo"] for r in mine), name
            assert all(a["validTo"] <= b["validFrom"] for a, b in pairwise(mine)), name


def test_nothing_is_deleted_when_nothing_is_delivered(loads: dict[str, Any]) -> None:
    rows = loads["7 nothing delivered"]
    assert len(rows) == len(loads["6 changed new attribute"])
    assert {r["cycleId"] for r in rows if r["isCurrent"]} == {-1, 0, 2}, "the declared members"


def test_the_unknown_member_changes_in_place(world: World) -> None:
    table = dimension(world)
    world.rows("clean.cycle", CYCLE, [(1, "one", None, None)])
    world.made(table, DAY[0], publish=True)
    build = table.build.model_copy(update={"members": [{"cycleId": -1, "cycleName": "Nobody knows"}]})
    renamed = table.model_copy(update={"build": build})
    unknown = [r for r in world.made(renamed, DAY[1], publish=True) if r["cycleKey"] == -1]
    assert [(r["cycleName"], r["validFrom"][:4], r["isCurrent"]) for r in unknown] == [("Nobody knows", "1900", True)]
    gone = table.model_copy(update={"build": table.build.model_copy(update={"members": []})})
    unknown = [r for r in world.made(gone, DAY[2], publish=True) if r["cycleKey"] == -1]
    assert [(r["validTo"] is None, r["isCurrent"]) for r in unknown] == [(False, False)]
    unknown = [r for r in world.made(renamed, DAY[3]) if r["cycleKey"] == -1]
    assert [(r["validTo"], r["isCurrent"]) for r in unknown] == [(None, True)]


def test_another_natural_key_leaves_one_unknown_member(world: World) -> None:
    table = dimension(world)
    world.rows("clean.cycle", CYCLE, [(1, "one", None, None)])
    world.made(table, DAY[0], publish=True)
    members = [{"cycleId": -1, "cycleName": "-1"}]
    build = table.build.model_copy(update={"natural_key": "cycleName", "members": members})
    rows = world.made(table.model_copy(update={"build": build}), DAY[1], publish=True)
    assert [(r["cycleName"], r["isCurrent"], r["validTo"]) for r in rows if r["cycleKey"] == -1] == [("-1", True, None)]
    assert [(r["cycleName"], r["isCurrent"]) for r in rows if r["cycleId"] == 1] == [("one", True)], (
        "the others go on by the new key"
    )


def test_a_column_of_another_type_keeps_the_history(world: World) -> None:
    table = dimension(world)
    world.rows("clean.cycle", CYCLE, [(1, "one", None, 1.5)])
    world.made(table, DAY[0], publish=True)
    world.rows("clean.cycle", CYCLE, [(1, "two", None, 1.5)])
    world.made(table, DAY[1], publish=True)
    columns = [c.model_copy(update={"type": "text"}) if c.name == "weightKg" else c for c in table.schema_]
    rows = [(1, "two", None, "heavy")]
    world.rows("clean.cycle", CYCLE | {"weight": CYCLE["cycleName"]}, rows)
    found = [r for r in world.made(table.model_copy(update={"schema_": columns}), DAY[2]) if r["cycleId"] == 1]
    assert sorted((r["cycleName"], r["weightKg"], r["isCurrent"]) for r in found) == [
        ("one", "1.5", False),
        ("two", "heavy", True),
    ]


def test_a_member_with_an_unknown_column_is_refused(world: World) -> None:
    table = dimension(world)
    world.rows("clean.cycle", CYCLE, [])
    build = table.build.model_copy(update={"members": [{"cycleId": -1, "colour": "red"}]})
    with pytest.raises(SpectraError, match=r"a member of transform\.dimCycle has colour, which is none of its columns"):
        world.draft(table.model_copy(update={"build": build}))


def test_values_without_a_label_are_unmapped(built: dict[str, Any]) -> None:
    labels = {r["statusId"]: r["statusName"] for r in built["dimStatus"]}
    assert labels == {-1: "NOT EXECUTED", 1: "PASS", 2: "FAIL", 7: "UNMAPPED"}
    assert [r["statusKey"] for r in built["dimStatus"] if r["statusId"] == -1] == [-1]


def test_the_calendar_has_every_day_of_the_years(built: dict[str, Any]) -> None:
    assert built["dimDate size"] == (2031 - 2023 + 1) * 365 + 2 + 1, "two leap days, and the unknown day"
    days = {r["dateKey"]: r for r in built["dimDate"]}
    leap, last = days[20240229], days[20241230]
    assert (leap["dayName"], leap["monthName"], leap["quarter"], leap["dayOfWeek"], leap["isWeekend"]) == (
        "Thursday",
        "February",
        1,
        4,
        False,
    )
    assert (last["dayName"], last["week"], last["weekYear"], last["year"]) == ("Monday", 1, 2025, 2024)
    assert (days[20241229]["dayName"], days[20241229]["dayOfWeek"], days[20241229]["isWeekend"]) == ("Sunday", 7, True)
    assert set(days[-1].values()) == {-1, None}


def test_without_dates_there_is_only_the_unknown_day(world: World) -> None:
    assert [r["dateKey"] for r in empty_star(world)["dimDate"]] == [-1]


def test_facts_refer_to_the_version_of_their_instant(built: dict[str, Any]) -> None:
    names = {r["cycleKey"]: (r["cycleName"], r["isCurrent"]) for r in built["dimCycle"]}
    rows = {r["id"]: r for r in built["factExecution"]}
    assert built["factExecution rows_in"] == len(built["factExecution"]) == len(rows) == 10
    found = {number: names.get(r["cycleKey"]) for number, r in rows.items()}
    assert found == {
        1: ("one", False), 2: ("one", False), 3: ("ONE", True), 4: ("ONE", True), 5: ("Unknown", True), 6: ("Unknown", True),
        7: None, 8: None, 9: ("late", True), 10: ("two", True),
    }  # fmt: skip
    assert rows[7]["cycleKey"] is None, "a value that no member has is no unknown one"
    assert all(r["cycleKey"] == r["sameCycleKey"] for r in rows.values())
    assert (rows[3]["testerKey"], rows[5]["testerKey"], rows[4]["testerKey"]) == (-1, -1, None)


def test_facts_refer_to_days(built: dict[str, Any]) -> None:
    rows = {r["id"]: (r["atKey"], r["dueKey"]) for r in built["factExecution"]}
    assert rows[3] == (20240604, 20231231)
    assert rows[4] == (-1, -1), "no date, and one that no calendar holds"


def test_a_bridge_has_one_row_per_pair(built: dict[str, Any]) -> None:
    assert len(built["bridgeLink"]) == built["bridgeLink rows_in"] == 4
    assert len({(r["phaseKey"], r["statusKey"]) for r in built["bridgeLink"]}) == 4


def test_a_step_that_is_taken_out_leaves_no_helper_columns(world: World) -> None:
    star(world)
    fact = world.tables["transform.factExecution"].model_copy(update={"steps": ["transform.select_events"]})
    assert world.made(fact, DAY[5])[0].keys() == {"id", "atKey", "dueKey", "status", "at", "text"}
    cycles = world.tables["transform.dimCycle"]
    members = world.made(cycles.model_copy(update={"steps": ["transform.select_members"]}), DAY[5])
    assert members[0].keys() == {"cycleId", "cycleName", "startDate", "weightKg"}
    with pytest.raises(SpectraError, match=r"none before this one is transform\.list_values or transform\.select_members"):
        world.draft(cycles.model_copy(update={"steps": ["transform.track_history"]}))


def test_a_record_that_the_api_marks_as_deleted_is_closed_and_left_out(world: World) -> None:
    """One is deleted from the start; one is deleted, comes back, and is gone at last. Lines of a deleted order are left out."""
    orders = {"id": pa.int64(), "state": pa.string()}
    gone = {"table": "clean.order", "column": "state", "values": ["deleted"]}
    world.declare(table="clean.order", schema=[column("id", "int64"), column("state", "text")])
    dim = world.declare(
        table="transform.dimOrder",
        **{"from": ["clean.order"]},
        primary_key=["orderKey"],
        build={"kind": "dimension", "natural_key": "id", "surrogate_key": "orderKey", "members": [{"id": -1}], "gone": gone},
        schema=[
            column("orderKey", "int64"), column("id", "int64"), column("state", "text"),
            column("validFrom", "timestamp"), column("validTo", "timestamp"), column("isCurrent", "bool"),
        ],
    )  # fmt: skip
    fact = world.declare(
        table="transform.factLine",
        **{"from": ["clean.line", "transform.dimOrder", "clean.order"]},
        primary_key=["line"],
        build={
            "kind": "fact",
            "references": [{"name": "orderKey", "dimension": "dimOrder", "column": "orderId"}],
            "gone": {**gone, "on": {"orderId": "id"}},
        },
        schema=[column("line", "int64"), column("orderKey", "int64")],
    )
    world.rows("clean.line", {"line": pa.int64(), "orderId": pa.int64()}, [(1, 1), (2, 1), (3, 2), (4, 3), (5, None)])

    def load(day: int, *states: str) -> tuple[dict[int, list[tuple[str, str, bool]]], list[int], int]:
        world.rows("clean.order", orders, [(number, state) for number, state in enumerate(states, 1)])
        found: dict[int, list[tuple[str, str, bool]]] = {}
        for row in sorted(world.made(dim, DAY[day], publish=True), key=lambda row: row["validFrom"]):
            found.setdefault(row["id"], []).append((row["validFrom"][:10], (row["validTo"] or "")[:10], row["isCurrent"]))
        lines = [row["line"] for row in world.made(fact, DAY[day])]
        assert world.last.rows_in == len(lines) + world.last.evidence["deleted"]
        return found, sorted(lines), world.last.evidence["deleted"]

    versions, lines, deleted = load(1, "open", "open", "deleted")
    assert versions[3] == [("1900-01-01", "2024-06-02", False)], "it was there before anybody looked"
    assert (lines, deleted) == ([1, 2, 3, 5], 1)
    assert load(2, "open", "open", "deleted")[0] == versions, "nothing changed"
    versions, lines, deleted = load(3, "deleted", "open", "deleted")
    assert versions[1] == [("1900-01-01", "2024-06-04", False)]
    assert (lines, deleted) == ([3, 5], 3)
    versions, lines, deleted = load(4, "open", "open", "deleted")
    assert versions[1] == [("1900-01-01", "2024-06-04", False), ("2024-06-05", "", True)]
    assert (lines, deleted) == ([1, 2, 3, 5], 1)
    versions, lines, deleted = load(5, "open")
    assert versions[2] == [("1900-01-01", "2024-06-06", False)]
    assert versions[3] == [("1900-01-01", "2024-06-02", False)], "nothing is left of the record, and its version stays"


WIDE = 200
"""Columns of one table, as systems for tickets, accounts and orders have them."""


def test_a_dimension_of_very_many_attributes_goes_on(world: World) -> None:
    names = [f"a{number}" for number in range(WIDE)]
    table = world.declare(
        table="transform.dimCycle",
        **{"from": ["clean.cycle"]},
        primary_key=["cycleKey"],
        build={"kind": "dimension", "natural_key": "cycleId", "surrogate_key": "cycleKey", "members": []},
        schema=[
            column("cycleKey", "int64"),
            *(column(name, "int64", lineage=[f"clean.cycle.{name}"]) for name in ("cycleId", *names)),
            column("validFrom", "timestamp"),
            column("validTo", "timestamp"),
            column("isCurrent", "bool"),
        ],
    )
    schema = dict.fromkeys(("cycleId", *names), pa.int64())
    for day, last in enumerate((7, 7, 8)):
        world.rows("clean.cycle", schema, [(1, *range(WIDE - 1), last), (2, *range(WIDE))])
        rows = world.made(table, DAY[day], publish=True)
    assert [(r[names[-1]], r["isCurrent"]) for r in sorted(rows, key=lambda r: r["validFrom"]) if r["cycleId"] == 1] == [
        (7, False),
        (8, True),
    ]
    assert [r["isCurrent"] for r in rows if r["cycleId"] == 2] == [True]


def test_a_fact_refers_to_very_many_dimensions(world: World) -> None:
    world.rows("clean.cycle", CYCLE, [(1, "one", None, None), (2, "two", None, None)])
    world.made(dimension(world), DAY[0], publish=True)
    ends = [f"by{number}" for number in range(40)]
    world.rows("clean.call", dict.fromkeys(("id", *ends), pa.int64()), [(1, *[1, 2] * 20), (2, *[None, 7] * 20)])
    fact = world.declare(
        table="transform.factCall",
        **{"from": ["clean.call", "transform.dimCycle"]},
        primary_key=["id"],
        build={
            "kind": "fact",
            "references": [{"name": f"{end}Key", "dimension": "dimCycle", "column": end} for end in ends],
            "scalars": [],
            "dates": {},
        },
        schema=[column("id", "int64"), *(column(f"{end}Key", "int64") for end in ends)],
    )
    one, two = sorted(world.made(fact, DAY[1]), key=lambda row: row["id"])
    keys = {row["cycleId"]: row["cycleKey"] for row in world.made(dimension(world), DAY[1])}
    assert [one[f"{end}Key"] for end in ends] == [keys[1], keys[2]] * 20
    assert [two[f"{end}Key"] for end in ends] == [-1, None] * 20


def test_a_fact_that_refers_to_days_alone_is_made(world: World) -> None:
    """Entries of a log: no dimension but the calendar."""
    world.rows("clean.call", dict.fromkeys(("id", "size"), pa.int64()), [(1, 5), (2, None)])
    fact = world.declare(
        table="transform.factCall",
        **{"from": ["clean.call"]},
        primary_key=["id"],
        build={"kind": "fact", "references": [], "scalars": ["size"], "dates": {}},
        schema=[column("id", "int64"), column("size", "int64")],
    )
    assert sorted((row["id"], row["size"]) for row in world.made(fact, DAY[0])) == [(1, 5), (2, None)]
