"""Keys of several references, where no field tells records apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.paths import HASH
from spectra_assets.intelligence.model import EntityHint
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.prepare.fields.canonise import canonise
from spectra_assets.stages.prepare.fields.pairs import composed
from tests.relational import World


def entity(records: list[dict[str, Any]], references: tuple[str, ...] = ("userId", "teamId"), key: str = HASH) -> CanonEntity:
    hint = EntityHint(entity="membership", description="", routes=["/m"])
    made, _ = canonise(hint, Fetch(entity="membership", path="/m", primary_key=key), 0, records, None, [], {"membership"})
    fields = [f.model_copy(update={"references": f"{f.raw[:-2]}.id" if f.raw in references else None}) for f in made.fields]
    return made.model_copy(update={"fields": tuple(fields)})


def keys(records: list[dict[str, Any]], **more: Any) -> set[str]:
    return {field.raw for field in composed(entity(records, **more), records).fields if field.key}


GRID = [{"userId": user, "teamId": team} for user in range(4) for team in range(3)]
SPARSE = [{"userId": n % 10, "teamId": n % 7, "role": f"r{n}", "note": "x"} for n in range(60)]


def test_a_row_of_references_alone_is_told_by_them() -> None:
    assert keys(GRID) == {"userId", "teamId"}
    assert keys([{**row, "role": "a"} for row in GRID]) == {"userId", "teamId"}, "one more word makes no difference"


def test_what_says_more_needs_more_evidence() -> None:
    assert keys(SPARSE) == {"userId", "teamId"}, "chance would have shown the same pair more than twice"
    few = [{"userId": n, "teamId": n % 3, "role": f"r{n % 2}", "note": f"n{n}"} for n in range(12)]
    assert keys(few) == {HASH}, "that so few differ may be chance"


def test_columns_that_a_description_says_to_be_the_key_are_it_unless_rows_are_alike_in_them() -> None:
    """As PostgREST's: `This is a Primary Key.<pk/>` of `order_id` and `line`."""
    lines = [{"orderId": n // 3, "line": n % 3 + 1, "sku": f"S{n * 5 % 7}", "qty": n % 4} for n in range(6)]
    made = composed(entity(lines, references=()), lines, ["orderId", "line"])
    assert {field.raw for field in made.fields if field.key} == {"orderId", "line"}
    for wrong in (["orderId", "qty", "gone"], ["sku", "qty"], ["line"]):
        more = [*lines, {"orderId": 9, "line": 1, "sku": "S0", "qty": 0}]
        assert {f.raw for f in composed(entity(more, references=()), more, wrong).fields if f.key} == {HASH}


def test_the_smallest_set_is_taken() -> None:
    rows = [{**row, "roomId": n % 2} for n, row in enumerate(GRID)]
    assert keys(rows, references=("userId", "teamId", "roomId")) == {"userId", "teamId"}
    booked = [{"userId": n % 5, "teamId": n // 5 % 4, "roomId": n // 20, "x": n, "y": n} for n in range(100)]
    assert keys(booked, references=("userId", "teamId", "roomId")) == {"userId", "teamId", "roomId"}


@pytest.mark.parametrize(
    "rows",
    [
        [*GRID, {"userId": 0, "teamId": 0, "role": "other"}],
        [*GRID, {"userId": None, "teamId": 9}],
        GRID[:5],
        [{**row, "tags": [{"a": 1}]} for row in GRID],
    ],
    ids=["a pair twice", "a reference is missing", "too few", "nested rows hang on the hash"],
)
def test_what_is_not_shown_stays_with_the_hash(rows: list[dict[str, Any]]) -> None:
    assert HASH in keys(rows)


def test_records_with_a_key_of_their_own_keep_it() -> None:
    rows = [{**row, "id": n} for n, row in enumerate(GRID)]
    assert keys(rows, key="id") == {"id"}


TARIFFS = [
    {
        "code": f"T{n // 3:03d}",
        "validFrom": f"202{4 + n % 3}-01-01",
        "unit": "TEU",
        "price": n * 1.25,
        "at": f"2026-01-01T00:00:{n % 60:02d}Z",
    }
    for n in range(120)
]
SECTIONS = [
    {
        "courseCode": f"CS-{n // 6}",
        "semester": f"20{25 + n % 3}W",
        "group": n // 3 % 2 + 1,
        "room": f"R{n * n % 11}",
        "seats": n % 5,
    }
    for n in range(120)
]


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        (TARIFFS, {"code", "validFrom"}),
        ([{**row, "group": "AB"[row["group"] - 1]} for row in SECTIONS], {"courseCode", "semester", "group"}),
        (TARIFFS[:9], {HASH}),
        ([{"code": f"T{n % 9}", "remark": f"r{n}", "kind": "ab"[n % 2]} for n in range(120)], {HASH}),
        ([{"code": f"T{n // 3}", "price": n % 3 * 1.5, "open": n % 2 == 0} for n in range(120)], {HASH}),
    ],
    ids=["a code and from when", "a code, a term and a group", "too few", "a remark tells all", "amounts are no part of a key"],
)
def test_a_code_and_what_it_is_unique_with(rows: list[dict[str, Any]], key: set[str]) -> None:
    assert keys(rows, references=()) == key


def test_no_row_is_lost_by_a_key_that_does_not_hold(tmp_path: Path, engine: Engine) -> None:
    world = World(tmp_path, engine)
    table = world.declare(
        table="clean.membership",
        **{"from": ["extract.memberships", "prepare.schema"]},
        primary_key=["userId", "teamId"],
        build={"kind": "flattening", "repeats_by": "membershipHash"},
        schema=[
            {"name": name, "type": "int64" if name != "membershipHash" else "text", "source": [source], "required": True}
            for name, source in (("userId", "userId"), ("teamId", "teamId"), ("membershipHash", HASH))
        ],
    )
    rows = [{"userId": 1, "teamId": 2}, {"userId": 1, "teamId": 2}, {"userId": 1, "teamId": 2, "role": "second"}]
    world.records("extract.memberships", [json.dumps(row) for row in rows], hashes=["a", "a", "b"])
    made = world.made(table, datetime(2026, 1, 1, tzinfo=UTC))
    assert sorted((row["membershipHash"], row["_duplicate"]) for row in made) == [("a", False), ("a", True), ("b", False)]
