"""Elements of arrays, read together with their array or one by one: the same rows, whatever the records hold."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.clean.records import HELD, element, flattened

ELEMENTS = (
    r'{"a":"x","o":{"z":1,"b":[1,{"c":"\u00e4\"\\"}]}}', r'{"a":"x","a":"y"}', '{"A":"upper","a":"lower"}', r'{"a":"line\nend","t":{"u":""}}',
    '{"a":12345678901234567890,"n":-0}', '{"a":1e3,"n":1.50}', '{"a":true,"n":null}', '{"a":[1, 2],"t":{"u":7}}', '{"a":"","t":"none"}',
    '{"t":{"u":{"v":1}}}', "{}", "null", "5", "true", '"text"', r'"{\"a\":\"in a text\",\"t\":{\"u\":\"deep\"}}"', "[]", '[{"a":"nested"}]',
    '"[1]"', '""', '{"a":1.0000000000000001,"n":1e400}',
)  # fmt: skip
RECORDS = (
    *(f'{{"id":{place},"steps":[{text}],"x":"y"}}' for place, text in enumerate(ELEMENTS)),
    f'{{"id":"all","steps":[{", ".join(ELEMENTS[:-1])}]}}',
    '{"id":1}', '{"id":1,"steps":null}', '{"id":1,"steps":[]}', '{"id":1,"steps":{"a":"an object"}}', '{"id":1,"steps":"[1]"}',
    '{"id":1,"steps":[{"a":1}],"steps":[{"a":2}]}', '{"id":1,"steps":[{"a":1},]}', '{"id":1,"steps":[{"a":1}', "[]", "null", "no JSON", "",
)  # fmt: skip
PATHS = ["id", "steps[].a", "steps[].n", "steps[].t.u", "steps[].o"]


def rows(engine: Engine, at_once: bool) -> tuple[set[str], list[tuple[Any, ...]]]:
    frame = engine.session.createDataFrame(list(enumerate(RECORDS)), "sequence bigint, record string")
    found = flattened(frame, "record", PATHS, "steps", ["sequence"], at_once=at_once)
    raw = element().alias("_raw") if HELD in found.columns else F.col("_raw")
    told = found.select("sequence", "_index", raw, *(f"_leaf_{i}" for i in range(len(PATHS)))).collect()
    return set(found.columns), sorted(map(tuple, told), key=lambda row: row[:2])


@pytest.fixture(scope="module")
def together(engine: Engine) -> tuple[set[str], list[tuple[Any, ...]]]:
    return rows(engine, at_once=True)


def test_elements_read_at_once_are_those_read_one_by_one(
    engine: Engine, together: tuple[set[str], list[tuple[Any, ...]]]
) -> None:
    columns, one_by_one = rows(engine, at_once=False)
    assert HELD in together[0]
    assert HELD not in columns
    assert len(together[1]) > 2 * len(ELEMENTS) - 2
    differing = [pair for pair in zip(together[1], one_by_one, strict=True) if pair[0] != pair[1]]
    assert differing == []


def test_a_text_that_holds_an_object_is_read_as_one(together: tuple[set[str], list[tuple[Any, ...]]]) -> None:
    place = next(place for place, text in enumerate(ELEMENTS) if "in a text" in text)
    assert next(row for row in together[1] if row[0] == place)[3:] == (str(place), "in a text", None, "deep", None)


@pytest.mark.parametrize("paths", [["id", "steps[]"], ["id", "steps[].a", "steps[].a.b"], ["id", "steps[].a", "steps[]."]])
def test_what_one_schema_can_not_hold_is_read_one_by_one(paths: list[str], engine: Engine) -> None:
    frame = engine.session.createDataFrame([(1, RECORDS[0])], "sequence bigint, record string")
    found = flattened(frame, "record", paths, "steps", ["sequence"], at_once=True)
    assert HELD not in found.columns
    assert found.count() == 1
