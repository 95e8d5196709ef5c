"""Analyse: measures, charts and the semantic model."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from spectra_assets.covenant.build import Chart
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.analyse.chart import MOST_BYTES, draw, label
from tests.golden.scenarios import calendar, column, dimension, kpi, measures, refined
from tests.relational import World


@pytest.fixture
def world(tmp_path: Path, engine: Engine) -> World:
    return World(tmp_path, engine)


def test_measures_by_their_rules(world: World) -> None:
    found = measures(world)
    by_cycle = {r["cycleName"]: r for r in found["analyse.byCycle"]}
    assert by_cycle["two"] == {
        "cycleName": "two", "isCurrent": True, "n": 2, "passed": 2, "minutes": 0.3, "last": "2024-06-03",
        "rate": 100.0, "share": 33.3,
    }  # fmt: skip
    assert [r["open"] for r in found["analyse.burndown"]] == [5, 3, 2], "what is not executed yet counts as open"
    assert found["analyse.total"] == [{"n": 0, "none": None}]
    assert [r["x"] for r in found["analyse.rowLevel"]] == [6, 14]
    assert {r["status"] for r in found["analyse.groups"]} == {1, 2, None}


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("id", [1, 2, 3]),
        ("id desc", [7, 6, 5]),
        ("status DESC NULLS FIRST", [3, 7]),
        ("status" + " " * 20_000 + "desc  nulls\n first ", [3, 7]),
        ("coalesce(minutes, 0) desc nulls last", [6, 3, 1]),
    ],
)
def test_the_order_is_the_rules(order: str, ids: list[int], world: World) -> None:
    world.made(refined(world), publish=True)
    draft = world.draft(kpi(world, "ordered", order_by=[order, "id"]))
    assert draft.frame is not None
    assert [r["id"] for r in draft.frame.toArrow().to_pylist()][: len(ids)] == ids
    assert draft.rows_in == 7


def test_a_measure_that_does_not_work_is_named(world: World) -> None:
    world.made(refined(world), publish=True)
    with pytest.raises(SpectraError, match="the measure broken does not work"):
        world.draft(kpi(world, "broken", group_by=["id"], measures={"n": "sum(nothing)"}))


def test_the_chart_is_drawn_from_the_first_rows(world: World) -> None:
    world.made(refined(world), publish=True)
    chart = {"type": "bar", "title": "Rows", "x": "id", "y": ["n"], "top": 3}
    table = kpi(world, "charted", group_by=["id"], measures={"n": "count(*)"}, order_by=["id desc"], chart=chart)
    svg = world.draft(table).notes["chart"]
    labels = [text for text in texts(svg) if text in set("1234567")]
    assert {"7", "6", "5"} <= set(labels)
    assert not {"2", "4"} & set(labels)
    assert "chart" not in world.draft(kpi(world, "plain", group_by=["id"], measures={"n": "count(*)"})).notes
    with pytest.raises(SpectraError, match=r"the chart of analyse\.wrong shows z, which"):
        world.draft(kpi(world, "wrong", measures={"n": "count(*)"}, chart=chart | {"x": "z"}))


# ---------------------------------------------------------------- charts

HOSTILE = "<script>alert(1)</script>&\"'\x00\x07\x1b[31m\u202eevil\u2066 😀 " + "x" * 500


def chart(kind: str, rows: list[dict[str, Any]], **more: Any) -> str:
    return draw(
        Chart.model_validate({"type": kind, "title": "A <b>title</b> & more", "x": "x", "y": ["y", "zCount"], **more}), rows
    )


def texts(svg: str) -> list[str]:
    return [text for element in ElementTree.fromstring(svg).iter() if (text := (element.text or "").strip())]  # noqa: S314


@pytest.mark.parametrize("kind", ["bar", "line", "stacked"])
@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_charts_are_small_still_and_the_same_each_time(kind: str, count: int) -> None:
    rows = [{"x": f"{i} {HOSTILE}", "y": i * 1.5, "zCount": None if i % 3 else Decimal(i)} for i in range(count)]
    svg = chart(kind, rows, top=1000)
    assert svg == chart(kind, rows, top=1000)
    assert len(svg.encode()) <= MOST_BYTES
    assert "A <b>title</b> & more" in texts(svg)
    assert not re.search(r"<script|javascript:|\son[a-z]+=|href|url\(|@import|<!--|<foreignObject", svg, re.IGNORECASE)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", svg)
    assert "x" * 41 not in svg


def test_charts_show_days_and_odd_numbers() -> None:
    days = [
        {"x": date(2024, 1, 1) + timedelta(days=i), "y": i, "zCount": float("nan") if i else float("inf")} for i in range(390)
    ]
    shown = texts(chart("line", days, top=400))
    assert "2024-01-01" in shown
    assert "Z count" in shown
    assert len([text for text in shown if re.fullmatch(r"2024-\d\d-\d\d", text)]) <= 40, "labels that do not overlap"


def test_charts_can_be_read_in_a_small_window() -> None:
    few = chart("line", [{"x": n, "y": n, "zCount": 3 - n} for n in range(4)])
    assert {"0", "1", "2", "3"} <= set(texts(few))
    assert not {"0.2", "0.5", "1.5", "2.5"} & set(texts(few)), "gaps and rows are whole"
    names = [f"somebody with a long name {n}" for n in range(15)]
    lying = chart("bar", [{"x": name, "y": 94_566, "zCount": 1} for name in names])
    assert {*names, "94,566"} <= set(texts(lying))
    for svg in (few, lying):
        assert int(ElementTree.fromstring(svg).attrib["viewBox"].split()[2]) <= 520  # noqa: S314


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "(none)"),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02"),
        ("a\nb\t c\x00\u200b", "a b c"),
        ("é" * 41, "é" * 39 + "…"),
        (12, "12"),
    ],
)
def test_labels_are_one_short_line(value: object, text: str) -> None:
    assert label(value) == text


# ---------------------------------------------------------------- the semantic model


def test_the_model_has_tables_columns_relationships_and_measures(world: World) -> None:
    dimension(world)
    calendar(world)
    refined(world)
    world.declare(
        table="transform.factExecution",
        **{"from": ["clean.execution", "transform.dimCycle", "transform.dimDate"]},
        primary_key=["id"],
        build={
            "kind": "fact",
            "references": [{"name": "cycleKey", "dimension": "dimCycle", "column": "cycleId"}],
            "dates": {"dayKey": "at"},
        },
    )
    for name, names in (("factExecution", ("id", "cycleKey", "dayKey")), ("dimCycle", ("cycleKey",)), ("dimDate", ("dateKey",))):
        world.declare(
            table=f"refine.{name}",
            **{"from": [f"transform.{name}"]},
            build={"kind": "refinement"},
            schema=[column(n, "int64", description=f"The {n}.", lineage=[f"transform.{name}.{n}"]) for n in names],
        )
    kpi(world, "total", measures={"n": "count(*)"}, after={"twice": "n * 2"})
    rows = world.made(world.declare(table="analyse.semanticModel"))
    found = {(r["kind"], r["table"], r["name"]): r for r in rows}
    assert found["table", "refine.factExecution", "factExecution"]["type"] == "fact"
    assert found["column", "refine.dimCycle", "cycleKey"] == {
        "kind": "column", "name": "cycleKey", "table": "refine.dimCycle", "expression": "transform.dimCycle.cycleKey",
        "type": "int64", "description": "The cycleKey.",
    }  # fmt: skip
    assert found["relationship", "refine.factExecution", "cycleKey"]["expression"] == "refine.dimCycle.cycleKey"
    assert found["relationship", "refine.factExecution", "dayKey"]["expression"] == "refine.dimDate.dateKey"
    assert found["measure", "analyse.total", "n"]["expression"] == "count(*)"
    assert found["measure", "analyse.total", "twice"]["expression"] == "n * 2"
    assert len(found) == len(rows) == 3 + 5 + 2 + 2
